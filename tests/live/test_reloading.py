"""A filter that changes beside a real Home Assistant: nothing is lost by it, and what was left out comes when it is asked for."""

from __future__ import annotations

import json
import re
import shlex
import sqlite3
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing
from itertools import pairwise
from pathlib import Path

import pytest
from attrs import frozen

from tests.live.homeassistant import HomeAssistant
from tests.live.lab import wait_for
from tests.live.service import Service, service

pytestmark = pytest.mark.live

LAMP = "light.kitchen_lights"
PAUSE = 0.4
"""Seconds between two changes: each has a time of its own."""

SECONDS = 60.0


@frozen
class Lamp:
    """A lamp of the real home, and what is stored of it."""

    home: HomeAssistant
    running: Service

    def toggle(self, times: int) -> None:
        for _ in range(times):
            self.home.admin.call("light", "toggle", entity_id=LAMP)
            time.sleep(PAUSE)

    @property
    def stored(self) -> list[str]:
        """Its states, in the order of time."""
        with closing(sqlite3.connect(f"file:{self.running.embedded}?mode=ro", uri=True)) as file:
            rows = file.execute("SELECT state FROM changes WHERE entity_id = ? ORDER BY time_ns", (LAMP,)).fetchall()
        return [state for (state,) in rows]

    def choose(self, *lines: str) -> str:
        """Write the filter, and have it read."""
        config = self.running.folder / "config.toml"
        first = config.read_text("utf-8").partition("\n[filter]")[0]
        config.write_text("\n".join([first, "[filter]", *lines]), "utf-8")
        return self.running.command("reload")


@pytest.fixture
def lamp(newest_home_assistant: HomeAssistant, tmp_path: Path) -> Iterator[Lamp]:
    with service(tmp_path / "service", newest_home_assistant) as running:
        running.wait_for("Snapshot", 1)
        made = Lamp(newest_home_assistant, running)
        wait_for(lambda: running.embedded.exists() and made.stored, "the snapshot is stored", SECONDS)
        yield made


def alternating(states: list[str]) -> bool:
    """True when no state of a lamp that was only toggled is missing."""
    return all(one != other for one, other in pairwise(states))


def test_what_was_left_out_comes_between_the_states_that_are_stored(lamp: Lamp) -> None:
    lamp.toggle(3)
    wait_for(lambda: len(lamp.stored) == 4, "three changes are stored", SECONDS)
    assert f"left out from now on: 1 entity: {LAMP}" in lamp.choose(f'patterns = [{{entity_id = "{LAMP}"}}]')
    lamp.toggle(6)
    told = json.loads(lamp.running.command("explain", LAMP, "--json"))
    assert (told["stored"], told["rule"]) == (False, f"pattern 1: entity_id={LAMP}")
    assert [(each["cause"], each["before"]) for each in told["gaps"]] == [("filtered", None)]
    said = lamp.choose("patterns = []")
    assert f"stored from now on: 1 entity: {LAMP}" in said
    wait_for(lambda: len(lamp.stored) == 5, "the present state is stored", SECONDS)
    lamp.toggle(2)
    wait_for(lambda: len(lamp.stored) == 7, "two changes are stored", SECONDS)
    offer = re.search(r"comes with: .*?(backfill .*)", said)
    assert offer is not None
    arguments = shlex.split(offer[1])
    place = arguments.index("--config")
    lamp.running.command(*arguments[:place], *arguments[place + 2 :])
    wait_for(lambda: len(lamp.stored) >= 12, "what was left out is stored", SECONDS)
    assert alternating(lamp.stored[-12:])
    assert not [each for each in lamp.running.gaps() if each["cause"] == "filtered"]
    (told,) = [each for each in lamp.running.gaps() if each["cause"] == "imported"]
    assert told["filled"] == 5 + len(lamp.stored) - 12
    assert lamp.running.stop() == 0
    (end,) = lamp.running.reported("Stopped")
    assert end["balanced"]


def test_a_wrong_filter_changes_nothing(lamp: Lamp) -> None:
    with pytest.raises(subprocess.CalledProcessError) as refused:
        lamp.choose('patterns = [{domian = "light"}]')
    assert refused.value.returncode == 2
    assert "Nothing was changed" in refused.value.stderr
    before = len(lamp.stored)
    lamp.toggle(2)
    wait_for(lambda: len(lamp.stored) == before + 2, "two changes are stored", SECONDS)


def test_estimate_counts_what_is_stored(lamp: Lamp) -> None:
    told = json.loads(lamp.running.command("estimate", "--json"))
    assert told["entities"] > 100
    assert told["left_out"] == 0
    assert told["disk_bytes_per_day"] >= 0
