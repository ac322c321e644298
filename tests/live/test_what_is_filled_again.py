"""Filled twice, while live changes go on, after an area was changed: nothing is there twice, and no live field is touched.

Three entities change ten times a second: one whose device is moved to another area, one with attributes that the recorder
leaves out, one with attributes too large for it. The line is cut, and the gap is filled. Then the device is moved again, and
a person has everything filled and imported. It is moved back, and the gap is filled once more, as after a crash between the
last row and the word that it is settled; then everything is reopened.
"""

from __future__ import annotations

import json
import sqlite3
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from typing import Any, TypeAlias

import pytest
from attrs import frozen

from tests.live.homeassistant import HomeAssistant
from tests.live.outages import MEASUREMENT, QUIET, STORES, Kept, two_services, wait_connected
from tests.live.readback import Row
from tests.live.recorded import recorded, stored
from tests.live.servers import Database

pytestmark = pytest.mark.live

MOVED = "sensor.outside_temperature"
LEVEL = "input_number.lab_level"
LARGE = "sensor.live_large"
LARGER_THAN_KEPT = {"list": ["x" * 100] * 200}
"""More than the 16 KiB of attributes that the recorder keeps of a state."""

PAUSE = 0.1
FILLED = 60.0

Key: TypeAlias = tuple[str, int]


