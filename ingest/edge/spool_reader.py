"""Which rows a claim takes, and what of them can be sent: blocking, in the lane.

A payload that cannot be read, or is not whole, costs itself alone: it is found by asking for each row by itself, hidden
from then on, and named to whoever counts it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from attrs import define, frozen

from ingest.edge.spool_file import Table
from ingest.edge.spool_rows import Row, fitting
from ingest.edge.sqlite import Damaged
from ingest.runtime.link import Weight
from ingest.runtime.spool import FRESH

NOT_WHOLE = "a payload is not whole"


FULL_BATCH = Weight(5000, 4 * 1024 * 1024)


@frozen
class Limits:
    """Bytes in the file, bytes in memory while the file fails; and how much one claim may gather.

    What is claimed is never evicted, so the file may hold more than `disk`: a claim, of at most `disk` bytes or one batch
    that is larger, and what was put last.
    """

    disk: int
    memory: int
    gather: Weight = FULL_BATCH


@frozen
class Reading:
    """Rows and their one payload; and the rows that were hidden on the way to them.

    `oldest_ns` is that of the first row, when it was looked at.
    """

    rows: Sequence[Row]
    payload: bytes
    hidden: Sequence[Row] = ()
    oldest_ns: int | None = None


NOTHING = Reading((), b"")


@define(eq=False)
class Reader:
    """`whole` knows a payload of so many points that can be sent."""

    table: Table
    gather: Weight
    join: Callable[[Sequence[bytes]], bytes]
    now_ns: Callable[[], int]
    whole: Callable[[bytes, int], bool]
    _newest_next: bool = True

    def read(self, taken: set[int], most: int) -> Reading:
        """The newest batch while it is fresh and it is its turn, else as many of the oldest as fit, of at most so many bytes.

        Were `most` not the spool's own limit, a claim that fails and comes again, larger by what was put meanwhile, would
        go around that limit.
        """
        newest = self.table.newest(taken) if self._newest_next else ()
        fresh = [row for row in newest if self.now_ns() - row.put_ns < FRESH * 1e9]
        limit = Weight(self.gather.events, min(self.gather.size, most))
        rows = fresh or fitting(self.table.oldest(taken), limit)
        self._newest_next = not self._newest_next if rows else self._newest_next
        found = self._payloads(rows)
        hidden = [row for row in rows if row.id not in found]
        payloads = list(found.values())
        payload = payloads[0] if len(payloads) == 1 else self.join(payloads)
        first = rows[0].oldest_ns if rows and not fresh else None
        return Reading([row for row in rows if row.id in found], payload, hidden, first)

    def _payloads(self, rows: Sequence[Row]) -> dict[int, bytes]:
        """The payloads that can be sent, by row; the rows of the others are hidden."""
        try:
            found = dict(zip((row.id for row in rows), self.table.payloads(rows), strict=True))
        except Damaged:
            found = self._one_by_one(rows)
        broken = [row for row in rows if row.id in found and not self._is_whole(row, found[row.id])]
        if broken:
            self.table.hide(broken, NOT_WHOLE)
        return {each: payload for each, payload in found.items() if each not in {row.id for row in broken}}

    def _is_whole(self, row: Row, payload: bytes) -> bool:
        return self.table.sums.proves(row.id, payload, row.count) or self.whole(payload, row.count)

    def _one_by_one(self, rows: Sequence[Row]) -> dict[int, bytes]:
        found = {}
        for row in rows:
            try:
                found[row.id] = self.table.payloads([row])[0]
            except Damaged as error:
                self.table.hide([row], error.what)
        return found
