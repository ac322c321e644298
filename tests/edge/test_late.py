"""A state file that cannot be opened at the start: everything goes on, and is as if it had been open once it can be."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager, closing
from functools import partial
from pathlib import Path

import pytest
import trio
from attrs import define, field
from trio.testing import MockClock

from ingest.core import reports
from ingest.core.reports import Report
from ingest.core.store import Rejection
from ingest.edge.aside import SetAside
from ingest.edge.dead_letters import DeadLetters
from ingest.edge.disk_spool import RETRY, DiskSpool, Limits
from ingest.edge.free_space import NO_FLOOR, Floor
from ingest.edge.lasting import Lasting
from ingest.edge.late import AGAIN, LateConnection, LateLane, Opened, open_locked
from ingest.edge.letter_file import Letters
from ingest.edge.lock import Held, locked
from ingest.edge.spool_file import Table
from ingest.edge.spool_purge import purge_part
from ingest.edge.spool_rows import Key
from ingest.edge.spool_trouble import LATE
from ingest.edge.state import opened_state
from ingest.edge.state_file import open_state
from ingest.edge.totals_file import Totals, accounts
from ingest.errors import Refused, Transient
from ingest.runtime.lane import InlineLane
from ingest.runtime.link import Weight
from tests.edge.test_disk_spool_faults import drained
from tests.runtime.spools import batch

KEY = Key("home", "influxdb")
ONE_BY_ONE = Limits(10_000, 1_000, Weight(1, 1))


def now_ns() -> int:
    return int(trio.current_time() * 1e9)


def joined(payloads: object) -> bytes:
    assert isinstance(payloads, list)
    return b" ".join(payloads)


@define(eq=False)
class Late:
    """A file behind a door. `spool`, `letters` and `lasting` share it, as they do in the service."""

    path: Path
    shut: bool = True
    attempts: int = 0
    told: list[Report] = field(factory=list)
    lane: LateLane = field(init=False)
    spool: DiskSpool = field(init=False)
    letters: DeadLetters = field(init=False)
    lasting: Lasting = field(init=False)

    def __attrs_post_init__(self) -> None:
        inner = InlineLane(0.01)
        self.lane = LateLane(inner, self.attempt, lambda aside: self.told.append(aside.report()))
        connection, emit = self.lane.connection, self.told.append
        self.spool = DiskSpool(Table(connection, self.path, KEY), self.lane, ONE_BY_ONE, joined, now_ns, emit)
        self.letters = DeadLetters(Letters(connection, self.path), KEY, self.lane, now_ns, emit)
        self.lasting = Lasting(Totals(connection, self.path, KEY), self.lane, now_ns, emit, lambda: None)

    def attempt(self) -> Opened:
        self.attempts += 1
        if self.shut:
            raise Refused("the file cannot be opened", where="the disk", remedy="Mend it")
        return open_locked(self.path, now_ns)

    def of(self, kind: type[Report]) -> list[Report]:
        return [report for report in self.told if isinstance(report, kind)]


@asynccontextmanager
async def behind_a_door(path: Path) -> AsyncGenerator[Late]:
    late = Late(path)
    with pytest.raises(Refused):
        await late.spool.load()
    yield late
    late.lane.connection.close()
    late.lane.release()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A file in which three batches wait."""
    path = tmp_path / "state.db"
    connection, _ = open_state(path, lambda: 0)
    with closing(connection):
        for number in range(3):
            Table(connection, path, KEY).put(batch(number), 0, 0, (), ())
    return path


async def test_what_came_meanwhile_and_what_waited_before_are_both_delivered_once(
    path: Path, autojump_clock: MockClock
) -> None:
    async with behind_a_door(path) as it:
        for number in range(10, 13):
            await it.spool.put(batch(number))
        assert (it.spool.held, it.spool.volatile, it.spool.failing) == (Weight(3, 30), Weight(3, 30), True)
        (failing,) = it.told
        assert failing == reports.SpoolFailing("influxdb", "the file cannot be opened (the disk). Mend it")
        it.shut = False
        await trio.sleep(RETRY)
        await it.spool.put(batch(13))
        assert (it.spool.held, it.spool.volatile, it.spool.on_disk) == (Weight(7, 70), Weight(0, 0), Weight(7, 70))
        assert it.told[1:] == [reports.Made("influxdb", 3, LATE), reports.SpoolRecovered("influxdb")]
        assert sorted(await drained(it.spool)) == [0, 1, 2, 10, 11, 12, 13]