@contextmanager
def changing(home: HomeAssistant) -> Iterator[None]:
    """The three entities change while the block runs."""
    over = threading.Event()

    def run() -> None:
        temperature = {"device_class": "temperature", "unit_of_measurement": "°C"}
        for number in iter(lambda: time.time_ns() // 10**8 % 1_000, None):
            if over.wait(PAUSE):
                return
            home.admin.set_states(
                [(MOVED, f"{number / 8}", temperature), (LARGE, f"{number}", {**LARGER_THAN_KEPT, "number": number})]
            )
            home.admin.call("input_number", "set_value", entity_id=LEVEL, value=number / 10)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def move(home: HomeAssistant, to: str) -> None:
    """Move the thermometer's device, and wait until whoever listens has heard of it."""
    device = home.admin.registry()[MOVED]["device_id"]
    home.admin.commands({"type": "config/device_registry/update", "device_id": device, "area_id": to})
    time.sleep(2)


def areas(home: HomeAssistant) -> list[str]:
    (found,) = home.admin.commands({"type": "config/area_registry/list"})
    return [area["area_id"] for area in found]


def forget_that_it_is_settled(one: Kept) -> None:
    """What a crash between a gap's last row and the word that it is settled leaves behind."""
    with closing(sqlite3.connect(one.service.folder / "state.db")) as connection, connection:
        connection.execute("UPDATE span SET filled = NULL, why = '', done_ns = 0, found = 0")
        connection.execute("UPDATE gap SET progress = 'open', unsettled = spans, filled = 0")


def keyed(rows: list[Row]) -> dict[Key, Row]:
    """The rows, each once; AssertionError when a state is there twice."""
    times = Counter((row.tags["entity_id"], row.time) for row in rows)
    assert [key for key, count in times.items() if count > 1] == []
    return {(row.tags["entity_id"], row.time): row for row in rows}


@frozen
class Story:
    """What a store held when the gap was filled once, and twice, and after all was filled again since `reopened_ns`.

    `moved`: after everything was asked for in another area; `said` is what the two commands said to that.
    """

    once: dict[str, list[Row]]
    moved: dict[str, list[Row]]
    said: dict[str, list[str]]
    twice: dict[str, list[Row]]
    reopened: dict[str, list[Row]]
    recorded: dict[Key, str]
    since_ns: int
    reopened_ns: int
    filled: dict[str, list[int]]


def again(services: dict[str, Kept], prepare: Callable[[str, Kept], Any]) -> None:
    """Stop each, prepare it, and start it again."""
    for name, one in services.items():
        assert one.service.stop() == 0
        prepare(name, one)
    for one in services.values():
        one.service = one.service.again()
    wait_connected(services.values())


@pytest.fixture(scope="module")
def story(newest_home_assistant: HomeAssistant, influxdb: Database, tmp_path_factory: pytest.TempPathFactory) -> Story:
    home, folder = newest_home_assistant, tmp_path_factory.mktemp("again")
    here, there = areas(home)[:2]
    move(home, here)
    filled: dict[str, list[int]] = {name: [] for name in STORES}
    with two_services(folder, home, influxdb) as (line, services):

        def settled() -> dict[str, list[Row]]:
            for name, one in services.items():
                one.wait_filled(FILLED)
                filled[name].append(sum(gap["filled"] for gap in one.service.gaps()))
            return {name: one.read() for name, one in services.items()}

        since_ns = time.time_ns()
        with changing(home):
            time.sleep(3)
            line.become("refuse")
            time.sleep(2)
            move(home, there)
            line.become("fair")
            wait_connected(services.values())
            once = settled()
            move(home, here)
            said = {name: ask_for_everything(one, since_ns) for name, one in services.items()}
            moved = {name: one.read() for name, one in services.items()}
            move(home, there)
            reopened_ns = time.time_ns() // 10**9 * 10**9
            time.sleep(1.5)
            again(services, lambda _, one: forget_that_it_is_settled(one))
            twice = settled()
        time.sleep(QUIET)

        def reopen(name: str, one: Kept) -> None:
            if name == "influxdb":
                influxdb.forget(bucket_of(one), MEASUREMENT, reopened_ns)
            moment = datetime.fromtimestamp(reopened_ns // 10**9, UTC)
            one.service.command("gaps", "reopen", "--since", moment.isoformat())

        again(services, reopen)
        reopened = settled()
        until_ns = time.time_ns()
    kept = recorded(home.config, since_ns, until_ns)
    return Story(once, moved, said, twice, reopened, kept, since_ns, reopened_ns, filled)


def ask_for_everything(one: Kept, since_ns: int) -> list[str]:
    """What a person may do who doubts that everything is there; what the commands say to it."""
    moment = datetime.fromtimestamp(since_ns // 10**9, UTC)
    return [one.service.command("gaps", "fill"), one.service.command("backfill", "--since", moment.isoformat())]


def bucket_of(one: Kept) -> str:
    text = (one.service.folder / "config.toml").read_text("utf-8")
    return next(line for line in text.splitlines() if line.startswith("bucket")).split("'")[1]


@pytest.mark.parametrize("store", STORES)
def test_a_gap_that_is_filled_twice_is_as_it_was_after_once(story: Story, store: str) -> None:
    once, twice = keyed(story.once[store]), keyed(story.twice[store])
    assert {key: twice.get(key) for key in once} == once
    first, second, _ = story.filled[store]
    assert 0 < first <= second
    assert sum(row.fields.get("origin") == "backfill" for row in twice.values()) == second


@pytest.mark.parametrize("store", STORES)
def test_a_device_that_is_moved_between_two_fills_makes_no_second_series(story: Story, store: str) -> None:
    once, moved = keyed(story.once[store]), keyed(story.moved[store])
    assert {key: moved.get(key) for key in once} == once
    fill, imported = story.said[store]
    assert fill == "There is nothing to fill.\n"
    assert imported.endswith("is filled: 0 states came from Home Assistant's history.\n"), (
        "of one that is new since then"
    )
    filled = [row for row in once.values() if row.tags["entity_id"] == MOVED and row.fields.get("origin") == "backfill"]
    assert len(filled) > 10


@pytest.mark.parametrize("store", STORES)
def test_live_changes_keep_what_the_history_does_not_know(story: Story, store: str) -> None:
    live = [row for row in story.twice[store] if "origin" not in row.fields and row.time >= story.since_ns]
    of = {key: [row for row in live if row.tags["entity_id"] == key] for key in (MOVED, LEVEL, LARGE)}
    assert min(map(len, of.values())) > 10
    assert all("context_id" in row.fields for rows in of.values() for row in rows)
    assert all(json.loads(row.fields["attributes"])["step"] for row in of[LEVEL])
    assert all(json.loads(row.fields["attributes"])["list"] == LARGER_THAN_KEPT["list"] for row in of[LARGE])


@pytest.mark.parametrize("store", STORES)
def test_who_was_moved_is_in_both_areas_and_nowhere_twice(story: Story, store: str) -> None:
    moved = [row for row in keyed(story.reopened[store]).values() if row.tags["entity_id"] == MOVED]
    assert len({row.tags["area_id"] for row in moved if row.time >= story.since_ns}) == 2


@pytest.mark.parametrize("store", STORES)
def test_what_was_lost_and_reopened_is_there_again_and_the_rest_untouched(story: Story, store: str) -> None:
    before, after = keyed(story.twice[store]), keyed(story.reopened[store])
    assert story.recorded.items() - stored(story.reopened[store], story.since_ns, 2**62).items() == set()
    # The SQLite store was reopened without having lost anything.
    kept = {key: row for key, row in before.items() if key[1] < story.reopened_ns or store == "embedded"}
    assert {key: after.get(key) for key in kept} == kept
    assert story.filled[store][2] > story.filled[store][1]
