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

FLAG = "input_boolean.lab_flag"
"""No entry of Home Assistant's has it, so none reloads it: other tests leave such a reload behind, half a minute later."""
PAUSE = 0.4
"""Seconds between two changes: each has a time of its own."""

SECONDS = 60.0


@frozen
class Flag:
    """A switch of the real home, and what is stored of it."""

    home: HomeAssistant
    running: Service

    def toggle(self, times: int) -> None:
        for _ in range(times):
            self.home.admin.call("input_boolean", "toggle", entity_id=FLAG)
            time.sleep(PAUSE)

    @property
    def stored(self) -> list[str]:
        """Its states, in the order of time."""
        return [state for state, _ in self._rows()]

    @property
    def imported(self) -> int:
        """How many of them came of the history."""
        return sum(origin == "backfill" for _, origin in self._rows())

    def _rows(self) -> list[tuple[str, str]]:
        wanted = "SELECT state, origin FROM changes WHERE entity_id = ? ORDER BY time_ns"
        with closing(sqlite3.connect(f"file:{self.running.embedded}?mode=ro", uri=True)) as file:
            return file.execute(wanted, (FLAG,)).fetchall()

    def choose(self, *lines: str) -> str:
        """Write the filter, and have it read."""
        config = self.running.folder / "config.toml"
        first = config.read_text("utf-8").partition("\n[filter]")[0]
        config.write_text("\n".join([first, "[filter]", *lines]), "utf-8")
        return self.running.command("reload")


@pytest.fixture
def flag(newest_home_assistant: HomeAssistant, tmp_path: Path) -> Iterator[Flag]:
    with service(tmp_path / "service", newest_home_assistant) as running:
        running.wait_for("Snapshot", 1)
        made = Flag(newest_home_assistant, running)
        wait_for(lambda: running.embedded.exists() and made.stored, "the snapshot is stored", SECONDS)
        yield made


def alternating(states: list[str]) -> bool:
    """True when no state of a flag that was only toggled is missing."""
    return all(one != other for one, other in pairwise(states))


def test_what_was_left_out_comes_between_the_states_that_are_stored(flag: Flag) -> None:
    flag.toggle(3)
    wait_for(lambda: len(flag.stored) == 4, "three changes are stored", SECONDS)
    assert f"left out from now on: 1 entity: {FLAG}" in flag.choose(f'patterns = [{{entity_id = "{FLAG}"}}]')
    flag.toggle(6)
    told = json.loads(flag.running.command("explain", FLAG, "--json"))
    assert (told["stored"], told["rule"]) == (False, f"pattern 1: entity_id={FLAG}")
    assert [(each["cause"], each["before"]) for each in told["gaps"]] == [("filtered", None)]
    said = flag.choose("patterns = []")
    assert f"stored from now on: 1 entity: {FLAG}" in said
    wait_for(lambda: len(flag.stored) == 5, "the present state is stored", SECONDS)
    flag.toggle(2)
    wait_for(lambda: len(flag.stored) == 7, "two changes are stored", SECONDS)
    offer = re.search(r"comes with: .*?(backfill .*)", said)
    assert offer is not None
    arguments = shlex.split(offer[1])
    place = arguments.index("--config")
    flag.running.command(*arguments[:place], *arguments[place + 2 :])
    wait_for(lambda: len(flag.stored) >= 12, "what was left out is stored", SECONDS)
    assert alternating(flag.stored[-12:])
    assert not [each for each in flag.running.gaps() if each["cause"] == "filtered"]
    (told,) = [each for each in flag.running.gaps() if each["cause"] == "imported"]
    wait_for(lambda: flag.imported == told["filled"], "what is settled came out of the spool", SECONDS)
    assert told["filled"] == 5 + len(flag.stored) - 12
    assert flag.running.stop() == 0
    (end,) = flag.running.reported("Stopped")
    assert end["balanced"]


def test_a_wrong_filter_changes_nothing(flag: Flag) -> None:
    with pytest.raises(subprocess.CalledProcessError) as refused:
        flag.choose('patterns = [{domian = "light"}]')
    assert refused.value.returncode == 2
    assert "Nothing was changed" in refused.value.stderr
    before = len(flag.stored)
    flag.toggle(2)
    wait_for(lambda: len(flag.stored) == before + 2, "two changes are stored", SECONDS)


def test_estimate_counts_what_is_stored(flag: Flag) -> None:
    told = json.loads(flag.running.command("estimate", "--json"))
    assert told["entities"] > 100
    assert told["left_out"] == 0
    assert told["disk_bytes_per_day"] >= 0
