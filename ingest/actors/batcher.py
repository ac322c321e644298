"""From points to batches: encode at once, seal when the batch is full or old enough, put it into the spool.

The algorithm: the first point opens a batch and starts its clock. The batch is sealed at `max_points` points, at
`max_bytes` bytes or after `max_age` seconds, whichever is first. A batch that already holds much at a tenth of that age
is not kept waiting: the cost of a commit is divided by its points, so a busy home pays little for seeing its changes
soon. Encoding happens as frames arrive, so that sealing is only joining and compressing. When the link ends, the open
batch is sealed and the spool's end is closed. If the stage is cancelled, the open batch still goes into the spool, in a
shielded scope with a deadline.
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
from ingest.core.gap_points import MEASUREMENT as GAPS
from ingest.core.gap_points import GapPoint, Telling
from ingest.core.ledger import Owed
from ingest.core.loss import Whose, evicted, unnamed
from ingest.core.point import Point, PointFrame
from ingest.core.redact import redacted
from ingest.core.registry_points import RegistryPoint
from ingest.core.reports import Emit
from ingest.core.rule_names import SCHEMA
from ingest.core.store import Batch, Codec
from ingest.runtime.link import Receiver
from ingest.runtime.spool import Spool

LAST_PUT = 3.0
"""Seconds that a cancelled batcher has to put its open batch into the spool."""

MUCH = 100
"""Points for each second of the age at which a batch is sealed."""

REGISTRIES = "registries"
"""What stands beside the states' points, in reports, of devices and entities."""

Item = TypeVar("Item")
Payload = TypeVar("Payload")
T = TypeVar("T", Point, GapPoint, RegistryPoint)
Beside = TypeVar("Beside", GapPoint, RegistryPoint)


async def forget(_: Note) -> None:
    """Where nobody writes down what is known."""


@frozen
class Limits:
    """When a batch is sealed: points, bytes, seconds."""

    max_points: int = 5000
    max_bytes: int = 4 * 1024 * 1024
    max_age: float = 1.0

    @property
    def much(self) -> float:
        """Points with which a batch need not grow older than `soon`: who waits longer to spare a disk waits for more."""
        return MUCH * self.max_age

    @property
    def soon(self) -> float:
        """Seconds after which a batch with `much` in it is sealed: a tenth of `max_age`."""
        return self.max_age / 10


