"""What to do at the end with what a failing disk left in memory."""

from __future__ import annotations

from collections.abc import Callable

from ingest.core.loss import evicted
from ingest.core.reports import Emit
from ingest.edge.disk_spool import DiskSpool
from ingest.runtime.ending import freed_after

PATIENCE = 1.0
"""Seconds that a disk has for it: it failed a moment ago. The end of the run may be nearer."""


async def last_flush(spool: DiskSpool, give_up: Callable[[], None], emit: Emit) -> None:
    """Bring it to disk after all; what is left in `spool.volatile` is gone with the process. Not cancelled.

    `give_up` frees us from a disk that hangs.
    """
    async with freed_after(PATIENCE, give_up):
        lost = await spool.flush()
    if lost:
        emit(evicted(spool.table.key.store, lost))
