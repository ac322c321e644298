"""What batches prove, on its way into the ledger: with the batch into the file, or after it.

A batch that goes into the file takes its note along, in one transaction. One that was delivered straight from memory,
because the file failed, leaves its note here: the next write that succeeds takes it along.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager

from attrs import define, evolve, field

from ingest.core.coverage import Note
from ingest.core.ledger import Owed
from ingest.core.store import Batch
from ingest.edge.spool_file import Table
from ingest.edge.spool_rows import Changed
from ingest.edge.spool_trouble import FAILURES, Trouble
from ingest.runtime.lane import Lane


def _ignore(_: Changed) -> None:
    pass


@define(eq=False)
class Notes:
    """The notes of one spool. `noted` is told what became of gaps with what was written.

    `load` looks at what the file holds from before, if nobody did: what is written first would be taken for that.
    """

    table: Table
    lane: Lane
    trouble: Trouble
    load: Callable[[], Awaitable[None]]
    noted: Callable[[Changed], None] = _ignore
    _owed: Owed = field(factory=Owed)

    def __bool__(self) -> bool:
        return bool(self._owed)

    def taken(self) -> bool:
        """False when batches go without them: the ledger in the file is damaged."""
        return not self.table.scars.ledger

    @contextmanager
    def along(self, batch: Batch[bytes]) -> Iterator[Batch[bytes]]:
        """The batch with everything that is owed in its note; when the block fails, it is owed still."""
        with self._paid() as note:
            if not note:
                yield batch
                return
            both = Owed()
            both.add(note)
            both.add(batch.note)
            yield evolve(batch, note=both.take())

    def owe(self, note: Note) -> None:
        """This is true now, and not written."""
        self._owed.add(note)

    async def pay(self) -> None:
        """Write what is owed, if the file can be written; it is no error when it cannot."""
        if not self._owed or self.trouble.must_wait("write"):
            return
        try:
            await self.load()
            with self._paid() as note:
                changed = await self.lane(self.table.note, note)
        except FAILURES as error:
            self.trouble.failed("write", error)
        else:
            self.noted(changed)

    @contextmanager
    def _paid(self) -> Iterator[Note]:
        note = self._owed.take()
        try:
            yield note
        except BaseException:
            self._owed.give_back(note)
            raise
