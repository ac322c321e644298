"""The spool on disk: a batch is committed before it is sent, and gone only when it is delivered.

    put ──commit──▶ state file ──claim──▶ writer ──delivered──▶ delete
      └─ the file cannot be written ─▶ memory (its own small limit) ─▶ moved to the file when it can be again

Small batches wait in the file as they were put; a claim of the oldest takes as many of them as make one full batch,
because what was one second of a quiet home is not worth a request of its own when a day of it waits.

The disk is somebody's, too: full, read-only, failing, slow, gone. None of that is an error of the pipeline: what
cannot be put on disk is kept in memory, what was delivered and cannot be deleted is remembered, never claimed again,
and deleted with the next write that succeeds. It is counted once.
"""

from __future__ import annotations

import math
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager

import trio
from attrs import define, field, frozen

from ingest.core import reports
from ingest.core.reports import Emit
from ingest.core.store import Batch
from ingest.edge.spool_file import Row, Table
from ingest.errors import IngestError
from ingest.runtime.lane import Lane
from ingest.runtime.link import EMPTY, Weight
from ingest.runtime.spool import FRESH, MemorySpool

FULL_BATCH = Weight(5000, 4 * 1024 * 1024)

ROWS = 500
"""Batches that one claim may gather at most."""

RETRY = 5.0
"""Seconds between two attempts to use a file that failed."""

_FAILURES = (IngestError, trio.BrokenResourceError)


@frozen
class Limits:
    """Bytes in the file, bytes in memory while the file fails; and how much one claim may gather."""

    disk: int
    memory: int
    gather: Weight = FULL_BATCH


