"""A stream on which small WebSocket messages that arrive together come as one."""

from __future__ import annotations

import trio

from ingest.core.gathering import Gathering


class Gathered(trio.abc.Stream):
    """Any stream, as a WebSocket client reads it. What is read goes through the `gathering`; it waits for no message."""

    def __init__(self, stream: trio.abc.Stream, gathering: Gathering) -> None:
        self._stream = stream
        self._gathering = gathering

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        """As the stream does; `max_bytes` bound what is read, and what waited from before is added to it."""
        while True:
            data = bytes(await self._stream.receive_some(max_bytes))
            made = self._gathering.feed(data) if data else self._gathering.rest()
            if made or not data:
                return made

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        """As the stream does."""
        await self._stream.send_all(data)

    async def wait_send_all_might_not_block(self) -> None:
        """As the stream does."""
        await self._stream.wait_send_all_might_not_block()

    async def aclose(self) -> None:
        """As the stream does."""
        await self._stream.aclose()
