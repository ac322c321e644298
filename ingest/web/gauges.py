"""What a pipeline holds at this moment, read where it is counted."""

from __future__ import annotations

from typing import Any

from ingest.core.health import Gauges, Queue
from ingest.pipeline import Pipeline
from ingest.runtime.link import Link
from ingest.runtime.spool import MemorySpool


def gauges(pipeline: Pipeline) -> Gauges:
    """The links, the open batch, the spool and the books."""
    spool = pipeline.spool
    batches = spool.batches if isinstance(spool, MemorySpool) else None
    return Gauges(
        queues=(_queue(pipeline.intake), _queue(pipeline.link)),
        open=pipeline.batcher.open,
        waiting_points=pipeline.link.held.events,
        spool_points=spool.held.events,
        spool_size=spool.held.size,
        spool_batches=None if batches is None else len(batches),
        spool_oldest_ns=min((batch.oldest_ns for batch in batches), default=None) if batches else None,
        books=pipeline.books(),
    )


def _queue(link: Link[Any]) -> Queue:
    return Queue(link.name, *link.held, *link.peak, *link.capacity)
