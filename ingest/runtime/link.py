"""A link between two stages: a bounded queue of frames, whose overflow is a value.

A link is bounded in events *and* in bytes, because one frame may hold one event or four thousand, a hundred bytes or
four megabytes; that is why it is ours and not trio's memory channel.

A stage never holds a frame over a checkpoint. It waits for room below, *then* takes from above, and what it made of
the frame is below before anybody else runs:

    await below.ready()
    frame = await above.receive()
    shed = below.put(work(frame))

So a frame is always in exactly one link, and cancelling a stage at any step loses and repeats nothing.
A link takes a frame while it holds less than its capacity, so it can exceed it by less than one frame.
"""

# ruff: noqa: SLF001  a link and its two ends are one thing in three classes

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from enum import Enum
from types import TracebackType
from typing import Generic, NamedTuple, Self, TypeVar

import trio
from attrs import define, field

from ingest.runtime.progress import Move

T = TypeVar("T")


class Overflow(Enum):
    """What happens to a frame for which a link has no room."""

    BLOCK = "block"
    DROP_OLDEST = "drop_oldest"
    DROP_NEWEST = "drop_newest"


class Weight(NamedTuple):
    """How much a link holds, or may hold."""

    events: int
    size: int
    """In bytes."""

    def plus(self, other: Weight) -> Weight:
        """Events and bytes of both together."""
        return Weight(self.events + other.events, self.size + other.size)

    def minus(self, other: Weight) -> Weight:
        """What is left without the other."""
        return Weight(self.events - other.events, self.size - other.size)

    def below(self, capacity: Weight, share: float = 1.0) -> bool:
        """True while both counts are under that share of the capacity."""
        return self.events < capacity.events * share and self.size < capacity.size * share


EMPTY = Weight(0, 0)


@define(eq=False)
class Link(Generic[T]):
    """A bounded queue with one receiving end and one or more sending ends, each with its own overflow.

    `weigh` says what a frame weighs. `held` and `peak` are what it holds now and held at most. `taken` counts the
    frames that were received.
    """

    name: str
    capacity: Weight
    weigh: Callable[[T], Weight]
    held: Weight = EMPTY
    peak: Weight = EMPTY
    taken: int = 0
    _queue: deque[T] = field(factory=deque)
    _senders: int = 0
    _broken: bool = False
    _filled: trio.lowlevel.ParkingLot = field(factory=trio.lowlevel.ParkingLot)
    _emptied: trio.lowlevel.ParkingLot = field(factory=trio.lowlevel.ParkingLot)

    def sender(self, overflow: Overflow, *, share: float = 1.0) -> Sender[T]:
        """A new sending end. A `share` below 1 leaves the rest of the capacity to the others."""
        self._senders += 1
        return Sender(self, overflow, share)

    def receiver(self) -> Receiver[T]:
        """The receiving end. There is to be one: two would divide the frames between them."""
        return Receiver(self)

    def moves(self) -> Move | None:
        """Which frame its reader is at; None while that waits for one."""
        return None if self._filled and not self._queue else Move(self.taken)

    def _append(self, frame: T) -> None:
        self._queue.append(frame)
        self.held = self.held.plus(self.weigh(frame))
        self.peak = Weight(max(self.peak.events, self.held.events), max(self.peak.size, self.held.size))
        self._filled.unpark()

    def _pop(self) -> T:
        frame = self._queue.popleft()
        self.held = self.held.minus(self.weigh(frame))
        self._emptied.unpark_all()
        return frame


@define(eq=False)
class Sender(Generic[T]):
    """A sending end. Closing it keeps what is queued; the link ends when its last sender is closed."""

    link: Link[T]
    overflow: Overflow
    share: float = 1.0
    _closed: bool = False

    async def ready(self) -> None:
        """Wait until a frame can be put; a shedding sender is always ready.

        Raises `trio.BrokenResourceError` when a blocking sender would wait for nobody.
        """
        await trio.lowlevel.checkpoint()
        while self.overflow is Overflow.BLOCK:
            if self.link._broken:
                raise trio.BrokenResourceError
            if self._room():
                return
            await self.link._emptied.park()

    def put(self, frame: T) -> tuple[T, ...]:
        """Queue the frame; return what was shed for it. After `ready` a blocking sender sheds nothing.

        When nobody will receive, the frame itself is shed: whoever puts it holds it and must account for it.
        Raises `trio.ClosedResourceError` after `close`.
        """
        if self._closed:
            raise trio.ClosedResourceError
        if self.link._broken or (self.overflow is Overflow.DROP_NEWEST and not self._room()):
            return (frame,)
        self.link._append(frame)
        return self._excess() if self.overflow is Overflow.DROP_OLDEST else ()

    def close(self) -> None:
        """End this sender. Closing twice is nothing."""
        if not self._closed:
            self._closed = True
            self.link._senders -= 1
            self.link._filled.unpark_all()

    def _room(self) -> bool:
        return self.link.held.below(self.link.capacity, self.share)

    def _excess(self) -> tuple[T, ...]:
        shed = []
        link, capacity = self.link, self.link.capacity
        while len(link._queue) > 1 and (link.held.events > capacity.events or link.held.size > capacity.size):
            shed.append(link._pop())
        return tuple(shed)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.close()


@define(eq=False)
class Receiver(Generic[T]):
    """The receiving end. Closing it breaks the link; what is queued stays countable in `link.held`."""

    link: Link[T]

    async def receive(self) -> T:
        """The next frame. Cancelling it loses nothing.

        Raises `trio.EndOfChannel` when every sender is closed and the queue is empty.
        """
        await trio.lowlevel.checkpoint()
        while not self.link._queue:
            if not self.link._senders:
                raise trio.EndOfChannel
            await self.link._filled.park()
        self.link.taken += 1
        return self.link._pop()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> T:
        try:
            return await self.receive()
        except trio.EndOfChannel:
            raise StopAsyncIteration from None

    def close(self) -> None:
        """Break the link: senders waiting get `trio.BrokenResourceError`, and what is put is shed."""
        self.link._broken = True
        self.link._emptied.unpark_all()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.close()
