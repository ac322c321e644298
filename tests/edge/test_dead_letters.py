from __future__ import annotations

import sqlite3
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import TypeVar, TypeVarTuple

import pytest
import trio
from attrs import define
from trio.testing import MockClock, wait_all_tasks_blocked

from ingest.core import reports
from ingest.core.reports import Report
from ingest.core.store import Rejection
from ingest.edge.bring import TOGETHER, Room, bring
from ingest.edge.dead_letters import RETRY, DeadLetters
from ingest.edge.letter_file import Bound, Letter, Letters
from ingest.edge.salvage import open_salvage
from ingest.edge.spool_rows import Key
from ingest.edge.state_file import open_state
from ingest.errors import Refused
from tests.cli.waiting import buried
from tests.cli.waiting import opened as opened_file

T = TypeVar("T")
Args = TypeVarTuple("Args")

FULL = Refused("no space for the database file", remedy="Free some space")
BROKEN = reports.DeadLetter("filter", "sensor.a", '{"a":1}', "Traceback …\nZeroDivisionError: division by zero")


@define
class Disk:
    """A lane whose disk may be full."""

    full: bool = False

    async def __call__(self, work: Callable[[*Args], T], *args: *Args) -> T:
        await trio.sleep(0.01)
        if self.full:
            raise FULL
        return work(*args)


@define
class Yard:
    dead: DeadLetters
    disk: Disk
    emitted: list[Report]

    @property
    def on_disk(self) -> list[Letter]:
        return list(self.dead.letters.listed())

    @property
    def lines(self) -> list[str]:
        return [letter.line for letter in self.on_disk]


@asynccontextmanager
async def yard(folder: Path, memory: Bound = Bound(), disk: Bound = Bound()) -> AsyncGenerator[Yard]:  # noqa: B008  frozen
    connection, _ = open_state(folder / "state.db", lambda: 7)
    emitted: list[Report] = []
    lane = Disk()
    letters = Letters(connection, folder / "state.db", disk)
    try:
        yield Yard(DeadLetters(letters, Key("home", "db"), lane, lambda: 7, emitted.append, memory), lane, emitted)
    finally:
        connection.close()


def refused(*lines: str, reason: str = "type conflict") -> list[Rejection]:
    return [Rejection(line, reason) for line in lines]


