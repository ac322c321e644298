"""A stream on which small WebSocket messages that arrive together come as one."""

from __future__ import annotations

from secrets import token_hex

import trio

from ingest.core.gathering import Gathering, Text
from ingest.edge.heard import Heard

BOUNDARY = 16
"""Random bytes in what separates the messages: more than a peer could guess."""


class Gathered(Heard):
    """Any stream, as a WebSocket client reads it; no message that it makes is longer than `most` bytes."""

    def __init__(self, stream: trio.abc.Stream, most: int) -> None:
        super().__init__(stream)
        self._gathering = Gathering(token_hex(BOUNDARY).encode(), most)

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        """As the stream does; `max_bytes` bound what is read, and what has waited for its rest comes with it."""
        while True:
            data = bytes(await super().receive_some(max_bytes))
            made = self._gathering.feed(data) if data else self._gathering.rest()
            if made or not data:
                return made

    def apart(self, message: Text) -> list[Text]:
        """The texts in a message that came over this stream; a binary one is an empty text."""
        return self._gathering.apart(message)
