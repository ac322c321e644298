"""Telling a thing once more if the spool may have lost the last word on it, or may not have delivered it last.

It is told when nothing waits any more, so that nothing older can come after it. It is told only if more than one batch
told of the same thing, something was lost, or something came from elsewhere. A thing is told again once, not a third
time. Devices and entities have times of their own, so any order is right for them; they can only be lost.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from attrs import define

from ingest.core import reports
from ingest.core.gap_points import Telling
from ingest.core.reports import Report
from ingest.core.store import Batch
from ingest.runtime.spool import Spool


@define(eq=False)
class Retelling:
    """A fold over reports. `registries` has devices and entities written again with the next reading of them."""

    spool: Spool[Batch[Any]]
    registries: Callable[[], None]
    gaps: Telling | None = None
    _lost: bool = False
    _refused: int = 0

    def hear(self, report: Report) -> None:
        """Take the next report of the pipeline."""
        match report:
            case reports.Batched() if self.gaps is not None:
                self.gaps.put()
            case reports.BacklogFound() | reports.Made():
                self._doubt()
            case reports.Evicted() | reports.Purged() | reports.Unreadable():
                self._lost = True
                self._doubt()
            case reports.Rejected(rejections=rejections):
                self._refused = len(rejections)
            case reports.Stored(count=count):
                delivered, self._refused = count + self._refused, 0
                # A batch is in the spool until its report is heard.
                if self.spool.held.events <= delivered:
                    self._stored()
            case _:
                pass

    def _doubt(self) -> None:
        if self.gaps is not None:
            self.gaps.doubt()

    def _stored(self) -> None:
        if self.gaps is not None:
            self.gaps.stored()
        if self._lost:
            self._lost = False
            self.registries()
