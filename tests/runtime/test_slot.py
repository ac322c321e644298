from __future__ import annotations

import trio
from trio.testing import wait_all_tasks_blocked

from ingest.runtime.slot import Slot


async def test_the_newest_is_taken_and_nothing_is_left() -> None:
    slot = Slot[int]()
    slot.put(1)
    slot.put(2)
    assert await slot.take() == 2
    assert not slot.full
    with trio.move_on_after(0) as waiting:
        await slot.take()
    assert waiting.cancelled_caught


async def test_who_takes_waits_and_one_of_two_has_it() -> None:
    slot, taken = Slot[str](), list[str]()

    async def take() -> None:
        taken.append(await slot.take())

    async with trio.open_nursery() as nursery:
        nursery.start_soon(take)
        nursery.start_soon(take)
        await wait_all_tasks_blocked()
        slot.put("a")
        await wait_all_tasks_blocked()
        assert (taken, slot.full) == (["a"], False)
        slot.put("b")
    assert taken == ["a", "b"]


async def test_none_is_something() -> None:
    slot = Slot[int | None]()
    slot.put(None)
    assert slot.full
    assert await slot.take() is None


async def test_filled_leaves_it_there_and_clear_does_not() -> None:
    slot = Slot[int]()
    slot.put(1)
    await slot.filled()
    assert slot.full
    slot.clear()
    assert not slot.full


async def test_what_a_cancelled_task_would_have_taken_stays() -> None:
    slot = Slot[int]()
    with trio.CancelScope() as scope:
        slot.put(1)
        scope.cancel()
        await slot.take()
    assert scope.cancelled_caught
    assert await slot.take() == 1
