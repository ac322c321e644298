"""Below the floor of free space the state file does not grow, and what is put has a place all the same."""

from __future__ import annotations

import shutil
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, closing
from pathlib import Path

import pytest
import trio
from attrs import define, field
from trio.testing import MockClock

from ingest.core import reports
from ingest.core.reports import Report
from ingest.core.store import Batch
from ingest.edge.disk_spool import RETRY, DiskSpool, Limits
from ingest.edge.free_space import Floor, floor_at, free_bytes
from ingest.edge.spool_file import Table
from ingest.edge.spool_rows import Key
from ingest.edge.sqlite import pragma
from ingest.edge.state_file import open_state
from ingest.runtime.lane import InlineLane
from ingest.runtime.link import EMPTY, Weight
from ingest.runtime.spool import FRESH

FLOOR = 2**20
LARGE, SMALL = 50_000, 700


@define
class Opened:
    spool: DiskSpool
    told: list[Report]
    disk: list[int] = field(factory=lambda: [10 * FLOOR])

    def pages(self) -> int:
        """Of the file as it would be after a checkpoint."""
        found: int = pragma(self.spool.table.connection, "page_count")
        return found

    async def put(self, number: int, size: int) -> list[int]:
        return [each.oldest_ns for each in await self.spool.put(Batch(b"x" * size, 1, size, number, number))]


@asynccontextmanager
async def opened(path: Path, limit: int = 10**9) -> AsyncGenerator[Opened]:
    told: list[Report] = []

    def now_ns() -> int:
        return int(trio.current_time() * 1e9)

    connection, _ = open_state(path / "state.db", now_ns)
    with closing(connection):
        table = Table(connection, path / "state.db", Key("home", "influxdb"))
        limits = Limits(limit, 10**6, Weight(1, 1))
        it = Opened(DiskSpool(table, InlineLane(), limits, b"".join, now_ns, told.append), told)
        it.spool.floor = Floor(FLOOR, lambda: it.disk[0])
        yield it


@pytest.mark.parametrize("size", [LARGE, SMALL])
async def test_below_the_floor_memory_is_first_then_the_oldest_give_way_and_the_file_keeps_its_size(
    tmp_path: Path, autojump_clock: MockClock, size: int
) -> None:
    async with opened(tmp_path) as it:
        for number in range(100):
            assert await it.put(number, size) == []
        it.disk[0] = FLOOR - 1
        pages, evicted, put = it.pages(), list[int](), 100
        while it.spool.memory.held.size + size <= it.spool.memory.limit:
            assert await it.put(put, size) == []
            put += 1
        assert [type(said) for said in it.told] == [reports.SpoolFailing]
        beyond = range(put, put + 90)
        for number in beyond:
            evicted += await it.put(number, size)
        assert it.pages() == pages
        assert evicted == list(range(len(evicted)))
        assert len(beyond) - 10 <= len(evicted) <= len(beyond) + 10
        left = beyond.stop - len(evicted)
        assert it.spool.held == Weight(left, size * left)
        assert [type(said) for said in it.told] == [reports.SpoolFailing]
        it.disk[0] = FLOOR
        assert await it.put(beyond.stop, size) == []
        assert it.spool.memory.held == EMPTY
        assert isinstance(it.told[-1], reports.SpoolRecovered)


async def test_free_pages_inside_the_file_are_room(tmp_path: Path, autojump_clock: MockClock) -> None:
    async with opened(tmp_path) as it:
        for number in range(20):
            await it.put(number, LARGE)
        await trio.sleep(FRESH)
        for _ in range(10):
            async with it.spool.claim():
                pass
        it.disk[0] = 0
        for number in range(20, 29):
            assert await it.put(number, LARGE) == []
        assert it.spool.memory.held == EMPTY
        assert it.told == []


