from __future__ import annotations

import threading

import pytest
import trio
from trio.testing import MockClock

from ingest.runtime.errand import Errand
from ingest.runtime.lane import InlineLane, ThreadLane
from tests.runtime.lanes import Hanging


async def test_work_is_done_and_what_it_returns_is_returned() -> None:
    async with trio.open_nursery() as nursery:
        errand = Errand(nursery)
        assert [await errand(InlineLane(), divmod, number, 3) for number in (6, 7)] == [(2, 0), (2, 1)]


async def test_who_is_cancelled_leaves_and_the_work_is_done_once(autojump_clock: MockClock) -> None:
    done: list[int] = []
    lane = Hanging(InlineLane(), 100.0)
    async with trio.open_nursery() as nursery:
        errand = Errand(nursery)
        for number in (1, 2):
            with trio.move_on_after(1) as scope:
                await errand(lane, done.append, number)
            assert scope.cancelled_caught
        assert (trio.current_time(), done) == (2.0, [])
        await errand(lane, done.append, 3)
    assert (trio.current_time(), done, lane.begun) == (200.0, [1, 3], 2)


async def test_who_waits_for_a_thread_leaves_at_once_and_it_is_not_abandoned() -> None:
    begun, go_on, done = trio.Event(), threading.Event(), list[int]()

    def work() -> None:
        trio.from_thread.run_sync(begun.set)
        go_on.wait(5)
        done.append(1)

    async with trio.open_nursery() as nursery:
        errand, lane = Errand(nursery), ThreadLane()
        with trio.fail_after(4):
            async with trio.open_nursery() as session:
                session.start_soon(errand, lane, work)
                await begun.wait()
                session.cancel_scope.cancel()
        assert (lane.busy, done) == (True, [])
        go_on.set()
    assert done == [1]


async def test_an_error_of_the_work_arrives_where_it_is_done() -> None:
    with pytest.RaisesGroup(ZeroDivisionError):
        async with trio.open_nursery() as nursery:
            await Errand(nursery)(InlineLane(), divmod, 1, 0)


async def test_who_outlives_the_nursery_is_told(autojump_clock: MockClock) -> None:
    told: list[str] = []

    async def ask(errand: Errand) -> None:
        with pytest.raises(trio.BrokenResourceError):
            await errand(trio.sleep, 100)
        told.append("nobody is left")

    async with trio.open_nursery() as longer, trio.open_nursery() as nursery:
        longer.start_soon(ask, Errand(nursery))
        await trio.sleep(1)
        nursery.cancel_scope.cancel()
    assert (told, trio.current_time()) == (["nobody is left"], 1.0)
