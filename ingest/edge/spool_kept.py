"""What the spool has on disk, counted beside it: so that nobody has to ask the file."""

from __future__ import annotations

from collections.abc import Sequence

from attrs import define

from ingest.core.store import Batch
from ingest.edge.spool_file import Table
from ingest.edge.spool_rows import Change, Row, gathered
from ingest.edge.sqlite import translated
from ingest.runtime.link import EMPTY, Weight


@define
class Kept:
    """Rows in the file that are not delivered. `oldest_ns` is that of the first, as of the last look at it."""

    weight: Weight = EMPTY
    batches: int = 0
    oldest_ns: int | None = None

    @classmethod
    def of(cls, table: Table) -> Kept:
        """What the file holds. Blocking; raises what `translated` says."""
        ours = "FROM batch WHERE home = ? AND store = ?"
        key = (table.key.home, table.key.store)
        with translated(table.path):
            (batches,) = table.connection.execute(f"SELECT count(*) {ours}", key).fetchone()
            first = table.connection.execute(f"SELECT oldest_ns {ours} ORDER BY id LIMIT 1", key).fetchone()
        return cls(table.held(), batches, None if first is None else first[0])

    def add(self, batch: Batch[bytes]) -> None:
        """One more."""
        self.oldest_ns = self.oldest_ns if self.batches else batch.oldest_ns
        self.weight, self.batches = self.weight.plus(Weight(batch.count, batch.size)), self.batches + 1

    def remove(self, rows: Sequence[Row]) -> None:
        """These are gone."""
        for row in rows:
            self.weight = self.weight.minus(row.weight)
        self.batches -= len(rows)
        self.oldest_ns = self.oldest_ns if self.batches else None

    def change(self, done: Change) -> None:
        """Somebody added rows, or removed some."""
        self.weight, self.batches = self.weight.plus(done.added), self.batches + done.batches
        self.remove(done.gone)

    def hide(self, rows: Sequence[Row]) -> Batch[bytes]:
        """These cannot be read: they no longer count. Returns what they were, without a payload."""
        self.remove(rows)
        return gathered(rows, b"")

    def vanish(self, now_ns: int) -> Batch[bytes]:
        """No way leads to what is left. Its times are gone with it: it may be of any time until now."""
        lost = Batch(b"", *self.weight, 0, now_ns)
        self.weight, self.batches, self.oldest_ns = EMPTY, 0, None
        return lost
