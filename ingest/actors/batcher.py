"""From points to batches: encode at once, seal when the batch is full or old enough, put it into the spool.

The algorithm: the first point opens a batch and starts its clock; the batch is sealed at `size` points, at `weight`
bytes or after `age` seconds, whichever is first. Encoding happens as frames arrive, so that sealing is only joining
and compressing. When the link ends, the open batch is sealed and the spool's end closed. When the stage is cancelled
the open batch still goes into the spool, in a shielded scope with a deadline.
"""

from __future__ import annotations

import math
import traceback
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Generic, TypeVar

import msgspec
import trio
from attrs import define, field, frozen

from ingest.core import reports
from ingest.core.coverage import Note
from ingest.core.ledger import Owed
from ingest.core.loss import evicted
from ingest.core.point import Point, PointFrame
from ingest.core.redact import redacted
from ingest.core.reports import Emit
from ingest.core.store import Batch, Codec
from ingest.runtime.link import Receiver
from ingest.runtime.spool import Spool

LAST_PUT = 3.0
"""Seconds that a cancelled batcher has to put its open batch into the spool."""

SCHEMA = "schema"
"""The rule by whose name points are counted that a store's schema does not write."""

Item = TypeVar("Item")
Payload = TypeVar("Payload")


async def _forget(_: Note) -> None:
    pass


@frozen
class Limits:
    """When a batch is sealed: points, bytes, seconds."""

    size: int = 5000
    weight: int = 4 * 1024 * 1024
    age: float = 1.0


@define(eq=False)
class Batcher(Generic[Item, Payload]):
    """One store's batcher. `write` takes a note for which there is no batch: its points were written before, or left out."""

    store: str
    codec: Codec[Item, Payload]
    spool: Spool[Batch[Payload]]
    limits: Limits
    emit: Emit
    write: Callable[[Note], Awaitable[None]] = _forget
    _items: list[Item] = field(factory=list)
    _times: list[int] = field(factory=list)
    _weight: int = 0
    _owed: Owed = field(factory=Owed)
    _deadline: float = math.inf

    @property
    def open(self) -> int:
        """Points encoded and not yet in the spool."""
        return len(self._items)

    async def run(self, link: Receiver[PointFrame]) -> None:
        """Make batches until the link ends; closes its end of the link and of the spool."""
        with link:
            try:
                await self._gather(link)
            except trio.Cancelled:
                with trio.move_on_after(LAST_PUT, shield=True):
                    await self._seal()
                raise
            finally:
                self.spool.close()

    async def _gather(self, link: Receiver[PointFrame]) -> None:
        with suppress(trio.EndOfChannel):
            while True:
                with trio.move_on_at(self._deadline):
                    self._encode(await link.receive())
                if self._is_full() or trio.current_time() >= self._deadline:
                    await self._seal()
        await self._seal()

    def _is_full(self) -> bool:
        return len(self._items) >= self.limits.size or self._weight >= self.limits.weight

    def _encode(self, frame: PointFrame) -> None:
        if not (self._items or self._owed):
            self._deadline = trio.current_time() + self.limits.age
        self._owed.add(frame.note)
        encode, size = self.codec.encode, self.codec.size
        unwritten = 0
        for point in frame.points:
            try:
                item = encode(point)
            except Exception:  # noqa: BLE001  a bug met by one point must not take the others with it
                self.emit(self._dead_letter(point))
                continue
            if item is None:
                unwritten += 1
                continue
            self._items.append(item)
            self._times.append(point.time_ns)
            self._weight += size(item)
        if unwritten:
            self.emit(reports.Filtered({SCHEMA: unwritten}))

    async def _seal(self) -> None:
        """Put the open batch into the spool; it stays open until the spool has it."""
        items, times = self._items, self._times
        if items:
            payload = self.codec.seal(items)
            size = len(payload) if isinstance(payload, bytes) else self._weight
            batch = Batch(payload, len(items), size, min(times), max(times), self._owed.note)
            lost = await self.spool.put(batch)
            self._items, self._times, self._weight, self._owed = [], [], 0, Owed()
            self.emit(reports.Batched(self.store, batch.count, batch.size))
            if lost:
                self._lose(lost)
        elif self._owed:
            await self.write(self._owed.note)
            self._owed = Owed()
        # What was missed by what was evicted is owed still: it may not wait for the next batch to be full.
        self._deadline = trio.current_time() + self.limits.age if self._owed else math.inf

    def _lose(self, lost: Sequence[Batch[Payload]]) -> None:
        """What was evicted proves nothing any more; what was missed before it was missed all the same."""
        for batch in lost:
            self._owed.add(Note(missed=batch.note.missed))
        self.emit(evicted(self.store, lost))

    def _dead_letter(self, point: Point) -> reports.DeadLetter:
        json = msgspec.json.encode(point, enc_hook=str).decode("utf-8", "replace")
        return reports.DeadLetter(self.store, point.entity_id, redacted(json), redacted(traceback.format_exc()))
