"""Gzip as the strictest of the databases reads it."""

from __future__ import annotations

import zlib


def first_member(body: bytes) -> bytes:
    """What InfluxDB 3 before 3.7 reads of a body: members that follow the first are ignored, without a word."""
    return zlib.decompressobj(zlib.MAX_WBITS + 16).decompress(body)
