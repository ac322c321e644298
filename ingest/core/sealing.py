"""Lines as they are sent: many in one compressed payload, which can be counted, taken apart and joined again.

isal compresses in a fifth of zlib's time, into less. Where it is not installed zlib does it: both make gzip of level 1, and
what is sealed is only ever read by Python's own gzip and by the database.
"""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable, Iterable, Sequence
from itertools import chain
from operator import itemgetter
from typing import TypeAlias, TypeVar

from ingest.core.point import Point
from ingest.core.store import Batch, Codec

_NOT_WHOLE: tuple[type[Exception], ...] = (zlib.error,)

try:
    from isal.igzip_lib import IsalError
    from isal.isal_zlib import compress, compressobj, decompress

    _NOT_WHOLE = (IsalError,)  # type: ignore[assignment]  # its stub says that it is one, not a type
except ImportError:  # a machine for which there is no wheel
    from zlib import compress, compressobj, decompress  # type: ignore[assignment]  # a class of its own, with these methods

GZIP = zlib.MAX_WBITS + 16
"""What makes zlib's `compress` write gzip: a header without a time, and a checksum at the end."""

T = TypeVar("T")

Line: TypeAlias = tuple[bytes, bytes, bytes]
"""A line in three pieces: its series, or the part of it before a space; what else an entity's lines have in common; and what is a
point's own, with a line break. Where a schema keeps the first two for its entities (`homeiq`) they are objects that many lines
share, and are copied once, into the payload."""

_series = itemgetter(0)


def seal(lines: Sequence[bytes]) -> bytes:
    """The payload as it is sent: the lines, compressed; the same lines make the same bytes at any time."""
    return compress(b"\n".join([*lines, b""]), 1, GZIP)


def compressed(value: bytes) -> bytes:
    """Any bytes, compressed as lines are."""
    return compress(value, 1, GZIP)


def decompressed(value: bytes) -> bytes:
    """What `compressed` was given. Raises `ValueError` where that is not whole."""
    try:
        return decompress(value, GZIP)
    except _NOT_WHOLE as problem:
        raise ValueError(f"not whole: {problem}") from problem


def seal_pieces(lines: Sequence[Line]) -> bytes:
    """As `seal`, those of one series next to each other and in their order, which takes half the bytes.

    What an entity's lines have in common is mostly further away than the 32 KiB that gzip looks back, when they stand as
    they came.
    """
    grouped: list[Line] = sorted(lines, key=_series)
    return compress(b"".join(chain.from_iterable(grouped)), 1, GZIP)


def seal_grouped(lines: Iterable[bytes]) -> bytes:
    """As `seal_pieces`, of whole lines."""
    return seal_pieces([cut(line) for line in lines])


def cut(line: bytes) -> Line:
    """A line, without a line break, in its pieces."""
    series, space, rest = line.partition(b" ")
    return series, space, b"%b\n" % rest


def uncut(line: Line) -> bytes:
    """The line of these pieces, without a line break."""
    return b"".join(line).removesuffix(b"\n")


def line_of(codec: Codec[Line, bytes], point: Point) -> bytes | None:
    """The point as one line; None when the schema does not write it."""
    line = codec.encode(point)
    return None if line is None else uncut(line)


def in_pieces(encode: Callable[[T], bytes | None]) -> Callable[[T], Line | None]:
    """What encodes to whole lines, as what encodes to pieces."""

    def encoded(point: T) -> Line | None:
        line = encode(point)
        return None if line is None else cut(line)

    return encoded


def weight(lines: Sequence[Line]) -> int:
    """The bytes of lines, without their line breaks."""
    return sum(map(len, chain.from_iterable(lines))) - len(lines)


def resealed(lines: Sequence[bytes]) -> Batch[bytes]:
    """Lines that were taken out of a payload, as a batch of their own. Raises `ValueError` when one has no time."""
    times = [int(line.rpartition(b" ")[2]) for line in lines]
    payload = seal(lines)
    return Batch(payload, len(lines), len(payload), min(times), max(times))


def unsealed(payload: bytes) -> tuple[bytes, ...]:
    """The lines of a payload that `seal` made, without their line breaks.

    Raises `EOFError`, `OSError` or `zlib.error` for bytes that are not whole gzip.
    """
    return tuple(gzip.decompress(payload).removesuffix(b"\n").split(b"\n"))


def lines_in(payload: bytes) -> int:
    """How many lines a payload decompresses into (it has a checksum); 0 when it is not whole."""
    try:
        lines = gzip.decompress(payload)
    except (OSError, EOFError, zlib.error):
        return 0
    return lines.count(b"\n") if lines.endswith(b"\n") else 0


def whole(payload: bytes, count: int) -> bool:
    """True when a payload decompresses into so many lines."""
    return lines_in(payload) == count > 0


def joined(payloads: Sequence[bytes]) -> bytes:
    """Several payloads as one. Raises as `unsealed`.

    Compressed anew, though gzip's members may follow each other: InfluxDB 3 before 3.7 reads the first, and answers 204.
    """
    into = compressobj(1, zlib.DEFLATED, GZIP)
    return b"".join([*(into.compress(gzip.decompress(payload)) for payload in payloads), into.flush()])