async def test_in_a_quiet_home_a_claim_that_waits_finds_it(path: Path, autojump_clock: MockClock) -> None:
    async with behind_a_door(path) as it, trio.open_nursery() as nursery:

        async def mend() -> None:
            await trio.sleep(100)
            it.shut = False

        nursery.start_soon(mend)
        async with it.spool.claim() as first:
            assert 100 <= trio.current_time() <= 100 + RETRY + AGAIN
            assert first.count == 1
        assert it.attempts <= 100 / RETRY + 3
        assert [type(report) for report in it.told] == [reports.SpoolFailing, reports.Made, reports.SpoolRecovered]
        assert sorted(await drained(it.spool)) in ([0, 1], [1, 2])


async def test_while_it_is_shut_memory_is_delivered_and_the_end_is_an_end(
    path: Path, autojump_clock: MockClock
) -> None:
    async with behind_a_door(path) as it:
        await it.spool.put(batch(10))
        assert await drained(it.spool) == [10]
        it.spool.close()
        with pytest.raises(trio.EndOfChannel):
            async with it.spool.claim():
                pass


async def test_a_last_flush_counts_what_it_finds(path: Path, autojump_clock: MockClock) -> None:
    async with behind_a_door(path) as it:
        await it.spool.put(batch(10))
        it.shut = False
        await trio.sleep(AGAIN)
        await it.spool.flush()
        assert (it.spool.volatile.events, it.spool.held.events) == (0, 4)
        assert it.of(reports.Made) == [reports.Made("influxdb", 3, LATE)]


async def test_who_changes_rows_waits_for_the_count_of_them(path: Path, autojump_clock: MockClock) -> None:
    async with behind_a_door(path) as it:
        with pytest.raises(Refused, match="cannot be opened"):
            await it.spool.change(partial(purge_part, it.spool.table, 100))
        it.shut = False
        await trio.sleep(AGAIN)
        gone = (await it.spool.change(partial(purge_part, it.spool.table, 100))).gone
        assert (len(gone), it.spool.held.events) == (3, 0)
        assert it.told == [reports.Made("influxdb", 3, LATE)]


async def test_how_much_room_there_is_is_asked_when_the_file_is_there(path: Path, autojump_clock: MockClock) -> None:
    asked: list[tuple[Limits, Floor]] = []

    def measure() -> tuple[Limits, Floor]:
        if not asked:
            asked.append((ONE_BY_ONE, NO_FLOOR))
            raise Transient("the disk cannot be asked")
        asked.append((Limits(20, 30), Floor(1, lambda: 2)))
        return asked[-1]

    async with behind_a_door(path) as it:
        it.spool.measure = measure
        await it.spool.put(batch(10))
        it.shut = False
        for _ in range(3):
            await trio.sleep(RETRY)
            await it.spool.put(batch(11))
        assert (it.spool.limits, it.spool.floor) == asked[-1]
        assert len(asked) == 2
        assert it.of(reports.SpoolRecovered)


async def test_letters_and_totals_are_written_as_if_it_had_been_open(path: Path, autojump_clock: MockClock) -> None:
    connection, _ = open_state(path, lambda: 0)
    with closing(connection):
        before = Totals(connection, path, KEY)
        before.opened(5)
        before.add({"stored": 7}, None)
    async with behind_a_door(path) as it:
        await trio.sleep(10)
        await it.lasting.load()
        assert it.lasting.now({"stored": 2}).since_ns // 10**9 == 10
        await it.letters.bury([Rejection("m v=1 1", "no")])
        await it.lasting.write(lambda: {"stored": 2})
        assert [type(report) for report in it.told] == [reports.Notice, reports.LettersFailing]
        it.shut = False
        await trio.sleep(RETRY)
        await it.letters.flush()
        for stored in (3, 4):
            await it.lasting.write(lambda stored=stored: {"stored": stored})  # type: ignore[misc]
        assert [letter.line for letter in it.letters.letters.listed()] == ["m v=1 1"]
        assert (it.lasting.account.since_ns, it.lasting.now({"stored": 4}).totals["stored"]) == (5, 11)
        assert accounts(it.lane.connection)[KEY].totals == {"stored": 11}
        assert [type(report) for report in it.told[2:]] == [reports.LettersRecovered, reports.Notice]


