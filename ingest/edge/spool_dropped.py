"""What a spool dropped to make room, until it is told; and its gap, which is on disk before anybody is told."""

from __future__ import annotations

from collections.abc import Sequence

from attrs import define, field

from ingest.core.coverage import Note
from ingest.core.evicted import Trail, missed
from ingest.core.store import Batch
from ingest.edge.spool_notes import Notes
from ingest.edge.spool_rows import Row
from ingest.runtime.link import Weight


@define
class Dropped:
    """Batches that are gone, kept until a put returns them: one that is cancelled leaves them to the next."""

    notes: Notes
    _batches: list[Batch[bytes]] = field(factory=list)
    _trail: Trail = field(factory=Trail)

    @property
    def weight(self) -> Weight:
        """What nobody was told of yet."""
        return Weight(sum(batch.count for batch in self._batches), sum(batch.size for batch in self._batches))

    def from_file(self, rows: Sequence[Row]) -> None:
        """The transaction that dropped these counted them, and opened their gap."""
        self._batches += [row.batch(counted=True) for row in rows]

    def from_memory(self, batches: Sequence[Batch[bytes]], *, follow: bool) -> None:
        """The gap of these goes into the file with the next batch that does: no later mark may be there without it.

        They `follow` those before when nothing between them left memory otherwise. To look into a batch takes about as
        long as it took to seal it.
        """
        self.notes.table.succession.cut()
        for batch in batches:
            if not follow:
                self._trail.cut()
            gaps = missed(self.notes.table.whose(batch.payload), batch.oldest_ns, batch.newest_ns, self._trail)
            self.notes.owe(Note(missed=(*batch.note.missed, *gaps)))
        self._batches += batches

    def take(self) -> Sequence[Batch[bytes]]:
        """All batches that were dropped since the last time, to be told; they are held no longer."""
        taken, self._batches = self._batches, []
        return taken
