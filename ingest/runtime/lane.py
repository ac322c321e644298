"""A lane is where blocking work runs, one piece at a time: a worker thread, or inline under a virtual clock.

A worker thread ignores cancellation: the caller waits until the work is done, so a write is never abandoned half-way.
The end of the process may not wait for ever for a dead disk, or for a peer that trickles its answer. For that there are
two ways out: a lane may `abandon` its work as soon as it is cancelled, or be told to `give_up`.

A lane shows a watchdog how far it is. A thread that works on a file of many gigabytes uses its processor now and then.
One whose disk hangs never does: its clock stands still.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Generic, Protocol, TypeVar, TypeVarTuple, cast

import trio
from attrs import define

from ingest.runtime.progress import Move

T = TypeVar("T")
Args = TypeVarTuple("Args")


class Lane(Protocol):
    """Runs `work(*args)` and returns what it returns; pieces of work never overlap."""

    async def __call__(self, work: Callable[[*Args], T], *args: *Args) -> T:
        """Do the work, in its turn."""


@define(eq=False)
class _Came(Generic[T]):
    """What came of a piece of work, to be taken once.

    trio keeps an error in a variable of the frame that raises it: a cycle that holds what was being worked on, and whatever
    those who waited for it hold, until Python looks for garbage. From here it is raised by nobody who has it.
    """

    value: T | None = None
    error: BaseException | None = None

    def taken(self) -> T:
        """The value, or raise the error."""
        error, self.error = self.error, None
        if error is None:
            return cast("T", self.value)
        try:
            raise error
        finally:
            del error


class ThreadLane:
    """One worker thread at a time."""

    def __init__(self, *, abandon: bool = False) -> None:
        self._limiter = trio.CapacityLimiter(1)
        self._abandon = abandon
        self._gave_up = False
        self._running: set[trio.CancelScope] = set()
        self._clock: int | None = None
        self.begun = 0

    async def __call__(self, work: Callable[[*Args], T], *args: *Args) -> T:
        """Do the work in a thread. Raises `trio.BrokenResourceError` once the lane has given up."""
        if self._gave_up:
            raise trio.BrokenResourceError("this lane has given up")
        await trio.lowlevel.checkpoint_if_cancelled()
        with trio.CancelScope(shield=not self._abandon) as scope:
            self._running.add(scope)
            try:
                came: _Came[T] = await trio.to_thread.run_sync(
                    self._work, work, *args, limiter=self._limiter, abandon_on_cancel=True
                )
                return came.taken()
            finally:
                self._running.discard(scope)
        raise trio.BrokenResourceError("this lane has given up")

    @property
    def busy(self) -> bool:
        """True while there is work in it, left behind or not."""
        return self._limiter.borrowed_tokens > 0

    def moves(self) -> Move | None:
        """Which piece of work is under way, and for how many seconds of the processor."""
        clock, used = self._clock, 0.0
        if clock is None:
            return None
        with suppress(OSError):  # the thread has just ended
            used = time.clock_gettime(clock)
        return Move(self.begun, used)

    def give_up(self) -> None:
        """Leave what is running to its thread and take nothing more: the process is about to end."""
        self._gave_up = True
        for scope in tuple(self._running):
            scope.cancel()

    def _work(self, work: Callable[[*Args], T], *args: *Args) -> _Came[T]:
        self.begun += 1
        self._clock = _own_clock()
        try:
            return _Came(work(*args))
        except BaseException as error:  # noqa: BLE001  it is raised where it is waited for
            return _Came(error=error)
        finally:
            self._clock = None


def _own_clock() -> int:
    """The clock that runs while this thread is on a processor; where there are none, one of the process."""
    if hasattr(time, "pthread_getcpuclockid"):
        return time.pthread_getcpuclockid(threading.get_ident())
    return time.CLOCK_PROCESS_CPUTIME_ID  # pragma: no cover  no Linux, and so no systemd


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
