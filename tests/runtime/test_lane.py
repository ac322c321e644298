from __future__ import annotations

import threading

import pytest
import trio
from trio.testing import MockClock

from ingest.runtime.lane import InlineLane, Lane, ThreadLane


@pytest.mark.parametrize("lane_of", [ThreadLane, InlineLane])
async def test_a_lane_returns_what_the_work_returns_and_raises_what_it_raises(lane_of: type[Lane]) -> None:
    lane = lane_of()
    assert await lane(divmod, 7, 3) == (2, 1)
    with pytest.raises(ZeroDivisionError):
        await lane(divmod, 1, 0)
    assert await lane(len, "again") == 5


async def test_a_thread_lane_works_elsewhere_and_never_twice_at_a_time() -> None:
    lane, busy, overlaps, threads = ThreadLane(), threading.Lock(), [], set()

    def work() -> None:
        overlaps.append(not busy.acquire(blocking=False))
        threads.add(threading.get_ident())
        busy.release()

    async with trio.open_nursery() as nursery:
        for _ in range(20):
            nursery.start_soon(lane, work)
    assert overlaps == [False] * 20
    assert threading.get_ident() not in threads


async def test_work_in_a_thread_is_never_abandoned() -> None:
    lane, begun, go_on, done = ThreadLane(), trio.Event(), threading.Event(), []

    def work() -> None:
        trio.from_thread.run_sync(begun.set)
        go_on.wait(5)
        done.append(1)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(lane, work)
        await begun.wait()
        nursery.cancel_scope.cancel()
        go_on.set()
    assert done == [1]


async def test_an_inline_lane_is_a_slow_disk_under_a_virtual_clock(autojump_clock: MockClock) -> None:
    ended: list[str] = []
    lane = InlineLane(delay=2.0)

    async def work(name: str) -> None:
        await lane(ended.append, name)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(work, "a")
        nursery.start_soon(work, "b")
    assert sorted(ended) == ["a", "b"]
    assert trio.current_time() == 4.0
