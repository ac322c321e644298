"""Removing what waits in the state file, a part at a time, so that nobody who puts waits for long. Blocking."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from itertools import takewhile
from pathlib import Path
from typing import Final

from ingest.edge.spool_file import Table
from ingest.edge.spool_gone import tell_purged
from ingest.edge.spool_rows import Change, Key, fitting
from ingest.edge.sqlite import Connection, transaction, translated
from ingest.runtime.link import Weight

PART: Final = Weight(200_000, 32 * 1024 * 1024)
"""What is removed in one transaction."""

ROWS: Final = 500

_OTHERS: Final = (
    "SELECT id, count, home, store, oldest_ns, newest_ns FROM batch WHERE NOT (home = ? AND store = ?) LIMIT ?"
)
_ALL: Final = "SELECT id, count, home, store, oldest_ns, newest_ns FROM batch"


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
    return Change(gone=rows, gaps=table.purge(rows)) if rows else Change()


def purge_others(table: Table) -> int:
    """Remove some of the batches of other homes and stores, which nobody delivers; returns how many points.

    Raises `Transient`, `Refused` or `Damaged`.
    """
    with translated(table.path), transaction(table.connection):
        return _purged(
            table.connection, table.connection.execute(_OTHERS, (table.key.home, table.key.store, ROWS)).fetchall()
        )


def purge_all(connection: Connection, path: Path) -> int:
    """Remove every batch, of every home and store; returns how many points. Raises what `translated` says."""
    with translated(path), transaction(connection):
        return _purged(connection, connection.execute(_ALL).fetchall())


def _purged(connection: Connection, found: Sequence[tuple[int, int, str, str, int, int]]) -> int:
    batches: defaultdict[Key, list[tuple[int, int]]] = defaultdict(list)
    for _, _, home, store, oldest_ns, newest_ns in found:
        batches[Key(home, store)].append((oldest_ns, newest_ns))
    connection.executemany("DELETE FROM batch WHERE id = ?", [(row[0],) for row in found])
    for key, gone in batches.items():
        tell_purged(connection, key, gone)
    return sum(row[1] for row in found)
