from __future__ import annotations

import sqlite3
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trio
from attrs import define, field, frozen
from trio.testing import MockClock

from ingest.core import reports
from ingest.core.coverage import Cause, Gap, Missed, Note, Progress, Settled, Span
from ingest.core.ledger import Coverage
from ingest.core.reports import Report
from ingest.core.store import Batch
from ingest.edge.ledger import DROPPED, IN_MEMORY, Ledger
from ingest.edge.ledger_bounds import Bound
from ingest.edge.ledger_file import Due, LedgerFile
from ingest.edge.spool_file import Table
from ingest.edge.spool_rows import Changed
from ingest.edge.sqlite import translated
from ingest.edge.state_file import open_state
from ingest.errors import IngestError
from ingest.runtime.lane import InlineLane, ThreadLane
from tests.edge.ledgers import KEY, mark, span, told


@define
class Disk:
    code: int = 0


@frozen
class OnDisk(LedgerFile):
    """A real ledger on a disk that fails when it is told to."""

    disk: Disk = field(kw_only=True)

    def write(self, due: Due) -> Changed:
        with translated(self.path):
            if self.disk.code:
                error = sqlite3.OperationalError("as a disk says it")
                error.sqlite_errorcode = self.disk.code
                raise error
        return super().write(due)


@define
class Opened:
    ledger: Ledger
    disk: Disk
    told: list[Report]

    def kinds(self) -> list[str]:
        return [type(report).__name__ for report in self.told]

    def gaps(self) -> list[Gap]:
        """In the file."""
        return self.ledger.file.gaps()


async def next_spans(it: Opened) -> Sequence[Span]:
    found = await it.ledger.next_gap(5)
    return () if found is None else found[1]


@asynccontextmanager
async def opened(folder: Path, bound: Bound = IN_MEMORY, delay: float = 0.0) -> AsyncGenerator[Opened]:
    path, disk, emitted = folder / "state.db", Disk(), list[Report]()
    connection, _ = open_state(path, lambda: 0)
    file = OnDisk(connection, path, KEY, disk=disk)
    ledger = Ledger(file, InlineLane(delay), emitted.append, lambda: None, bound=bound)
    await ledger.load()
    try:
        yield Opened(ledger, disk, emitted)
    finally:
        connection.close()


async def test_a_gap_is_told_filled_and_told_again(tmp_path: Path) -> None:
    async with opened(tmp_path) as it:
        await it.ledger.open_gap(Cause.KILLED, 10, 50, [span("a", 10, 50), span("b", 20, 50)])
        await it.ledger.open_gap(Cause.STOPPED, 60, 61)
        assert [(type(each), each.level) for each in it.told] == [
            (reports.GapOpened, "warning"),
            (reports.GapOpened, "info"),
        ]
        assert "changes of 2 entities may have been missed" in it.told[0].text()
        assert "nothing was missed" in it.told[1].text()
        assert it.ledger.summary.counts[Progress.OPEN] == 1
        first, second = await next_spans(it)
        await it.ledger.note(Note(settled=[Settled(first.id, 0)]))
        assert (it.ledger.summary.counts[Progress.FILLING], it.ledger.summary.oldest_left_ns) == (1, 10)
        await it.ledger.note(Note([mark("a", 70)], [Settled(second.id, 4)]))
        assert it.told[2:] == [reports.GapSettled(1, Cause.KILLED, 10, 50, Progress.FILLED, 4, "")]
        assert (it.told[2].level, "filled: 4 states" in it.told[2].text()) == ("info", True)
        summary = it.ledger.summary
        assert (summary.counts[Progress.FILLED], summary.oldest_left_ns, summary.filled) == (2, None, 4)
    async with opened(tmp_path) as it:
        assert (it.ledger.summary, it.ledger.remembered.marks) == (summary, [mark("a", 70)])
        assert it.told == []


@pytest.mark.parametrize("spoilt", ["span SET entity_id = CAST(x'a5' AS TEXT)", "gap SET cause = 'no such'"])
async def test_damage_met_while_it_runs_is_told_once_and_does_not_end_it(tmp_path: Path, spoilt: str) -> None:
    async with opened(tmp_path) as it:
        await it.ledger.open_gap(Cause.KILLED, 10, 50, [span("a", 10, 50)])
        assert await next_spans(it)
        it.ledger.file.connection.execute(f"UPDATE {spoilt}")
        for time_ns in (60, 70, 80):
            assert await next_spans(it) == ()
            await it.ledger.heard(time_ns)
        assert it.ledger.failing
        assert it.kinds() == ["GapOpened", "LedgerFailing"]


