from __future__ import annotations

import json
import random

import pytest
import trio
from attrs import evolve
from trio.testing import MockClock, wait_all_tasks_blocked

from ingest.actors.batcher import Batcher, Limits
from ingest.core import reports
from ingest.core.coverage import NO_NOTE, Cause, Gap, Mark, Missed, Note, Progress, Settled
from ingest.core.gap_points import GapPoint, Telling
from ingest.core.point import Attributes, Facts, Point, PointFrame
from ingest.core.reports import Report
from ingest.core.rule_names import SCHEMA
from ingest.core.store import Batch, Codec
from ingest.runtime.link import Link, Overflow, Weight
from ingest.runtime.spool import MemorySpool
from tests.support.taken import drained


def point(number: int, state: str = "on") -> Point:
    return Point(f"sensor.n{number}", number, state, Facts(f"r{number}"), Attributes())


def frame(*numbers: int, state: str = "on") -> PointFrame:
    return PointFrame([point(number, state) for number in numbers], 10)


def encode(given: Point) -> str | None:
    if given.state == "broken":
        raise ValueError("cannot be written: token=abc")
    return None if given.state == "skip" else str(given.time_ns)


CODEC: Codec[str, str] = Codec(encode, lambda items: 10 * len(items), ",".join)


class Stage:
    """A batcher between a link and a spool, and what it said."""

    def __init__(self, limits: Limits, room: int = 10**9) -> None:
        self.emitted: list[Report] = []
        self.link: Link[PointFrame] = Link("db", Weight(10**6, 10**9), lambda each: Weight(len(each.points), each.size))
        self.sender = self.link.sender(Overflow.BLOCK)
        self.spool: MemorySpool[Batch[str]] = MemorySpool(room, lambda batch: Weight(batch.count, batch.size))
        self.batcher: Batcher[str, str] = Batcher("db", CODEC, self.spool, limits, self.emitted.append)

    @property
    def payloads(self) -> list[str]:
        return [batch.payload for batch in self.spool.batches]

    async def run(self) -> None:
        await self.batcher.run(self.link.receiver())


LAZY = Limits(max_points=1000, max_bytes=10**6, max_age=1000.0)


async def test_a_batch_is_sealed_at_its_size(autojump_clock: MockClock) -> None:
    stage = Stage(Limits(max_points=3, max_bytes=10**6, max_age=1000.0))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(stage.run)
        stage.sender.put(frame(1, 2))
        await wait_all_tasks_blocked()
        assert (stage.payloads, stage.batcher.open) == ([], 2)
        stage.sender.put(frame(3, 4))
        await wait_all_tasks_blocked()
        assert (stage.payloads, stage.batcher.open) == (["1,2,3,4"], 0)
        nursery.cancel_scope.cancel()
    assert stage.emitted == [reports.Batched("db", 4, 40)]


async def test_a_batch_is_sealed_at_so_many_bytes(autojump_clock: MockClock) -> None:
    stage = Stage(Limits(max_points=1000, max_bytes=25, max_age=1000.0))
    for number in range(5):
        stage.sender.put(frame(number))
    stage.sender.close()
    await stage.run()
    assert stage.payloads == ["0,1,2", "3,4"]


async def test_a_batch_is_sealed_when_its_first_point_is_old_enough(autojump_clock: MockClock) -> None:
    stage = Stage(Limits(max_points=1000, max_bytes=10**6, max_age=2.0))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(stage.run)
        await trio.sleep(100)
        stage.sender.put(frame(1))
        await trio.sleep(1.5)
        stage.sender.put(frame(2))
        await trio.sleep(0.4)
        assert stage.payloads == []
        await trio.sleep(0.2)
        assert stage.payloads == ["1,2"]
        stage.sender.put(frame(3))
        await trio.sleep(1.9)
        assert stage.payloads == ["1,2"]
        await trio.sleep(0.2)
        assert stage.payloads == ["1,2", "3"]
        nursery.cancel_scope.cancel()


async def test_a_batch_is_sealed_in_time_though_frames_keep_coming(autojump_clock: MockClock) -> None:
    stage = Stage(Limits(max_points=1000, max_bytes=10**6, max_age=1.0))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(stage.run)
        for number in range(20):
            stage.sender.put(frame(number))
            await trio.sleep(0.3)
        assert len(stage.payloads) >= 4
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize(
    ("age", "points", "sealed"), [(1.0, 100, 0.1), (1.0, 99, 1.0), (2.0, 200, 0.2), (60.0, 999, 60.0)]
)
async def test_a_batch_that_holds_much_does_not_wait_for_its_age(
    age: float, points: int, sealed: float, autojump_clock: MockClock
) -> None:
    stage = Stage(Limits(max_points=1000, max_bytes=10**6, max_age=age))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(stage.run)
        stage.sender.put(frame(*range(points)))
        await trio.sleep(sealed - 0.01)
        assert stage.payloads == []
        await trio.sleep(0.02)
        assert len(stage.payloads) == 1
        nursery.cancel_scope.cancel()


