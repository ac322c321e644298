"""Which batches follow each other, so that what is dropped of them can be told as one.

A row's id is one more than the last only where its batch was put right after that one, by the same process, and nothing
went past the file in between: from memory to the store, or into the file by hand. Everywhere else an id is left out. So
of two dropped rows whose ids follow each other it is certain that nothing between them was delivered, also after a restart.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TypeAlias

from attrs import define, field

from ingest.core.evicted import Named, Trail, missed
from ingest.core.ledger import Opening
from ingest.core.store import Batch
from ingest.edge.spool_rows import Key, Row
from ingest.edge.sqlite import Connection

Whose: TypeAlias = Callable[[bytes], Sequence[Named] | None]
"""Who has states in a payload; None when it is not known."""


def insert(connection: Connection, key: Key, batch: Batch[bytes], put_ns: int, after: int = 0) -> Row:
    """Add a batch, in the transaction of the caller. It follows the row with the id `after`, if that was the last."""
    last = connection.execute("SELECT seq FROM sqlite_sequence WHERE name = 'batch'").fetchone()
    row_id = 1 if last is None else last[0] + (1 if last[0] == after else 2)
    connection.execute(
        "INSERT INTO batch (id, home, store, put_ns, oldest_ns, newest_ns, count, size, payload)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (row_id, key.home, key.store, put_ns, batch.oldest_ns, batch.newest_ns, batch.count, batch.size, batch.payload),
    )
    return Row(row_id, put_ns, batch.oldest_ns, batch.newest_ns, batch.count, batch.size)


@define
class Succession:
    """`put` is the row that the next one follows, 0 for none; `dropped` the one that went last, at the end of the trail."""

    put: int = 0
    dropped: int = 0
    _trail: Trail = field(factory=Trail)

    def cut(self) -> None:
        """Something goes past the file: what is put next follows nothing."""
        self.put = 0

    @contextmanager
    def kept(self) -> Iterator[None]:
        """What was dropped in the block is dropped, unless it fails: then it is not known what the next one follows."""
        try:
            yield
        except BaseException:
            self.put = self.dropped = 0
            self._trail.cut()
            raise

    def drop(self, row: Row, named: Sequence[Named] | None) -> list[Opening]:
        """The gaps that a row leaves."""
        if row.id != self.dropped + 1:
            self._trail.cut()
        self.dropped = row.id
        found = missed(named, row.oldest_ns, row.newest_ns, self._trail)
        return [Opening(each.cause, each.from_ns, each.to_ns, each.spans, each.why) for each in found]
