"""Rows that are delivered, until they are deleted."""

from __future__ import annotations

from collections.abc import Iterable

import trio
from attrs import define, field

from ingest.edge.spool_file import Table
from ingest.edge.spool_trouble import FAILURES, Trouble
from ingest.runtime.lane import Lane


@define(eq=False)
class Delivered:
    """`ids` are those of rows that count as gone, and are in the file still: a full disk takes no deletes either."""

    table: Table
    lane: Lane
    trouble: Trouble
    ids: set[int] = field(factory=set)

    async def remove(self, more: Iterable[int] = ()) -> None:
        """Delete these, and what could not be deleted before; not cancelled."""
        self.ids.update(more)
        gone = set(self.ids)
        with trio.CancelScope(shield=True):
            try:
                await self.lane(self.table.remove, gone)
            except FAILURES as error:
                self.trouble.failed("write", error)
            else:
                self.ids -= gone
