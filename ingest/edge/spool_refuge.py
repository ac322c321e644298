"""What waits in memory because the file failed, and its way back to the file.

A batch that is being sent when the file takes points again goes there, too, as it is. Else a crash could lose it while
what came later is on disk, whose marks say that everything before is safe. Its row is claimed with it, and shares its end.
For the same reason memory is claimed in order, the oldest first, though rows of the file are not: the marks of a later batch
that was sent, or handed over in the midst of being sent, would cover what a crash then takes out of memory.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Protocol, TypeAlias

import trio
from attrs import define, field

from ingest.core.store import Batch
from ingest.edge.spool_notes import Notes
from ingest.edge.spool_rows import Placed, Row
from ingest.edge.spool_trouble import NotTaken
from ingest.runtime.spool import MemorySpool


class Write(Protocol):
    """How a batch gets into the file."""

    def __call__(self, batch: Batch[bytes], *, evict: bool) -> Awaitable[Placed | None]:
        """Put it there; None when the file does not take it."""


Remove: TypeAlias = Callable[[Sequence[Row]], Awaitable[None]]
"""Deletes rows that are delivered."""


@define(eq=False)
class _Sent:
    """A batch in somebody's hands; its `row`, once it has one; `over` when it was delivered or given back."""

    batch: Batch[bytes]
    row: Row | None = None
    over: bool = False


@define(eq=False)
class Refuge:
    """The spool's memory. `claimed` are the ids of rows that somebody sends.

    `turn` is held from moving out until what comes next is put: what is on its way to the file is older than that.
    """

    memory: MemorySpool[Batch[bytes]]
    notes: Notes
    claimed: set[int]
    write: Write
    remove: Remove
    turn: trio.Lock = field(factory=trio.Lock)
    _sent: list[_Sent] = field(factory=list)

    @asynccontextmanager
    async def claim(self) -> AsyncGenerator[Batch[bytes]]:
        """As the spool's, of a batch that is `waiting`."""
        sent: _Sent | None = None
        try:
            with self.memory.claim_nowait() as batch:
                self._sent.append(sent := _Sent(batch))
                try:
                    yield batch
                finally:
                    sent.over = True
                    self._sent.remove(sent)
                if sent.row is None:
                    self.notes.owe(batch.note)
            if sent.row is None:
                await self.notes.pay()
            else:
                await self.remove([sent.row])
        finally:
            if sent is not None and sent.row is not None:
                self.claimed.discard(sent.row.id)

    async def move_out(self, coming: int | None) -> bool:
        """As `bring_out`, where nothing is put after it."""
        async with self.turn:
            return await self.bring_out(coming)

    async def bring_out(self, coming: int | None) -> bool:
        """Bring memory to disk, the oldest first, by force what has no room beside `coming` bytes; False: some stays."""
        with suppress(NotTaken):
            for sent in [each for each in self._sent if each.row is None]:
                await self._hand_over(sent, coming)
            while self.memory.waiting:
                with self.memory.claim_nowait(oldest=True) as batch:
                    await self._written(batch, coming)
            return True
        return False

    async def _hand_over(self, sent: _Sent, coming: int | None) -> None:
        row = await self._written(sent.batch, coming)
        if sent.over:
            # Its claim ended meanwhile: it is delivered, or it is in memory again and comes next.
            await self.remove([row])
            return
        self.memory.disown(sent.batch)
        self.claimed.add(row.id)
        sent.row = row

    async def _written(self, batch: Batch[bytes], coming: int | None) -> Row:
        """What was put between this one and the next may have been delivered from memory."""
        self.notes.table.succession.cut()
        placed = await self.write(batch, evict=coming is None or self.memory.overflows(coming))
        if placed is None:
            raise NotTaken
        self.notes.table.succession.cut()
        return placed.row
