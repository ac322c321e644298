"""What a pipeline holds at this moment, read where it is counted."""

from __future__ import annotations

from typing import Any

from ingest.core.health import Gauges, Queue
from ingest.core.store import Batch
from ingest.edge.disk_spool import DiskSpool
from ingest.pipeline import Pipeline
from ingest.runtime.link import Link
from ingest.runtime.spool import MemorySpool, Spool


def gauges(pipeline: Pipeline) -> Gauges:
    """The links, the open batch, the spool, the books, what was counted before, and the gaps."""
    spool, lasting, books = pipeline.spool, pipeline.plan.destination.lasting, pipeline.books()
    ledger = pipeline.plan.destination.ledger
    rate = lasting.bytes_per_second if lasting is not None and isinstance(spool, DiskSpool) else None
    letters, (batches, oldest_ns) = pipeline.plan.destination.letters, _waiting(spool)
    return Gauges(
        queues=(_queue(pipeline.intake), _queue(pipeline.link)),
        open=pipeline.batcher.open,
        waiting_points=pipeline.link.held.events,
        spool_points=spool.held.events,
        spool_size=spool.held.size,
        spool_batches=batches,
        spool_oldest_ns=oldest_ns,
        books=books,
        spool_limit=_limit(spool),
        # What is only in memory is no spool for an outage of days: how long it lasts would be read as an alarm.
        spool_rate=rate,
        letters=None if letters is None else letters.kept,
        spool_measured=None if lasting is None else lasting.measured,
        lifetime=None if lasting is None else lasting.now(books),
        gaps=None if ledger is None else ledger.summary,
    )


def _waiting(spool: Spool[Batch[Any]]) -> tuple[int | None, int | None]:
    """How many batches, and the oldest point's time."""
    match spool:
        case MemorySpool():
            return len(spool.batches), min((batch.oldest_ns for batch in spool.batches), default=None)
        case DiskSpool():
            memory, oldest_ns = _waiting(spool.memory)
            known = [each for each in (spool.kept.oldest_ns, oldest_ns) if each is not None]
            return spool.kept.batches + (memory or 0) if spool.kept.known else None, min(known, default=None)
        case _:
            return None, None


def _limit(spool: Spool[Batch[Any]]) -> int | None:
    match spool:
        case MemorySpool():
            return spool.limit
        case DiskSpool():
            return spool.limits.disk
        case _:
            return None


def _queue(link: Link[Any]) -> Queue:
    return Queue(link.name, *link.held, *link.peak, *link.capacity)
