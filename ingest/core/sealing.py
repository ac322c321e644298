"""Lines as they are sent: many in one compressed payload, which can be counted, taken apart and joined again.

isal compresses in a fifth of zlib's time, into less. Where it is not installed zlib does it: both make gzip of level 1, and
what is sealed is only ever read by Python's own gzip and by the database.
"""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Sequence

from ingest.core.store import Batch

_NOT_WHOLE: tuple[type[Exception], ...] = (zlib.error,)

try:
    from isal.igzip_lib import IsalError
    from isal.isal_zlib import compress, decompress

    _NOT_WHOLE = (IsalError,)  # type: ignore[assignment]  # its stub says that it is one, not a type
except ImportError:  # a machine for which there is no wheel
    from zlib import compress, decompress

GZIP = zlib.MAX_WBITS + 16
"""What makes zlib's `compress` write gzip: a header without a time, and a checksum at the end."""


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


def seal_grouped(lines: Sequence[bytes]) -> bytes:
    """As `seal`, those of one series next to each other and in their order, which takes half the bytes.

    What an entity's lines have in common is mostly further away than the 32 KiB that gzip looks back, when they stand as
    they came.
    """
    return seal(sorted(lines, key=_beginning))


def _beginning(line: bytes) -> bytes:
    """The series, or the part of it before a space: it is alike for all lines of the series."""
    return line.partition(b" ")[0]


def resealed(lines: Sequence[bytes]) -> Batch[bytes]:
    """Lines that were taken out of a payload, as a batch of their own. Raises `ValueError` when one has no time."""
    times = [int(line.rpartition(b" ")[2]) for line in lines]
    payload = seal(lines)
    return Batch(payload, len(lines), len(payload), min(times), max(times))


def unsealed(payload: bytes) -> tuple[bytes, ...]:
    """The lines of a payload."""
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
    """Several payloads as one: gzip's members may follow each other, and each ends with a line break."""
    return b"".join(payloads)
