"""A stream on which a WebSocket library meets short messages only, those that arrive together as one.

A change that comes by itself costs many times what it does in a frame: every task between the socket and the batch wakes up
for it, and finds nothing in the processor's caches. Where changes come one soon after the other nobody needs each at once,
since a batch waits for more of them anyway. So the next are left in the socket for a moment, and read together.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from secrets import token_hex
from typing import TypeAlias

import trio

from ingest.core.gathering import Gathering, Text
from ingest.edge.heard import Heard
from ingest.errors import IngestError

Told: TypeAlias = Callable[[Sequence[Text]], bool]
"""Takes texts that arrived together, without waiting for anything. True when what comes next may be late by a moment."""

SMALL = 64 * 1024
"""Bytes of a read that was not small: so much came at once that more is there already."""

TICKET = 16
"""Random bytes in what stands for the messages: more than a peer could guess."""


class Gathered(Heard):
    """Any stream, as a WebSocket client reads it; that takes no message longer than `most` bytes.

    For `pause` seconds what trickles in stays in the socket. Not over TLS, where a read is one record, however much is there.
    """

    def __init__(self, stream: trio.abc.Stream, most: int, pause: float = 0.0) -> None:
        super().__init__(stream)
        self._pause = pause
        self._gathering = Gathering(token_hex(TICKET), most)
        self._told: Told | None = None

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        """As the stream does; `max_bytes` bound what is read, and what has waited for its rest comes with it."""
        while True:
            asked = trio.current_time()
            data = bytes(await super().receive_some(max_bytes))
            made = self._gathering.feed(data) if data else self._gathering.rest()
            if self._told is not None and (texts := self._gathering.ready()):
                soon = len(data) < SMALL and self.last - asked < self._pause / 2
                if self._told(texts) and soon and not made:
                    await trio.sleep(self._pause)
                else:
                    # Whoever works on them runs before the next are told: they would have to be fetched into the cache again.
                    await trio.lowlevel.cancel_shielded_checkpoint()
            if made or not data:
                return made

    @contextmanager
    def telling(self, told: Told) -> Iterator[None]:
        """In this block texts that need no library are told as they are read, in the task that reads.

        What `told` raises ends the block, and leaves it.
        """
        failed: list[Exception] = []

        def tell(texts: Sequence[Text]) -> bool:
            try:
                return told(texts)
            except Exception as error:  # noqa: BLE001  the task that reads is not the one to fail
                failed.append(error)
                self._tell(None)
                block.cancel()
                return False

        with trio.CancelScope() as block:
            self._tell(tell)
            try:
                yield
            except IngestError:
                if not failed:
                    raise
            finally:
                self._tell(None)
        if failed:
            raise failed[0]

    def _tell(self, told: Told | None) -> None:
        self._told, self._gathering.past = told, told is not None

    def apart(self, message: Text) -> Sequence[Text]:
        """The texts in the next message that came over this stream; a binary one is an empty text."""
        return self._gathering.apart(message)

    def end(self) -> None:
        """From now on no message is asked for."""
        self._gathering.end()
