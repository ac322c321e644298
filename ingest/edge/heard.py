"""A stream that notes when something last arrived: a message of many megabytes says nothing until it is whole."""

from __future__ import annotations

import trio


class Heard(trio.abc.Stream):
    """Any stream. `last` is when bytes arrived, in seconds of trio's clock; at first when it was made."""

    def __init__(self, stream: trio.abc.Stream) -> None:
        self._stream = stream
        self.last = trio.current_time()

    async def receive_some(self, max_bytes: int | None = None) -> bytes | bytearray:
        """As that of the stream behind; when something comes, that moment is noted."""
        data = await self._stream.receive_some(max_bytes)
        self.last = trio.current_time()
        return data

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        """As that of the stream behind."""
        await self._stream.send_all(data)

    async def wait_send_all_might_not_block(self) -> None:
        """As that of the stream behind."""
        await self._stream.wait_send_all_might_not_block()

    async def aclose(self) -> None:
        """As that of the stream behind."""
        await self._stream.aclose()
