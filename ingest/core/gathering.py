"""Rewrites what a WebSocket library reads: short text messages are kept here, and the library sees a ticket instead.

In a library each message costs a turn of the parser and a hop between two tasks, and each of its bytes is copied five
times. A server that does not coalesce sends every event as a message of its own: one large read holds some two hundred.
One that coalesces sends a quarter of a megabyte at once. A library would make that a `str`, which is four times as
large if there is one emoji in it.

So the bytes are rewritten underneath the library. Neighbouring text messages are kept here, and the library gets one
short text in their place, a ticket. Above the library, `apart` returns what was kept for a ticket. The ticket is
random, so nothing that a peer sends can equal it. If somebody takes texts as they are read, and the library holds none
of what came before, the texts need no ticket: they are `ready`.

RFC 6455 alone decides what is taken: texts of one frame and at most 8 MiB. A text whose rest has not arrived waits for
it here, as it would in the library. Everything else goes through as it came, and in its place: the HTTP before,
fragments, pings, longer messages, texts that are not UTF-8, and everything after a goodbye or the first mistake. So
what is refused, and with which words, remains up to the library.
"""

from __future__ import annotations

import re
import struct
from codecs import utf_8_decode
from collections import deque
from collections.abc import Sequence
from typing import Final, TypeAlias

from attrs import define, field

Text: TypeAlias = str | bytes
"""A message's text: `bytes` are UTF-8."""

TEXT: Final = 0x81
"""The first byte of a text that is one frame."""
KNOWN: Final = frozenset({0x00, 0x80, 0x01, TEXT, 0x02, 0x82, 0x89, 0x8A})
"""The first bytes that a frame may have, but for a goodbye: after that nothing is heard."""
PING: Final = 0x89
"""From here on they are of a ping or pong, which is short."""

IN_16_BITS: Final = 126
"""Instead of a length: it follows, in two bytes."""
IN_64_BITS: Final = 127
LARGE: Final = 1 << 16

LONGEST: Final = 8 << 20
"""Bytes of a text that is waited for; more than 4,096 events, the most that Home Assistant coalesces."""

PIECE: Final = 8192
"""Bytes that are made into characters at once, to see whether they are UTF-8: that stays in the processor's cache."""

ENDLESS: Final = 1 << 63

_BLANK_LINE: Final = re.compile(rb"\n\r?\n")


