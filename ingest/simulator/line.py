"""A connection's wire, which can be cut, stalled, or silent for ever."""

from __future__ import annotations

import socket
import struct
from math import inf

import trio

from ingest.simulator.memory import MemoryStream

CHUNK = 64 * 1024
"""Bytes read or written at once."""


class Line:
    """A stream with a gate in it: while it is shut, nothing passes in either direction."""

    def __init__(self, stream: trio.abc.Stream) -> None:
        self.stream = stream
        self.last_received = trio.current_time()
        self._shut_until = 0.0
        self._cut = False
        self._turn = trio.Lock()

    @property
    def silent(self) -> bool:
        """True when nothing will ever pass again, though nobody hung up."""
        return self._shut_until == inf

    def stall(self, seconds: float) -> None:
        """Shut the gate for a while; `inf` for ever: a half-open connection."""
        self._shut_until = max(self._shut_until, trio.current_time() + seconds)

    def cut_next(self) -> None:
        """Send half of what is sent next, then reset."""
        self._cut = True

    async def send(self, data: bytes) -> None:
        """Send it all. Raises `BrokenResourceError` when the peer is gone."""
        async with self._turn:
            await self._gate()
            if self._cut:
                await self.stream.send_all(data[: len(data) // 2])
                self.reset()
                raise trio.BrokenResourceError("cut in the middle of a frame by the script")
            await self.stream.send_all(data)

    async def receive(self) -> bytes:
        """Receive something; empty at the end."""
        await self._gate()
        data = await self.stream.receive_some(CHUNK)
        await self._gate()
        self.last_received = trio.current_time()
        return bytes(data)

    def reset(self) -> None:
        """Close at once; the peer sees a TCP reset."""
        if isinstance(self.stream, trio.SocketStream):
            self.stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.stream.socket.close()
        elif isinstance(self.stream, MemoryStream):
            self.stream.reset()

    async def _gate(self) -> None:
        while trio.current_time() < self._shut_until:  # noqa: ASYNC110  it may have been shut for longer meanwhile
            await trio.sleep_until(self._shut_until)
