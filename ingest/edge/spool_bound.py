"""How much the spool may take, as the service reckoned at its start: in the state file, for whoever looks into it."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from ingest.edge.sqlite import Connection, transaction, translated

BOUND: Final = "limit_bytes"
"""Its name in the file's `meta`."""


def write_bound(connection: Connection, path: Path, size: int) -> None:
    """Remember it. Raises `Transient` or `Refused`."""
    with translated(path), transaction(connection):
        connection.execute("INSERT OR REPLACE INTO meta (name, value) VALUES (?, ?)", (BOUND, str(size)))


def read_bound(connection: Connection) -> int | None:
    """What the last start reckoned; None when there was none yet."""
    row = connection.execute("SELECT value FROM meta WHERE name = ?", (BOUND,)).fetchone()
    return int(row[0]) if row and row[0].isdecimal() else None
