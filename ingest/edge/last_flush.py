"""What to do at the end with what a failing disk left in memory."""

from __future__ import annotations

from collections.abc import Callable

import trio

from ingest.core.loss import evicted
from ingest.core.reports import Emit
from ingest.edge.disk_spool import DiskSpool

PATIENCE = 1.0
"""Seconds that a disk has for it: it failed a moment ago."""


async def last_flush(spool: DiskSpool, give_up: Callable[[], None], emit: Emit) -> None:
    """Bring it to disk after all; what is left in `spool.volatile` is gone with the process. Not cancelled.

    `give_up` frees us from a disk that hangs.
    """
    store = spool.table.key.store
    if spool.memory.held.events:
        async with trio.open_nursery() as nursery:
            nursery.cancel_scope.shield = True
            nursery.start_soon(_after, PATIENCE, give_up, name="give up")
            lost = await spool.flush()
            nursery.cancel_scope.cancel()
        if lost:
            emit(evicted(store, lost))


async def _after(seconds: float, act: Callable[[], None]) -> None:
    await trio.sleep(seconds)
    act()