async def test_nothing_is_filled_that_could_not_be_settled(tmp_path: Path) -> None:
    """Whose batches go without their notes, because the file is damaged, would ask the history for the same for ever."""
    async with opened(tmp_path) as it:
        await it.ledger.open_gap(Cause.KILLED, 10, 50, [span("a", 10, 50)])
        it.ledger.takes_notes = lambda: False
        assert await next_spans(it) == ()
        it.ledger.takes_notes = lambda: True
        assert await next_spans(it)


async def test_what_cannot_be_filled_is_a_warning(tmp_path: Path) -> None:
    async with opened(tmp_path) as it:
        await it.ledger.open_gap(Cause.KILLED, 10, 50, [span("a", 10, 50)])
        (left,) = await next_spans(it)
        await it.ledger.note(Note(settled=[Settled(left.id, 0, "Home Assistant does not record it")]))
        await it.ledger.open_gap(Cause.UNREADABLE, 60, 70, why="nobody knows of whom")
        settled, opened_ = it.told[1:]
        assert (settled.level, opened_.level) == ("warning", "warning")
        assert settled.text().endswith("could not be filled, 0 states came: Home Assistant does not record it (1)")
        assert "nobody knows of whom" in opened_.text()
        assert it.ledger.summary.counts[Progress.UNFILLABLE] == 2


async def test_what_a_batch_settled_is_told_when_the_spool_says_so(tmp_path: Path) -> None:
    async with opened(tmp_path) as it:
        await it.ledger.open_gap(Cause.KILLED, 10, 50, [span("a", 10, 50)])
        (left,) = await next_spans(it)
        changed = it.ledger.file.settle([Settled(left.id, 3)])
        for _ in range(2):
            it.ledger.noted(Changed(changed))
        assert it.kinds() == ["GapOpened", "GapSettled"]
        assert it.ledger.summary.filled == 3


def shed(from_ns: int, to_ns: int) -> Note:
    return Note(missed=[Missed(Cause.SHED, from_ns, to_ns, [span("a", from_ns, to_ns)])])


async def test_gaps_that_become_one_with_a_batch_are_one_in_memory_too(tmp_path: Path) -> None:
    """Else whoever waits for the gap that is no more waits for ever."""
    async with opened(tmp_path) as it:
        table = Table(it.ledger.file.connection, it.ledger.file.path, KEY)
        for times in ((10, 11), (20, 21), (5, 30)):
            it.ledger.noted(table.put(Batch(b"x", 1, 1, *times, note=shed(*times)), 1, 0, (), ()).gaps)
            assert list(it.ledger.gaps) == it.gaps()
        for times in ((110, 111), (120, 121), (105, 130)):
            await it.ledger.note(shed(*times))
            assert list(it.ledger.gaps) == it.gaps()
        assert len(it.ledger.gaps) == 2
        await it.ledger.note(Note(settled=[Settled(each.id, 1) for each in await next_spans(it)]))
        await it.ledger.note(Note(settled=[Settled(each.id, 1) for each in await next_spans(it)]))
        assert it.ledger.summary.counts[Progress.FILLED] == 2
        assert it.kinds() == ["GapSettled", "GapSettled"]


async def test_what_the_spool_had_no_room_for_is_known_at_once(tmp_path: Path) -> None:
    async with opened(tmp_path) as it:
        table = Table(it.ledger.file.connection, it.ledger.file.path, KEY)
        for number in range(5):
            placed = table.put(Batch(b"x" * 10, 1, 10, number, number), 1, 10 * (number > 0), (), ())
            assert len(placed.evicted) == (number > 0)
            it.ledger.noted(placed.gaps)
        assert [(gap.cause, gap.from_ns, gap.to_ns) for gap in it.ledger.gaps] == [(Cause.EVICTED, 0, 3)]
        assert it.ledger.summary.counts[Progress.UNFILLABLE] == 1


async def test_while_the_file_fails_gaps_and_notes_wait_in_memory(tmp_path: Path) -> None:
    async with opened(tmp_path) as it:
        await it.ledger.open_gap(Cause.KILLED, 1, 5, [span("x", 1, 5), span("y", 1, 5)])
        done, rest = await next_spans(it)
        it.disk.code = sqlite3.SQLITE_FULL
        await it.ledger.open_gap(Cause.CONNECTION, 10, 50, [span("a", 10, 50)])
        await it.ledger.open_gap(Cause.CONNECTION, 60, 61)
        await it.ledger.note(Note([mark("a", 9)]))
        await it.ledger.note(Note([mark("a", 8)]))
        await it.ledger.note(Note(settled=[Settled(done.id, 0)]))
        await it.ledger.heard(70)
        assert it.kinds() == ["GapOpened", "GapOpened", "LedgerFailing", "GapOpened"]
        assert (it.ledger.waiting, len(it.gaps())) == (2, 1)
        assert it.ledger.summary.counts[Progress.OPEN] == 2
        assert await next_spans(it) == [rest]
        it.disk.code = 0
        await it.ledger.heard(80)
        assert it.kinds()[4:] == ["LedgerRecovered"]
        assert [told(gap)[:3] for gap in it.gaps()] == [
            (1, 5, Progress.FILLING),
            (10, 50, Progress.OPEN),
            (60, 61, Progress.FILLED),
        ]
        known = await it.ledger.load()
        assert (known.marks, known.coverage, it.ledger.waiting) == ([mark("a", 9)], Coverage(80, 80, stopped=False), 0)


