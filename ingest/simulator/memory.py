"""A connection without a network: two ends in memory that behave like TCP's, under any clock.

A window bounds what is on the way, as socket buffers do, so that a reader who does not read stops the writer; and an
end can be reset, which both sides notice at once.
"""

from __future__ import annotations

import trio
from attrs import define, field
from trio.lowlevel import ParkingLot

WINDOW = 256 * 1024
"""Bytes on the way in one direction; about what loopback sockets hold."""


@define(eq=False)
class _Way:
    """One direction."""

    window: int
    data: bytearray = field(factory=bytearray)
    ended: bool = False
    broken: bool = False
    lot: ParkingLot = field(factory=ParkingLot)

    def wake(self) -> None:
        self.lot.unpark_all()


class MemoryStream(trio.abc.Stream):
    """One end. Made in pairs by `pair`."""

    def __init__(self, inbound: _Way, outbound: _Way) -> None:
        self._in, self._out = inbound, outbound
        self._closed = False

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        """Send; wait while the window is full. Raises `BrokenResourceError` when the other end is gone."""
        await trio.lowlevel.checkpoint()
        rest = memoryview(data)
        while rest:
            await self.wait_send_all_might_not_block()
            room = self._out.window - len(self._out.data)
            self._out.data += rest[:room]
            rest = rest[room:]
            self._out.wake()

    async def wait_send_all_might_not_block(self) -> None:
        """Wait for room in the window. Raises `trio.BrokenResourceError` when the peer is gone."""
        self._check()
        while len(self._out.data) >= self._out.window and not self._out.broken:
            await self._out.lot.park()
        self._check()
        if self._out.broken:
            raise trio.BrokenResourceError("the other end is gone")

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        """Receive; empty at the end. Raises `BrokenResourceError` after a reset."""
        await trio.lowlevel.checkpoint()
        way = self._in
        while not (way.data or way.ended or way.broken or self._closed):
            await way.lot.park()
        self._check()
        if way.broken:
            raise trio.BrokenResourceError("connection reset by peer")
        taken = bytes(way.data[:max_bytes])
        del way.data[:max_bytes]
        way.wake()
        return taken

    async def aclose(self) -> None:
        """Close: the other end reads what is on the way, then the end of it."""
        self._closed = True
        self._out.ended = True
        self._in.broken = True
        self._out.wake()
        self._in.wake()
        await trio.lowlevel.checkpoint()

    def reset(self) -> None:
        """Close at once, as a TCP reset does: what is on the way is lost."""
        self._closed = True
        self._out.broken = self._in.broken = True
        self._out.wake()
        self._in.wake()

    def _check(self) -> None:
        if self._closed:
            raise trio.ClosedResourceError("this end is closed")


def pair(window: int = WINDOW) -> tuple[MemoryStream, MemoryStream]:
    """Return the two ends of a connection."""
    there, back = _Way(window), _Way(window)
    return MemoryStream(there, back), MemoryStream(back, there)
