"""What a person may have done to the spool in a state file and its dead letters, a part at a time.

A part is one transaction in the lane. Whoever asks for it counts it before anybody else runs: nothing waits between the
transaction's end and the return.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import trio
from attrs import define, field, frozen

from ingest.core.store import Batch
from ingest.edge.bring import Brought, Known, Room, add, batches_of, known_in, letters_of, open_regular, size_of
from ingest.edge.dead_letters import DeadLetters
from ingest.edge.disk_spool import DiskSpool
from ingest.edge.letter_file import Letter, Letters
from ingest.edge.letter_retry import named, returning
from ingest.edge.salvage import Found, Salvage
from ingest.edge.spool_gone import purged
from ingest.edge.spool_purge import newest_id, purge_others, purge_part, waits
from ingest.edge.spool_rows import Change, Key
from ingest.edge.sqlite import Connection, translated
from ingest.edge.state_read import batches
from ingest.runtime.lane import Lane
from ingest.runtime.link import Weight

CLOSING = 0.25
"""Seconds for closing a file that was read: its disk may hang."""


@define(eq=False)
class SpoolControl:
    """One spool and its letters; `reading` is the lane of other files. Everything raises `Transient` or `Refused`."""

    spool: DiskSpool
    letters: DeadLetters
    reading: Lane

    @property
    def key(self) -> Key:
        """Whose the spool is."""
        return self.spool.table.key

    async def newest(self) -> int:
        """The id of the newest batch in the file; 0 when there is none."""
        return await self.spool.lane(newest_id, self.spool.table)

    async def waits(self, newest: int) -> bool:
        """True while a batch up to the `newest` does. What only memory holds counts as such as long as it does."""
        table = self.spool.table
        found = await self.spool.change(lambda _, delivered: Change(left=waits(table, newest, delivered)))
        return bool(found.left or self.spool.volatile.events)

    def purge_memory(self) -> Sequence[Batch[bytes]]:
        """Remove what only memory holds and nobody has claimed; the gap is owed to the ledger until `pay`."""
        gone = self.spool.memory.purge()
        self.spool.notes.owe(purged(gone))
        return gone

    async def purge(self, newest: int) -> Sequence[Batch[bytes]]:
        """Remove some of the batches up to the `newest`, without their payloads; none when none is left but claimed ones."""
        change = await self.spool.change(partial(purge_part, self.spool.table, newest))
        if change.gone:
            self.spool.notes.noted(change.gaps)
        return [row.batch() for row in change.gone]

    async def purge_others(self) -> int:
        """Remove some of what waits for other homes and stores; returns how many points, 0 when none is left."""
        return await self.spool.lane(purge_others, self.spool.table)

    async def pay(self) -> None:
        """Write what is owed to the ledger, if the file can be written."""
        await self.spool.notes.pay()

    async def chosen(self, ids: Sequence[int], *, everything: bool) -> Sequence[Letter]:
        """The letters with these ids, or all there are, once those that wait are on disk.

        Raises `Refused` when one is missing.
        """
        await self.letters.flush()
        return await self.spool.lane(_chosen, self.letters.letters, ids, everything)

    def returning(self, letters: Sequence[Letter]) -> Iterator[Sequence[Letter]]:
        """Those that this spool takes, in the parts for `put_back`."""
        return returning(letters, self.key)

    async def put_back(self, part: Sequence[Letter]) -> int:
        """Make a batch of letters, which they are no longer then; returns how many points. Raises `Refused` without room."""

        def work(_claimed: set[int], _delivered: set[int]) -> Change:
            self.check_room(sum(len(each.line) for each in part))
            batch = self.letters.letters.put_back(self.key, part, self.spool.now_ns())
            return Change(Weight(batch.count, batch.size), 1)

        return (await self.spool.change(work)).added.events

    @asynccontextmanager
    async def recovery(self, file: Path) -> AsyncGenerator[Recovery]:
        """A file to bring back from, open while the block runs. Raises `Refused` for one that is none."""
        salvage = await self.reading(open_regular, file, self.spool.table.path)
        try:
            yield Recovery(self, salvage, await self.spool.lane(self._known))
        finally:
            with trio.move_on_after(CLOSING, shield=True):
                await self.reading(salvage.close)

    def _known(self) -> Known:
        with translated(self.spool.table.path):
            return known_in(self.spool.table.connection)

    def check_room(self, more: int) -> None:
        """What comes back must not push out what waits. In the lane. Raises `Refused`."""
        spool = self.spool
        Room(spool.table.path, spool.limits.disk, spool.floor).check(spool.on_disk.size, more)


@define(eq=False)
class Recovery:
    """What is readable in another file, brought `to` a spool: batches first, then letters. `brought` counts both."""

    to: SpoolControl
    salvage: Salvage
    known: Known
    brought: Brought = field(factory=Brought)
    _batches: Iterator[Found] = field(init=False)
    _letters: Iterator[Letter] = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._batches, self._letters = self.salvage.batches(), self.salvage.letters()

    async def batches(self) -> int | None:
        """Bring the next batches; returns how many points came into the spool. None at the end. Raises `Refused` without room."""
        part = await self.to.reading(batches_of, self._batches)
        if not part:
            return None
        return (await self.to.spool.change(partial(self._add, part))).added.events

    async def letters(self) -> bool:
        """Bring the next letters; False at the end. Raises `Refused` without room."""
        part = await self.to.reading(letters_of, self._letters)
        if part:
            self.brought.letters += await self.to.letters.bring(part)
        return bool(part)

    def _add(self, part: Sequence[Found], *_: set[int]) -> Change:
        table = self.to.spool.table
        self.to.check_room(size_of(part, self.known))
        with translated(table.path):
            return add(part, self.known, table.connection, self.brought, table.key)


@frozen
class Leftover:
    """The spool and the letters in a state file whose service has no spool; `connection` is used in the lane."""

    connection: Connection
    path: Path
    lane: Lane

    async def waits(self) -> bool:
        """True when a batch does, of whatever home and store. Raises `Transient` or `Refused`."""
        return await self.lane(self._waits)

    async def chosen(self, ids: Sequence[int], *, everything: bool) -> Sequence[Letter]:
        """The letters with these ids, or all there are. Raises `Refused` when one is missing."""
        return await self.lane(_chosen, Letters(self.connection, self.path), ids, everything)

    def _waits(self) -> bool:
        with translated(self.path):
            return any(True for _ in batches(self.connection, 1))


def _chosen(letters: Letters, ids: Sequence[int], everything: bool) -> Sequence[Letter]:
    return list(letters.listed()) if everything else named(letters, ids)
