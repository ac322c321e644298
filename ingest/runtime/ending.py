"""The end of a run: one deadline for everything that is still to be done then.

Work in a lane cannot be cancelled, and a disk may be dead. So at the end, whoever waits for such work does it inside a
block, and is freed from the block when the time is over.
"""

from __future__ import annotations

import math
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager

import trio
from attrs import define, field

from ingest.runtime.supervise import one_error

TAIL = 0.8
"""The part of the time in which what is under way may still be delivered; the rest is for keeping what was not."""


@define(eq=False)
class Ending:
    """Begins once, and is over `within` seconds later: `tail` and `over` are moments of trio's clock."""

    within: float
    begun: trio.Event = field(factory=trio.Event)
    tail: float = math.inf
    over: float = math.inf

    def begin(self) -> None:
        """From now on it counts; a second time changes nothing."""
        if not self.begun.is_set():
            now = trio.current_time()
            self.tail, self.over = now + TAIL * self.within, now + self.within
            self.begun.set()

    async def begin_when(self, stop: trio.Event, head: trio.CancelScope) -> None:
        """Wait for a stop; it then counts, and the head is cut off."""
        await stop.wait()
        self.begin()
        head.cancel()

    @asynccontextmanager
    async def freed(self, give_up: Callable[[], None]) -> AsyncGenerator[None]:
        """A block in which `give_up` is called when the end is over, also when the block was cancelled by then."""
        async with _beside(self._over, give_up):
            yield

    async def _over(self) -> None:
        await self.begun.wait()
        await trio.sleep_until(self.over)


@asynccontextmanager
async def freed_after(seconds: float, give_up: Callable[[], None]) -> AsyncGenerator[None]:
    """A block that is not cancelled; after so many seconds `give_up` is called."""

    async def late() -> None:
        await trio.sleep(seconds)

    with trio.CancelScope(shield=True):
        async with _beside(late, give_up):
            yield


@asynccontextmanager
async def _beside(wait: Callable[[], Awaitable[None]], act: Callable[[], None]) -> AsyncGenerator[None]:
    """A block beside which somebody waits, cancelled or not, and acts if it lasts so long."""
    waiting = trio.CancelScope(shield=True)

    async def watch() -> None:
        with waiting:
            await wait()
            act()

    with one_error():
        async with trio.open_nursery() as nursery:
            nursery.start_soon(watch, name="give up")
            try:
                yield
            finally:
                waiting.cancel()
