"""The spool's rows in the state file as they are read: listed, weighed, and what they hold. Blocking, on one connection."""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator
from itertools import islice
from pathlib import Path

from attrs import field, frozen

from ingest.edge.spool_around import COLUMNS, OURS, Scars, around
from ingest.edge.spool_rows import Key, Row
from ingest.edge.sqlite import Connection, Damaged, translated
from ingest.runtime.link import EMPTY, Weight

_LISTED = f"SELECT {COLUMNS} FROM batch WHERE {OURS} ORDER BY id"  # noqa: S608  constants


@frozen
class Rows:
    """One key's rows, for whoever reads them. Every method may raise what `translated` says.

    Damage is gone around, row by row, and kept in `scars`: what lies behind it can be listed, read and deleted.
    """

    connection: Connection
    path: Path
    key: Key
    scars: Scars = field(init=False, factory=Scars, eq=False)

    def held(self) -> Weight:
        """Points and bytes that the file keeps of this home and store. Raises `Transient` or `Refused`."""
        with translated(self.path):
            count, size = self.connection.execute(
                f"SELECT coalesce(sum(count), 0), coalesce(sum(size), 0) FROM batch WHERE {OURS}",  # noqa: S608  a constant
                (self.key.home, self.key.store),
            ).fetchone()
        return Weight(count, size) if count else EMPTY

    def newest(self, taken: Container[int]) -> list[Row]:
        """The newest batch that is not taken."""
        return list(islice(self._rows("DESC", taken), 1))

    def oldest(self, taken: Container[int]) -> Iterator[Row]:
        """The batches that are not taken, the oldest first, read as they are asked for."""
        return self._rows("ASC", taken)

    def payloads(self, rows: Iterable[Row]) -> list[bytes]:
        """What the rows hold, in their order. Raises `Damaged` when one of them cannot be read."""
        with translated(self.path):
            return [self._payload(row.id) for row in rows]

    def hide(self, rows: Iterable[Row], reason: str) -> None:
        """Never list these again: they cannot be read. They stay in the file, for `spool recover`."""
        self.scars.reason = reason
        self.scars.hidden.update(row.id for row in rows)

    def notice(self, error: Exception) -> None:
        """Damage was met; other errors leave no scar."""
        if isinstance(error, Damaged):
            self.scars.reason = error.what

    def _payload(self, row_id: int) -> bytes:
        row = self.connection.execute("SELECT payload FROM batch WHERE id = ?", (row_id,)).fetchone()
        if row is None or not isinstance(row[0], bytes):
            raise Damaged(f"batch {row_id} is listed and not there", where=str(self.path))
        return row[0]

    def _rows(self, order: str, taken: Container[int]) -> Iterator[Row]:
        # Sorted out here, not in SQL: a whole backlog may be taken, and a statement's parameters are limited.
        last: int | None = None
        try:
            with translated(self.path):
                for values in self.connection.execute(f"{_LISTED} {order}", (self.key.home, self.key.store)):
                    last = values[0]
                    if last not in taken and last not in self.scars.hidden:
                        yield Row(*values)
        except Damaged as error:
            self.scars.reason = error.what
            for values in around(self.connection, self.path, self.key, order, last=last, scars=self.scars):
                if values[0] not in taken and values[0] not in self.scars.hidden:
                    yield Row(*values)

    def oldest_of(self, excess: int, kept: Container[int]) -> list[Row]:
        """As many of the oldest that are not kept as hold `excess` bytes."""
        evicted: list[Row] = []
        for row in self.oldest(kept):
            evicted.append(row)
            excess -= row.size
            if excess <= 0:
                break
        return evicted
