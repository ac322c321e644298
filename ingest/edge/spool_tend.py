"""What a file that failed left undone, done when the file is well again.

Every put tries that, too. But a quiet home puts nothing for hours, and until then a crash would lose what is in memory,
and health would say that the file fails. A file that goes on failing is tried ever more seldom.
"""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable

import trio
from attrs import define

from ingest.core.loss import evicted
from ingest.edge.spool_delivered import Delivered
from ingest.edge.spool_dropped import Dropped
from ingest.edge.spool_file import Table
from ingest.edge.spool_notes import Notes
from ingest.edge.spool_refuge import Refuge
from ingest.edge.spool_trouble import FAILURES, RETRY, Trouble
from ingest.runtime.lane import Lane

SELDOM = 30.0
"""Seconds between two attempts at most."""


@define(eq=False)
class Tend:
    """`load` looks at what the file holds from before, if nobody did."""

    table: Table
    lane: Lane
    trouble: Trouble
    refuge: Refuge
    delivered: Delivered
    dropped: Dropped
    notes: Notes
    load: Callable[[], Awaitable[None]]
    _not_before: float = -math.inf
    _pause: float = RETRY

    @property
    def due_at(self) -> float:
        """When there is something to try, in seconds of trio's clock; infinity when there is not."""
        retry_at = self.trouble.retry_at("write")
        if retry_at == math.inf and not self.notes:
            return math.inf
        return max(self._not_before, retry_at if retry_at < math.inf else -math.inf)

    async def __call__(self) -> None:
        """Try it, if it is time to."""
        if trio.current_time() < self.due_at:
            return
        self._not_before = trio.current_time() + self._pause
        self._pause = min(2 * self._pause, SELDOM)
        try:
            await self.load()
            await self.lane(self.table.touch)
        except FAILURES as error:
            self.trouble.failed("write", error)
            return
        moved = await self.refuge.move_out(0)
        if lost := self.dropped.take():
            self.trouble.emit(evicted(self.trouble.store, lost))
        if not moved:
            return
        self._pause = RETRY
        self.trouble.worked("write")
        if self.delivered.ids:
            await self.delivered.remove()
        await self.notes.pay()
