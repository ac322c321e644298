"""The last catalog waits in the state file for the next start, and is nobody's problem when it cannot."""

from __future__ import annotations

import sqlite3
import zlib
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, closing
from pathlib import Path

import pytest
import trio
from attrs import define, field, frozen
from trio.testing import MockClock

from ingest.core import reports
from ingest.core.catalog import NO_CATALOG, Catalog, Registries
from ingest.core.point import Facts
from ingest.core.registry_entries import Area, Device
from ingest.core.reports import Report
from ingest.edge.catalog_file import CatalogFile, Kept
from ingest.edge.kept_catalog import EVERY, REST, KeptCatalog
from ingest.edge.state_file import open_state
from ingest.edge.state_versions import VERSION
from ingest.errors import Refused
from ingest.runtime.lane import InlineLane
from ingest.runtime.watch import Watch

START = 10**18
KITCHEN = Registries({"kitchen": Area("kitchen", "Kitchen")}, {"d1": Device("d1", "kitchen")})
CATALOG = Catalog({"light.a": Facts("r1", "d1", "kitchen", platform="demo")}, KITCHEN)


@define
class Disk:
    failing: bool = False
    writes: int = 0


@frozen
class OnDisk(CatalogFile):
    disk: Disk = field(factory=Disk)

    def read(self) -> Kept | None:
        if self.disk.failing:
            raise Refused("no disk")
        return super().read()

    def write(self, kept: Kept) -> None:
        if self.disk.failing:
            raise Refused("no space")
        self.disk.writes += 1
        super().write(kept)


@define
class Opened:
    kept: KeptCatalog
    file: OnDisk
    told: list[Report]


@asynccontextmanager
async def opened(path: Path, home: str = "home") -> AsyncGenerator[Opened]:
    def now_ns() -> int:
        return START + int(trio.current_time() * 1e9)

    told: list[Report] = []
    connection, _ = open_state(path, now_ns)
    with closing(connection):
        file = OnDisk(connection, path, home)
        kept = KeptCatalog(file, InlineLane(), InlineLane(), now_ns, told.append)
        await kept.load()
        yield Opened(kept, file, told)


async def keep(each: Opened, catalog: Catalog = CATALOG) -> None:
    """Let it keep one catalog."""
    with trio.move_on_after(REST + 1):
        await each.kept.run(Watch(catalog))


async def test_a_start_knows_what_the_registries_said_and_when(tmp_path: Path, autojump_clock: MockClock) -> None:
    path = tmp_path / "state.db"
    async with opened(path) as first:
        assert first.kept.last is None
        await keep(first)
    async with opened(path) as again:
        last = again.kept.last
        assert last is not None
        assert last.facts("light.a") == CATALOG.facts("light.a")
        assert (last.registries.areas, last.registries.devices) == (KITCHEN.areas, KITCHEN.devices)
        assert last.as_of_ns == START + round(REST * 1e9)
    (report,) = again.told
    assert isinstance(report, reports.CatalogKept)
    assert (report.entities, report.as_of_ns) == (1, START + round(REST * 1e9))


async def test_it_serves_until_another_is_read(tmp_path: Path, autojump_clock: MockClock) -> None:
    path = tmp_path / "state.db"
    async with opened(path) as first:
        await keep(first)
    catalog = Watch(NO_CATALOG)
    async with opened(path) as again, trio.open_nursery() as nursery:
        nursery.start_soon(again.kept.run, catalog)
        with trio.fail_after(1):
            await catalog.until(lambda value: value.facts("light.a").registry_id == "r1")
        assert catalog.value.to_be_read
        nursery.cancel_scope.cancel()


async def test_every_home_has_its_own(tmp_path: Path, autojump_clock: MockClock) -> None:
    path = tmp_path / "state.db"
    async with opened(path) as one:
        await keep(one)
    async with opened(path, "another") as other:
        assert other.kept.last is None


