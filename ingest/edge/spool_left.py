"""Batches in the state file of other homes and stores than the service's: counted, by whose they are. Blocking."""

from __future__ import annotations

from typing import Final

from ingest.core.left_behind import Left
from ingest.edge.spool_rows import Key
from ingest.edge.sqlite import Connection

_NAMES: Final = "SELECT DISTINCT home, store FROM batch"
"""The index alone answers it: a row of what waits is as large as its points."""

_POINTS: Final = "SELECT sum(count) FROM batch WHERE home = ? AND store = ?"


def left_behind(connection: Connection, key: Key) -> tuple[Left, ...]:
    """What waits under another key than this one. Raises what SQLite does."""
    names = sorted(connection.execute(_NAMES).fetchall())
    return tuple(
        Left(home, store, connection.execute(_POINTS, (home, store)).fetchone()[0])
        for home, store in names
        if Key(home, store) != key
    )
