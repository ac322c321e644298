"""Totals that survive restarts, counted once whatever the disk does."""

from __future__ import annotations

import threading
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager, closing
from pathlib import Path

import pytest
import trio
from attrs import define, field, frozen
from trio.testing import MockClock, wait_all_tasks_blocked

from ingest.core import reports
from ingest.core.lifetime import Lifetime, grown
from ingest.core.loss import evicted
from ingest.core.reports import Report
from ingest.core.store import Batch
from ingest.edge.lasting import EVERY, Lasting
from ingest.edge.spool_file import Table
from ingest.edge.spool_rows import Key
from ingest.edge.state_file import open_state
from ingest.edge.totals_file import Account, Totals, accounts, count
from ingest.errors import Refused
from ingest.runtime.lane import InlineLane, ThreadLane

KEY = Key("home", "influxdb")
START = 10**18


@define
class Disk:
    failing: bool = False


@frozen
class OnDisk(Totals):
    disk: Disk = field(factory=Disk)

    def add(self, more: Mapping[str, int], bytes_per_second: float | None) -> None:
        if self.disk.failing:
            raise Refused("no space")
        super().add(more, bytes_per_second)


@define
class Opened:
    lasting: Lasting
    disk: Disk
    told: list[Report]
    books: dict[str, int] = field(factory=dict)

    def count(self, **more: int) -> None:
        for name, value in more.items():
            self.books[name] = self.books.get(name, 0) + value

    def on_disk(self) -> dict[str, int]:
        return dict(accounts(self.lasting.totals.connection)[KEY].totals)


@asynccontextmanager
async def opened(path: Path) -> AsyncGenerator[Opened]:
    def now_ns() -> int:
        return START + int(trio.current_time() * 1e9)

    told: list[Report] = []
    connection, _ = open_state(path, now_ns)
    with closing(connection):
        disk = Disk()
        totals = OnDisk(connection, path, KEY, disk)
        lasting = Lasting(totals, InlineLane(), now_ns, told.append, lambda: None)
        await lasting.load()
        yield Opened(lasting, disk, told)


def test_what_is_held_and_what_was_carried_is_no_growth() -> None:
    books = {"carried": 5, "received": 3, "stored": 2, "made": 1, "spooled": 4, "in_flight": 2}
    assert grown(books, 7) == {"received": 3, "stored": 2, "made": 1, "lost": 7}


async def test_they_are_written_every_minute_and_at_the_stop(tmp_path: Path, autojump_clock: MockClock) -> None:
    async with opened(tmp_path / "state.db") as it, trio.open_nursery() as nursery:
        stop = trio.Event()
        nursery.start_soon(it.lasting.run, lambda: it.books, stop)
        it.count(received=10, stored=8, spooled=2)
        await trio.sleep(EVERY + 1)
        assert it.on_disk() == {"received": 10, "stored": 8}
        it.count(received=5)
        assert it.on_disk()["received"] == 10
        await trio.sleep(EVERY)
        assert it.on_disk()["received"] == 15
        it.count(received=1)
        stop.set()
        await trio.sleep(1)
        assert it.on_disk()["received"] == 16
        it.lasting.hear(reports.Lost("influxdb", 3))
        await it.lasting.end(lambda: it.books)
        assert it.on_disk() == {"received": 16, "stored": 8, "lost": 3}


async def test_they_go_on_after_a_restart_since_the_same_moment(tmp_path: Path, autojump_clock: MockClock) -> None:
    path = tmp_path / "state.db"
    for runs in range(1, 4):
        async with opened(path) as it:
            it.count(received=10)
            assert it.lasting.now(it.books) == Lifetime(START, {"received": 10 * runs, "lost": 0})
            await it.lasting.end(lambda: it.books)
            await it.lasting.end(lambda: it.books)
        await trio.sleep(100)
    async with opened(path) as it:
        assert it.lasting.now({}) == Lifetime(START, {"lost": 0, "received": 30})