async def test_it_is_written_when_it_changed_and_not_more_often_than_every_minute(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    async with opened(tmp_path / "state.db") as each, trio.open_nursery() as nursery:
        catalog = Watch(NO_CATALOG)
        nursery.start_soon(each.kept.run, catalog)
        await trio.sleep(5)
        assert each.file.disk.writes == 0
        for number in range(10):
            catalog.set(Catalog({"light.a": Facts(f"r{number}")}))
            await trio.sleep(1)
        assert each.file.disk.writes == 1
        await trio.sleep(3 * EVERY)
        assert each.file.disk.writes == 2
        kept = each.file.read()
        assert kept is not None
        assert b"r9" in zlib.decompress(kept.payload)
        nursery.cancel_scope.cancel()


async def test_the_same_again_only_moves_its_time(tmp_path: Path, autojump_clock: MockClock) -> None:
    async with opened(tmp_path / "state.db") as each:
        await keep(each)
        (before,) = each.file.connection.execute("SELECT total_changes()").fetchone()
        await trio.sleep(100)
        each.kept.last = None
        await keep(each)
        kept = each.file.read()
        assert kept is not None
        assert kept.as_of_ns == START + round((100 + 2 * REST + 1) * 1e9)
        assert each.file.connection.execute("SELECT total_changes()").fetchone() == (before + 1,)


async def test_a_catalog_that_came_from_the_file_is_not_written_back_as_if_it_were_of_now(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    async with opened(tmp_path / "state.db") as each:
        await keep(each, CATALOG.as_of(7))
        assert each.file.disk.writes == 0


async def test_a_disk_that_fails_is_said_once_and_nobodys_problem(tmp_path: Path, autojump_clock: MockClock) -> None:
    async with opened(tmp_path / "state.db") as each, trio.open_nursery() as nursery:
        each.file.disk.failing = True
        catalog = Watch(CATALOG)
        nursery.start_soon(each.kept.run, catalog)
        for number in range(3):
            await trio.sleep(2 * EVERY)
            catalog.set(Catalog({"light.a": Facts(f"r{number}")}))
        each.file.disk.failing = False
        catalog.set(CATALOG)
        await trio.sleep(2 * EVERY)
        assert each.file.disk.writes >= 1
        nursery.cancel_scope.cancel()
    assert [type(each) for each in each.told] == [reports.Notice]


async def test_a_file_that_cannot_be_used_at_the_start_is_nobodys_problem(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    async with opened(tmp_path / "state.db") as each:
        await keep(each)
        each.kept.last, each.file.disk.failing = None, True
        await each.kept.load()
        assert each.kept.last is None
        assert [type(report) for report in each.told] == [reports.Notice]


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE catalog SET payload = x'00'",
        f"UPDATE catalog SET crc = {zlib.crc32(b'no')}, payload = x'6e6f'",
        "DROP TABLE catalog",
        "DELETE FROM catalog",
    ],
    ids=["another payload", "a sound one that is none", "no table", "none"],
)
async def test_what_cannot_be_read_is_not_there(tmp_path: Path, damage: str, autojump_clock: MockClock) -> None:
    path = tmp_path / "state.db"
    async with opened(path) as each:
        await keep(each)
    change(path, damage)
    async with opened(path) as again:
        assert again.kept.last is None


def change(path: Path, statement: str) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(statement)


@pytest.mark.parametrize(
    "damage",
    [f"PRAGMA user_version = {VERSION + 1}", "INSERT INTO meta VALUES ('damaged', 'met while running')"],
    ids=["newer", "damaged"],
)
async def test_a_file_that_is_set_aside_hands_it_on(tmp_path: Path, damage: str, autojump_clock: MockClock) -> None:
    path = tmp_path / "state.db"
    async with opened(path) as each:
        await keep(each)
    change(path, damage)
    async with opened(path) as again:
        assert again.kept.last is not None
        assert again.kept.last.facts("light.a").registry_id == "r1"


async def test_what_is_damaged_in_a_file_that_is_set_aside_is_left_there(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    path = tmp_path / "state.db"
    async with opened(path) as each:
        await keep(each)
    change(path, f"UPDATE catalog SET crc = 5; PRAGMA user_version = {VERSION + 1}")
    async with opened(path) as again:
        assert again.kept.last is None