@define
class Gathering:
    """One connection's bytes. `ticket` is random ASCII; the library takes no message longer than `most` bytes."""

    ticket: str
    most: int
    past: bool = False
    """Somebody takes what is `ready`."""
    _ready: list[bytes] = field(factory=list)
    _speaks: bool = False
    """The library has had something of its own to say, or to refuse: all that follows comes after it, for ever."""
    _kept: deque[list[bytes]] = field(factory=deque)
    """The texts for which the library has a ticket. It hands out messages in order."""
    _opening: bytes | None = b""
    """The answer to the opening handshake, as far as it is here; None when it is through."""
    _begun: bytes = b""
    """The beginning of a frame's head."""
    _parts: list[bytes | memoryview] = field(factory=list)
    """The beginning of a text."""
    _lacking: int = 0
    """Bytes still to come of that text."""
    _passing: int = 0
    """Bytes still to come of a frame that goes through as it comes."""

    def feed(self, data: bytes) -> bytes:
        """What the library gets for what arrived: nothing when that is only the beginning of a text."""
        return self._opened(data) if self._opening is not None else self._rewritten(data)

    def rest(self) -> bytes:
        """What still waits, when nothing more will come."""
        parts, self._parts = self._parts, []
        head = _head(sum(map(len, parts)) + self._lacking) if parts else self._begun
        self._begun, self._lacking = b"", 0
        return b"".join([head, *parts])

    def ready(self) -> list[bytes]:
        """The texts that need not wait for anything the library says. To be asked for after every `feed`."""
        texts, self._ready = self._ready, []
        return texts

    def apart(self, message: Text) -> Sequence[Text]:
        """The texts for one of the library's messages, each of which is asked for once and in order.

        A binary message, which only the peer can have sent, is an empty text.
        """
        if isinstance(message, bytes):
            return [""]
        return self._kept.popleft() if message == self.ticket else [message]

    def end(self) -> None:
        """Keep nothing more from now on: the library throws away what it gets. A ticket that it gave out is still good."""
        self._begun, self._passing = self.rest(), ENDLESS

    def _opened(self, data: bytes) -> bytes:
        """Let HTTP through. It ends with a blank line, and only a 101 is followed by frames."""
        said = (self._opening or b"") + data
        if (blank := _BLANK_LINE.search(said)) is None:
            self._opening = said  # not without bound: the library gives up at 16 KiB
            return data
        self._opening, self._passing = None, 0 if said.startswith(b"HTTP/1.1 101") else ENDLESS
        frames = blank.end() - len(said) + len(data)
        return data[:frames] + self._rewritten(data[frames:])

    def _rewritten(self, data: bytes) -> bytes:
        if len(data) < self._lacking:
            self._parts.append(data)
            self._lacking -= len(data)
            return b""
        longest = min(LONGEST, self.most)
        made: list[bytes] = []
        texts, at = self._ended(data)
        data, self._begun = self._begun + data, b""
        while True:
            through = data[at : at + self._passing]
            made.append(through)
            at += len(through)
            self._passing -= len(through)
            if self._passing:
                break
            at = _texts(data, at, longest, texts)
            if texts:
                made.append(self._instead(texts))
                texts = []
            body, size = _frame(data, at)
            if not body:
                self._begun = data[at:]
                break
            if data[at] == TEXT and size <= longest:
                self._parts, self._lacking = [memoryview(data)[body:]], body + size - len(data)
                break
            self._speaks |= data[at] < PING or size == ENDLESS
            self._passing = body - at + size
        return b"".join(made)

    def _ended(self, data: bytes) -> tuple[list[bytes], int]:
        """The text that waited for this, and how many bytes of it are that text's: each is copied once."""
        if not self._lacking:
            return [], 0
        at, self._lacking = self._lacking, 0
        parts, self._parts = self._parts, []
        return [b"".join([*parts, memoryview(data)[:at]])], at

    def _instead(self, texts: list[bytes]) -> bytes:
        """A ticket for them, or their frames as they came."""
        # With something between them: the first half of a character and the second are two mistakes.
        if len(self.ticket) > self.most or not _is_utf8(b"\n".join(texts)):
            self._speaks = True
            return b"".join([part for text in texts for part in (_head(len(text)), text)])
        if self.past and not (self._kept or self._speaks):
            self._ready += texts
            return b""
        self._kept.append(texts)
        return _head(len(self.ticket)) + self.ticket.encode()


def _texts(data: bytes, at: int, longest: int, texts: list[bytes]) -> int:
    """Add the whole texts from there on, and say where they end."""
    while at + 2 <= len(data) and data[at] == TEXT:
        size, body = data[at + 1], at + 2
        if size == IN_16_BITS and at + 4 <= len(data):
            size, body = data[at + 2] << 8 | data[at + 3], at + 4
            if size < IN_16_BITS:
                break
        elif size == IN_64_BITS and at + 10 <= len(data):
            size, body = int.from_bytes(data[at + 2 : at + 10]), at + 10
            if size < LARGE:
                break
        elif size >= IN_16_BITS:
            break
        if size > longest or body + size > len(data):
            break
        texts.append(data[body : body + size])
        at = body + size
    return at


def _frame(data: bytes, at: int) -> tuple[int, int]:
    """Where what the frame there says begins, and its length: 0 when its head is not whole, `ENDLESS` for a mistake."""
    if len(data) < at + 2:
        return 0, 0
    first, size = data[at], data[at + 1]
    wide = {IN_16_BITS: 2, IN_64_BITS: 8}.get(size, 0)
    body = at + 2 + wide
    if first not in KNOWN or size > IN_64_BITS or (wide and first >= PING):
        return body, ENDLESS
    if wide:
        if len(data) < body:
            return 0, 0
        size = int.from_bytes(data[at + 2 : body])
        if size < (IN_16_BITS if wide == 2 else LARGE):
            return body, ENDLESS
    return body, size


def _is_utf8(data: bytes) -> bool:
    """What it is as text is thrown away: piece by piece that takes two thirds of the time."""
    if data.isascii():
        return True
    view, at = memoryview(data), 0
    try:
        while at < len(data):
            at += utf_8_decode(view[at : at + PIECE], "strict", at + PIECE >= len(data))[1]
    except UnicodeDecodeError:
        return False
    return True


def _head(size: int) -> bytes:
    """The head of a text of so many bytes."""
    if size < IN_16_BITS:
        return struct.pack(">BB", TEXT, size)
    if size < LARGE:
        return struct.pack(">BBH", TEXT, IN_16_BITS, size)
    return struct.pack(">BBQ", TEXT, IN_64_BITS, size)
