from __future__ import annotations

import threading
import time
from collections.abc import Sequence

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st
from trio.testing import MockClock, wait_all_tasks_blocked

from ingest.runtime.lane import ThreadLane
from ingest.runtime.link import Link, Overflow, Weight
from ingest.runtime.progress import ALLOWANCE, Counted, Move, Moves, Progress, Stuck

EVERY = 15.0


def looks(progress: Progress, times: int, start: float = 0.0, every: float = EVERY) -> tuple[Stuck, ...]:
    """What is stuck after so many looks."""
    found: tuple[Stuck, ...] = ()
    for number in range(times):
        found = progress.look(start + number * every, 2 * EVERY)
    return found


def test_at_rest_nothing_is_stuck_for_years() -> None:
    progress = Progress()
    progress.watch("rests", lambda: None)
    assert looks(progress, 100_000) == ()


def test_who_takes_one_step_after_another_is_not_stuck() -> None:
    progress, steps = Progress(), iter(range(10**6))
    progress.watch("works", lambda: Move(next(steps)))
    assert looks(progress, 1000) == ()


def test_who_does_something_of_a_long_step_is_not_stuck() -> None:
    """A file of many gigabytes: one piece of work for hours, in which the thread uses its processor."""
    progress, done = Progress(), iter(range(10**6))
    progress.watch("a large file", lambda: Move(1, next(done) / 1000))
    assert looks(progress, 1000) == ()


def test_who_does_not_come_back_is_stuck_and_then_moves_again() -> None:
    progress, at = Progress(allowance=60), [Move(1)]
    progress.watch("hangs", lambda: at[0])
    assert looks(progress, 5) == ()
    assert progress.look(75.0, EVERY * 2) == (Stuck("hangs", 75.0),)
    at[0] = Move(2)
    assert progress.look(90.0, EVERY * 2) == ()


def test_only_the_one_is_named_that_holds_up_the_others() -> None:
    progress, at = Progress(allowance=60), [Move(1)]
    progress.watch("the disk", lambda: at[0])
    progress.watch("who waits for it", lambda: Move(7))
    assert [each.station for each in looks(progress, 100)] == ["the disk"]
    at[0] = Move(2)
    progress.look(1500.0, EVERY * 2)

    def works() -> Move:
        at[0] = Move(at[0].step + 1)
        return at[0]

    progress.watch("the disk", works)  # in its place
    assert [each.station for each in looks(progress, 100, 1515.0)] == ["who waits for it"]


def test_a_machine_that_slept_or_a_debugger_is_one_look() -> None:
    progress = Progress()
    progress.watch("a write", lambda: Move(1))
    assert looks(progress, 3) == ()
    assert progress.look(30.0 + 7 * 86400, 2 * EVERY) == ()


@given(
    st.lists(st.tuples(st.floats(0, 300), st.floats(0, 59.9)), max_size=40),
    st.floats(0.5, 30),
)
def test_never_a_false_alarm(work: Sequence[tuple[float, float]], every: float) -> None:
    """Pauses of any length and steps that end within the allowance, looked at whenever."""
    begins, now = [], 0.0
    for pause, lasts in work:
        begins.append((now + pause, now + pause + lasts))
        now += pause + lasts
    clock = [0.0]

    def moves() -> Move | None:
        return next((Move(number) for number, (first, last) in enumerate(begins) if first <= clock[0] <= last), None)

    progress = Progress(allowance=60)
    progress.watch("it", moves)
    progress.watch("who waits for it", lambda: None if (at := moves()) is None else Move(at.step))
    while clock[0] < now + 60:
        assert progress.look(clock[0], 2 * every) == ()
        clock[0] += every


@given(st.lists(st.floats(0, 59.9), max_size=10), st.floats(0.5, 30), st.integers(0, 3))
def test_always_an_alarm(before: Sequence[float], every: float, resting: int) -> None:
    """A step that does not end is told of within its allowance and two looks, whatever came before."""
    clock, hangs_at = [0.0], sum(before)

    def moves() -> Move:
        return Move(sum(sum(before[: number + 1]) <= clock[0] for number in range(len(before))))

    progress = Progress(allowance=60)
    for number in range(resting):
        progress.watch(f"rests {number}", lambda: None)
    progress.watch("hangs", moves)
    while clock[0] <= hangs_at + 60 + 2 * every:
        found = progress.look(clock[0], 2 * every)
        clock[0] += every
    assert [each.station for each in found] == ["hangs"]


# ---- who is looked at --------------------------------------------------------------------------------------------


def link(capacity: int = 10) -> Link[str]:
    return Link("link", Weight(capacity, 10**6), lambda _: Weight(1, 1))