async def test_a_disk_that_fails_is_said_once_and_nothing_is_counted_twice(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    async with opened(tmp_path / "state.db") as it:
        it.count(received=1)
        await it.lasting.write(lambda: it.books)
        it.disk.failing = True
        for _ in range(3):
            it.count(received=1)
            await it.lasting.write(lambda: it.books)
        (said,) = it.told
        assert "totals cannot be written" in said.text()
        it.disk.failing = False
        await it.lasting.write(lambda: it.books)
        assert it.on_disk() == {"received": 4}
        assert not it.lasting.failing


async def test_what_the_spool_counts_in_its_own_transaction_is_counted_once(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    path = tmp_path / "state.db"
    async with opened(path) as it:
        table = Table(it.lasting.totals.connection, path, KEY)
        full = [Batch(b"1", 3, 1, 1, 1), Batch(b"2", 4, 1, 2, 2)]
        for batch in full:
            dropped = [
                row.batch(counted=True) for row in table.put(batch, 0, 0 if batch is full[0] else 1, (), ()).evicted
            ]
        assert it.on_disk() == {"evicted": 3}
        it.lasting.hear(evicted("influxdb", [*dropped, Batch(b"3", 5, 1, 3, 3)]))  # five were in memory only
        it.count(evicted=8)
        assert it.lasting.now(it.books).totals["evicted"] == 8
        await it.lasting.write(lambda: it.books)
        await it.lasting.write(lambda: it.books)
        assert it.on_disk() == {"evicted": 8}
    async with opened(path) as it:
        assert it.lasting.now({}).totals["evicted"] == 8


async def test_a_file_that_opens_late_does_not_count_it_twice_either(tmp_path: Path, autojump_clock: MockClock) -> None:
    path = tmp_path / "state.db"
    async with opened(path) as it:
        it.count(evicted=10)
        await it.lasting.end(lambda: it.books)
    async with opened(path) as it:
        late = Lasting(it.lasting.totals, InlineLane(), lambda: START, it.told.append, lambda: None)
        count(it.lasting.totals.connection, KEY, {"evicted": 3})
        late.hear(reports.Evicted("influxdb", 3, 1, 1, counted=3))
        it.count(evicted=3)
        await late.write(lambda: it.books)
        it.count(evicted=1)
        await late.write(lambda: it.books)
        assert late.now(it.books).totals["evicted"] == it.on_disk()["evicted"] == 14


async def test_a_lane_that_gave_up_does_not_hold_up_the_end(tmp_path: Path) -> None:
    async with opened(tmp_path / "state.db") as it:
        lane = ThreadLane()
        lane.give_up()
        it.lasting.lane = lane
        it.count(received=1)
        await it.lasting.end(lambda: it.books)
        assert len(it.told) == 1


async def test_the_rate_is_of_the_last_hour_and_outlives_the_service(tmp_path: Path, autojump_clock: MockClock) -> None:
    path = tmp_path / "state.db"
    async with opened(path) as it:
        assert it.lasting.bytes_per_second is None
        for _ in range(100):
            await trio.sleep(60)
            it.lasting.hear(reports.Batched("influxdb", 10, 6000))
        assert it.lasting.bytes_per_second == pytest.approx(100, rel=0.05)
        it.count(received=1)
        await it.lasting.end(lambda: it.books)
    async with opened(path) as it:
        assert it.lasting.bytes_per_second == pytest.approx(100, rel=0.05)
        await trio.sleep(120)
        assert it.lasting.bytes_per_second == 0


async def test_homes_and_stores_have_their_own(tmp_path: Path, autojump_clock: MockClock) -> None:
    async with opened(tmp_path / "state.db") as it:
        connection = it.lasting.totals.connection
        other = Totals(connection, tmp_path / "state.db", Key("home", "embedded"))
        other.opened(5)
        other.add({"received": 1}, 2.5)
        it.count(received=7)
        await it.lasting.end(lambda: it.books)
        assert accounts(connection) == {
            Key("home", "embedded"): Account(5, {"received": 1}, 2.5),
            KEY: Account(START, {"received": 7}, None),
        }


async def test_a_file_that_is_set_aside_hands_its_totals_on(tmp_path: Path, autojump_clock: MockClock) -> None:
    path = tmp_path / "state.db"
    async with opened(path) as it:
        it.count(received=10)
        await it.lasting.end(lambda: it.books)
        it.lasting.totals.connection.execute("DROP INDEX batch_of")
    await trio.sleep(100)
    async with opened(path) as it:
        assert it.lasting.now({}) == Lifetime(START, {"lost": 0, "received": 10})


async def test_what_a_disk_says_is_ours(tmp_path: Path, autojump_clock: MockClock) -> None:
    async with opened(tmp_path / "state.db") as it:
        it.lasting.totals.connection.execute("PRAGMA query_only = ON")
        it.count(received=1)
        await it.lasting.write(lambda: it.books)
        assert it.lasting.failing


@pytest.mark.slow
async def test_a_disk_that_hangs_is_left_behind_at_the_end(tmp_path: Path) -> None:
    async with opened(tmp_path / "state.db") as it:
        lane, go_on = ThreadLane(), threading.Event()
        it.lasting.lane, it.lasting.give_up = lane, lane.give_up
        it.count(received=1)
        async with trio.open_nursery() as nursery:

            async def hang() -> None:
                with pytest.raises(trio.BrokenResourceError):
                    await lane(go_on.wait, 10)

            nursery.start_soon(hang)
            await wait_all_tasks_blocked()
            with trio.fail_after(5):
                await it.lasting.end(lambda: it.books)
        assert it.lasting.failing
    go_on.set()