def test_what_gives_way_for_a_small_batch_is_a_page_of_rows_and_one_of_the_index_at_most(tmp_path: Path) -> None:
    connection, _ = open_state(tmp_path / "state.db", lambda: 0)
    with closing(connection):
        table, floor = Table(connection, tmp_path / "state.db", Key("home", "influxdb")), Floor(FLOOR, lambda: 0)
        for number in range(1000):
            table.put(Batch(b"x" * 100, 1, 100, number, number), 0, 0, (), ())
        evicted = [floor.put(table, (Batch(b"x" * 100, 1, 100, 0, 0), 0, 0, (), ()), True).evicted for _ in range(500)]
        assert max(map(len, evicted)) <= 2 * 4096 // 100
        assert sum(map(len, evicted)) <= 500 + 2 * 4096 // 100


async def test_at_the_end_what_would_be_gone_may_take_half_of_the_floor(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    async with opened(tmp_path) as it:
        await it.put(0, LARGE)
        it.disk[0] = FLOOR - 1
        for number in range(1, 10):
            await it.put(number, LARGE)
        assert it.spool.volatile.events == 9
        assert await it.spool.flush() == []
        assert it.spool.volatile == EMPTY
        assert it.spool.on_disk.events == 10


async def test_at_the_end_of_a_full_disk_the_oldest_give_way(tmp_path: Path, autojump_clock: MockClock) -> None:
    async with opened(tmp_path) as it:
        for number in range(10):
            await it.put(number, LARGE)
        it.disk[0] = 0
        for number in range(10, 14):
            await it.put(number, LARGE)
        assert [batch.oldest_ns for batch in await it.spool.flush()] == [0, 1, 2, 3]
        assert it.spool.volatile == EMPTY


async def test_with_nothing_to_evict_it_goes_to_memory_until_there_is_room(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    async with opened(tmp_path) as it:
        it.disk[0] = 0
        assert await it.put(1, LARGE) == []
        assert it.spool.memory.held == Weight(1, LARGE)
        (said,) = it.told
        assert isinstance(said, reports.SpoolFailing)
        assert "less than 1 MiB free, the state file does not grow" in said.text()
        assert "spool.min_free" in said.text()
        it.disk[0] = 10 * FLOOR
        await trio.sleep(RETRY)
        await it.put(2, LARGE)
        assert it.spool.memory.held == EMPTY
        assert isinstance(it.told[-1], reports.SpoolRecovered)


async def test_a_claimed_batch_never_gives_way(tmp_path: Path, autojump_clock: MockClock) -> None:
    async with opened(tmp_path) as it:
        await it.put(1, LARGE)
        it.disk[0] = 0
        async with it.spool.claim():
            assert await it.put(2, LARGE) == []
            assert it.spool.memory.held == Weight(1, LARGE)
            assert it.spool.on_disk == Weight(1, LARGE)
        assert it.spool.on_disk == EMPTY


async def test_a_full_spool_below_the_floor_keeps_both_bounds(tmp_path: Path, autojump_clock: MockClock) -> None:
    async with opened(tmp_path, 10 * LARGE) as it:
        for number in range(10):
            await it.put(number, LARGE)
        it.disk[0] = 0
        pages = it.pages()
        evicted = [each for number in range(10, 60) for each in await it.put(number, LARGE)]
        assert evicted == list(range(len(evicted)))
        assert it.spool.on_disk.size <= 10 * LARGE
        assert it.spool.memory.held.size <= it.spool.memory.limit
        assert it.spool.held.events == 60 - len(evicted)
        assert it.pages() == pages


def test_a_small_disk_has_a_small_floor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Usage:
        total = 200 * 2**20

    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage)
    assert floor_at(tmp_path / "state.db", 64 * 2**20).least == 10 * 2**20
    assert floor_at(tmp_path / "state.db", 2**20).least == 2**20


def test_the_disk_is_asked(tmp_path: Path) -> None:
    free = free_bytes(tmp_path / "state.db")
    assert abs(free - shutil.disk_usage(tmp_path).free) < 2**30
    assert floor_at(tmp_path / "state.db", 0).free() > 0
    assert free_bytes(tmp_path / "nowhere" / "state.db") > 2**60
