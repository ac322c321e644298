"""What is read of the history, on its way: nothing settles a span before the rows that it stands for."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trio
from attrs import define, evolve, field
from trio.testing import MockClock

from ingest.actors.backfill import FRAME, ROW, SPANS, Backfill
from ingest.core import recorder
from ingest.core.catalog import Catalog
from ingest.core.coverage import FOREVER, MICROSECOND, Cause, Gap, Note, Progress, Settled, Span
from ingest.core.history_query import SECOND_NS
from ingest.core.home_clock import HomeClock
from ingest.core.point import Facts
from ingest.core.reports import Report
from ingest.core.state import Frame
from ingest.edge.ledger import Ledger
from ingest.runtime.errand import Errand
from ingest.runtime.link import Link, Overflow, Receiver, Weight
from ingest.runtime.watch import Watch
from ingest.simulator.faults import AnswerError
from ingest.simulator.recorder_faults import Exclude, Purge, SilentHistory
from tests.actors.test_history import Lived, lived
from tests.edge.test_ledger import opened
from tests.runtime.lanes import Hanging


@define
class Filling:
    """A home with a history, a ledger with gaps of it, and what came over the link."""

    home: Lived
    ledger: Ledger
    backfill: Backfill
    intake: Receiver[Frame]
    emitted: list[Report] = field(factory=list)

    @property
    def gaps(self) -> list[Gap]:
        """On disk."""
        return self.ledger.file.gaps()

    async def missed(self, *spans: Span) -> None:
        first, last = min(each.after_ns for each in spans), max(each.before_ns for each in spans)
        await self.ledger.open_gap(Cause.CONNECTION, first, min(last, self.home.now_ns()), spans)

    async def run(self, seconds: float) -> list[Frame]:
        """Let it fill for so long; what it put on the link, which nobody took meanwhile."""
        with trio.move_on_after(seconds):
            clock = HomeClock(self.home.now_ns)
            clock.heard(self.home.now_ns())
            await self.backfill.run(self.home.bulk, self.home.bulk, clock)
        frames = []
        with trio.move_on_after(1):
            while True:
                frames.append(await self.intake.receive())
        return frames


@asynccontextmanager
async def filling(folder: Path) -> AsyncGenerator[Filling]:
    async with opened(folder) as disk, lived() as home:
        link: Link[Frame] = Link("intake", Weight(10**6, 10**9), lambda each: Weight(len(each.changes), each.size))
        async with trio.open_nursery() as outside:
            backfill = Backfill(disk.ledger, Errand(outside), link.sender(Overflow.BLOCK), disk.told.append)
            yield Filling(home, disk.ledger, backfill, link.receiver(), disk.told)


def settled(frames: Sequence[Frame]) -> list[Settled]:
    """To their end."""
    return [each for frame in frames for each in frame.settled if each.until_ns is None]


async def test_nothing_is_settled_before_the_rows_that_are_on_their_way(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    async with filling(tmp_path) as it:
        spans = it.home.spans()[:3]
        now_ns = it.home.now_ns()
        quiet = [Span(f"sensor.quiet_{number}", f"q{number}", now_ns - SECOND_NS, now_ns) for number in range(5)]
        await it.missed(*spans, *quiet)
        await trio.sleep(100)
        frames = await it.run(60)
        assert [(gap.progress, gap.left) for gap in it.gaps] == [(Progress.OPEN, 8)]
        found = settled(frames)
        assert len({each.span_id for each in found}) == len(found) == 8
        assert {each.filled for each in found[-5:]} == {0}
        *_, last = frames
        assert (len(last.settled), len(last.changes), last.size) == (5, 0, 5 * ROW), "one frame for what has no rows"
        await it.ledger.note(Note(settled=found))
        assert sum(gap.filled for gap in it.gaps) == sum(len(frame.changes) for frame in frames) > 40


async def test_what_has_no_rows_needs_no_room(tmp_path: Path, autojump_clock: MockClock) -> None:
    async with filling(tmp_path) as it:
        it.backfill.room = lambda: 0
        now_ns = it.home.now_ns()
        await it.missed(Span("sensor.quiet", "q", now_ns - SECOND_NS, now_ns))
        await trio.sleep(100)
        (frame,) = await it.run(60)
        assert len(frame.settled) == 1


async def test_what_is_given_up_is_settled_behind_its_rows_and_counts_them(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    async with filling(tmp_path) as it:
        spans = it.home.spans()[:3]
        await it.missed(*spans)
        await trio.sleep(100)
        it.home.server.instance.recorder.delay = 20
        first = await it.run(30)
        await it.home.fault(AnswerError("recorder/info", 3600))
        frames = [*first, *await it.run(60)]
        assert [(gap.progress, gap.left) for gap in it.gaps] == [(Progress.OPEN, 3)]
        found = settled(frames)
        assert {each.why for each in found} == {recorder.NO_RECORDER}
        assert sum(each.filled for each in found) == sum(len(frame.changes) for frame in frames) > 0
        await it.ledger.note(Note(settled=found))
        (gap,) = it.gaps
        assert gap.progress is Progress.PARTLY


async def test_who_was_gone_is_asked_about_as_soon_as_it_is_back(tmp_path: Path, autojump_clock: MockClock) -> None:
    async with filling(tmp_path) as it:
        back, gone = it.home.spans()[:2]
        await trio.sleep(100)
        await it.missed(evolve(back, before_ns=FOREVER), evolve(gone, before_ns=FOREVER))
        assert await it.run(60) == []
        await it.missed(back)
        frames = await it.run(30)
        (first,) = settled(frames)
        assert (first.why, first.filled) == ("", sum(len(frame.changes) for frame in frames))
        await it.ledger.note(Note(settled=[first]))
        assert settled(await it.run(30)) == []
        (second,) = settled(await it.run(60))
        assert second.span_id != first.span_id


async def test_who_is_gone_keeps_nobody_waiting(tmp_path: Path, autojump_clock: MockClock) -> None:
    async with filling(tmp_path) as it:
        now_ns = it.home.now_ns()
        gone = [Span(f"sensor.gone_{number}", f"g{number}", number, FOREVER) for number in range(SPANS + 10)]
        quiet = [Span(f"sensor.q_{number}", f"q{number}", now_ns - SECOND_NS, now_ns) for number in range(SPANS)]
        await it.missed(*gone, *quiet)
        await trio.sleep(100)
        assert len(settled(await it.run(10))) == SPANS


async def test_a_session_ends_though_the_disk_hangs_that_the_ledger_is_on(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    async with filling(tmp_path) as it:
        spans = it.home.spans()[:3]
        await it.missed(*spans)
        await trio.sleep(100)
        it.ledger.lane = lane = Hanging(it.ledger.lane)
        lane.seconds = 1000.0
        for _ in range(3):
            begun = trio.current_time()
            assert await it.run(30) == []
            assert trio.current_time() - begun == 31, "30 s of a session, and a look at the link"
        assert lane.begun == 1, "who comes meanwhile waits for the first"
        lane.seconds = 0.0
        await trio.sleep(1000)
        found = settled(await it.run(30))
        assert len({each.span_id for each in found}) == len(found) == 3


async def test_whom_the_recorder_leaves_out_is_told_from_what_it_no_longer_has(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    """Nothing proves early that an excluded entity has no rows: it is asked about once more, alone by then."""
    async with filling(tmp_path) as it:
        await it.home.fault(Exclude(("*_humidity",)))
        spans = it.home.spans()
        excluded = {each.registry_id for each in spans if each.entity_id.endswith("_humidity")}
        await it.missed(*spans)
        frames = await it.run(600)
        found = {each.span_id: each.why for each in settled(frames)}
        assert len(found) == len(spans)
        told = {each.registry_id: found[each.id] for each in (await it.ledger.next_gap(SPANS) or (None, []))[1]}
        assert {key for key, why in told.items() if why} == excluded
        assert {told[key] for key in excluded} == {recorder.NOT_RECORDED}


async def test_what_the_recorder_had_long_ago_proves_nothing(tmp_path: Path, autojump_clock: MockClock) -> None:
    async with filling(tmp_path) as it:
        (left_out, *others) = it.home.spans()
        await it.home.fault(Exclude((left_out.entity_id,)))
        await it.missed(left_out, *others[:3])
        frames = await it.run(30)
        await it.ledger.note(Note(settled=settled(frames)))
        await trio.sleep(it.backfill._horizon.seconds)
        (alone,) = settled(await it.run(120))
        assert alone.why == recorder.NOT_KEPT


async def test_what_waited_long_for_room_proves_nothing_of_the_next_reading(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    """The recorder may have thrown away what came long ago: who is asked about next would be told whole."""
    async with filling(tmp_path) as it:
        await it.missed(*it.home.spans()[:3])
        await trio.sleep(100)
        it.backfill.room = lambda: 0 if it.backfill._reading is not None and it.backfill._reading.done else FRAME
        await it.run(60)
        reading = it.backfill._reading
        assert reading is not None
        assert reading.oldest_ns is not None
        await trio.sleep(2 * it.backfill._horizon.seconds)
        it.backfill.room = lambda: FRAME
        await it.run(3)
        assert it.backfill._reading is not reading
        assert it.backfill._horizon.oldest_ns(trio.current_time()) is None


async def test_what_the_readings_before_showed_proves_nothing_once_a_purge_may_have_been(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    """The history was silent for ten minutes, in which the recorder threw away what was missed; it has the end only."""
    async with filling(tmp_path) as it:
        span = max(it.home.spans(), key=lambda each: each.before_ns)
        since_ns = span.after_ns + 2 * MICROSECOND
        it.backfill._horizon.add(since_ns, trio.current_time())
        await it.ledger.open_gap(Cause.CONNECTION, since_ns, span.before_ns, [span])
        await it.home.fault(SilentHistory(600))
        await it.home.fault(Purge((it.home.now_ns() - span.before_ns) / 10**9 + 1))
        frames = await it.run(900)
        assert {(each.filled, each.why) for each in settled(frames)} == {(0, recorder.PURGED)}


@pytest.mark.parametrize("moved", [True, False], ids=["the recorder gave it all", "the recorder knew the new name"])
async def test_who_got_another_name_is_asked_about_by_both(
    tmp_path: Path, autojump_clock: MockClock, *, moved: bool
) -> None:
    """By the one that it had first: where the recorder knows the new name, of an entity before, everything stays there."""
    async with filling(tmp_path) as it:
        span, other = it.home.spans()[:2]
        await it.missed(evolve(span, entity_id="sensor.its_name_before") if moved else span)
        now = span.entity_id if moved else other.entity_id
        it.backfill.catalog = Watch(Catalog({now: Facts(span.registry_id)}))
        await trio.sleep(100)
        frames = await it.run(60)
        assert {change.data.entity_id for frame in frames for change in frame.changes} == {span.entity_id}
        assert [(each.filled > 0, each.why) for each in settled(frames)] == [(True, "")]


async def test_who_has_nothing_under_either_name_is_settled_once(tmp_path: Path, autojump_clock: MockClock) -> None:
    async with filling(tmp_path) as it:
        now_ns = it.home.now_ns()
        await it.missed(Span("sensor.before", "q", now_ns - SECOND_NS, now_ns))
        it.backfill.catalog = Watch(Catalog({"sensor.now": Facts("q")}))
        await trio.sleep(100)
        (found,) = settled(await it.run(100))
        assert (found.filled, bool(found.why)) == (0, True)