async def test_what_is_much_already_goes_at_once_when_it_becomes_so_late(autojump_clock: MockClock) -> None:
    stage = Stage(Limits(max_points=1000, max_bytes=10**6, max_age=1.0))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(stage.run)
        stage.sender.put(frame(*range(50)))
        await trio.sleep(0.5)
        stage.sender.put(frame(*range(50, 100)))
        await wait_all_tasks_blocked()
        assert [batch.count for batch in stage.spool.batches] == [100]
        nursery.cancel_scope.cancel()


async def test_a_batch_knows_its_times_and_count(autojump_clock: MockClock) -> None:
    stage = Stage(LAZY)
    stage.sender.put(frame(7, 3, 5))
    stage.sender.close()
    await stage.run()
    assert stage.spool.batches == (Batch("7,3,5", 3, 30, 3, 7),)


async def test_the_end_of_the_link_seals_the_open_batch_and_ends_the_spool(autojump_clock: MockClock) -> None:
    stage = Stage(LAZY)
    stage.sender.put(frame(1))
    stage.sender.close()
    await stage.run()
    async with stage.spool.claim() as batch:
        assert batch.payload == "1"
    with pytest.raises(trio.EndOfChannel):
        async with stage.spool.claim():
            pytest.fail("claimed")


async def test_a_cancelled_batcher_puts_its_open_batch(autojump_clock: MockClock) -> None:
    stage = Stage(LAZY)
    stage.sender.put(frame(1, 2))
    with trio.move_on_after(5):
        await stage.run()
    assert (stage.payloads, stage.batcher.open) == (["1,2"], 0)


@pytest.mark.parametrize("steps", range(14))
async def test_a_batcher_that_is_cancelled_at_any_step_loses_and_repeats_nothing(
    steps: int, autojump_clock: MockClock
) -> None:
    random.seed(steps)
    stage = Stage(Limits(max_points=2, max_bytes=10**6, max_age=1000.0))
    for number in range(5):
        stage.sender.put(frame(number))
    stage.sender.close()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(stage.run)
        for _ in range(steps):
            await trio.lowlevel.checkpoint()
        nursery.cancel_scope.cancel()
    rest = [str(each.time_ns) for held in drained(stage.link) for each in held.points]
    sealed = [number for payload in stage.payloads for number in payload.split(",")]
    assert stage.batcher.open == 0
    assert sealed + rest == ["0", "1", "2", "3", "4"]


async def test_one_broken_point_goes_to_the_dead_letters_and_the_others_on(autojump_clock: MockClock) -> None:
    stage = Stage(LAZY)
    stage.sender.put(PointFrame([point(1), point(2, "broken"), point(3)], 1))
    stage.sender.close()
    await stage.run()
    letter = stage.emitted[0]
    assert isinstance(letter, reports.DeadLetter)
    assert (letter.store, letter.entity_id) == ("db", "sensor.n2")
    assert json.loads(letter.json)["state"] == "broken"
    assert "ValueError: cannot be written" in letter.reason
    assert stage.payloads == ["1,3"]


async def test_what_a_schema_does_not_write_is_filtered(autojump_clock: MockClock) -> None:
    stage = Stage(LAZY)
    stage.sender.put(PointFrame([point(1, "skip"), point(2), point(3, "skip")], 1))
    stage.sender.close()
    await stage.run()
    assert stage.emitted == [reports.Filtered({SCHEMA: 2}), reports.Batched("db", 1, 10)]


async def test_a_frame_of_which_nothing_is_written_makes_no_batch_and_no_work(autojump_clock: MockClock) -> None:
    stage = Stage(Limits(max_points=10, max_bytes=10**6, max_age=1.0))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(stage.run)
        stage.sender.put(frame(1, 2, state="skip"))
        await trio.sleep(100)
        assert stage.payloads == []
        stage.sender.put(frame(3))
        await trio.sleep(2)
        nursery.cancel_scope.cancel()
    assert stage.payloads == ["3"]


async def test_what_a_full_spool_drops_is_said(autojump_clock: MockClock) -> None:
    stage = Stage(Limits(max_points=2, max_bytes=10**6, max_age=1000.0), room=50)
    for first in (1, 3, 5):
        stage.sender.put(frame(first, first + 1))
    stage.sender.close()
    await stage.run()
    assert stage.payloads == ["3,4", "5,6"]
    assert [each for each in stage.emitted if isinstance(each, reports.Evicted)] == [reports.Evicted("db", 2, 1, 2)]


async def test_a_point_is_in_one_place_whenever_something_is_said(autojump_clock: MockClock) -> None:
    stage = Stage(Limits(max_points=2, max_bytes=10**6, max_age=1000.0))
    places: list[int] = []
    stage.batcher.emit = lambda _report: places.append(
        stage.batcher.open + stage.spool.held.events + stage.link.held.events
    )
    for number in range(4):
        stage.sender.put(frame(number))
    stage.sender.close()
    await stage.run()
    assert places == [4, 4]


GAP = Gap(1, Cause.CONNECTION, 5, 60, Progress.OPEN)


