"""That the state file is damaged: told once, and written into it as soon as it takes that."""

from __future__ import annotations

import math

import trio
from attrs import define

from ingest.core import reports
from ingest.core.reports import Emit
from ingest.edge.spool_file import Table
from ingest.edge.spool_trouble import FAILURES, RETRY
from ingest.runtime.lane import Lane


@define(eq=False)
class Mark:
    """What the `table` met, and an earlier run: the next start begins a new file because of it."""

    table: Table
    lane: Lane
    emit: Emit
    _told: bool = False
    _again: float = -math.inf

    async def __call__(self) -> None:
        """Tell and write what is not yet; when that fails or is cut off, later."""
        scars = self.table.scars
        if scars.reason and not self._told:
            self._told = True
            self.emit(reports.StateDamaged(str(self.table.path), scars.reason))
        if not scars.untold or trio.current_time() < self._again:
            return
        try:
            await self.lane(self.table.mark)
        except FAILURES:
            self._again = trio.current_time() + RETRY
