"""The last catalog on its way to disk and back, so that a start knows what the registries said before they are read.

Written soon after it changed, and every minute at most: packing runs beside the loop, writing in the file's lane.
A file that cannot be written is no error of anybody: the next start then has an older catalog, or none.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import trio
from attrs import define

from ingest.core import reports
from ingest.core.catalog import NO_CATALOG, Catalog
from ingest.core.kept_catalog import packed, rebuilt, unpacked
from ingest.core.reports import Emit
from ingest.edge.catalog_file import CatalogFile, Kept
from ingest.edge.spool_trouble import FAILURES
from ingest.runtime.lane import Lane
from ingest.runtime.watch import Watch

EVERY: Final = 60.0
"""Seconds between two times."""

REST: Final = 2.0
"""Seconds from a change until it is written: a session that begins has other work, and what changes once often changes twice."""

CHUNK: Final = 1000
"""Entries read between two checkpoints."""


@define(eq=False)
class KeptCatalog:
    """One home's. `now_ns` is the wall clock; `aside` is where packing runs."""

    file: CatalogFile
    lane: Lane
    aside: Lane
    now_ns: Callable[[], int]
    emit: Emit
    last: Catalog | None = None
    failing: bool = False

    async def load(self) -> None:
        """Look what was kept; it stays in `last`. Where nothing can be read there is nothing."""
        try:
            kept = await self.lane(self.file.read)
            if kept is not None:
                self.last = await self._unpacked(kept)
        except FAILURES as error:
            self._failed(error)
        except ValueError:
            return  # of another version, or damaged in a way that only its reading shows
        if self.last is not None:
            self.emit(reports.CatalogKept(len(self.last), self.last.as_of_ns or 0))

    async def _unpacked(self, kept: Kept) -> Catalog | None:
        entries = await self.aside(unpacked, kept.payload)
        last = None
        for catalog in rebuilt(entries, kept.as_of_ns, CHUNK):
            last = catalog
            await trio.lowlevel.checkpoint()
        return last

    async def run(self, catalog: Watch[Catalog]) -> None:
        """The last one serves until another is read; every one that is read is kept, for ever."""
        if self.last is not None and catalog.value is NO_CATALOG:
            catalog.set(self.last)
        while True:
            await catalog.until(lambda value: not value.to_be_read and value is not self.last)
            await trio.sleep(REST)
            self.last = catalog.value
            await self._write(self.last)
            await trio.sleep(EVERY)

    async def _write(self, catalog: Catalog) -> None:
        kept = Kept(self.now_ns(), await self.aside(packed, catalog))
        try:
            await self.lane(self.file.write, kept)
        except FAILURES as error:
            self._failed(error)
        else:
            self.failing = False

    def _failed(self, error: Exception) -> None:
        if not self.failing:
            self.emit(reports.Notice(f"what the registries say cannot be kept for the next start: {error}"))
        self.failing = True