@define(eq=False)
class Batcher(Generic[Item, Payload]):
    """One store's batcher. `write` takes a note for which there is no batch: its points were written before, or left out.

    Such a note may stand for points of earlier batches, too, so it waits until none of these is in memory only.

    `telling` has what is to be told of gaps, `registry` returns what is of devices and entities: it goes with whatever
    comes over the link, if only an empty frame. `whose` says whose states a batch held, where the spool does not write
    that down itself, and `unbroken` whether what it dropped just now follows what it dropped before.
    """

    store: str
    codec: Codec[Item, Payload]
    spool: Spool[Batch[Payload]]
    limits: Limits
    emit: Emit
    write: Callable[[Note], Awaitable[None]] = forget
    telling: Telling | None = None
    whose: Whose = unnamed
    unbroken: Callable[[], bool] = lambda: False
    registry: Callable[[], Sequence[RegistryPoint]] | None = None
    _items: list[Item] = field(factory=list)
    _times: list[int] = field(factory=list)
    _bytes: int = 0
    _owed: Owed = field(factory=Owed)
    _opened: float = -math.inf
    _deadline: float = math.inf
    _near_ns: int = 0
    """About when the open batch is, where it holds no state of the home."""

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
        return len(self._items) >= self.limits.max_points or self._bytes >= self.limits.max_bytes

    def _encode(self, frame: PointFrame) -> None:
        if not (self._items or self._owed):
            self._opened = trio.current_time()
            self._deadline = self._opened + self.limits.max_age
        self._owed.add(frame.note)
        unwritten = self._add(self.codec.encode, frame.points, self._times)
        if self.telling and self.codec.gap is not None:
            unwritten += self._tell(GAPS, self.codec.gap, self.telling.take())
        if self.registry is not None and self.codec.registry is not None and (news := self.registry()):
            unwritten += self._tell(REGISTRIES, self.codec.registry, news)
        if unwritten:
            self.emit(reports.Filtered({SCHEMA: unwritten}))
        if len(self._items) >= self.limits.much:
            self._deadline = self._opened + self.limits.soon

    def _add(self, encode: Callable[[T], Item | None], points: Sequence[T], times: list[int]) -> int:
        """Encode points into the open batch; returns how many of them the schema does not write."""
        made: list[Item] = []
        unwritten, keep, at = 0, made.append, times.append
        for point in points:
            try:
                item = encode(point)
            except Exception:  # noqa: BLE001  a bug met by one point must not take the others with it
                self.emit(self._dead_letter(point))
                continue
            if item is None:
                unwritten += 1
                continue
            keep(item)
            at(point.time_ns)
        self._items += made
        self._bytes += self.codec.size(made)
        return unwritten

    def _tell(self, what: str, encode: Callable[[Beside], Item | None], points: Sequence[Beside]) -> int:
        """They travel with the states, but their times are not the batch's: what evicts it would tell of a gap so long."""
        self.emit(reports.Added(len(points), what))
        self._near_ns = max(self._near_ns, *(each.end_ns for each in points))
        return self._add(encode, points, [])

    async def _seal(self) -> None:
        """Put the open batch into the spool; it stays open until the spool has it."""
        items, times = self._items, self._times or [self._near_ns]
        if items:
            payload = self.codec.seal(items)
            size = len(payload) if isinstance(payload, bytes) else self._bytes
            batch = Batch(payload, len(items), size, min(times), max(times), self._owed.note)
            lost = await self.spool.put(batch)
            self._items, self._times, self._bytes, self._owed = [], [], 0, Owed()
            self._near_ns = batch.newest_ns
            self.emit(reports.Batched(self.store, batch.count, batch.size))
            if lost:
                self._lose(lost)
        elif self._owed:
            await self._write_owed()
        # What was missed by what was evicted is owed still: it may not wait for the next batch to be full.
        self._opened = trio.current_time()
        self._deadline = self._opened + self.limits.max_age if self._owed else math.inf

    async def _write_owed(self) -> None:
        """Write what no batch carries, as far as it is true whatever becomes of earlier batches: what was missed was missed."""
        note, later = self._owed.note, Owed()
        if self.spool.volatile.events:
            later.add(Note(note.marks, note.settled))
            note = Note(missed=note.missed)
        if note:
            await self.write(note)
        self._owed = later

    def rest(self, note: Note) -> Note:
        """At the very end: the note, and what is owed, if the batches before it are delivered or will outlive us."""
        both = Owed()
        if not (self._items or self.spool.volatile.events):
            both.add(self._owed.note)
        both.add(note)
        return both.note

    def _lose(self, lost: Sequence[Batch[Payload]]) -> None:
        """What was evicted proves nothing any more; what was missed before it was missed all the same."""
        for batch in lost:
            self._owed.add(Note(missed=batch.note.missed))
        self.emit(evicted(self.store, lost, self.whose, unbroken=self.unbroken()))

    def _dead_letter(self, point: Point | GapPoint | RegistryPoint) -> reports.DeadLetter:
        json = msgspec.json.encode(point, enc_hook=str).decode("utf-8", "replace")
        return reports.DeadLetter(self.store, _whose(point), redacted(json), redacted(traceback.format_exc()))


def _whose(point: Point | GapPoint | RegistryPoint) -> str:
    match point:
        case Point(entity_id=entity_id):
            return entity_id
        case GapPoint():
            return GAPS
        case RegistryPoint(measurement=measurement):
            return measurement
