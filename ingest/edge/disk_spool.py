"""The spool on disk: a batch is committed before it is sent, and gone only when it is delivered.

    put ──commit──▶ state file ──claim──▶ writer ──delivered──▶ delete
      └─ the file cannot be written ─▶ memory (its own small limit) ─▶ moved to the file when it can be again

Small batches wait as they were put; a claim of the oldest takes as many as make one full batch. A disk that is full,
failing or gone is no error of the pipeline: what cannot be put there is kept in memory, what cannot be deleted is remembered,
what waits there is counted as soon as it can be. `_turn` is held from a decision (what to evict, to claim) until it is done.
"""

from __future__ import annotations

import math
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager

import trio
from attrs import define, field

from ingest.core.reports import Emit
from ingest.core.store import Batch
from ingest.edge.free_space import NO_FLOOR, Floor
from ingest.edge.spool_delivered import Delivered
from ingest.edge.spool_dropped import Dropped
from ingest.edge.spool_file import Table
from ingest.edge.spool_kept import Kept
from ingest.edge.spool_mark import Mark
from ingest.edge.spool_notes import Notes
from ingest.edge.spool_reader import NOTHING, Limits, Reader, Reading
from ingest.edge.spool_refuge import Refuge
from ingest.edge.spool_rows import Change, Placed, Row, gathered
from ingest.edge.spool_tend import Tend
from ingest.edge.spool_trouble import FAILURES, RETRY, Trouble, nothing
from ingest.runtime.lane import Lane
from ingest.runtime.link import Weight
from ingest.runtime.spool import MemorySpool

__all__ = ("RETRY", "DiskSpool", "Limits")