async def test_a_refused_line_is_on_disk_with_its_reason_when_bury_returns(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    async with yard(tmp_path) as made:
        await made.dead.bury(refused("a 1", "b 2"))
        assert made.on_disk == [
            Letter(1, "home", "db", 7, "a 1", "type conflict"),
            Letter(2, "home", "db", 7, "b 2", "type conflict"),
        ]
        assert made.dead.letters.find(2) == made.on_disk[1]
        assert made.dead.letters.find(3) is None
        assert list(made.dead.letters.listed("other")) == []


async def test_the_same_line_again_is_one_letter_with_the_latest_reason(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    async with yard(tmp_path) as made:
        await made.dead.bury(refused("a 1"))
        await made.dead.bury(refused("a 1", reason="out of retention"))
        assert [(letter.line, letter.reason) for letter in made.on_disk] == [("a 1", "out of retention")]


async def test_a_change_that_broke_a_function_is_written_by_the_actor(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    async with yard(tmp_path) as made, trio.open_nursery() as nursery:
        nursery.start_soon(made.dead.run)
        await wait_all_tasks_blocked()
        made.dead.hear(BROKEN)
        made.dead.hear(reports.Passed(1))
        await trio.sleep(1)
        (letter,) = made.on_disk
        assert (letter.store, letter.line, letter.reason) == ("filter", BROKEN.json, BROKEN.traceback)
        assert not letter.is_line
        nursery.cancel_scope.cancel()


async def test_a_full_disk_is_told_once_and_what_waits_is_written_when_there_is_room(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    async with yard(tmp_path) as made, trio.open_nursery() as nursery:
        nursery.start_soon(made.dead.run)
        made.disk.full = True
        await made.dead.bury(refused("a 1"))
        await made.dead.bury(refused("b 2"))
        await trio.sleep(3 * RETRY)
        assert (made.dead.waiting, made.lines) == (2, [])
        made.disk.full = False
        await trio.sleep(2 * RETRY)
        assert (made.dead.waiting, made.lines) == (0, ["a 1", "b 2"])
        assert made.emitted == [reports.LettersFailing(str(FULL), 1), reports.LettersRecovered()]
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize("memory", [Bound(letters=2), Bound(size=32)])
async def test_memory_bounds_nothing_while_the_disk_takes_it(
    tmp_path: Path, autojump_clock: MockClock, memory: Bound
) -> None:
    async with yard(tmp_path, memory) as made:
        await made.dead.bury(refused(*(f"a {number}" for number in range(9))))
        assert (len(made.lines), made.emitted) == (9, [])


@pytest.mark.parametrize("memory", [Bound(letters=2), Bound(size=32)])
async def test_memory_is_bounded_and_what_does_not_fit_is_told(
    tmp_path: Path, autojump_clock: MockClock, memory: Bound
) -> None:
    async with yard(tmp_path, memory) as made:
        made.disk.full = True
        await made.dead.bury(refused("a 1", "b 2", "c 3"))
        assert made.emitted[0] == reports.LettersDropped(1, "there is room for so many in memory")
        made.disk.full = False
        await made.dead.flush()
        await made.dead.flush()
        assert made.lines == ["b 2", "c 3"]


@pytest.mark.parametrize("disk", [Bound(letters=2), Bound(size=32)])
async def test_the_file_is_bounded_and_the_oldest_go(tmp_path: Path, autojump_clock: MockClock, disk: Bound) -> None:
    async with yard(tmp_path, disk=disk) as made:
        await made.dead.bury(refused("a 1", "b 2"))
        await made.dead.bury(refused("c 3"))
        assert made.lines == ["b 2", "c 3"]
        assert made.emitted == [reports.LettersDropped(1, "there is room for so many on disk")]
        await made.dead.bury(refused("d" * 1000))
        assert made.lines[-1] == "d" * 1000


async def test_a_cancelled_attempt_loses_nothing(tmp_path: Path, autojump_clock: MockClock) -> None:
    async with yard(tmp_path) as made:
        with trio.move_on_after(0.001):
            await made.dead.bury(refused("a 1"))
        assert made.dead.waiting == 1
        await made.dead.flush()
        assert made.lines == ["a 1"]


async def test_what_cannot_be_written_at_the_end_is_told(tmp_path: Path, autojump_clock: MockClock) -> None:
    async with yard(tmp_path) as made:
        made.disk.full = True
        made.dead.hear(BROKEN)
        await made.dead.end()
        assert made.emitted[-1] == reports.LettersDropped(1, "the service ended before they could be written")
        assert [report.text() for report in made.emitted] == [
            f"1 dead letter cannot be written, only memory holds what is not on disk: {FULL}",
            "1 dead letter was dropped, the oldest first: the service ended before they could be written",
        ]
        made.disk.full = False
        await made.dead.end()
        assert made.emitted[-1].text() == "the dead letters are on disk again"


async def test_what_utf_8_cannot_say_is_kept_all_the_same(tmp_path: Path, autojump_clock: MockClock) -> None:
    async with yard(tmp_path) as made:
        await made.dead.bury([Rejection("a\ud800 1", "\udfff")])
        assert [(letter.line, letter.reason) for letter in made.on_disk] == [("a? 1", "?")]


async def test_another_reason_is_told_too(tmp_path: Path, autojump_clock: MockClock) -> None:
    async with yard(tmp_path) as it:
        it.disk.full = True
        for _ in range(2):
            await it.dead.bury(refused("m v=1 1"))
        it.disk.full = False
        it.dead.letters.connection.execute("PRAGMA query_only = ON")
        await it.dead.bury(refused("m v=2 1"))
        told = [report.reason for report in it.emitted if isinstance(report, reports.LettersFailing)]
    assert [reason.partition(":")[0] for reason in told] == [
        "no space for the database file. Free some space",
        "the database file cannot be written",
    ]


def test_letters_that_are_there_are_weighed_once_however_many_come(tmp_path: Path) -> None:
    many, old, path = 3 * TOGETHER, tmp_path / "old.db", tmp_path / "state.db"
    buried(old, *((f"m v=1 {each}", "no") for each in range(many)))
    buried(path, *((f"m v=2 {each}", "no") for each in range(many)))
    weighed: list[bytes] = []

    def length(content: bytes) -> int:
        weighed.append(content)
        return len(content)

    with closing(open_salvage(old)) as salvage, opened_file(path) as connection:
        assert isinstance(connection, sqlite3.Connection)
        connection.create_function("length", 1, length)  # in place of SQLite's own
        assert bring(salvage, Letters(connection, path), Room(path, 10**9)).letters == many
    assert len([each for each in weighed if each.startswith(b"m v=2")]) == many
    assert len([each for each in weighed if each.startswith(b"m v=1")]) == many


@pytest.mark.parametrize("bound", [Bound(letters=3), Bound(size=3 * len("m v=1 1no"))])
@pytest.mark.parametrize("kept", [True, False])
def test_letters_come_as_long_as_none_would_have_to_go(tmp_path: Path, bound: Bound, *, kept: bool) -> None:
    path = tmp_path / "state.db"
    one, two, three, four = (Letter(0, "home", "influxdb", 7, f"m v=1 {each}", "no") for each in range(1, 5))
    with opened_file(path) as connection:
        letters = Letters(connection, path, bound)
        letters.add([one])
        came, used = letters.bring([one, two])
        assert (came, used.letters) == (1, 2)
        came, used = letters.bring([three, one], used if kept else None)
        assert (came, used.letters, used.size) == (1, 3, 3 * one.size)
        with pytest.raises(Refused, match="no room for more dead letters"):
            letters.bring([two, four], used if kept else None)
        assert letters.bring([two], used if kept else None) == (0, used)
        assert [each.line for each in letters.listed()] == [one.line, two.line, three.line]


def test_the_only_letter_comes_whatever_its_size(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    with opened_file(path) as connection:
        letters = Letters(connection, path, Bound(size=1))
        assert letters.bring([Letter(0, "home", "influxdb", 7, "m v=1 1", "no")])[0] == 1
