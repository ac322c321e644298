"""A spool is a link with storage in the middle: this one's storage is memory.

`put` at one end, `async with claim()` at the other. Leaving the block normally commits the batch: it is gone. An
exception or a cancellation keeps it. No message ever travels upstream.

`claim` alternates between the newest batch, while it is younger than a minute, and the oldest: live data is never
stuck behind a backlog, and neither starves. What is claimed is never evicted.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from itertools import pairwise
from typing import Generic, Protocol, TypeVar

import trio
from attrs import define, field, frozen

from ingest.runtime.link import EMPTY, Weight

FRESH = 60.0
"""Seconds for which the newest batch may go before the oldest."""

T = TypeVar("T")


class Spool(Protocol[T]):
    """What the two ends of any spool offer. `put` either keeps the batch or, cancelled, has not taken it."""

    @property
    def held(self) -> Weight:
        """What it keeps, claimed batches included."""

    @property
    def volatile(self) -> Weight:
        """What of it would be gone with the process."""

    @property
    def room(self) -> int:
        """Bytes that it takes before something gives way."""

    @property
    def closed(self) -> trio.Event:
        """Set once nothing more will be put."""

    async def put(self, batch: T) -> Sequence[T]:
        """Keep a batch; return what was evicted to make room."""

    def close(self) -> None:
        """Nothing more will be put."""

    def claim(self) -> AbstractAsyncContextManager[T]:
        """Take a batch while the block runs. Raises `trio.EndOfChannel` when closed and empty (nothing is claimed)."""


@frozen(eq=False)
class _Entry(Generic[T]):
    number: int
    batch: T
    since: float


@define(eq=False)
class MemorySpool(Generic[T]):
    """Keeps at most `limit` bytes; the oldest unclaimed batch goes first.

    With `in_order` the oldest is claimed first, too: where a batch that is delivered says what came before it. `unbroken`:
    those that went last were put right after one another, and after the one that went before them.
    """

    limit: int
    weigh: Callable[[T], Weight]
    held: Weight = EMPTY
    in_order: bool = False
    unbroken: bool = False
    _entries: list[_Entry[T]] = field(factory=list)
    _claimed: list[_Entry[T]] = field(factory=list)
    _last: int = 0
    _gone: int = 0
    closed: trio.Event = field(factory=trio.Event)
    _newest_next: bool = True
    _changed: trio.lowlevel.ParkingLot = field(factory=trio.lowlevel.ParkingLot)

    @property
    def volatile(self) -> Weight:
        """Everything it holds: memory ends with the process."""
        return self.held

    @property
    def room(self) -> int:
        """Bytes that it takes before something gives way."""
        return max(0, self.limit - self.held.size)

    @property
    def batches(self) -> tuple[T, ...]:
        """Everything kept, claimed batches included."""
        return tuple(entry.batch for entry in (*self._claimed, *self._entries))

    @property
    def waiting(self) -> bool:
        """True when a claim would not have to wait."""
        return bool(self._entries)

    def overflows(self, coming: int) -> bool:
        """True when something would give way for so many bytes."""
        return self.held.size + coming > self.limit

    async def put(self, batch: T) -> tuple[T, ...]:
        """Keep a batch; return what was evicted to make room for it.

        A batch larger than the whole spool is kept alone: losing it for its size would help nobody.
        """
        await trio.lowlevel.checkpoint()
        self._last += 1
        self._entries.append(_Entry(self._last, batch, trio.current_time()))
        self.held = self.held.plus(self.weigh(batch))
        self._changed.unpark_all()
        return self._evict()

    def purge(self) -> tuple[T, ...]:
        """Remove what is not claimed; return it."""
        gone, self._entries = tuple(entry.batch for entry in self._entries), []
        for batch in gone:
            self.held = self.held.minus(self.weigh(batch))
        self._changed.unpark_all()
        return gone

    def close(self) -> None:
        """Nothing more will be put: `claim` ends when the spool is empty."""
        self.closed.set()
        self._changed.unpark_all()

    @asynccontextmanager
    async def claim(self) -> AsyncGenerator[T]:
        """Take a batch out while the block runs; leaving it normally commits, an exception puts it back.

        Raises `trio.EndOfChannel` when the spool is closed and empty; a claimed batch may still come back.
        """
        await trio.lowlevel.checkpoint()
        while not self._entries:
            if self.closed.is_set() and not self._claimed:
                raise trio.EndOfChannel
            await self._changed.park()
        with self.claim_nowait() as batch:
            yield batch

    @contextmanager
    def claim_nowait(self, *, oldest: bool = False) -> Iterator[T]:
        """As `claim`, when one is `waiting`; nobody can take it between the look and this."""
        entry = self._entries.pop(0) if oldest else self._take()
        self._claimed.append(entry)
        try:
            yield entry.batch
        except BaseException:
            if entry in self._claimed:
                self._entries.append(entry)
                self._entries.sort(key=lambda kept: kept.number)
            raise
        else:
            if entry in self._claimed:
                self.held = self.held.minus(self.weigh(entry.batch))
        finally:
            self._claimed = [each for each in self._claimed if each is not entry]
            self._changed.unpark_all()

    def disown(self, batch: T) -> None:
        """A claimed batch is kept elsewhere from here on: however its claim ends, it is not ours any more."""
        (entry,) = (each for each in self._claimed if each.batch is batch)
        self._claimed.remove(entry)
        self.held = self.held.minus(self.weigh(batch))

    def _take(self) -> _Entry[T]:
        newest = self._newest_next and not self.in_order and trio.current_time() - self._entries[-1].since < FRESH
        self._newest_next = not self._newest_next
        return self._entries.pop(-1 if newest else 0)

    def _evict(self) -> tuple[T, ...]:
        evicted = []
        while self.held.size > self.limit and len(self._entries) > 1:
            entry = self._entries.pop(0)
            self.held = self.held.minus(self.weigh(entry.batch))
            evicted.append(entry)
        numbers = [self._gone, *(entry.number for entry in evicted)]
        self.unbroken, self._gone = all(later - each == 1 for each, later in pairwise(numbers)), numbers[-1]
        return tuple(entry.batch for entry in evicted)
