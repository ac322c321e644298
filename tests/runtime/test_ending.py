from __future__ import annotations

import math

import pytest
import trio
from trio.testing import MockClock

from ingest.runtime.ending import TAIL, Ending, freed_after


async def test_it_begins_once(autojump_clock: MockClock) -> None:
    ending = Ending(10.0)
    assert (ending.tail, ending.over) == (math.inf, math.inf)
    ending.begin()
    await trio.sleep(3)
    ending.begin()
    assert (ending.tail, ending.over) == (10 * TAIL, 10)
    assert ending.begun.is_set()


async def test_who_hangs_is_freed_when_it_is_over_cancelled_or_not(autojump_clock: MockClock) -> None:
    ending, freed = Ending(10.0), trio.Event()
    with trio.move_on_after(2):
        async with ending.freed(freed.set):
            ending.begin()
            with trio.CancelScope(shield=True):
                await freed.wait()
    assert trio.current_time() == 10


async def test_nobody_is_given_up_who_does_not_hang(autojump_clock: MockClock) -> None:
    freed: list[str] = []
    ending = Ending(10.0)
    async with ending.freed(lambda: freed.append("ending")), freed_after(1.0, lambda: freed.append("after")):
        ending.begin()
    await trio.sleep(100)
    assert freed == []


async def test_an_error_leaves_the_block_as_it_is(autojump_clock: MockClock) -> None:
    with pytest.raises(ZeroDivisionError):
        async with Ending(10.0).freed(lambda: None), freed_after(1.0, lambda: None):
            raise ZeroDivisionError