def telling(*gaps: Gap) -> Telling:
    made = Telling("home")
    made.look(gaps)
    return made


def gap_text(given: GapPoint) -> str | None:
    if given.why == "broken":
        raise ValueError("cannot be written")
    return None if given.why == "skip" else f"gap {given.time_ns}"


def gap_stage(*gaps: Gap) -> Stage:
    stage = Stage(LAZY)
    stage.batcher.codec = evolve(CODEC, gap=gap_text)
    stage.batcher.telling = telling(*gaps)
    return stage


async def run_with(stage: Stage, *frames: PointFrame) -> list[Batch[str]]:
    for each in frames:
        stage.sender.put(each)
    stage.sender.close()
    await stage.run()
    return list(stage.spool.batches)


async def test_gaps_go_with_the_next_points_and_count_as_made(autojump_clock: MockClock) -> None:
    stage = gap_stage(GAP)
    (batch,) = await run_with(stage, frame(100, 110))
    assert (batch.payload, batch.count) == ("100,110,gap 5", 3)
    assert (batch.oldest_ns, batch.newest_ns) == (100, 110), "the times of states only"
    assert stage.emitted == [reports.Added(1, "ingest_gaps"), reports.Batched("db", 3, 30)]


async def test_a_frame_without_points_takes_gaps_along(autojump_clock: MockClock) -> None:
    (batch,) = await run_with(gap_stage(GAP, evolve(GAP, id=2, from_ns=1, to_ns=4)), PointFrame((), 0))
    assert (batch.payload, batch.oldest_ns, batch.newest_ns) == ("gap 5,gap 1", 60, 60)


async def test_gaps_alone_are_as_new_as_the_last_states(autojump_clock: MockClock) -> None:
    stage = gap_stage()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(stage.run)
        stage.sender.put(frame(100))
        await trio.sleep(2000)
        assert stage.batcher.telling is not None
        stage.batcher.telling.look([GAP])
        stage.sender.put(PointFrame((), 0))
        await trio.sleep(2000)
        nursery.cancel_scope.cancel()
    assert [(batch.oldest_ns, batch.newest_ns) for batch in stage.spool.batches] == [(100, 100)] * 2


async def test_a_gap_that_cannot_be_written_is_counted_all_the_same(autojump_clock: MockClock) -> None:
    stage = gap_stage(evolve(GAP, why="broken"), evolve(GAP, id=2, from_ns=6, why="skip"))
    assert await run_with(stage, PointFrame((), 0)) == []
    added, letter, filtered = stage.emitted
    assert added == reports.Added(2, "ingest_gaps")
    assert isinstance(letter, reports.DeadLetter)
    assert (letter.entity_id, letter.reason) == ("ingest_gaps", "ValueError: cannot be written")
    assert filtered == reports.Filtered({SCHEMA: 1})


DONE = Note((Mark("r1", "sensor.n1", 7),), (Settled(1, 4),))
MISSED = Note(missed=(Missed(Cause.SHED, 5, 9),))


def note_frame(note: Note) -> PointFrame:
    return PointFrame((), 0, note)


def noting_stage() -> tuple[Stage, list[Note]]:
    stage = Stage(Limits(max_points=1000, max_bytes=10**6, max_age=1.0))
    written: list[Note] = []

    async def write(note: Note) -> None:
        written.append(note)

    stage.batcher.write = write
    return stage, written


async def test_a_note_without_points_waits_until_what_came_before_it_is_delivered(autojump_clock: MockClock) -> None:
    stage, written = noting_stage()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(stage.run)
        stage.sender.put(frame(1))
        await trio.sleep(5)
        stage.sender.put(note_frame(DONE))
        stage.sender.put(note_frame(MISSED))
        await trio.sleep(5)
        assert written == [MISSED], "what was missed was missed, whatever becomes of the batch"
        async with stage.spool.claim():
            await trio.sleep(5)
            assert written == [MISSED]
        await trio.sleep(5)
        assert written == [MISSED, DONE]
        nursery.cancel_scope.cancel()


async def test_a_note_that_waits_goes_with_the_next_points(autojump_clock: MockClock) -> None:
    stage, written = noting_stage()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(stage.run)
        for each in (frame(1), note_frame(DONE), frame(2)):
            await trio.sleep(5)
            stage.sender.put(each)
        await trio.sleep(5)
        nursery.cancel_scope.cancel()
    assert [batch.note for batch in stage.spool.batches] == [NO_NOTE, DONE]
    assert written == []


async def test_at_the_end_a_note_counts_if_what_came_before_it_is_safe(autojump_clock: MockClock) -> None:
    stage, written = noting_stage()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(stage.run)
        stage.sender.put(frame(1))
        await trio.sleep(5)
        stage.sender.put(note_frame(DONE))
        stage.sender.close()
    assert written == []
    assert stage.batcher.rest(MISSED) == MISSED
    async with stage.spool.claim():
        pass
    assert stage.batcher.rest(MISSED) == evolve(DONE, missed=MISSED.missed)
