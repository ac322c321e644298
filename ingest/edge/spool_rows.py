"""What the spool's rows are, as values: whose, how much, of what times; and choosing among them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import islice
from typing import Final

from attrs import frozen

from ingest.core.coverage import Gap
from ingest.core.store import Batch
from ingest.runtime.link import EMPTY, Weight

ROWS = 500
"""Rows that `fitting` takes at most."""


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

    def batch(self, payload: bytes = b"", *, counted: bool = False) -> Batch[bytes]:
        """The batch, with its payload or without."""
        return Batch(payload, self.count, self.size, self.oldest_ns, self.newest_ns, counted=counted)


@frozen
class Changed:
    """Gaps as they are now on disk: those that changed; `whole`: all there are, for some may have become one."""

    gaps: Sequence[Gap] = ()
    whole: bool = False


UNCHANGED: Final = Changed()


@frozen
class Placed:
    """What came of putting a batch: its row, the rows that went for it, and what became of gaps."""

    row: Row
    evicted: Sequence[Row] = ()
    gaps: Changed = UNCHANGED


@frozen
class Change:
    """What a change of a key's rows came to: what it added, which rows are gone, how many points it left, and of gaps."""

    added: Weight = EMPTY
    batches: int = 0
    """How many it added."""
    gone: Sequence[Row] = ()
    left: int = 0
    gaps: Changed = UNCHANGED


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
    """Rows as one batch with that payload, which holds all of theirs: counts added, times from oldest to newest."""
    return Batch(
        payload,
        sum(row.count for row in rows),
        sum(row.size for row in rows),
        min(row.oldest_ns for row in rows),
        max(row.newest_ns for row in rows),
    )
