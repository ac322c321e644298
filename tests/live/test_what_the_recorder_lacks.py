"""What Home Assistant's recorder does not hold cannot be filled in: the ledger says what, and why.

A quarter of the sensors is excluded from the recorder. The services are stopped while all of them change, everything is
purged from the recorder, and they start again; then the line is cut, and cut again while only excluded ones change.
"""

from __future__ import annotations

import time
from collections import Counter
from typing import Any

import pytest
from attrs import frozen

from ingest.core.recorder import NOT_RECORDED, PURGED
from tests.live.homeassistant import HomeAssistant
from tests.live.lab import wait_for
from tests.live.outages import QUIET, STORES, two_services, wait_connected
from tests.live.recorded import EXCLUDED, Key, reasons, recorded, stored
from tests.live.servers import Database

pytestmark = pytest.mark.live

RATE, ENTITIES, HIDDEN = 20, 20, 5
FILLED = 150.0
"""Seconds within which nothing is left to do: what never comes is asked for once more after 65 s, and then no longer."""


@frozen
class Story:
    """What each held at the end, of the time that was promised; and the gaps of each, by their story."""

    recorded: dict[Key, str]
    stored: dict[str, dict[Key, str]]
    beyond: dict[str, Counter[str]]
    purged: dict[str, dict[str, Any]]
    cut: dict[str, dict[str, Any]]
    hidden: dict[str, dict[str, Any]]


def purge(home: HomeAssistant, since_ns: int) -> None:
    """Throw away all that the recorder has."""
    home.admin.call("recorder", "purge", keep_days=0)
    wait_for(lambda: not recorded(home.config, since_ns, time.time_ns()), "the recorder is empty", 30)


@pytest.fixture(scope="module")
def story(newest_home_assistant: HomeAssistant, influxdb: Database, tmp_path_factory: pytest.TempPathFactory) -> Story:
    home, folder = newest_home_assistant, tmp_path_factory.mktemp("lacking")

    def flow(rate: float, entities: int = ENTITIES) -> None:
        home.admin.call("lab_gen", "flow", rate=rate, entities=entities, hidden=HIDDEN)

    flow(RATE)
    with two_services(folder, home, influxdb) as (line, services):
        since_ns = time.time_ns()
        time.sleep(2)
        for one in services.values():
            one.service.stop()
        time.sleep(3)
        flow(0)
        time.sleep(QUIET)
        purge(home, since_ns)
        purged_ns = time.time_ns()
        flow(RATE)
        time.sleep(3)
        for one in services.values():
            one.service = one.service.again()
        wait_connected(services.values())
        time.sleep(5)
        line.become("refuse")
        time.sleep(3)
        line.become("fair")
        wait_connected(services.values())
        flow(RATE, HIDDEN)
        time.sleep(3)
        line.become("refuse")
        time.sleep(1)
        line.become("fair")
        wait_connected(services.values())
        time.sleep(1)
        flow(0)
        until_ns = time.time_ns()
        for one in services.values():
            one.wait_filled(FILLED)
        kept = recorded(home.config, since_ns, until_ns)
        found = {name: stored(one.read(), since_ns, until_ns) for name, one in services.items()}
        gaps = {name: one.service.gaps() for name, one in services.items()}
    beyond = {name: reasons(each.keys() - kept.keys(), home.config, purged_ns) for name, each in found.items()}
    said = {name: [(gap["state"], gap["why"], gap["filled"]) for gap in each] for name, each in gaps.items()}
    print(f"\n{len(kept)} states recorded, beyond {beyond}, gaps {said}")  # noqa: T201  figures to look at
    purged, cut, hidden = ({name: each[number] for name, each in gaps.items()} for number in range(3))
    return Story(kept, found, beyond, purged, cut, hidden)


def whys(gap: dict[str, Any], prefix: str) -> Counter[str]:
    """Why the spans of these entities are as they are."""
    return Counter(span["why"] for span in gap["spans"] if span["entity_id"].startswith(prefix))


@pytest.mark.parametrize("store", STORES)
def test_what_the_recorder_still_has_is_stored_and_the_rest_has_a_reason(story: Story, store: str) -> None:
    assert sorted(story.recorded.items() - story.stored[store].items()) == []
    assert "unexplained" not in story.beyond[store]


@pytest.mark.parametrize("store", STORES)
def test_what_is_excluded_is_named_and_the_others_are_filled(story: Story, store: str) -> None:
    gap = story.cut[store]
    assert (gap["state"], gap["left"]) == ("partly", 0)
    assert whys(gap, EXCLUDED) == {NOT_RECORDED: HIDDEN}
    assert f"{NOT_RECORDED} ({HIDDEN})" in gap["why"]
    assert whys(gap, "sensor.gen_") == {"": ENTITIES - HIDDEN}
    assert gap["filled"] > 0


@pytest.mark.parametrize("store", STORES)
def test_what_was_purged_is_named(story: Story, store: str) -> None:
    gap = story.purged[store]
    assert (gap["cause"], gap["state"], gap["left"]) == ("stopped", "partly", 0)
    assert whys(gap, "sensor.gen_") == {PURGED: ENTITIES - HIDDEN}
    assert whys(gap, EXCLUDED) == {NOT_RECORDED: HIDDEN}


@pytest.mark.parametrize("store", STORES)
def test_a_gap_of_which_nothing_was_recorded_is_unfillable(story: Story, store: str) -> None:
    """The rows that filled the gap before prove how far back the recorder reaches."""
    gap = story.hidden[store]
    assert {span["entity_id"] for span in gap["spans"]} == {f"{EXCLUDED}{number}" for number in range(HIDDEN)}
    assert (gap["cause"], gap["state"], gap["filled"], gap["left"]) == ("connection", "unfillable", 0, 0)
    assert whys(gap, EXCLUDED) == {NOT_RECORDED: HIDDEN}
    assert f"{NOT_RECORDED} ({HIDDEN})" in gap["why"]
