"""Bugs planted into the product, each of a kind that services like this one have had: the campaign must find every one.

A mutant replaces one function of the product by one that is wrong, for the length of a block.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from types import MappingProxyType
from typing import Any

import trio
from attrs import evolve

from ingest.actors.losses import Losses
from ingest.actors.writer import Writer
from ingest.core import health_causes, history_reading
from ingest.core.coverage import MICROSECOND, Span
from ingest.core.evicted import Named, Trail
from ingest.core.health import Cause
from ingest.core.influx_answer import Answer, Split
from ingest.core.ledger import Opening
from ingest.core.reconcile import Reconciler
from ingest.core.sealing import unsealed
from ingest.core.store import Batch, Delivered, Keep, Rejection
from ingest.edge import ledger_rows
from ingest.edge.disk_spool import DiskSpool
from ingest.edge.influx_deliver import Deliverer
from ingest.edge.spool_file import Doomed, Table
from ingest.edge.spool_notes import Notes
from ingest.edge.spool_rows import Placed, Row, gathered
from ingest.edge.spool_trouble import Trouble
from ingest.errors import Transient
from ingest.runtime.link import Weight
from ingest.runtime.spool import MemorySpool
from ingest.simulator import faults as f
from ingest.simulator import recorder_faults as r
from tests.faults.campaign import life
from tests.faults.campaign.found import FOUND
from tests.faults.campaign.scenario import Act, Outage, Room, Scenario

_deliver_one = Writer._deliver_one
_write = DiskSpool._write
_delivered = Writer._delivered
_send = Deliverer._send
_spans = Trail.spans


@asynccontextmanager
async def _acknowledge_before_delivery(self: DiskSpool) -> AsyncGenerator[Batch[bytes]]:
    rows, payload = await self._next()
    try:
        if rows:
            await self._remove(rows)
            yield gathered(rows, payload)
        else:
            with self.memory.claim_nowait() as batch:
                yield batch
    finally:
        self._claimed.difference_update(row.id for row in rows)
        self._changed.unpark_all()


@asynccontextmanager
async def _drop_the_batch_in_hand_at_cancel(self: DiskSpool) -> AsyncGenerator[Batch[bytes]]:
    rows, payload = await self._next()
    try:
        if rows:
            yield gathered(rows, payload)
            await self._remove(rows)
        else:
            with self.memory.claim_nowait() as batch:
                yield batch
    except trio.Cancelled:
        await self._remove(rows)
        raise
    finally:
        self._claimed.difference_update(row.id for row in rows)
        self._changed.unpark_all()


async def _put_again_what_is_to_be_retried(self: Writer[Any]) -> None:
    async with self.spool.claim() as batch:
        verdict = await self.store.deliver(batch)
        if isinstance(verdict, Keep):
            await self.spool.put(batch)
            await trio.sleep(1)
        else:
            self._delivered(batch, verdict, 0.0)


def _say_nothing_of_the_database(_: object) -> Iterator[Cause]:
    return iter(())


async def _take_a_lost_answer_for_a_yes(self: Deliverer, payload: bytes) -> tuple[Answer, Delivered | Split]:
    try:
        return await _send(self, payload)
    except Transient:
        return Answer(204), Delivered()


async def _take_a_full_disk_for_a_written_one(self: DiskSpool, batch: Batch[bytes], *, evict: bool) -> Placed:
    return await _write(self, batch, evict=evict) or Placed(Row(0, 0, 0, 0, 0, 0))


def _forget_what_waited_before(self: Trouble, _found: Weight) -> None:
    self.worked("read")


def _refuse_the_whole_batch(self: Writer[Any], batch: Batch[bytes], verdict: Delivered, seconds: float) -> None:
    if verdict.rejected:
        lines = unsealed(batch.payload)
        verdict = Delivered(tuple(Rejection(line.decode(), verdict.rejected[0].reason) for line in lines))
    _delivered(self, batch, verdict, seconds)


async def _forget_the_letters(self: Writer[Any]) -> None:
    async def nowhere(_: Sequence[Rejection]) -> None:
        pass

    self.bury = nowhere
    await _deliver_one(self)


def _evict_without_a_word(self: MemorySpool[Any]) -> tuple[Any, ...]:
    while self.held.size > self.limit and len(self._entries) > 1:
        self.held = self.held.minus(self.weigh(self._entries.pop(0).batch))
    return ()


def _evict_without_counting(self: Table, doomed: Doomed) -> list[Opening]:
    self._delete(row.id for row in doomed)
    return [gap for row, named in doomed.items() for gap in self.succession.drop(row, named)]


def _name_one_state_too_few(self: Trail, named: Iterable[Named]) -> list[Span]:
    return [evolve(each, before_ns=each.before_ns - MICROSECOND) for each in _spans(self, named)]


def _never_cut(self: Trail) -> None:
    pass


def _believe_it_as_it_was(*_: object) -> bool:
    return False


def _forget_no_checkpoint(self: Losses, reconciler: Reconciler, oldest_ns: int, newest_ns: int) -> None:
    pass


def _keep_everything_in_memory(self: MemorySpool[Any]) -> tuple[Any, ...]:
    return ()


def _find_no_spans(self: Reconciler, spans: tuple[Span, ...]) -> None:
    pass


def _believe_the_history_at_once(*_: object, **__: object) -> bool:
    return True


async def _write_no_notes(self: Notes) -> None:
    await trio.lowlevel.checkpoint()


def _know_of_nothing_taken(*_: object) -> frozenset[bytes]:
    return frozenset()


Mutant = tuple[object, str, object]

MUTANTS: Mapping[str, Mutant] = MappingProxyType(
    {
        "an ack before delivery": (DiskSpool, "claim", _acknowledge_before_delivery),
        "a dropped in-hand batch at cancel": (DiskSpool, "claim", _drop_the_batch_in_hand_at_cancel),
        "a retry that duplicates": (Writer, "_deliver_one", _put_again_what_is_to_be_retried),
        "a health that says healthy": (health_causes, "_database", _say_nothing_of_the_database),
        "a lost answer taken for a yes": (Deliverer, "_send", _take_a_lost_answer_for_a_yes),
        "a write that failed taken for done": (DiskSpool, "_write", _take_a_full_disk_for_a_written_one),
        "a file that opens late, uncounted": (Trouble, "came_late", _forget_what_waited_before),
        "a whole batch refused for one line": (Writer, "_delivered", _refuse_the_whole_batch),
        "dead letters that are not written": (Writer, "_deliver_one", _forget_the_letters),
        "an eviction that nobody hears of": (MemorySpool, "_evict", _evict_without_a_word),
        "an eviction that the file does not count": (Table, "_evict", _evict_without_counting),
        "an eviction that names one state too few": (Trail, "spans", _name_one_state_too_few),
        "a span that grew while it was read, believed read": (ledger_rows, "has_grown", _believe_it_as_it_was),
        "a memory without a bound": (MemorySpool, "_evict", _keep_everything_in_memory),
        "what was missed, forgotten": (Reconciler, "_miss", _find_no_spans),
        "evicted states believed to be stored": (Losses, "_forget", _forget_no_checkpoint),
        "batches that follow each other in one body": (life, "joined", b"".join),
    }
)


CORNERED: Mapping[str, tuple[Mutant, Scenario]] = MappingProxyType(
    {
        "a history believed too early": (
            (history_reading, "final", _believe_the_history_at_once),
            Scenario(0, (Act(19.0, r.RecorderBehind(60.0)), Act(20.0, f.Refuse(10.0)), Act(20.0, f.Drop())), pace=8.0),
        ),
        "a span that reaches over what was delivered": (
            (Trail, "cut", _never_cut),
            Scenario(
                143,
                (Act(33.0, Outage("refused", 7.0)), Act(55.0, Outage("refused", 55.0))),
                Room(disk=4_000),
                pace=8.0,
            ),
        ),
        "notes of what memory delivered, never written": (
            (Notes, "pay", _write_no_notes),
            FOUND["a quiet home never wrote down what a failing file had left undone"],
        ),
        "a batch that was taken in part, dropped as a whole": (
            (Deliverer, "taken", _know_of_nothing_taken),
            FOUND["of a batch that was taken in part, and dropped, the history wrote over what was stored"],
        ),
    }
)
"""Mutants that chance meets too seldom, and where they are met."""


@contextmanager
def planted(name: str) -> Iterator[None]:
    """The product with that bug, while the block runs."""
    where, attribute, wrong = MUTANTS[name] if name in MUTANTS else CORNERED[name][0]
    right = getattr(where, attribute)
    setattr(where, attribute, wrong)
    try:
        yield
    finally:
        setattr(where, attribute, right)