async def test_who_waits_at_an_empty_link_rests_and_who_does_not_come_back_does_not(autojump_clock: MockClock) -> None:
    made, take = link(), trio.Event()
    sender = made.sender(Overflow.DROP_OLDEST)

    async def read() -> None:
        receiver = made.receiver()
        await receiver.receive()
        await take.wait()
        await receiver.receive()
        await receiver.receive()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(read)
        await wait_all_tasks_blocked()
        assert made.moves() is None
        sender.put("a")
        assert made.moves() == Move(0)  # it will take it
        await wait_all_tasks_blocked()
        assert made.moves() == Move(1)
        sender.put("b")
        await wait_all_tasks_blocked()
        assert made.moves() == Move(1)  # something is to be taken, and it has not come back
        take.set()
        await wait_all_tasks_blocked()
        assert made.moves() is None
        nursery.cancel_scope.cancel()


async def test_what_is_shed_is_no_step_of_the_reader() -> None:
    made = link(capacity=1)
    sender = made.sender(Overflow.DROP_OLDEST)
    for _ in range(5):
        sender.put("a")
    assert made.moves() == Move(0)


@given(st.lists(st.sampled_from(["put", "take", "away", "back"]), max_size=30))
def test_a_reader_is_looked_at_as_it_is(does: Sequence[str]) -> None:
    """Whatever is done to a link: at rest exactly when its reader waits, and each frame is a step of its own."""

    async def main() -> None:
        made, back, taken, waits = link(10**6), trio.Event(), 0, True
        sender, receiver = made.sender(Overflow.DROP_OLDEST), made.receiver()

        async def read() -> None:
            nonlocal taken, waits
            while True:
                waits = True
                await receiver.receive()
                taken, waits = taken + 1, False
                await back.wait()

        async with trio.open_nursery() as nursery:
            nursery.start_soon(read)
            for each in does:
                if each == "put":
                    sender.put("a")
                elif each == "away" and back.is_set():
                    back = trio.Event()
                elif each == "back":
                    back.set()
                await wait_all_tasks_blocked()
                assert made.moves() == (None if waits else Move(taken))
            nursery.cancel_scope.cancel()

    trio.run(main, clock=MockClock(autojump_threshold=0))


async def test_a_lane_says_which_piece_of_work_is_under_way() -> None:
    lane, begun, go_on = ThreadLane(), trio.Event(), threading.Event()

    def work() -> None:
        trio.from_thread.run_sync(begun.set)
        go_on.wait(5)

    assert lane.moves() is None
    await lane(int)
    assert lane.moves() is None
    async with trio.open_nursery() as nursery:
        nursery.start_soon(lane, work)
        await begun.wait()
        nursery.start_soon(lane, threading.get_ident)  # waits its turn
        await trio.sleep(0.05)
        hangs = lane.moves()
        assert hangs is not None
        assert hangs.step == 2
        await trio.sleep(0.1)
        assert lane.moves() == hangs
        go_on.set()
    assert lane.moves() is None
    assert lane.begun == 3


async def test_a_lane_whose_thread_works_moves() -> None:
    lane, begun, enough = ThreadLane(), trio.Event(), threading.Event()

    def work() -> None:
        trio.from_thread.run_sync(begun.set)
        end = time.thread_time() + 5
        while not enough.is_set() and time.thread_time() < end:
            sum(range(1000))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(lane, work)
        await begun.wait()
        first = lane.moves()
        assert first is not None
        with trio.fail_after(20):
            while lane.moves() == first:  # noqa: ASYNC110  a lane is looked at, it tells nobody
                await trio.sleep(0.01)
        enough.set()


async def test_work_that_fails_is_over() -> None:
    lane = ThreadLane()
    with pytest.raises(ZeroDivisionError):
        await lane(divmod, 1, 0)
    assert lane.moves() is None


async def test_a_call_is_a_step_and_so_is_each_thing_that_it_does(autojump_clock: MockClock) -> None:
    requests = [0]

    async def deliver(batch: str) -> str:
        await trio.sleep(1)
        requests[0] += 1
        await trio.sleep(1)
        return batch.upper()

    step = Counted(deliver, lambda: requests[0])
    assert step.moves() is None
    async with trio.open_nursery() as nursery:
        nursery.start_soon(step, "a")
        await trio.sleep(0.5)
        assert step.moves() == Move(1)
        await trio.sleep(1)
        assert step.moves() == Move(2)
    assert step.moves() is None
    assert await step("b") == "B"


async def test_a_call_that_fails_or_is_cancelled_is_over(autojump_clock: MockClock) -> None:
    async def fail(seconds: float) -> None:
        await trio.sleep(seconds)
        raise ValueError

    step = Counted(fail)
    with pytest.raises(ValueError):  # noqa: PT011  the one above
        await step(1.0)
    with trio.move_on_after(1):
        await step(10.0)
    assert step.moves() is None


def test_a_look_costs_nothing_worth_a_word() -> None:
    """It happens four times a minute; a stage does not know that it is looked at."""
    progress = Progress()
    parts: list[Moves] = [link().moves, link().moves, ThreadLane().moves, Counted(trio.sleep).moves]
    for number, each in enumerate(parts):
        progress.watch(str(number), each)
    before = time.process_time()
    for now in range(1000):
        progress.look(float(now), EVERY)
    assert time.process_time() - before < 1
    assert ALLOWANCE >= 600
