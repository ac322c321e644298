"""What to do at the end with what a failing disk left in memory."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager

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
    if spool.memory.held.events:
        async with freed_after(PATIENCE, give_up):
            lost = await spool.flush()
        if lost:
            emit(evicted(spool.table.key.store, lost))


@asynccontextmanager
async def freed_after(seconds: float, give_up: Callable[[], None]) -> AsyncGenerator[None]:
    """A block that is not cancelled; after so many seconds `give_up` is called."""
    async with trio.open_nursery() as nursery:
        nursery.cancel_scope.shield = True
        nursery.start_soon(_after, seconds, give_up, name="give up")
        yield
        nursery.cancel_scope.cancel()


async def _after(seconds: float, act: Callable[[], None]) -> None:
    await trio.sleep(seconds)
    act()