async def test_however_many_ask_one_attempt_answers_them(path: Path, autojump_clock: MockClock) -> None:
    async with behind_a_door(path) as it:
        it.attempts = 0
        await trio.sleep(AGAIN)
        async with trio.open_nursery() as nursery:
            for number in range(20):
                nursery.start_soon(it.spool.put, batch(number))
                nursery.start_soon(it.letters.bury, [Rejection(f"m v=1 {number}", "no")])
        assert it.attempts == 1
        it.shut = False
        await trio.sleep(AGAIN)
        async with trio.open_nursery() as nursery:
            for _ in range(20):
                nursery.start_soon(it.letters.flush)
                nursery.start_soon(it.lane.open)
        assert it.attempts == 2


async def test_a_damaged_file_is_set_aside_late_too_and_said(path: Path, autojump_clock: MockClock) -> None:
    spoil(path)
    async with behind_a_door(path) as it:
        it.shut = False
        await trio.sleep(AGAIN)
        await it.spool.put(batch(1))
        (notice,) = it.told
        assert "is kept as" in notice.text()
        assert it.spool.on_disk == Weight(1, 10)


def spoil(path: Path) -> None:
    path.write_bytes(b"nothing like a database " * 100)


def test_before_it_is_open_nothing_can_be_done_with_it() -> None:
    connection = LateConnection()
    with pytest.raises(Transient, match="not open yet"):
        connection.execute("SELECT 1")
    with pytest.raises(Transient, match="not open yet"):
        connection.rollback()
    connection.close()


# ---- the lock ----------------------------------------------------------------------------------------------------


def no_place(path: Path) -> None:
    path.mkdir()


def no_lock(path: Path) -> None:
    path.with_name(f"{path.name}.lock").mkdir()


def clear(folder: Path) -> None:
    folder.rmdir()


@pytest.fixture(params=[no_place, no_lock])
def in_the_way(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Path]:
    """A place where no file can be opened as long as a folder is in the way."""
    request.param(tmp_path / "state.db")
    (folder,) = tmp_path.iterdir()
    yield folder
    assert not folder.is_dir()


def nobody(_: SetAside) -> None:
    raise AssertionError


async def test_the_lock_and_the_file_are_taken_together_or_not_at_all(in_the_way: Path) -> None:
    path = in_the_way.with_name("state.db")
    async with opened_state(path, lambda: 0, nobody) as state:
        assert not state.lane.opened.is_set()
        clear(in_the_way)
        with locked(path, remedy="Stop it."):
            await trio.sleep(AGAIN)
            with pytest.raises(Held, match="another process"):
                await state.lane(lambda: None)
        await trio.sleep(AGAIN)
        await state.lane(lambda: None)
        with pytest.raises(Held, match="another process"), locked(path, remedy="Stop it."):
            pass
        assert state.lane.opened.is_set()
        assert state.connection.execute("SELECT count(*) FROM batch").fetchone() == (0,)
    with locked(path, remedy="Stop it."), pytest.raises(sqlite3.ProgrammingError):
        state.connection.execute("SELECT 1")


async def test_a_file_that_another_service_has_ends_the_start(tmp_path: Path) -> None:
    with locked(tmp_path / "state.db", remedy=""), pytest.raises(Held, match=r"spool\.path"):
        async with opened_state(tmp_path / "state.db", lambda: 0, nobody):
            raise AssertionError


async def test_an_attempt_that_fails_in_the_middle_keeps_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise OSError(5, "Input/output error")

    path = tmp_path / "state.db"
    monkeypatch.setattr("ingest.edge.late.open_state", fail)
    with pytest.raises(Refused, match="cannot be reached: Input/output error"):
        open_locked(path, lambda: 0)
    with locked(path, remedy=""):
        pass


async def test_a_lane_that_gave_up_opens_nothing(in_the_way: Path) -> None:
    async with opened_state(in_the_way.with_name("state.db"), lambda: 0, nobody) as state:
        clear(in_the_way)
        state.give_up()
        await trio.sleep(AGAIN)
        with pytest.raises(trio.BrokenResourceError):
            await state.lane(lambda: None)
