"""`backfill --since 1d` of a real home: by services that run, and by the command alone, into both stores.

The home has a past before anybody stores it, and goes on changing meanwhile. In the end every row of its recorder is in
each store, once, and what came live is as it came. This module is the first: every entity of the past is still there.
"""

from __future__ import annotations

import subprocess
import sys
import time
import uuid
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pytest
from attrs import frozen

from tests.live import readback
from tests.live.homeassistant import HomeAssistant
from tests.live.lab import wait_for
from tests.live.outages import MEASUREMENT, QUIET, STORES, two_services
from tests.live.readback import Row
from tests.live.recorded import Key, came, reasons, recorded, stored
from tests.live.servers import Database
from tests.live.service import installed

pytestmark = pytest.mark.live

RATE, ENTITIES = 20, 20
DAY_NS = 86_400 * 10**9
SECONDS = 60.0

WAYS = tuple(f"{store}, {how}" for how in ("by the service", "alone") for store in STORES)


@frozen
class Told:
    """What a command said on standard output."""

    first: str
    again: str


@frozen
class Story:
    """By way: what was stored before the import, and at the end; what the recorder has of the time until `until_ns`."""

    before: Mapping[str, list[Row]]
    after: Mapping[str, list[Row]]
    told: Mapping[str, Told]
    recorded: Mapping[str, dict[Key, str]]
    beyond: Mapping[str, Counter[str]]


def backfill(folder: Path) -> Told:
    """Import twice."""
    command = [sys.executable, "-m", "ingest", "backfill", "--since", "1d", "--config", str(folder / "config.toml")]
    first, again = (
        subprocess.run(command, capture_output=True, text=True, check=True, timeout=SECONDS).stdout for _ in range(2)
    )
    return Told(first, again)


def live(rows: Sequence[Row]) -> list[Row]:
    """Those that came live."""
    return [row for row in rows if "origin" not in row.fields]


def both(folders: Mapping[str, Path]) -> dict[str, Told]:
    with ThreadPoolExecutor() as pool:
        return dict(zip(folders, pool.map(backfill, folders.values()), strict=True))


@pytest.fixture(scope="module")
def story(newest_home_assistant: HomeAssistant, influxdb: Database, tmp_path_factory: pytest.TempPathFactory) -> Story:
    home, folder = newest_home_assistant, tmp_path_factory.mktemp("backfill")
    by_service, alone = WAYS[: len(STORES)], WAYS[len(STORES) :]
    home.admin.call("lab_gen", "flow", rate=RATE, entities=ENTITIES)
    time.sleep(QUIET)
    since_ns = time.time_ns() - DAY_NS
    with two_services(folder, home, influxdb) as (_, services):
        kept = dict(zip(by_service, services.values(), strict=True))
        wait_for(
            lambda: all(len(live(one.read())) > ENTITIES for one in kept.values()), "live states are stored", SECONDS
        )
        before = {way: one.read() for way, one in kept.items()}
        told = both({way: one.service.folder for way, one in kept.items()})
        time.sleep(1)
        until_ns = dict.fromkeys(by_service, time.time_ns())
        time.sleep(QUIET)
        after = {way: one.read() for way, one in kept.items()}
    bucket = f"alone-{uuid.uuid4().hex}"
    influxdb.create_bucket(bucket)
    folders = {way: folder / f"alone-{number}" for number, way in enumerate(alone)}
    for way, database in zip(alone, (None, influxdb), strict=True):
        installed(folders[way], home, database, bucket, home.admin.url)
        before[way], until_ns[way] = [], time.time_ns()
    told |= both(folders)
    reads: Sequence[Callable[[], list[Row]]] = (
        readback.embedded(folders[alone[0]] / "home.db"),
        partial(influxdb.read, bucket, MEASUREMENT),
    )
    after |= {way: read() for way, read in zip(alone, reads, strict=True)}
    home.admin.call("lab_gen", "flow", rate=0)
    rows = {way: recorded(home.config, since_ns, until) for way, until in until_ns.items()}
    found = {way: stored(each, since_ns, until_ns[way]) for way, each in after.items()}
    beyond = {way: reasons(found[way].keys() - rows[way].keys(), home.config) for way in WAYS}
    said = {way: (len(rows[way]), len(came(after[way])), told[way].first.strip()) for way in WAYS}
    print(f"\n{said}, beyond {beyond}")  # noqa: T201  figures to look at
    return Story(before, after, told, rows, beyond)


@pytest.mark.parametrize("way", WAYS)
def test_every_row_of_the_recorder_is_stored_once(story: Story, way: str) -> None:
    rows = story.recorded[way]
    found = stored(story.after[way], 0, 2**62)
    assert rows.items() - found.items() == set()
    assert story.beyond[way].keys() <= {"after the recorder stopped"}
    assert len(came(story.after[way])) > ENTITIES, "more than the snapshot had"


@pytest.mark.parametrize("way", WAYS)
def test_the_command_says_what_came_and_a_second_one_that_nothing_is_left(story: Story, way: str) -> None:
    told = story.told[way]
    assert "states came from Home Assistant's history" in told.first
    assert told.again.startswith("Everything since then is stored")


@pytest.mark.parametrize("way", WAYS[: len(STORES)])
def test_no_field_of_what_came_live_is_changed(story: Story, way: str) -> None:
    before, after = story.before[way], {(row.time, *sorted(row.tags.items())): row for row in story.after[way]}
    assert len(live(before)) > ENTITIES
    assert all("context_id" in row.fields for row in live(before))
    assert [after[row.time, *sorted(row.tags.items())] for row in before] == before
