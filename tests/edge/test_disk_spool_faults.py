"""The disk spool while its disk is full, read-only or failing: nothing lost, nothing twice, and back by itself."""

from __future__ import annotations

import os
import sqlite3
import tempfile
import time
from collections import Counter
from collections.abc import AsyncGenerator, Collection, Container, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
import trio
from attrs import define, evolve, field, frozen
from hypothesis import given, settings
from hypothesis import strategies as st
from trio.testing import MockClock, wait_all_tasks_blocked

from ingest.core import reports
from ingest.core.reports import Report
from ingest.core.store import Batch
from ingest.edge.disk_spool import RETRY, DiskSpool, Limits
from ingest.edge.free_space import Floor
from ingest.edge.spool_file import Table
from ingest.edge.spool_rows import Key, Row
from ingest.edge.spool_trouble import Trouble, Work
from ingest.edge.sqlite import pragma, translated
from ingest.edge.state_file import open_state
from ingest.errors import Refused
from ingest.runtime.lane import InlineLane, ThreadLane
from ingest.runtime.link import Weight
from ingest.runtime.spool import FRESH
from tests.runtime.spools import Stay, batch, fail, numbers

LARGE = Weight(10**6, 10**9)
ONE_BY_ONE = Limits(10_000, 1_000, Weight(1, 1))


def now_ns() -> int:
    return int(trio.current_time() * 1e9)


def joined(payloads: list[bytes] | Any) -> bytes:
    return b" ".join(payloads)


@define
class Disk:
    """What the disk does not do now, by SQLite's codes."""

    reading: int = 0
    writing: int = 0
    deleting: int = 0


def raise_code(code: int) -> None:
    if code:
        error = sqlite3.OperationalError("as a disk says it")
        error.sqlite_errorcode = code
        raise error


@frozen
class OnDisk(Table):
    """A real table on a disk that fails when it is told to."""

    disk: Disk = field(factory=Disk)

    def put(self, batch: Batch[bytes], put_ns: int, excess: int, kept: Collection[int], gone: Collection[int]) -> Any:
        with translated(self.path):
            raise_code(self.disk.writing)
        return super().put(batch, put_ns, excess, kept, gone)

    def touch(self) -> None:
        with translated(self.path):
            raise_code(self.disk.writing)
        super().touch()

    def remove(self, ids: Collection[int]) -> None:
        with translated(self.path):
            raise_code(self.disk.deleting)
        super().remove(ids)

    def oldest(self, taken: Container[int]) -> Iterator[Row]:
        with translated(self.path):
            raise_code(self.disk.reading)
        return super().oldest(taken)


@define
class Opened:
    spool: DiskSpool
    disk: Disk
    told: list[Report]

    @property
    def events(self) -> list[str]:
        return [type(report).__name__ for report in self.told]

    def rows(self) -> int:
        """In the file, whatever the spool says."""
        count: int = self.spool.table.connection.execute("SELECT count(*) FROM batch").fetchone()[0]
        return count


@asynccontextmanager
async def opened(
    folder: Path,
    limits: Limits = ONE_BY_ONE,
    delay: float = 0.0,
) -> AsyncGenerator[Opened]:
    path, disk, told = folder / "state.db", Disk(), list[Report]()
    connection, _ = open_state(path, now_ns)
    table = OnDisk(connection, path, Key("home", "influxdb"), disk)
    spool = DiskSpool(table, InlineLane(delay), limits, joined, now_ns, told.append)
    await spool.load()
    try:
        yield Opened(spool, disk, told)
    finally:
        connection.close()


async def drained(spool: DiskSpool) -> list[int]:
    """What is handed out until nothing more comes."""
    found: list[int] = []
    with trio.move_on_after(10 * RETRY):
        while True:
            async with spool.claim() as claimed:
                found += [int(each) for each in claimed.payload.split()]
    return found


