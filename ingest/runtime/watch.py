"""A cell: few writers, many readers, the latest value. State flows through cells; streams flow through links."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

import trio

T = TypeVar("T")


class Watch(Generic[T]):
    """Holds the latest value and wakes who waits for it. Values in between may be missed, the latest never is."""

    def __init__(self, value: T) -> None:
        self._value = value
        self._changed = trio.Event()

    @property
    def value(self) -> T:
        """The latest value, at once; what was set before it is not kept."""
        return self._value

    def set(self, value: T) -> None:
        """Replace the value and wake every reader."""
        self._value = value
        changed, self._changed = self._changed, trio.Event()
        changed.set()

    async def changed(self) -> T:
        """Wait for the next `set`, and return what is then the latest value."""
        await self._changed.wait()
        return self._value

    async def until(self, predicate: Callable[[T], bool]) -> T:
        """Wait until the value satisfies the predicate; at once when it already does."""
        await trio.lowlevel.checkpoint()
        while not predicate(self._value):
            await self._changed.wait()
        return self._value
