from __future__ import annotations

from pathlib import Path

import pytest

from tests.golden.replay import VERSIONS, Replay, catalog


def test_three_versions_are_recorded() -> None:
    assert VERSIONS == ["2024.3.3", "2025.4.4", "2026.11.0"]


@pytest.mark.parametrize("version", VERSIONS)
def test_recorded_frames_become_the_golden_points_without_an_unknown_message(version: str, updating: bool) -> None:
    golden = Path(__file__).parent / f"points-{version}.txt"
    replay = Replay(version)
    text = replay.text()
    if updating:
        golden.write_text(text, "utf-8")
    assert replay.unexpected == []
    assert text == golden.read_text("utf-8")


@pytest.mark.parametrize("version", VERSIONS)
def test_the_golden_points_show_every_nature_and_no_secret(version: str) -> None:
    text = (Path(__file__).parent / f"points-{version}.txt").read_text("utf-8")
    kinds = {"changed", "attributes", "removed"} | ({"startup", "restored"} if version != "2026.11.0" else {"startup"})
    assert all(f'kind="{kind}"' in text for kind in kinds)
    assert 'origin="snapshot"' in text
    assert all(secret not in text for secret in ("access_token", "entity_picture", '"token"'))
    assert all(seen in text for seen in ("area_id=", "device_id=", "°C", "left out"))


def test_a_child_device_is_in_the_area_of_the_device_above() -> None:
    registered = catalog("2026.11.0")
    areas = {registered.facts(f"sensor.power_strip_with_2_sockets_outlet_{number}_power").area_id for number in (1, 2)}
    assert areas == {"wohnzimmer"}


def test_the_frames_of_a_recording_hold_many_changes_each() -> None:
    sizes = [len(frame.changes) for frame in Replay("2025.4.4")._frames()]
    assert max(sizes[1:]) > 20
