"""No gaps, against the real thing: whatever Home Assistant's recorder holds at the end is in the store.

A real home changes twenty times a second while the line is cut, Home Assistant restarts, the service is killed and
stopped, and a burst drops every client; two services store it meanwhile, one in an SQLite file, one in InfluxDB. Once
each and shortly, as a rule; `OUTAGES=3` plays it three times in full length, which takes twelve minutes.
"""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Iterable
from typing import Any

import pytest
from attrs import frozen

from tests.faults.proxy import Proxy
from tests.live.homeassistant import HomeAssistant
from tests.live.outages import QUIET, STORES, Kept, two_services, wait_connected
from tests.live.recorded import Key, came, inside, reasons, recorded, stored, times
from tests.live.servers import Database

pytestmark = pytest.mark.live

TURNS = int(os.environ.get("OUTAGES", "1"))
FULL = TURNS > 1
RATE, ENTITIES = 20, 200 if FULL else 40
CUT, KILLED, STOPPED = (30.0, 30.0, 120.0) if FULL else (3.0, 3.0, 3.0)
BURST = 5_000
CALM = 5.0 if FULL else 2.0

FILLED = 600.0 if FULL else 240.0
"""Seconds within which everything is filled at the end."""


def cut(_: HomeAssistant, line: Proxy, __: Iterable[Kept]) -> None:
    """The line is cut."""
    line.become("refuse")
    time.sleep(CUT)
    line.become("fair")


def restart(home: HomeAssistant, _: Proxy, __: Iterable[Kept]) -> None:
    """Home Assistant restarts."""
    home.restart()


def kill(_: HomeAssistant, __: Proxy, services: Iterable[Kept]) -> None:
    """The services are killed."""
    for one in services:
        one.service.kill()
    time.sleep(KILLED)
    for one in services:
        one.service = one.service.again()


def stop(_: HomeAssistant, __: Proxy, services: Iterable[Kept]) -> None:
    """The services are stopped in order."""
    for one in services:
        assert one.service.stop() == 0
    time.sleep(STOPPED)
    for one in services:
        one.service = one.service.again()


def burst(home: HomeAssistant, _: Proxy, __: Iterable[Kept]) -> None:
    """More than Home Assistant keeps for anybody, in one turn of its loop: it drops all its clients."""
    home.admin.call("lab_gen", "burst", count=BURST, entities=ENTITIES, batch=BURST, tag=f"{time.time():.0f}")


OUTAGES = {cut: "connection", restart: "connection", kill: "killed", stop: "stopped", burst: "connection"}
"""What happens, and the cause that the ledger has for it."""


@frozen
class Story:
    """What each held at the end, of the time that was promised."""

    recorded: dict[Key, str]
    stored: dict[str, dict[Key, str]]
    beyond: dict[str, dict[str, int]]
    filled: dict[str, set[Key]]
    gaps: dict[str, list[dict[str, Any]]]


@pytest.fixture(scope="module")
def story(home_assistant: HomeAssistant, influxdb: Database, tmp_path_factory: pytest.TempPathFactory) -> Story:
    home, folder = home_assistant, tmp_path_factory.mktemp("gaps")
    home.admin.call("lab_gen", "flow", rate=RATE, entities=ENTITIES)
    with two_services(folder, home, influxdb) as (line, services):
        since_ns = time.time_ns()
        time.sleep(CALM)
        for outage in list(OUTAGES) * TURNS:
            outage(home, line, services.values())
            wait_connected(services.values())
            time.sleep(CALM)
        home.admin.call("lab_gen", "flow", rate=0)
        until_ns = time.time_ns()
        for one in services.values():
            one.wait_filled(FILLED)
        time.sleep(QUIET)
        took = (time.time_ns() - until_ns) / 1e9
        rows = {name: one.read() for name, one in services.items()}
        gaps = {name: one.service.gaps() for name, one in services.items()}
    kept = recorded(home.config, since_ns, until_ns)
    found = {name: stored(each, since_ns, until_ns) for name, each in rows.items()}
    filled = {name: came(each) for name, each in rows.items()}
    beyond = {name: dict(reasons(each.keys() - kept.keys(), home.config)) for name, each in found.items()}
    counted = {name: len(each) for name, each in filled.items()}
    print(f"\n{len(kept):,} states recorded, {counted} filled, beyond {beyond}, settled {took:.0f} s after the end")  # noqa: T201  figures to look at
    return Story(kept, found, beyond, filled, gaps)


@pytest.mark.parametrize("store", STORES)
def test_every_recorded_state_is_stored_with_its_time_and_value(story: Story, store: str) -> None:
    assert len(story.recorded) > TURNS * BURST
    missing = story.recorded.items() - story.stored[store].items()
    assert sorted(missing) == []


@pytest.mark.parametrize("store", STORES)
def test_what_is_stored_beyond_the_recorder_has_a_reason(story: Story, store: str) -> None:
    assert "unexplained" not in story.beyond[store]


@pytest.mark.parametrize("store", STORES)
def test_the_ledger_lists_each_gap_as_filled_with_its_count(story: Story, store: str) -> None:
    gaps = story.gaps[store]
    assert {(gap["state"], gap["why"], gap["left"]) for gap in gaps} == {("filled", "", 0)}
    # While Home Assistant starts the connection may break more than once.
    assert Counter(gap["cause"] for gap in gaps) >= Counter(list(OUTAGES.values()) * TURNS)
    by_entity = times(story.recorded)
    assert [span for gap in gaps for span in gap["spans"] if span["filled"] != inside(span, by_entity)] == []
    assert all(gap["filled"] == sum(span["filled"] for span in gap["spans"]) for gap in gaps)


@pytest.mark.parametrize("store", STORES)
def test_what_the_ledger_counts_came_of_the_history(story: Story, store: str) -> None:
    """The embedded store is a file of its own: what it took just before it was killed the ledger need not know of."""
    by_entity, gaps = times(story.filled[store]), story.gaps[store]
    short = {gap["cause"] for gap in gaps for span in gap["spans"] if span["filled"] > inside(span, by_entity)}
    assert short <= ({"killed"} if store == "embedded" else set())
    assert len(story.filled[store]) <= sum(gap["filled"] for gap in gaps)
