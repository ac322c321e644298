"""What a spool dropped to make room, until it is told; and its gap, which is on disk before anybody is told."""

from __future__ import annotations

from collections.abc import Sequence

from attrs import define, field

from ingest.core.coverage import UNNAMED, Cause, Missed, Note
from ingest.core.store import Batch
from ingest.edge.spool_notes import Notes
from ingest.edge.spool_rows import Row
from ingest.runtime.link import Weight


@define
class Dropped:
    """Batches that are gone, kept until a put returns them: one that is cancelled leaves them to the next."""

    notes: Notes
    _batches: list[Batch[bytes]] = field(factory=list)

    @property
    def weight(self) -> Weight:
        """What nobody was told of yet."""
        return Weight(sum(batch.count for batch in self._batches), sum(batch.size for batch in self._batches))

    def from_file(self, rows: Sequence[Row]) -> None:
        """The transaction that dropped these counted them, and opened their gap."""
        self._batches += [row.batch(counted=True) for row in rows]

    def from_memory(self, batches: Sequence[Batch[bytes]]) -> None:
        """The gap of these goes into the file with the next batch that does: no later mark may be there without it."""
        for batch in batches:
            gap = Missed(Cause.EVICTED, batch.oldest_ns, batch.newest_ns, why=UNNAMED)
            self.notes.owe(Note(missed=(*batch.note.missed, gap)))
        self._batches += batches

    def take(self) -> Sequence[Batch[bytes]]:
        """All of them, to be told."""
        taken, self._batches = self._batches, []
        return taken