@define(eq=False)
class DiskSpool:
    """One home's batches for one store. `join` makes one payload of several; `now_ns` is the wall clock."""

    table: Table
    lane: Lane
    limits: Limits
    join: Callable[[Sequence[bytes]], bytes]
    now_ns: Callable[[], int]
    emit: Emit
    whole: Callable[[bytes, int], bool] = lambda _payload, _count: True
    floor: Floor = NO_FLOOR
    measure: Callable[[], tuple[Limits, Floor]] | None = None
    recall: Callable[[], Awaitable[None]] = nothing
    kept: Kept = field(factory=Kept)
    notes: Notes = field(init=False)
    memory: MemorySpool[Batch[bytes]] = field(init=False)
    _claimed: set[int] = field(factory=set)
    _delivered: Delivered = field(init=False)
    _dropped: Dropped = field(init=False)
    closed: trio.Event = field(factory=trio.Event)
    _reader: Reader = field(init=False)
    _refuge: Refuge = field(init=False)
    _tend: Tend = field(init=False)
    _memory_next: bool = True
    _trouble: Trouble = field(init=False)
    _mark: Mark = field(init=False)
    _turn: trio.Lock = field(factory=trio.Lock)
    _changed: trio.lowlevel.ParkingLot = field(factory=trio.lowlevel.ParkingLot)

    def __attrs_post_init__(self) -> None:
        self._trouble = Trouble(self.table.key.store, self.emit)
        self.notes = Notes(self.table, self.lane, self._trouble, self._load_in_turn)
        self._dropped = Dropped(self.notes)
        self._delivered = Delivered(self.table, self.lane, self._trouble)
        self._mark = Mark(self.table, self.lane, self.emit)
        self._reader = Reader(self.table, self.limits.gather, self.join, self.now_ns, self.whole)
        self.memory = MemorySpool(self.limits.memory, lambda batch: Weight(batch.count, batch.size), in_order=True)
        self._refuge = Refuge(self.memory, self.notes, self._claimed, self._write, self._remove)
        parts = self._trouble, self._refuge, self._delivered, self._dropped, self.notes
        self._tend = Tend(self.table, self.lane, *parts, self._load_in_turn)

    @property
    def on_disk(self) -> Weight:
        """What of it is in the file."""
        return self.kept.weight

    @property
    def held(self) -> Weight:
        """What waits, on disk and in memory, claimed batches included; what is dropped is held until it is told."""
        return self.on_disk.plus(self.memory.held).plus(self._dropped.weight)

    @property
    def volatile(self) -> Weight:
        """What is in memory because the file failed."""
        return self.memory.held

    @property
    def room(self) -> int:
        """Bytes that it takes before something gives way; while the file fails, what memory takes."""
        return self.memory.room if self.failing else max(0, self.limits.disk - self.held.size)

    @property
    def failing(self) -> bool:
        """True while the file does not do what it is there for."""
        return bool(self._trouble)

    async def load(self) -> Weight:
        """Look at what the file holds from before, and at its disk. Raises `Transient` or `Refused`: any use does it, too."""
        if self.measure is not None:
            self.limits, self.floor = await self.lane(self.measure)
        await self.recall()
        self.kept = await self.lane(Kept.of, self.table)
        await self._mark()
        return self.on_disk

    async def _load_in_turn(self) -> None:
        async with self._turn:
            await self._load_late()

    async def _load_late(self) -> None:
        if not self.kept.known:
            self._trouble.came_late(await self.load())

    async def put(self, batch: Batch[bytes]) -> Sequence[Batch[bytes]]:
        """Keep a batch, on disk when that is possible; return what was evicted to make room."""
        await trio.lowlevel.checkpoint()
        try:
            size = batch.size
            async with self._refuge.turn:
                if await self._refuge.bring_out(size) and await self._write(batch, evict=self.memory.overflows(size)):
                    self._trouble.worked("write")
                else:
                    self._dropped.from_memory(await self.memory.put(batch), follow=self.memory.unbroken)
        finally:
            self._changed.unpark_all()
        return self._dropped.take()

    async def change(self, work: Callable[[set[int], set[int]], Change]) -> Change:
        """Let somebody add and remove rows, in the lane; `work` is told which ids are claimed and which delivered."""
        async with self._turn:
            await self._load_late()
            done = await self.lane(work, set(self._claimed), set(self._delivered.ids))
            self.kept.change(done)
        self._changed.unpark_all()
        return done

    async def flush(self) -> Sequence[Batch[bytes]]:
        """A last attempt to bring memory to disk and to delete what was delivered; return what was evicted for it."""
        self._trouble.retry_now()
        self.floor = self.floor.at_the_end()
        if await self._refuge.move_out(None):
            self._trouble.worked("write")
        if self._delivered.ids:
            await self._delivered.remove()
        await self.notes.pay()
        return self._dropped.take()

    def close(self) -> None:
        """Nothing more will be put: `claim` ends when nothing is left."""
        self.closed.set()
        self.memory.close()
        self._changed.unpark_all()

    @asynccontextmanager
    async def claim(self) -> AsyncGenerator[Batch[bytes]]:
        """Take a batch while the block runs; leaving it normally deletes it, an exception keeps it.

        Raises `trio.EndOfChannel` when the spool is closed and empty (nothing is claimed).
        """
        rows, payload = await self._next()
        try:
            if rows:
                yield gathered(rows, payload)
                await self._remove(rows)
            else:
                async with self._refuge.claim() as batch:
                    yield batch
        finally:
            self._claimed.difference_update(row.id for row in rows)
            self._changed.unpark_all()

    async def _write(self, batch: Batch[bytes], *, evict: bool) -> Placed | None:
        """Put a batch into the file; None when the file does not take it."""
        async with self._turn:
            if self._trouble.must_wait("write"):
                return None
            gone = set(self._delivered.ids)
            try:
                await self._load_late()
                excess = self.on_disk.size + batch.size - self.limits.disk
                with self.notes.along(batch) as noted:
                    wanted = (noted, self.now_ns(), excess, self._claimed | gone, gone)
                    placed = await self.lane(self.floor.put, self.table, wanted, evict)
            except FAILURES as error:
                self._trouble.failed("write", error)
                self.table.notice(error)
                await self._mark()
                return None
            self._delivered.ids -= gone
            self.kept.add(batch)
            self.kept.remove(placed.evicted)
            self._dropped.from_file(placed.evicted)
        self.notes.noted(placed.gaps)
        return placed

    async def _next(self) -> tuple[Sequence[Row], bytes]:
        """Rows of the file and their payload; no rows when it is the memory's turn."""
        while True:
            await trio.lowlevel.checkpoint()
            await self._tend()
            self._memory_next = not self._memory_next
            if self.memory.waiting and (self._memory_next or self.failing):
                return (), b""
            found = await self._pick()
            if found.rows or self.memory.waiting:
                return found.rows, found.payload
            if self.closed.is_set() and not self._claimed and not self.memory.held.events:
                raise trio.EndOfChannel
            # Since the last look at the file there was no checkpoint: what is put now finds us parked.
            again_at = self._trouble.retry_at("read") if self.kept.expected else math.inf
            with trio.move_on_at(min(again_at, self._tend.due_at)):
                await self._changed.park()

    async def _pick(self) -> Reading:
        async with self._turn:
            found, again = NOTHING, True
            while again:
                if self._trouble.must_wait("read"):
                    return NOTHING
                try:
                    await self._load_late()
                    if not self.on_disk.events:
                        return NOTHING
                    found = await self.lane(self._reader.read, self._claimed | self._delivered.ids, self.limits.disk)
                except FAILURES as error:
                    self._trouble.failed("read", error)
                    return NOTHING
                lost = self.kept.lost(found, self.now_ns(), last=not self._claimed)
                self._trouble.lost(lost, self.table.scars.reason)
                await self._mark()  # before anything is claimed: this may be cut off
                self._claimed.update(row.id for row in found.rows)
                again = bool(found.hidden) and not found.rows
        self._trouble.worked("read")
        return found

    async def _remove(self, rows: Sequence[Row]) -> None:
        """These are delivered, and count as gone."""
        self.kept.remove(rows)
        await self._delivered.remove(row.id for row in rows)