@define(eq=False)
class DiskSpool:
    """One home's batches for one store. `join` makes one payload of several; `now_ns` is the wall clock."""

    table: Table
    lane: Lane
    limits: Limits
    join: Callable[[Sequence[bytes]], bytes]
    now_ns: Callable[[], int]
    emit: Emit
    on_disk: Weight = EMPTY
    memory: MemorySpool[Batch[bytes]] = field(init=False)
    failing: bool = False
    _claimed: set[int] = field(factory=set)
    _delivered: set[int] = field(factory=set)
    _closed: bool = False
    _newest_next: bool = True
    _memory_next: bool = True
    _retry_at: float = 0.0
    _changed: trio.lowlevel.ParkingLot = field(factory=trio.lowlevel.ParkingLot)

    def __attrs_post_init__(self) -> None:
        self.memory = MemorySpool(self.limits.memory, lambda batch: Weight(batch.count, batch.size))

    @property
    def held(self) -> Weight:
        """What waits, on disk and in memory, claimed batches included."""
        return self.on_disk.plus(self.memory.held)

    async def load(self) -> Weight:
        """Look at what the file holds from before; returns it. Raises `Transient` or `Refused`."""
        self.on_disk = await self.lane(self.table.held)
        return self.on_disk

    async def put(self, batch: Batch[bytes]) -> Sequence[Batch[bytes]]:
        """Keep a batch, on disk when that is possible; return what was evicted to make room."""
        await trio.lowlevel.checkpoint()
        await self._move_in()
        evicted: Sequence[Batch[bytes]] | None = await self._try_to_put(batch)
        if evicted is None:
            evicted = await self.memory.put(batch)
        self._changed.unpark_all()
        return evicted

    def close(self) -> None:
        """Nothing more will be put: `claim` ends when nothing is left."""
        self._closed = True
        self.memory.close()
        self._changed.unpark_all()

    @asynccontextmanager
    async def claim(self) -> AsyncGenerator[Batch[bytes]]:
        """Take a batch while the block runs; leaving it normally deletes it, an exception keeps it.

        Raises `trio.EndOfChannel` when the spool is closed and empty (nothing is claimed).
        """
        found = await self._next()
        if found is None:
            async with self.memory.claim() as batch:
                yield batch
            return
        rows, payload = found
        ids = {row.id for row in rows}
        self._claimed |= ids
        try:
            yield _gathered(rows, payload)
            for row in rows:
                self.on_disk = self.on_disk.minus(row.weight)
            await self._remove(ids)
        finally:
            self._claimed -= ids
            self._changed.unpark_all()

    async def _try_to_put(self, batch: Batch[bytes]) -> list[Batch[bytes]] | None:
        """The evicted batches, or None when the file does not take the batch."""
        if trio.current_time() < self._retry_at:
            return None
        excess = self.on_disk.size + batch.size - self.limits.disk
        gone = set(self._delivered)
        try:
            rows = await self.lane(self.table.put, batch, self.now_ns(), excess, self._claimed | gone, gone)
        except _FAILURES as error:
            self._failed(error)
            return None
        self._worked()
        self._delivered -= gone
        for row in rows:
            self.on_disk = self.on_disk.minus(row.weight)
        self.on_disk = self.on_disk.plus(Weight(batch.count, batch.size))
        return [row.batch() for row in rows]

    async def _move_in(self) -> None:
        """Bring what memory holds to disk, as far as the disk takes it."""
        while self.memory.waiting:
            try:
                async with self.memory.claim() as batch:
                    await self._put_or_leave(batch)
            except _NotTaken:
                return

    async def _put_or_leave(self, batch: Batch[bytes]) -> None:
        if await self._try_to_put(batch) is None:
            raise _NotTaken

    async def _next(self) -> tuple[list[Row], bytes] | None:
        """Rows of the file and their payload; None when it is the memory's turn."""
        while True:
            await trio.lowlevel.checkpoint()
            self._memory_next = not self._memory_next
            if self.memory.waiting and (self._memory_next or self.failing):
                return None
            found = await self._pick()
            if found is not None:
                return found
            if self.memory.waiting:
                return None
            if self._closed and not self._claimed and not self.memory.held.events:
                raise trio.EndOfChannel
            with trio.move_on_at(self._retry_at if self.failing else math.inf):
                await self._changed.park()

    async def _pick(self) -> tuple[list[Row], bytes] | None:
        if trio.current_time() < self._retry_at or not self.on_disk.events:
            return None
        taken = self._claimed | self._delivered
        try:
            rows, payload = await self.lane(self._read, taken)
        except _FAILURES as error:
            self._failed(error)
            return None
        self._worked()
        return (rows, payload) if rows else None

    def _read(self, taken: set[int]) -> tuple[list[Row], bytes]:
        """In the lane: the newest batch while it is fresh and it is its turn, else as many of the oldest as fit."""
        newest = self.table.newest(taken)
        fresh = [row for row in newest if self.now_ns() - row.put_ns < FRESH * 1e9]
        rows = fresh if self._newest_next and fresh else self._fitting(self.table.oldest(taken, ROWS))
        self._newest_next = not self._newest_next if rows else self._newest_next
        payloads = self.table.payloads(rows)
        return rows, payloads[0] if len(payloads) == 1 else self.join(payloads)

    def _fitting(self, rows: list[Row]) -> list[Row]:
        fitting: list[Row] = []
        gathered = EMPTY
        for row in rows:
            gathered = gathered.plus(row.weight)
            if fitting and (gathered.events > self.limits.gather.events or gathered.size > self.limits.gather.size):
                break
            fitting.append(row)
        return fitting

    async def _remove(self, ids: set[int]) -> None:
        """Delete what was delivered; what cannot be deleted is remembered, and counts as gone."""
        with trio.CancelScope(shield=True):
            try:
                await self.lane(self.table.remove, ids | self._delivered)
            except _FAILURES as error:
                self._delivered |= ids
                self._failed(error)
            else:
                self._delivered.clear()

    def _failed(self, error: Exception) -> None:
        self._retry_at = trio.current_time() + RETRY
        if not self.failing:
            self.failing = True
            self.emit(reports.SpoolFailing(self.table.key.store, str(error)))

    def _worked(self) -> None:
        if self.failing:
            self.failing = False
            self.emit(reports.SpoolRecovered(self.table.key.store))


class _NotTaken(Exception):  # noqa: N818  leaves the claim's block, and with it keeps the batch in memory
    pass


def _gathered(rows: Sequence[Row], payload: bytes) -> Batch[bytes]:
    return Batch(
        payload,
        sum(row.count for row in rows),
        sum(row.size for row in rows),
        min(row.oldest_ns for row in rows),
        max(row.newest_ns for row in rows),
    )
