"""The spool's rows in the state file: blocking functions on one connection, each one transaction."""

from __future__ import annotations

from collections.abc import Collection, Container, Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path

from attrs import frozen

from ingest.core.store import Batch
from ingest.edge.sqlite import Connection, transaction, translated
from ingest.runtime.link import EMPTY, Weight

ROWS = 500
"""Rows that `fitting` takes at most."""

_COLUMNS = "id, put_ns, oldest_ns, newest_ns, count, size"


@frozen
class Key:
    """Whose batches: one home's for one store."""

    home: str
    store: str


@frozen
class Row:
    """A batch in the file, without its payload. Times in nanoseconds, `size` in bytes."""

    id: int
    put_ns: int
    oldest_ns: int
    newest_ns: int
    count: int
    size: int

    @property
    def weight(self) -> Weight:
        """What it adds to the spool."""
        return Weight(self.count, self.size)

    def batch(self, payload: bytes = b"") -> Batch[bytes]:
        """The batch, with its payload or without."""
        return Batch(payload, self.count, self.size, self.oldest_ns, self.newest_ns)


@frozen
class Change:
    """What a change of a key's rows came to: what it added, which rows are gone, how many points it left to do."""

    added: Weight = EMPTY
    gone: Sequence[Row] = ()
    left: int = 0


def fitting(rows: Iterable[Row], limit: Weight) -> list[Row]:
    """The first of the rows, as many as fit into `limit`, one at least."""
    found: list[Row] = []
    weight = EMPTY
    for row in islice(rows, ROWS):
        weight = weight.plus(row.weight)
        if found and (weight.events > limit.events or weight.size > limit.size):
            break
        found.append(row)
    return found


def gathered(rows: Sequence[Row], payload: bytes) -> Batch[bytes]:
    """Rows as one batch."""
    return Batch(
        payload,
        sum(row.count for row in rows),
        sum(row.size for row in rows),
        min(row.oldest_ns for row in rows),
        max(row.newest_ns for row in rows),
    )


def insert(connection: Connection, key: Key, batch: Batch[bytes], put_ns: int) -> None:
    """Add a batch, in the transaction of the caller."""
    connection.execute(
        "INSERT INTO batch (home, store, put_ns, oldest_ns, newest_ns, count, size, payload)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (key.home, key.store, put_ns, batch.oldest_ns, batch.newest_ns, batch.count, batch.size, batch.payload),
    )


def clear(connection: Connection) -> None:
    """Remove every batch, of every home and store."""
    with transaction(connection):
        connection.execute("DELETE FROM batch")


@frozen
class Table:
    """One key's rows. Every method may raise what `translated` says."""

    connection: Connection
    path: Path
    key: Key

    def held(self) -> Weight:
        """What is kept."""
        with translated(self.path):
            count, size = self.connection.execute(
                "SELECT coalesce(sum(count), 0), coalesce(sum(size), 0) FROM batch WHERE home = ? AND store = ?",
                (self.key.home, self.key.store),
            ).fetchone()
        return Weight(count, size) if count else EMPTY

    def put(
        self, batch: Batch[bytes], put_ns: int, excess: int, kept: Collection[int], gone: Collection[int]
    ) -> list[Row]:
        """Insert a batch, evict the oldest until `excess` bytes are gone, delete what is known to be delivered.

        Returns the evicted rows; `kept` are never among them.
        """
        with translated(self.path), transaction(self.connection):
            self._delete(gone)
            evicted = self._oldest_of(excess, kept) if excess > 0 else []
            self._delete(row.id for row in evicted)
            insert(self.connection, self.key, batch, put_ns)
        return evicted

    def remove(self, ids: Collection[int]) -> None:
        """Delete delivered batches."""
        with translated(self.path), transaction(self.connection):
            self._delete(ids)

    def newest(self, taken: Container[int]) -> list[Row]:
        """The newest batch that is not taken."""
        return list(islice(self._rows("DESC", taken), 1))

    def oldest(self, taken: Container[int]) -> Iterator[Row]:
        """The batches that are not taken, the oldest first, read as they are asked for."""
        return self._rows("ASC", taken)

    def payloads(self, rows: Iterable[Row]) -> list[bytes]:
        """What the rows hold, in their order."""
        with translated(self.path):
            found = (
                self.connection.execute("SELECT payload FROM batch WHERE id = ?", (row.id,)).fetchone() for row in rows
            )
            return [bytes(payload) for (payload,) in found]

    def _rows(self, order: str, taken: Container[int]) -> Iterator[Row]:
        # Sorted out here, not in SQL: a whole backlog may be taken, and a statement's parameters are limited.
        with translated(self.path):
            for values in self.connection.execute(
                f"SELECT {_COLUMNS} FROM batch WHERE home = ? AND store = ? ORDER BY id {order}",  # noqa: S608  ours
                (self.key.home, self.key.store),
            ):
                if values[0] not in taken:
                    yield Row(*values)

    def _oldest_of(self, excess: int, kept: Container[int]) -> list[Row]:
        evicted: list[Row] = []
        for row in self.oldest(kept):
            evicted.append(row)
            excess -= row.size
            if excess <= 0:
                break
        return evicted

    def _delete(self, ids: Iterable[int]) -> None:
        self.connection.executemany("DELETE FROM batch WHERE id = ?", [(each,) for each in ids])
