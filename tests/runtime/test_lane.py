from __future__ import annotations

import gc
import sys
import threading
from collections.abc import Callable, Iterator

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from ingest.runtime.lane import InlineLane, Lane, ThreadLane


@pytest.mark.parametrize("lane_of", [ThreadLane, InlineLane])
async def test_a_lane_returns_what_the_work_returns_and_raises_what_it_raises(lane_of: type[Lane]) -> None:
    lane = lane_of()
    assert await lane(divmod, 7, 3) == (2, 1)
    with pytest.raises(ZeroDivisionError):
        await lane(divmod, 1, 0)
    assert await lane(len, "again") == 5


@pytest.fixture
def no_collector() -> Iterator[None]:
    gc.collect()
    gc.disable()
    yield
    gc.enable()


@pytest.mark.usefixtures("no_collector")
async def test_what_fails_in_a_thread_holds_nothing_when_it_is_dealt_with() -> None:
    """Python looks for garbage seldom: were it in a cycle, every attempt in vain would keep its batch for hours."""
    lane, payload = ThreadLane(), bytes(1000)
    before = sys.getrefcount(payload)

    async def waits(_mine: bytes) -> None:
        with pytest.raises(ZeroDivisionError):
            await lane(lambda given: 1 / given.count(b"x"), payload)

    await waits(payload)
    await lane(int)  # the thread forgets what it did when it does something else
    assert sys.getrefcount(payload) == before


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


async def test_a_lane_that_gives_up_leaves_its_work_behind_and_takes_nothing_more() -> None:
    lane, go_on, done = ThreadLane(), threading.Event(), threading.Event()
    told: list[str] = []

    def work() -> None:
        go_on.wait(5)
        done.set()

    async def ask(name: str) -> None:
        with pytest.raises(trio.BrokenResourceError):
            await lane(work)
        told.append(name)

    with trio.fail_after(4):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(ask, "running")
            nursery.start_soon(ask, "waiting for its turn")
            await wait_all_tasks_blocked()
            assert told == []
            lane.give_up()
        assert sorted(told) == ["running", "waiting for its turn"]
        with pytest.raises(trio.BrokenResourceError):
            await lane(work)
    assert not done.is_set()
    go_on.set()
    assert done.wait(5)


async def test_a_lane_that_gives_up_frees_who_is_cancelled_and_waits_for_the_work() -> None:
    lane, go_on, freed = ThreadLane(), threading.Event(), trio.Event()

    async def wait() -> None:
        with pytest.raises(trio.BrokenResourceError):
            await lane(go_on.wait, 5)
        freed.set()

    with trio.fail_after(4):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(wait)
            await wait_all_tasks_blocked()
            nursery.cancel_scope.cancel()
            nursery.start_soon(_after_a_while, lane.give_up)
    assert freed.is_set()
    go_on.set()


async def _after_a_while(act: Callable[[], None]) -> None:
    with trio.CancelScope(shield=True):
        await trio.sleep(0.05)
    act()


async def test_a_lane_that_abandons_leaves_its_work_when_cancelled() -> None:
    lane, go_on = ThreadLane(abandon=True), threading.Event()
    with trio.fail_after(4):
        with trio.move_on_after(0.05) as scope:
            await lane(go_on.wait, 5)
        assert scope.cancelled_caught
    go_on.set()
