"""A stream on which a WebSocket library meets short messages only, those that arrive together as one.

A change that comes by itself costs many times what it does in a frame: every task between the socket and the batch wakes up
for it, and finds nothing in the processor's caches. A batch waits for more of them anyway. So where changes come one soon
after the other the next are left in the socket for a moment, and read together:

    a read comes soon after the one before ──▶ pause ──▶ more than one text: pause again
                                                    └──▶ one, or none: nothing waits until two come soon after each other

A pause ends when somebody says that there is haste, and when it is cancelled: then what has arrived meanwhile is told first.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from secrets import token_hex
from typing import TypeAlias

import trio

from ingest.core.gathering import Gathering, Text
from ingest.edge.heard import Heard
from ingest.errors import IngestError

TakeTexts: TypeAlias = Callable[[Sequence[Text]], bool]
"""Takes texts that arrived together, without waiting for anything. True when what comes next may be late by a moment."""

SMALL = 8 * 1024
"""Bytes that a pause is to gather at most: so many may be all that the receive window holds, and then more waits at the peer."""

SHORTEST = 1 / 64
"""The part of a pause that it has at least, when so many come in less."""

AT_HAND = 0.01
"""Seconds for reading, where a pause is the last, what has arrived."""

READS = 64
"""As many reads of it, at most: 16 MiB, where each is of 256 KiB."""

TICKET = 16
"""Random bytes in what stands for the messages: more than a peer could guess."""


class Gathered(Heard):
    """Any stream, as a WebSocket client reads it; that takes no message longer than `most` bytes.

    For `pause` seconds what trickles in stays in the socket. Not over TLS, where a read is one record, however much is there.
    """

    def __init__(self, stream: trio.abc.Stream, most: int, pause: float = 0.0) -> None:
        super().__init__(stream)
        self._pause = pause
        self._next = pause
        self._haste: trio.Event | None = None
        self._ends = False
        self._gathering = Gathering(token_hex(TICKET), most)
        self._told: TakeTexts | None = None

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        """As the stream does; `max_bytes` bound what is read, and what has waited for its rest comes with it."""
        paused = False
        while True:
            asked = trio.current_time()
            data = bytes(await super().receive_some(max_bytes))
            made = self._gathering.feed(data) if data else self._gathering.rest()
            if (told := self._told) is not None and (texts := self._gathering.ready()):
                more = len(texts) > 1 if paused else self.last - asked < self._pause / 2
                if paused:
                    self._aim(len(data))
                paused = told(texts) and more and len(data) < SMALL and not made
                if paused:
                    made = await self._wait(told, max_bytes)
                else:
                    # Whoever works on them runs before the next are told: they would have to be fetched into the cache again.
                    await trio.lowlevel.cancel_shielded_checkpoint()
            if made or not data:
                return made

    def _aim(self, came: int) -> None:
        """The next pause is so long that it gathers what is small. Then a window that is full is no reason for waiting."""
        self._next = max(self._pause * SHORTEST, min(self._pause, self._next * min(2.0, SMALL / came)))

    async def _wait(self, told: TakeTexts, max_bytes: int | None) -> bytes:
        """For a while, or until there is haste. What the library gets is what came at the end."""
        self._haste = trio.Event()
        try:
            with trio.move_on_after(self._next):
                await self._haste.wait()
        except trio.Cancelled:
            await self._rest_of_it(told, max_bytes)
            raise
        else:
            # Who was woken by haste may have been cancelled since.
            over = self._ends or self._told is not told or trio.current_effective_deadline() == -math.inf
            return await self._rest_of_it(told, max_bytes) if over else b""
        finally:
            self._haste = None
            if self._ends:
                self._gathering.end()

    async def _rest_of_it(self, told: TakeTexts, max_bytes: int | None) -> bytes:
        """A session ends, or the service: what this machine has is told."""
        made = []
        for _ in range(READS):
            data = await self._at_hand(max_bytes)
            self._gathering.past = True
            made.append(self._gathering.feed(data))
            if texts := self._gathering.ready():
                told(texts)
            if len(data) != max_bytes:
                break
        return b"".join(made)

    async def _at_hand(self, max_bytes: int | None) -> bytes:
        with trio.move_on_after(AT_HAND, shield=True), suppress(trio.ClosedResourceError, trio.BrokenResourceError):
            return bytes(await super().receive_some(max_bytes))
        return b""

    def hurry(self) -> None:
        """Somebody will wait for what comes next."""
        if self._haste is not None:
            self._haste.set()

    @contextmanager
    def telling(self, told: TakeTexts) -> Iterator[None]:
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

    def _tell(self, told: TakeTexts | None) -> None:
        self._told, self._gathering.past = told, told is not None

    def apart(self, message: Text) -> Sequence[Text]:
        """The texts in the next message that came over this stream; a binary one is an empty text."""
        return self._gathering.apart(message)

    def end(self) -> None:
        """From now on no message is asked for; but what arrives in a pause is still told."""
        if self._haste is None:
            self._gathering.end()
        else:
            self._ends = True
            self.hurry()
