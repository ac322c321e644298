from __future__ import annotations

import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from ingest.runtime.watch import Watch


async def test_it_holds_the_latest_value() -> None:
    watch = Watch(1)
    watch.set(2)
    assert watch.value == 2


async def test_changed_waits_for_the_next_value_and_gives_the_latest() -> None:
    watch, seen = Watch("a"), []

    async def read() -> None:
        seen.append(await watch.changed())

    async with trio.open_nursery() as nursery:
        nursery.start_soon(read)
        nursery.start_soon(read)
        await wait_all_tasks_blocked()
        watch.set("b")
        watch.set("c")
    assert seen == ["c", "c"]


async def test_until_returns_at_once_what_already_satisfies() -> None:
    with trio.fail_after(1):
        assert await Watch(3).until(lambda value: value == 3) == 3


async def test_until_wakes_at_the_value_waited_for(autojump_clock: MockClock) -> None:
    watch = Watch(0)

    async def count() -> None:
        for value in range(1, 6):
            await trio.sleep(1)
            watch.set(value)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(count)
        assert await watch.until(lambda value: value >= 3) == 3
        assert trio.current_time() == 3