async def test_memory_is_bounded_and_says_what_it_dropped(tmp_path: Path) -> None:
    async with opened(tmp_path, Bound(gaps=3, spans=4)) as it:
        it.disk.code = sqlite3.SQLITE_READONLY
        for number in range(6):
            first = number * 10
            await it.ledger.open_gap(
                Cause.CONNECTION, first, first + 5, [span("a", first, first + 5), span("b", first, first + 5)]
            )
        assert it.ledger.waiting == 3
        it.disk.code = 0
        await it.ledger.flush()
        several, *others = it.gaps()
        assert (several.cause, several.from_ns, several.to_ns, several.why[:2]) == (Cause.SEVERAL, 0, 35, "4 ")
        assert [told(gap)[:5] for gap in others] == [(40, 45, Progress.OPEN, 2, 2), (50, 55, Progress.OPEN, 2, 2)]


async def test_dropped_spans_make_a_gap_that_cannot_be_filled(tmp_path: Path) -> None:
    async with opened(tmp_path, Bound(spans=1)) as it:
        it.disk.code = sqlite3.SQLITE_READONLY
        for first in (10, 20):
            await it.ledger.open_gap(Cause.SHED, first, first + 5, [span("a", first, first + 5)])
        it.disk.code = 0
        await it.ledger.flush()
        assert [(gap.progress, gap.why) for gap in it.gaps()] == [(Progress.UNFILLABLE, DROPPED), (Progress.OPEN, "")]


async def test_gaps_that_the_file_has_no_room_for_are_told(tmp_path: Path) -> None:
    async with opened(tmp_path) as it:
        it.ledger.file = OnDisk(it.ledger.file.connection, it.ledger.file.path, KEY, Bound(gaps=2), disk=it.disk)
        for first in (10, 20, 30):
            await it.ledger.open_gap(Cause.SHED, first, first + 5, [span("a", first, first + 5)])
        last = it.told[-1]
        assert isinstance(last, reports.GapSettled)
        assert (last.cause, last.progress, last.why[:2]) == (Cause.SEVERAL, Progress.UNFILLABLE, "2 ")
        assert len(it.gaps()) == sum(it.ledger.summary.counts.values()) == 2


async def test_reopening_opens_one_gap_of_everything_since(tmp_path: Path) -> None:
    async with opened(tmp_path) as it:
        await it.ledger.note(Note([mark("a", 50), mark("b", 20)]))
        gap = await it.ledger.reopen(40)
        assert gap is not None
        assert (gap.cause, gap.from_ns, gap.to_ns) == (Cause.REOPENED, 40, 50)
        assert it.told == [reports.GapOpened(Cause.REOPENED, 40, 50, 1)]
        assert (await it.ledger.reopen(51), it.ledger.summary.counts[Progress.OPEN]) == (None, 1)


async def test_a_run_that_ends_in_order_says_so(tmp_path: Path, autojump_clock: MockClock) -> None:
    async with opened(tmp_path) as it:
        await it.ledger.heard(50)
        await it.ledger.end()
    async with opened(tmp_path) as it:
        assert it.ledger.remembered.coverage == Coverage(50, 50, stopped=True)
        await it.ledger.heard(60)
        assert (await it.ledger.load()).coverage == Coverage(50, 60, stopped=False)


async def test_what_is_cancelled_is_written_later(tmp_path: Path, autojump_clock: MockClock) -> None:
    async with opened(tmp_path, delay=1.0) as it:
        with trio.move_on_after(0.5):
            await it.ledger.open_gap(Cause.SHED, 1, 5, [span("a", 1, 5)])
        assert (it.ledger.waiting, it.gaps()) == (1, [])
        await it.ledger.heard(9)
        assert (it.ledger.waiting, len(it.gaps())) == (0, 1)


async def test_a_lane_that_gave_up_is_a_file_that_fails(tmp_path: Path) -> None:
    async with opened(tmp_path) as it:
        lane = ThreadLane()
        it.ledger.lane = lane
        lane.give_up()
        await it.ledger.open_gap(Cause.SHED, 1, 5, [span("a", 1, 5)])
        assert (it.ledger.waiting, await next_spans(it)) == (1, ())
        with pytest.raises((IngestError, trio.BrokenResourceError)):
            await it.ledger.reopen(0)
