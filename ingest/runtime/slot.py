"""A mailbox for one thing: who puts never waits, the newest wins, and who takes it has it alone."""

from __future__ import annotations

from typing import Generic, TypeVar

import trio

T = TypeVar("T")


class Slot(Generic[T]):
    """Holds what was put last until it is taken. What is taken by a task that is cancelled meanwhile stays."""

    def __init__(self) -> None:
        self._held: tuple[T, ...] = ()
        self._came = trio.Event()

    @property
    def full(self) -> bool:
        """True when there is something to take."""
        return bool(self._held)

    def put(self, value: T) -> None:
        """Replace what is there, and wake who waits for it."""
        self._held = (value,)
        came, self._came = self._came, trio.Event()
        came.set()

    def clear(self) -> None:
        """Drop what is there."""
        self._held = ()

    async def filled(self) -> None:
        """Wait until there is something, and leave it there."""
        if self._held:
            await trio.lowlevel.checkpoint()
        while not self._held:
            await self._came.wait()

    async def take(self) -> T:
        """Wait until there is something, and take it out."""
        await self.filled()
        (value,), self._held = self._held, ()
        return value
