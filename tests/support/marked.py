"""Secrets that a test configures, made so that they are known again wherever they come out.

Every token, key or password of the tests is made by `secret`, or told to `watched` when somebody else made it. Then what
the product says, and what it leaves behind, can be gone through for all of them at once (`tests/support/overheard.py`).
"""

from __future__ import annotations

import base64
import gzip
import sqlite3
import zlib
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

MARK = "zq7leak0kx9"
"""Stands in every secret more than once, so that half of one is known, too."""

SHORTEST = 8
"""Characters of a secret that is looked for: less stands in other things as well."""

INPUTS = ("*token*", "*key*", "*.toml", "*.env", "*.yaml", "*.yml")
"""Files that a test gives, or that a command writes for its owner alone because it was asked to: there secrets belong."""

DATABASE = b"SQLite format 3\x00"
PACKED = b"\x1f\x8b"
PIECE = 8 * 1024 * 1024
OVERLAP = 512

_watched: dict[str, tuple[bytes, ...]] = {}
"""Each secret with the forms that are looked for."""


def secret(whose: str) -> str:
    """A secret for tests, the same each time: printable, without a space, of 32 characters and more."""
    return f"{MARK}-{whose}-{MARK}-{MARK}"


def watched(text: str) -> str:
    """The text, which is a secret from now on: it must come out nowhere."""
    assert len(text) >= SHORTEST
    _watched[text] = tuple(_forms(text))
    return text


def leaks(data: bytes | str) -> list[str]:
    """What stands around each secret in the data: as it is, in other capitals, or in base64. Empty when there is none."""
    low = (data.encode("utf-8", "replace") if isinstance(data, str) else data).lower()
    found = ((low.find(needle), needle) for forms in _watched.values() for needle in forms)
    return [low[max(0, at - 80) : at + len(needle) + 40].decode("utf-8", "replace") for at, needle in found if at >= 0]


def leaks_of(path: Path) -> list[str]:
    """The same of a file; of an SQLite file also of what is packed in it, and in its journal."""
    found: list[str] = []
    with path.open("rb") as file:
        beginning = piece = file.read(PIECE)
        before = b""
        while piece and not found:
            found = leaks(before + piece)
            before, piece = piece[-OVERLAP:], file.read(PIECE)
    if beginning.startswith(PACKED):
        return found or leaks(_unpacked(beginning))
    return found or (_leaks_of_database(path) if beginning.startswith(DATABASE) else found)


def is_input(path: Path) -> bool:
    """True for a file in which secrets belong."""
    return any(path.match(pattern) for pattern in INPUTS)


def _forms(text: str) -> Iterator[bytes]:
    """In small letters, which what is gone through is brought to: the text, and what becomes of it in base64."""
    yield text.lower().encode()
    for before in range(3):  # it depends on how many bytes stand before it in its group of three
        code = base64.b64encode(bytes(before) + text.encode())
        yield code[(0, 2, 3)[before] : -4].lower()


def _leaks_of_database(path: Path) -> list[str]:
    """Of every packed value. What of a damaged file cannot be read was gone through as it is."""
    found: list[str] = []
    address = f"{path.absolute().as_uri()}?mode=ro"
    with suppress(sqlite3.Error, UnicodeDecodeError), closing(sqlite3.connect(address, uri=True)) as connection:
        connection.text_factory = bytes
        for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
            rows = connection.execute(f'SELECT * FROM "{name.decode()}"')
            packed = (value for row in rows for value in row if isinstance(value, bytes) and value.startswith(PACKED))
            found += [leak for value in packed for leak in leaks(_unpacked(value))]
    return found


def _unpacked(data: bytes) -> bytes:
    with suppress(OSError, EOFError, zlib.error):
        return gzip.decompress(data)
    return b""


watched(MARK)
