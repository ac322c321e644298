"""The spool's rows in the state file: blocking functions on one connection, each one transaction."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from pathlib import Path

from attrs import frozen

from ingest.core.store import Batch
from ingest.edge.sqlite import Connection, transaction, translated
from ingest.runtime.link import EMPTY, Weight

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
            values = (self.key.home, self.key.store, put_ns, batch.oldest_ns, batch.newest_ns, batch.count, batch.size)
            self.connection.execute(
                "INSERT INTO batch (home, store, put_ns, oldest_ns, newest_ns, count, size, payload)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                (*values, batch.payload),
            )
        return evicted

    def remove(self, ids: Collection[int]) -> None:
        """Delete delivered batches."""
        with translated(self.path), transaction(self.connection):
            self._delete(ids)

    def newest(self, taken: Collection[int]) -> list[Row]:
        """The newest batch that is not taken."""
        return self._rows("DESC", taken, 1)

    def oldest(self, taken: Collection[int], most: int) -> list[Row]:
        """The oldest batches that are not taken, at most so many."""
        return self._rows("ASC", taken, most)

    def payloads(self, rows: Iterable[Row]) -> list[bytes]:
        """What the rows hold, in their order."""
        with translated(self.path):
            found = (
                self.connection.execute("SELECT payload FROM batch WHERE id = ?", (row.id,)).fetchone() for row in rows
            )
            return [bytes(payload) for (payload,) in found]

    def _rows(self, order: str, taken: Collection[int], most: int) -> list[Row]:
        marks = ", ".join("?" * len(taken))
        with translated(self.path):
            rows = self.connection.execute(
                f"SELECT {_COLUMNS} FROM batch WHERE home = ? AND store = ? AND id NOT IN ({marks})"  # noqa: S608
                f" ORDER BY id {order} LIMIT ?",
                (self.key.home, self.key.store, *taken, most),
            ).fetchall()
        return [Row(*row) for row in rows]

    def _oldest_of(self, excess: int, kept: Collection[int]) -> list[Row]:
        evicted: list[Row] = []
        while excess > 0:
            rows = self.oldest([*kept, *(row.id for row in evicted)], 64)
            if not rows:
                break
            for row in rows:
                if excess > 0:
                    evicted.append(row)
                    excess -= row.size
        return evicted

    def _delete(self, ids: Iterable[int]) -> None:
        self.connection.executemany("DELETE FROM batch WHERE id = ?", [(each,) for each in ids])
