"""What the state file has of other homes and stores than the service's. Blocking.

Batches, counted by whose they are, and coverage.
"""

from __future__ import annotations

from typing import Final

from ingest.core.left_behind import Formerly, Left
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


def formerly(connection: Connection, key: Key) -> Formerly | None:
    """Under which other home the key's store is known, where it is not under its own; the last one. Raises what SQLite does."""
    query = "SELECT home, heard_ns, stopped FROM coverage WHERE store = ? ORDER BY heard_ns"
    found = [
        Formerly(home, heard_ns, bool(stopped)) for home, heard_ns, stopped in connection.execute(query, (key.store,))
    ]
    return None if not found or key.home in {each.home for each in found} else found[-1]
