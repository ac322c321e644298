"""What the spool has on disk, counted beside it: so that nobody has to ask the file."""

from __future__ import annotations

from collections.abc import Sequence

from attrs import define

from ingest.core.store import Batch
from ingest.edge.spool_around import OURS, unsound
from ingest.edge.spool_file import Table
from ingest.edge.spool_reader import Reading
from ingest.edge.spool_rows import Change, Row, gathered
from ingest.edge.sqlite import translated
from ingest.runtime.link import EMPTY, Weight


@define
class Kept:
    """Rows in the file that are not delivered. `oldest_ns` is that of the first, as of the last look at it.

    Not `known` as long as nobody could look what the file holds from before.
    """

    weight: Weight = EMPTY
    batches: int = 0
    oldest_ns: int | None = None
    known: bool = False

    @classmethod
    def of(cls, table: Table) -> Kept:
        """What the file holds. Blocking; raises what `translated` says."""
        table.recall()
        table.scars.reason = table.scars.reason or unsound(table.connection, table.path)
        ours = f"FROM batch WHERE {OURS}"
        key = (table.key.home, table.key.store)
        with translated(table.path):
            (batches,) = table.connection.execute(f"SELECT count(*) {ours}", key).fetchone()
            first = table.connection.execute(f"SELECT oldest_ns {ours} ORDER BY id LIMIT 1", key).fetchone()
        return cls(table.held(), batches, None if first is None else first[0], known=True)

    @property
    def expected(self) -> bool:
        """There is something to read, or may be."""
        return bool(self.batches) or not self.known

    def add(self, batch: Batch[bytes]) -> None:
        """Count one batch more, which is newer than all others."""
        self.oldest_ns = self.oldest_ns if self.batches else batch.oldest_ns
        self.weight, self.batches = self.weight.plus(Weight(batch.count, batch.size)), self.batches + 1

    def remove(self, rows: Sequence[Row]) -> None:
        """Count these rows no more: they are out of the file."""
        for row in rows:
            self.weight = self.weight.minus(row.weight)
        self.batches = self.batches - len(rows) if self.weight.events else 0
        self.oldest_ns = self.oldest_ns if self.batches else None

    def change(self, done: Change) -> None:
        """Somebody added rows, or removed some."""
        self.weight, self.batches = self.weight.plus(done.added), self.batches + done.batches
        self.remove(done.gone)

    def lost(self, found: Reading, now_ns: int, *, last: bool) -> Batch[bytes] | None:
        """What a look at the file shows to be lost: hidden rows, or all the rest when nothing else is left to read."""
        if found.hidden:
            return self.hide(found.hidden)
        if not found.rows and last:
            return self.vanish(now_ns)
        self.oldest_ns = found.oldest_ns or self.oldest_ns
        return None

    def hide(self, rows: Sequence[Row]) -> Batch[bytes]:
        """These cannot be read: they no longer count. Returns what they were, without a payload."""
        self.remove(rows)
        return gathered(rows, b"")

    def vanish(self, now_ns: int) -> Batch[bytes]:
        """No way leads to what is left. Its times are gone with it: it may be of any time until now."""
        lost = Batch(b"", *self.weight, 0, now_ns)
        self.weight, self.batches, self.oldest_ns = EMPTY, 0, None
        return lost
