"""Small WebSocket messages that arrived together, joined into one before a WebSocket library sees them.

A server that does not coalesce sends every event as a message of its own: one large read holds some two hundred. In a
library each is a parser's turn and a hop between two tasks, and in the stages after it as much again: several times
what its event costs. So the bytes are rewritten underneath the library: neighbouring text messages become one binary
message, which begins with a boundary and has it before each of them, as a MIME multipart message does. Above the
library `apart` takes them apart. The boundary is random: nothing that a peer says can hold it.

A text of 64 KiB or more, as a server that coalesces sends them, becomes a binary message also alone, unless it is ASCII:
a library would make it a `str`, and with one emoji in it that is four times as large.

What is taken is told by RFC 6455 alone: texts of one frame and at most 8 MiB. One whose rest has not arrived waits for
it here, as it would in the library. Everything else goes through as it came, and in its place: the HTTP before,
fragments, pings, goodbyes, longer messages, texts that are no UTF-8, and from the first mistake on whatever follows.
So what is refused, and with which words, remains the library's.
"""

from __future__ import annotations

import re
import struct
from codecs import utf_8_decode
from typing import Final, TypeAlias

from attrs import define, field

Text: TypeAlias = str | bytes
"""A message's text: `bytes` are UTF-8."""

TEXT: Final = 0x81
"""The first byte of a text that is one frame."""
BINARY: Final = 0x82
KNOWN: Final = frozenset({0x00, 0x80, 0x01, TEXT, 0x02, BINARY, 0x88, 0x89, 0x8A})
"""The first bytes that a frame may have."""
CLOSE: Final = 0x88
"""From here on they are of a close, ping or pong, which is short."""

IN_16_BITS: Final = 126
"""Instead of a length: it follows, in two bytes."""
IN_64_BITS: Final = 127
LARGE: Final = 1 << 16

LONGEST: Final = 8 << 20
"""Bytes of a text that is waited for; more than 4,096 events, the most that Home Assistant coalesces."""

ALONE: Final = b"|"
"""Before the boundary of a message that is one text: nobody need look for another in it."""

PIECE: Final = 8192
"""Bytes that are made into characters at once, to see whether they are UTF-8: that stays in the processor's cache."""

ENDLESS: Final = 1 << 63

_BLANK_LINE: Final = re.compile(rb"\n\r?\n")


@define
class Gathering:
    """One connection's bytes. `boundary` is random ASCII; no joined message is longer than `most` bytes."""

    boundary: bytes
    most: int
    _opening: bytes | None = b""
    """The answer to the opening handshake, as far as it is here; None when it is through."""
    _held: list[bytes] = field(factory=list)
    """The beginning of a text, or of a frame's head."""
    _lacking: int = 0
    """So many bytes must come, at least, before what is held can go on."""
    _passing: int = 0
    """Bytes still to come of a frame that goes through as it comes."""

    def feed(self, data: bytes) -> bytes:
        """What the library gets for what arrived: nothing when that is only the beginning of a text."""
        return self._opened(data) if self._opening is not None else self._joined(data)

    def rest(self) -> bytes:
        """What still waits, when nothing more will come."""
        held, self._held, self._lacking = b"".join(self._held), [], 0
        return held

    def apart(self, message: Text) -> list[Text]:
        """The texts in one of the library's messages. A binary message of the peer's own is an empty text."""
        if isinstance(message, str):
            return [message]
        if message.startswith(ALONE + self.boundary):
            return [message[len(ALONE + self.boundary) :]]
        first, *texts = message.split(self.boundary)
        return [*texts] if texts and not first else [""]

    def _opened(self, data: bytes) -> bytes:
        """Let HTTP through. It ends with a blank line, and only a 101 is followed by frames."""
        said = (self._opening or b"") + data
        if (blank := _BLANK_LINE.search(said)) is None:
            self._opening = said  # not without bound: the library gives up at 16 KiB
            return data
        self._opening, self._passing = None, 0 if said.startswith(b"HTTP/1.1 101") else ENDLESS
        frames = blank.end() - len(said) + len(data)
        return data[:frames] + self._joined(data[frames:])

    def _joined(self, data: bytes) -> bytes:
        self._held.append(data)
        self._lacking -= len(data)
        if self._lacking > 0:
            return b""
        data, length = b"".join(self._held), self._passing
        longest = min(LONGEST, self.most - len(ALONE + self.boundary))
        made: list[bytes] = []
        at = 0
        while True:
            through = data[at : at + length]
            made.append(through)
            at += len(through)
            self._passing = length - len(through)
            if self._passing:
                break
            begun, (texts, at) = at, _texts(data, at, longest)
            made += self._together(texts) or [data[begun:at]]
            length, end = _length(data, at, longest)
            if not length:
                break
        self._held, self._lacking = ([data[at:]], end - len(data)) if at < len(data) else ([], 0)
        return b"".join(made)

    def _together(self, texts: list[bytes]) -> list[bytes]:
        """The parts of one frame of them all, where that gains and changes nothing; else none."""
        match texts:
            case []:
                return []
            case [text]:
                if len(text) < LARGE or text.isascii():
                    return []
                first, joined = ALONE + self.boundary, text
            case _:
                first, joined = self.boundary, self.boundary.join(texts)
        size = len(first) + len(joined)
        return [_binary(size), first, joined] if size <= self.most and _is_utf8(joined) else []


def _texts(data: bytes, at: int, longest: int) -> tuple[list[bytes], int]:
    """The whole texts from there on, and where they end."""
    texts: list[bytes] = []
    while at + 2 <= len(data) and data[at] == TEXT:
        size, body = data[at + 1], at + 2
        if size == IN_16_BITS and at + 4 <= len(data):
            size, body = data[at + 2] << 8 | data[at + 3], at + 4
            if size < IN_16_BITS:
                break
        elif size == IN_64_BITS and at + 10 <= len(data):
            size, body = int.from_bytes(data[at + 2 : at + 10]), at + 10
            if not LARGE <= size <= longest:
                break
        elif size >= IN_16_BITS:
            break
        if body + size > len(data):
            break
        texts.append(data[body : body + size])
        at = body + size
    return texts, at


def _length(data: bytes, at: int, longest: int) -> tuple[int, int]:
    """The length of the frame there that goes through as it comes: 0 when it must wait, `ENDLESS` for a mistake.

    And where the data must end, at the least, for one that waits to wait no more.
    """
    if len(data) < at + 2:
        return 0, at + 2
    first, size = data[at], data[at + 1]
    wide = {IN_16_BITS: 2, IN_64_BITS: 8}.get(size, 0)
    if first not in KNOWN or size > IN_64_BITS or (wide and first >= CLOSE):
        return ENDLESS, 0
    body = at + 2 + wide
    if wide:
        if len(data) < body:
            return 0, body
        size = int.from_bytes(data[at + 2 : body])
        if size < (IN_16_BITS if wide == 2 else LARGE):
            return ENDLESS, 0
    return 0 if first == TEXT and size <= longest else body - at + size, body + size


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


def _binary(size: int) -> bytes:
    """The head of a binary message of so many bytes."""
    if size < IN_16_BITS:
        return struct.pack(">BB", BINARY, size)
    if size < LARGE:
        return struct.pack(">BBH", BINARY, IN_16_BITS, size)
    return struct.pack(">BBQ", BINARY, IN_64_BITS, size)
