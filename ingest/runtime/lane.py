"""A lane is where blocking work runs, one piece at a time: a worker thread, or inline under a virtual clock.

A worker thread ignores cancellation: the caller waits until the work is done, so a write is never abandoned half-way.
A lane may be told to `abandon` its work when it is cancelled: for a peer that can hold a write for minutes, when the
only one who cancels is the end of the process.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TypeVar, TypeVarTuple

import trio

T = TypeVar("T")
Args = TypeVarTuple("Args")


class Lane(Protocol):
    """Runs `work(*args)` and returns what it returns; pieces of work never overlap."""

    async def __call__(self, work: Callable[[*Args], T], *args: *Args) -> T:
        """Do the work, in its turn."""


class ThreadLane:
    """One worker thread at a time."""

    def __init__(self, *, abandon: bool = False) -> None:
        self._limiter = trio.CapacityLimiter(1)
        self._abandon = abandon

    async def __call__(self, work: Callable[[*Args], T], *args: *Args) -> T:
        """Do the work in a thread."""
        return await trio.to_thread.run_sync(work, *args, limiter=self._limiter, abandon_on_cancel=self._abandon)


class InlineLane:
    """In the calling task, after `delay` seconds of trio's clock: a slow disk that tests can see."""

    def __init__(self, delay: float = 0.0) -> None:
        self.delay = delay
        self._turn = trio.Lock()

    async def __call__(self, work: Callable[[*Args], T], *args: *Args) -> T:
        """Do the work here."""
        async with self._turn:
            await trio.sleep(self.delay)
            return work(*args)
