"""A stream on which a WebSocket library meets short messages only, those that arrive together as one."""

from __future__ import annotations

from collections.abc import Sequence
from secrets import token_hex

import trio

from ingest.core.gathering import Gathering, Text
from ingest.edge.heard import Heard

TICKET = 16
"""Random bytes in what stands for the messages: more than a peer could guess."""


class Gathered(Heard):
    """Any stream, as a WebSocket client reads it; that takes no message longer than `most` bytes."""

    def __init__(self, stream: trio.abc.Stream, most: int) -> None:
        super().__init__(stream)
        self._gathering = Gathering(token_hex(TICKET), most)

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        """As the stream does; `max_bytes` bound what is read, and what has waited for its rest comes with it."""
        while True:
            data = bytes(await super().receive_some(max_bytes))
            made = self._gathering.feed(data) if data else self._gathering.rest()
            if made or not data:
                return made

    def apart(self, message: Text) -> Sequence[Text]:
        """The texts in the next message that came over this stream; a binary one is an empty text."""
        return self._gathering.apart(message)

    def end(self) -> None:
        """From now on no message is asked for."""
        self._gathering.end()
