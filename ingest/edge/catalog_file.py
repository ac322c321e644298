"""The last catalog of each home in the state file: blocking functions on one connection, each one transaction.

It is only a memory of what Home Assistant says: where it cannot be read it is not there, and no harm is done.
"""

from __future__ import annotations

import zlib
from contextlib import closing, suppress
from pathlib import Path
from typing import Final

from attrs import frozen

from ingest.edge.sqlite import Connection, open_reader, ours, transaction, translated
from ingest.errors import IngestError

_PUT: Final = """
INSERT INTO catalog (home, as_of_ns, crc, payload) VALUES (?, ?, ?, ?)
ON CONFLICT DO UPDATE SET as_of_ns = excluded.as_of_ns, crc = excluded.crc, payload = excluded.payload
"""


@frozen
class Kept:
    """A catalog as it was kept, and when it was true."""

    as_of_ns: int
    payload: bytes


@frozen
class CatalogFile:
    """One home's catalog. Every method may raise what `translated` says."""

    connection: Connection
    path: Path
    home: str

    def read(self) -> Kept | None:
        """What was kept; None when there is nothing, or nothing sound."""
        with translated(self.path):
            row = self.connection.execute(
                "SELECT as_of_ns, crc, payload FROM catalog WHERE home = ?", (self.home,)
            ).fetchone()
        return None if row is None or zlib.crc32(row[2]) != row[1] else Kept(row[0], row[2])

    def write(self, kept: Kept) -> None:
        """Keep it in the place of the last one. The same payload is not written again: only its time is."""
        crc = zlib.crc32(kept.payload)
        with translated(self.path), transaction(self.connection):
            same = self.connection.execute(
                "UPDATE catalog SET as_of_ns = ? WHERE home = ? AND crc = ? AND length(payload) = ?",
                (kept.as_of_ns, self.home, crc, len(kept.payload)),
            ).rowcount
            if not same:
                self.connection.execute(_PUT, (self.home, kept.as_of_ns, crc, kept.payload))


def carry_catalogs_over(source: Path, connection: Connection, path: Path) -> None:
    """Into the new file at `path` the catalogs of one that was set aside, those that can be read.

    Raises what `translated` says of the new file.
    """
    rows: list[tuple[object, ...]] = []
    with suppress(IngestError), closing(open_reader(source, damaged=True)) as reader, ours(source):
        rows += reader.execute("SELECT home, as_of_ns, crc, payload FROM catalog").fetchall()
    with translated(path), transaction(connection):
        connection.executemany(_PUT, [row for row in rows if _is_sound(row)])


def _is_sound(row: tuple[object, ...]) -> bool:
    home, as_of_ns, crc, payload = row
    return (
        isinstance(home, str)
        and isinstance(as_of_ns, int)
        and isinstance(payload, bytes)
        and zlib.crc32(payload) == crc
    )