async def test_a_full_disk_sends_to_memory_and_back(tmp_path: Path, autojump_clock: MockClock) -> None:
    async with opened(tmp_path) as it:
        await it.spool.put(batch(1))
        connection = it.spool.table.connection
        connection.execute(f"PRAGMA max_page_count = {pragma(connection, 'page_count')}")
        big = Batch(b"2 " * 50_000, 1, 10, 2, 2)
        await it.spool.put(big)
        for payload in (b"3 ", b"4 "):
            await it.spool.put(evolve(big, payload=payload * 50_000))
        assert (it.rows(), it.spool.memory.held, it.spool.held) == (1, Weight(3, 30), Weight(4, 40))
        assert (it.events, it.spool.failing) == (["SpoolFailing"], True)
        assert "no space" in it.told[0].text()
        connection.execute("PRAGMA max_page_count = 1000000")
        await trio.sleep(RETRY)
        await it.spool.put(batch(5))
        assert (it.rows(), it.spool.memory.held.events) == (5, 0)
        assert (it.events, it.spool.failing) == (["SpoolFailing", "SpoolRecovered"], False)
        order = [int(payload.split()[0]) for payload in it.spool.table.payloads(it.spool.table.oldest(set()))]
        assert order == [1, 2, 3, 4, 5]


async def in_hand(it: Opened) -> None:
    """A batch that could only be put into memory; the disk is well again, and may be tried."""
    it.disk.writing = sqlite3.SQLITE_IOERR_WRITE
    await it.spool.put(batch(1))
    it.disk.writing = 0
    await trio.sleep(RETRY)


