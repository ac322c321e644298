"""Which payloads are known to be whole because this process made them: by a checksum of their bytes.

A payload that comes from the file may have been damaged there, and so may the count of its points. To decompress it is the
proof, and takes half as long as compressing did. Of one that was put a moment ago the checksum of its bytes and the count
that it was put with prove as much, in a tenth of the time.
"""

from __future__ import annotations

import zlib
from typing import Final

from attrs import define, field

from ingest.core.room import make_room

REMEMBERED: Final = 256
"""Rows whose checksums are remembered, the last ones."""


@define
class Sums:
    """The checksums of the rows that were put last."""

    _known: dict[int, tuple[int, int]] = field(factory=dict)

    def remember(self, row_id: int, payload: bytes, count: int) -> None:
        """This was put under that id, as so many points."""
        make_room(self._known, REMEMBERED)
        self._known[row_id] = count, zlib.crc32(payload)

    def proves(self, row_id: int, payload: bytes, count: int) -> bool:
        """True when these are the bytes that were put, as so many points; False when that is not known."""
        return self._known.get(row_id) == (count, zlib.crc32(payload))
