"""Identifiers as Home Assistant makes them, from a seed instead of the machine's entropy."""

from __future__ import annotations

from hashlib import blake2b
from random import Random

_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_PAIRS = tuple(a + b for a in _ALPHABET for b in _ALPHABET)
"""Ten bits in two characters: eight look-ups make the eighty random bits of a ULID."""


def base32(number: int, pairs: int) -> str:
    """`number` in Crockford's base 32, `pairs` times two characters, most significant first."""
    return "".join([_PAIRS[(number >> shift) & 1023] for shift in range(10 * (pairs - 1), -1, -10)])


class Ulids:
    """Context ids: 48 bits of milliseconds, 80 seeded bits; 26 characters, sortable by time."""

    def __init__(self, seed: int | str) -> None:
        self._random = Random(f"{seed}:contexts")  # noqa: S311  a home is repeatable, not secret
        self._millisecond = -1
        self._head = ""

    def at(self, micros: int) -> str:
        """Return a new id for something that happened `micros` microseconds after the epoch."""
        millisecond = micros // 1000
        if millisecond != self._millisecond:
            self._millisecond, self._head = millisecond, base32(millisecond, 5)
        return self._head + base32(self._random.getrandbits(80), 8)


def hex_id(*parts: object) -> str:
    """Return 32 hexadecimal digits that depend on `parts` alone: registry ids, user ids, access tokens."""
    return blake2b(":".join(map(str, parts)).encode(), digest_size=16).hexdigest()