async def test_what_is_sent_from_memory_goes_to_the_file_before_what_comes_later(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    async with opened(tmp_path) as it:
        await in_hand(it)
        async with it.spool.claim() as claimed:
            await it.spool.put(batch(2))
            assert (it.rows(), it.spool.memory.held.events, it.spool.held.events) == (2, 0, 2)
            async with it.spool.claim() as other:
                assert (numbers([claimed]), numbers([other])) == ([1], [2])
        assert (it.rows(), it.spool.held.events) == (0, 0)


async def test_when_that_is_not_taken_it_is_claimed_again_from_the_file(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    async with opened(tmp_path) as it:
        await in_hand(it)
        with suppress(Stay):
            async with it.spool.claim():
                await it.spool.put(batch(2))
                raise Stay
        assert (it.rows(), it.spool.memory.held.events, it.spool.held.events) == (2, 0, 2)
        assert sorted(await drained(it.spool)) == [1, 2]
        assert (it.rows(), it.spool.held.events) == (0, 0)


@pytest.mark.parametrize("end", [None, Stay])
async def test_a_claim_that_ends_while_its_batch_is_written_leaves_no_second_row(
    tmp_path: Path, autojump_clock: MockClock, end: type[Exception] | None
) -> None:
    async with opened(tmp_path, delay=1.0) as it, trio.open_nursery() as nursery:
        await in_hand(it)
        with suppress(Stay):
            async with it.spool.claim():
                nursery.start_soon(it.spool.put, batch(2))
                await trio.sleep(0.5)
                if end is not None:
                    raise end
        await trio.sleep(20)
        left = [1, 2] if end else [2]
        assert (it.rows(), it.spool.memory.held.events, it.spool.held.events) == (len(left), 0, len(left))
        assert sorted(await drained(it.spool)) == left


async def test_a_file_that_is_well_again_is_used_again_by_a_quiet_home(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    async with opened(tmp_path, Limits(20, 1_000, Weight(1, 1))) as it, trio.open_nursery() as nursery:
        for number in (1, 2):
            await it.spool.put(batch(number))
        it.disk.writing = it.disk.deleting = sqlite3.SQLITE_IOERR_WRITE
        await it.spool.put(batch(3))
        for _ in range(5):
            nursery.start_soon(drained, it.spool)
            await trio.sleep(5 * RETRY)
        assert (it.rows(), it.spool.held.events, it.spool.failing) == (2, 0, True)
        it.disk.writing = it.disk.deleting = 0
        await trio.sleep(2 * RETRY)
        assert (it.rows(), it.spool.failing, it.events) == (0, False, ["SpoolFailing", "SpoolRecovered"])


async def test_what_gives_way_when_memory_comes_back_is_told(tmp_path: Path, autojump_clock: MockClock) -> None:
    async with opened(tmp_path, Limits(20, 1_000, Weight(1, 1))) as it:
        for number in (1, 2):
            await it.spool.put(batch(number))
        it.disk.writing = sqlite3.SQLITE_IOERR_WRITE
        await it.spool.put(batch(3))
        assert it.spool.held.events == 3
        it.disk.writing = 0
        await trio.sleep(RETRY)
        with suppress(Stay):
            async with it.spool.claim():
                assert [report.count for report in it.told if isinstance(report, reports.Evicted)] == [1]
                assert (it.rows(), it.spool.held.events, it.spool.memory.held.events) == (2, 2, 0)
                fail()


async def test_nothing_is_put_before_what_is_on_its_way_from_memory(tmp_path: Path, autojump_clock: MockClock) -> None:
    """The file does not grow: the large one has no room in it, the small one behind it would have."""
    async with opened(tmp_path, delay=0.01) as it, trio.open_nursery() as nursery:
        it.spool.floor = Floor(1, lambda: 0)
        await it.spool.put(Batch(os.urandom(300_000), 1, 300, 1, 1))
        assert it.spool.memory.held.events == 1
        await trio.sleep(RETRY)
        nursery.start_soon(it.spool._tend)
        await trio.sleep(0.015)
        await it.spool.put(batch(2))
        assert (it.rows(), it.spool.memory.held.events) == (0, 2)


async def test_on_a_read_only_file_everything_is_delivered_once(tmp_path: Path, autojump_clock: MockClock) -> None:
    async with opened(tmp_path) as it:
        for number in range(5):
            await it.spool.put(batch(number))
        it.spool.table.connection.execute("PRAGMA query_only = ON")
        for number in range(5, 8):
            await it.spool.put(batch(number))
        assert it.spool.memory.held.events == 3
        assert sorted(await drained(it.spool)) == list(range(8))
        assert (it.spool.held, it.rows()) == (Weight(0, 0), 5)
        it.spool.table.connection.execute("PRAGMA query_only = OFF")
        await trio.sleep(RETRY)
        await it.spool.put(batch(8))
        assert (it.rows(), it.spool.held, it.events) == (1, Weight(1, 10), ["SpoolFailing", "SpoolRecovered"])
        assert await drained(it.spool) == [8]


async def test_what_a_full_disk_holds_is_delivered_without_a_break(tmp_path: Path, autojump_clock: MockClock) -> None:
    """Reading goes on, and is no sign of health."""
    async with opened(tmp_path) as it:
        for number in range(50):
            await it.spool.put(batch(number))
        it.disk.writing = it.disk.deleting = sqlite3.SQLITE_FULL
        await it.spool.put(batch(50))
        started = trio.current_time()
        for _ in range(51):
            async with it.spool.claim():
                pass
        assert trio.current_time() == started
        assert it.events == ["SpoolFailing"]
        assert it.spool.held.events == 0


async def test_a_failing_disk_with_nothing_on_it_lets_the_claim_sleep(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    """It used to spin from the moment of the next attempt on."""
    async with opened(tmp_path) as it:
        it.disk.writing = sqlite3.SQLITE_IOERR_WRITE
        await it.spool.put(batch(1))
        steps = 0

        class Counting(trio.abc.Instrument):
            def before_task_step(self, task: trio.lowlevel.Task) -> None:
                nonlocal steps
                steps += 1
                if steps > 1000:
                    scope.cancel()

        counting = Counting()
        with trio.move_on_after(3600) as scope:
            trio.lowlevel.add_instrument(counting)
            while True:
                async with it.spool.claim() as claimed:
                    assert claimed.payload == b"1"
        trio.lowlevel.remove_instrument(counting)
        assert steps < 1000


async def test_a_disk_that_cannot_be_read_is_tried_again(tmp_path: Path, autojump_clock: MockClock) -> None:
    async with opened(tmp_path) as it:
        for number in range(3):
            await it.spool.put(batch(number))
        await trio.sleep(FRESH)
        it.disk.reading = sqlite3.SQLITE_IOERR_READ
        found: list[int] = []

        async def claim() -> None:
            async with it.spool.claim() as claimed:
                found.append(int(claimed.payload))

        async with trio.open_nursery() as nursery:
            nursery.start_soon(claim)
            await trio.sleep(3 * RETRY + 1)
            assert (found, it.events) == ([], ["SpoolFailing"])
            it.disk.reading = 0
        assert (found, it.events) == ([0], ["SpoolFailing", "SpoolRecovered"])


async def test_memory_has_its_own_limit_and_tells_what_it_evicts(tmp_path: Path, autojump_clock: MockClock) -> None:
    async with opened(tmp_path, Limits(10_000, 30)) as it:
        it.disk.writing = sqlite3.SQLITE_FULL
        evicted = [numbers(await it.spool.put(batch(number))) for number in range(5)]
        assert evicted == [[], [], [], [0], [1]]
        assert it.spool.held == Weight(3, 30)


async def test_what_is_evicted_while_memory_moves_in_is_told(tmp_path: Path, autojump_clock: MockClock) -> None:
    async with opened(tmp_path, Limits(30, 1000)) as it:
        for number in range(3):
            await it.spool.put(batch(number))
        it.disk.writing = sqlite3.SQLITE_FULL
        for number in range(3, 5):
            assert await it.spool.put(batch(number)) == []
        it.disk.writing = 0
        await trio.sleep(RETRY)
        assert [each.oldest_ns for each in await it.spool.put(batch(5))] == [0, 1, 2]
        assert it.spool.held == Weight(3, 30)


async def test_a_last_flush_does_not_wait_for_the_next_attempt(tmp_path: Path, autojump_clock: MockClock) -> None:
    async with opened(tmp_path) as it:
        it.disk.writing = sqlite3.SQLITE_FULL
        await it.spool.put(batch(1))
        assert (await it.spool.flush(), it.spool.memory.held) == ([], Weight(1, 10))
        it.disk.writing = 0
        assert (await it.spool.flush(), it.spool.memory.held) == ([], Weight(0, 0))
        assert (it.rows(), it.spool.held) == (1, Weight(1, 10))


async def test_a_whole_backlog_may_be_delivered_and_not_deletable(tmp_path: Path, autojump_clock: MockClock) -> None:
    """More than the parameters of one statement."""
    count = 2_000
    async with opened(tmp_path, Limits(10**9, 1000, LARGE)) as it:
        connection = it.spool.table.connection
        assert isinstance(connection, sqlite3.Connection)
        connection.setlimit(sqlite3.SQLITE_LIMIT_VARIABLE_NUMBER, 100)
        connection.executemany(
            "INSERT INTO batch (home, store, put_ns, oldest_ns, newest_ns, count, size, payload)"
            " VALUES ('home', 'influxdb', 0, 0, 0, 1, 1, ?)",
            [(b"%d" % number,) for number in range(count)],
        )
        await it.spool.load()
        it.disk.deleting = sqlite3.SQLITE_READONLY
        claims = 0
        while it.spool.held.events:
            async with it.spool.claim() as claimed:
                claims += claimed.count
        assert (claims, it.rows()) == (count, count)
        it.disk.deleting = 0
        await trio.sleep(RETRY)
        await it.spool.put(batch(1))
        assert it.rows() == 1


async def test_evicting_a_whole_backlog_is_one_put(tmp_path: Path, autojump_clock: MockClock) -> None:
    async with opened(tmp_path, Limits(10**9, 1000)) as it:
        for number in range(50):
            await it.spool.put(batch(number))
        it.spool.limits = Limits(25, 1000)
        assert len(await it.spool.put(batch(50))) == 49
        assert it.spool.held == Weight(2, 20)


# ---- claims that gather ------------------------------------------------------------------------------------------


async def test_a_claim_gathers_old_batches_in_order_up_to_its_limits(tmp_path: Path, autojump_clock: MockClock) -> None:
    async with opened(tmp_path, Limits(10_000, 1_000, Weight(4, 35))) as it:
        for number in range(6):
            await it.spool.put(batch(number))
        await it.spool.put(batch(6, size=100))
        await it.spool.put(batch(7))
        await trio.sleep(FRESH)
        with suppress(Stay):
            async with it.spool.claim() as claimed:
                assert claimed == Batch(b"0 1 2", 3, 30, 0, 2)
                assert it.spool.held == Weight(8, 170)
                fail()
        assert (it.rows(), it.spool.held) == (8, Weight(8, 170))
        payloads = []
        while it.spool.held.events:
            async with it.spool.claim() as claimed:
                payloads.append(claimed.payload)
        assert payloads == [b"0 1 2", b"3 4 5", b"6", b"7"]
        assert it.rows() == 0


async def test_claims_that_come_again_and_again_go_around_no_limit(tmp_path: Path, autojump_clock: MockClock) -> None:
    """What is claimed cannot give way, and what is put meanwhile is kept: once, and not once for every claim."""
    limit, largest = 50, 20
    async with opened(tmp_path, Limits(limit, 1_000, LARGE)) as it:
        await it.spool.put(batch(0, size=largest))
        for number in range(1, 20):
            with suppress(Stay):
                async with it.spool.claim():
                    for more in range(3):
                        await it.spool.put(batch(10 * number + more, size=largest - more))
                        assert it.spool.on_disk.size <= limit + largest
                    fail()
            await trio.sleep(FRESH)


async def test_a_batch_larger_than_the_limit_is_claimed_alone(tmp_path: Path, autojump_clock: MockClock) -> None:
    async with opened(tmp_path, Limits(50, 1_000, LARGE)) as it:
        for number in range(5):
            await it.spool.put(batch(number, size=80))
            await trio.sleep(FRESH)
            with suppress(Stay):
                async with it.spool.claim() as claimed:
                    assert claimed.count == 1
                    await it.spool.put(batch(10 + number, size=80))
                    assert it.spool.on_disk.size <= 80 + 80
                    fail()


async def test_the_newest_goes_alone_while_it_is_fresh(tmp_path: Path, autojump_clock: MockClock) -> None:
    async with opened(tmp_path, Limits(10_000, 1_000, LARGE)) as it:
        for number in range(5):
            await it.spool.put(batch(number))
        payloads = []
        while it.spool.held.events:
            async with it.spool.claim() as claimed:
                payloads.append(claimed.payload)
        assert payloads == [b"4", b"0 1 2 3"]


async def test_what_is_kept_is_there_at_the_next_start(tmp_path: Path, autojump_clock: MockClock) -> None:
    async with opened(tmp_path) as it:
        for number in range(3):
            await it.spool.put(batch(number))
    async with opened(tmp_path) as it:
        assert it.spool.held == Weight(3, 30)
        assert sorted(await drained(it.spool)) == [0, 1, 2]


async def test_rows_belong_to_their_home_and_store(tmp_path: Path, autojump_clock: MockClock) -> None:
    async with opened(tmp_path) as it:
        await it.spool.put(batch(1))
        for key in (Key("other", "influxdb"), Key("home", "other")):
            other = Table(it.spool.table.connection, it.spool.table.path, key)
            assert (list(other.oldest(set())), other.held()) == ([], Weight(0, 0))


# ---- in any order ------------------------------------------------------------------------------------------------


async def test_a_put_never_evicts_what_a_claim_is_reading(tmp_path: Path, autojump_clock: MockClock) -> None:
    async with opened(tmp_path, Limits(20, 1000, Weight(1, 1)), delay=1.0) as it:
        await it.spool.put(batch(1))
        await it.spool.put(batch(2))
        await trio.sleep(FRESH)
        found: list[bytes] = []

        async def claim() -> None:
            async with it.spool.claim() as claimed:
                found.append(claimed.payload)
                await trio.sleep(5)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(claim)
            await trio.sleep(0.5)
            assert [each.oldest_ns for each in await it.spool.put(batch(3))] == [2]
            assert (found, it.spool.held) == ([b"1"], Weight(2, 20))
        assert it.spool.held == Weight(1, 10)


async def test_two_claims_never_take_the_same(tmp_path: Path, autojump_clock: MockClock) -> None:
    async with opened(tmp_path, delay=1.0) as it:
        for number in range(20):
            await it.spool.put(batch(number))
        found: list[int] = []

        async def claim() -> None:
            with suppress(trio.EndOfChannel):
                while True:
                    async with it.spool.claim() as claimed:
                        found.append(int(claimed.payload))
                        await trio.sleep(0.5)

        it.spool.close()
        async with trio.open_nursery() as nursery:
            for _ in range(3):
                nursery.start_soon(claim)
        assert sorted(found) == list(range(20))


async def test_a_put_and_a_claim_never_wait_for_what_the_other_took(tmp_path: Path) -> None:
    """Both go for the one batch in memory, in every order; with threads, as it is in life."""
    for _ in range(30):
        with tempfile.TemporaryDirectory(dir=tmp_path) as folder:
            connection, _ = open_state(Path(folder) / "state.db", now_ns)
            table = Table(connection, Path(folder) / "state.db", Key("home", "influxdb"))
            spool = DiskSpool(table, ThreadLane(), Limits(1000, 1000), joined, time.time_ns, lambda _: None)
            await spool.memory.put(batch(1))
            with trio.fail_after(5):
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(spool.put, batch(2))
                    found = Counter[int]()
                    while len(found) < 2:
                        async with spool.claim() as claimed:
                            found.update(int(each) for each in claimed.payload.split())
            assert found == {1: 1, 2: 1}
            connection.close()


CODES = [0, 0, sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_BUSY]


@define
class Story:
    """A disk that comes and goes under a spool with everything going on at once."""

    data: st.DataObject
    given: int = 0
    delivered: Counter[int] = field(factory=Counter)
    evicted: list[int] = field(factory=list)
    held: list[int] = field(factory=list)
    over: bool = False

    def pause(self) -> float:
        return self.data.draw(st.sampled_from([0.0, 0.0, 1.0, 3.0, RETRY]))

    async def put(self, it: Opened) -> None:
        for number in range(self.data.draw(st.integers(0, 12), "puts")):
            await trio.sleep(self.pause())
            with trio.move_on_after(self.data.draw(st.sampled_from([0.0, 0.4, 100.0, 100.0]), "patience")) as scope:
                evicted = await it.spool.put(batch(number))
                self.given += 1
                self.evicted += [each.oldest_ns for each in evicted]
            assert not scope.cancelled_caught or number not in self.delivered
            self.check(it)

    async def claim(self, it: Opened) -> None:
        with suppress(trio.EndOfChannel):
            while True:
                with suppress(Stay), trio.move_on_after(100):
                    await self._claim_one(it)

    async def _claim_one(self, it: Opened) -> None:
        async with it.spool.claim() as claimed:
            found = [int(each) for each in claimed.payload.split()]
            assert not set(found) & {*self.held, *self.delivered, *self.evicted}
            self.held += found
            try:
                await trio.sleep(self.pause())
                if not self.over and self.data.draw(st.booleans(), "fail"):
                    fail()
            finally:
                self.held = [number for number in self.held if number not in found]
            self.delivered.update(found)

    async def break_the_disk(self, it: Opened) -> None:
        for _ in range(self.data.draw(st.integers(0, 5), "faults")):
            await trio.sleep(self.pause())
            code = st.sampled_from(CODES)
            it.disk.reading, it.disk.writing, it.disk.deleting = self.data.draw(st.tuples(code, code, code), "disk")

    def check(self, it: Opened) -> None:
        told = sum(report.count for report in it.told if isinstance(report, reports.Evicted))
        assert self.given == self.delivered.total() + len(self.evicted) + told + it.spool.held.events


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_whatever_the_disk_does_every_batch_is_in_one_place(data: st.DataObject) -> None:
    async def main(folder: Path) -> None:
        limits = Limits(data.draw(st.sampled_from([30, 1000])), data.draw(st.sampled_from([20, 1000])), Weight(3, 100))
        delay = data.draw(st.sampled_from([0.0, 0.3]))
        story = Story(data)
        async with opened(folder, limits, delay) as it, trio.open_nursery() as nursery:
            nursery.start_soon(story.claim, it)
            async with trio.open_nursery() as inner:
                inner.start_soon(story.put, it)
                inner.start_soon(story.break_the_disk, it)
            it.disk.reading = it.disk.writing = it.disk.deleting = 0
            story.over = True
            await trio.sleep(10 * RETRY)
            story.evicted += [each.oldest_ns for each in await it.spool.put(batch(99))]
            story.given += 1
            await trio.sleep(100 * RETRY)
            assert it.spool.held == Weight(0, 0)
            it.spool.close()
            await wait_all_tasks_blocked()
            story.check(it)
            assert max(story.delivered.values()) == 1
            assert (it.rows(), it.spool.failing) == (0, False)

    with tempfile.TemporaryDirectory() as folder:
        trio.run(main, Path(folder), clock=MockClock(autojump_threshold=0))


async def test_payloads_are_read_as_they_were_put(tmp_path: Path, autojump_clock: MockClock) -> None:
    async with opened(tmp_path) as it:
        payload = bytes(range(256)) * 5000
        await it.spool.put(Batch(payload, 7, 11, 3, 5))
        async with it.spool.claim() as claimed:
            assert claimed == Batch(payload, 7, 11, 3, 5)


@pytest.mark.parametrize("fails", ["put", "remove"])
async def test_a_lane_that_gave_up_is_a_disk_that_failed(tmp_path: Path, fails: str) -> None:
    connection, _ = open_state(tmp_path / "state.db", now_ns)
    lane = ThreadLane()
    table = Table(connection, tmp_path / "state.db", Key("home", "influxdb"))
    spool = DiskSpool(table, lane, Limits(1000, 1000), joined, time.time_ns, lambda _: None)
    if fails == "put":
        lane.give_up()
        await spool.put(batch(1))
        assert spool.memory.held == spool.held == Weight(1, 10)
    else:
        await spool.put(batch(1))
        async with spool.claim():
            lane.give_up()
        assert (spool.held, next(table.oldest(set())).count) == (Weight(0, 0), 1)
    connection.close()


# ---- what is said ------------------------------------------------------------------------------------------------


def said_of(*met: tuple[Work, Exception]) -> list[str]:
    told: list[Report] = []
    trouble = Trouble("influxdb", told.append)
    for work, error in met:
        trouble.failed(work, error)
    return [report.reason for report in told if isinstance(report, reports.SpoolFailing)]


async def test_a_reason_is_told_once_and_another_when_it_comes() -> None:
    full, damaged = Refused("no space: it is full"), Refused("damaged: malformed")
    assert len(said_of(("write", full), ("write", full), ("read", full))) == 1
    assert [text.partition(":")[0] for text in said_of(("write", full), ("write", damaged), ("write", full))] == [
        "no space",
        "damaged",
        "no space",
    ]
    assert len(said_of(("write", full), ("read", damaged), ("read", damaged), ("write", full))) == 2
