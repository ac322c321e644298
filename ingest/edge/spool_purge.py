"""Removing what waits in the state file, a part at a time, so that nobody who puts waits for long. Blocking."""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from itertools import takewhile
from typing import Final

from ingest.edge.spool_file import Table
from ingest.edge.spool_rows import Change, Key, fitting
from ingest.edge.sqlite import Connection, transaction, translated
from ingest.runtime.link import Weight

PART: Final = Weight(200_000, 32 * 1024 * 1024)
"""What is removed in one transaction."""

ROWS: Final = 500

_OTHERS: Final = "FROM batch WHERE NOT (home = ? AND store = ?)"


def newest_id(table: Table) -> int:
    """The id of the newest batch; 0 when there is none."""
    return max((row.id for row in table.newest(())), default=0)


def waits(table: Table, newest: int, delivered: AbstractSet[int]) -> bool:
    """True while one of the batches up to the `newest` is not delivered. One row is looked at, and those delivered."""
    first = next(table.oldest(delivered), None)
    return first is not None and first.id <= newest


def purge_part(table: Table, newest: int, claimed: AbstractSet[int], delivered: AbstractSet[int]) -> Change:
    """Remove some of the oldest batches, none after the `newest`, and none that is claimed or delivered."""
    rows = fitting(takewhile(lambda row: row.id <= newest, table.oldest(claimed | delivered)), PART)
    if rows:
        table.remove([row.id for row in rows])
    return Change(gone=rows)


def purge_others(table: Table) -> int:
    """Remove some of the batches of other homes and stores, which nobody delivers; returns how many points."""
    with translated(table.path), transaction(table.connection):
        return _purge_others(table.connection, table.key)


def _purge_others(connection: Connection, key: Key) -> int:
    found = connection.execute(f"SELECT id, count {_OTHERS} LIMIT {ROWS}", (key.home, key.store)).fetchall()
    connection.executemany("DELETE FROM batch WHERE id = ?", [(each,) for each, _ in found])
    return sum(count for _, count in found)
