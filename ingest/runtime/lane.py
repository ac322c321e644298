"""A lane is where blocking work runs, one piece at a time: a worker thread, or inline under a virtual clock.

A worker thread ignores cancellation: the caller waits until the work is done, so a write is never abandoned half-way.
Two ways out, for the end of the process, which may not wait for ever for a dead disk or a peer that trickles its
answer: a lane may `abandon` its work as soon as it is cancelled, or be told to `give_up`.
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
        self._gave_up = False
        self._running: set[trio.CancelScope] = set()

    async def __call__(self, work: Callable[[*Args], T], *args: *Args) -> T:
        """Do the work in a thread. Raises `trio.BrokenResourceError` once the lane has given up."""
        if self._gave_up:
            raise trio.BrokenResourceError("this lane has given up")
        await trio.lowlevel.checkpoint_if_cancelled()
        with trio.CancelScope(shield=not self._abandon) as scope:
            self._running.add(scope)
            try:
                return await trio.to_thread.run_sync(work, *args, limiter=self._limiter, abandon_on_cancel=True)
            finally:
                self._running.discard(scope)
        raise trio.BrokenResourceError("this lane has given up")

    @property
    def busy(self) -> bool:
        """True while there is work in it, left behind or not."""
        return self._limiter.borrowed_tokens > 0

    def give_up(self) -> None:
        """Leave what is running to its thread and take nothing more: the process is about to end."""
        self._gave_up = True
        for scope in tuple(self._running):
            scope.cancel()


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
