"""Having that told once more of which the spool may have lost the last word, or not delivered it last.

It is told when nothing waits any more, so that nothing older can come after it, and that only when more than one batch told
of the same, something is lost, or something came from elsewhere: what is told again is told once then, and is not told a
third time.
"""

from __future__ import annotations

from typing import Any

from attrs import define

from ingest.core import reports
from ingest.core.gap_points import Telling
from ingest.core.reports import Report
from ingest.core.store import Batch
from ingest.runtime.spool import Spool


@define(eq=False)
class Retelling:
    """A fold over reports."""

    spool: Spool[Batch[Any]]
    gaps: Telling | None = None
    _refused: int = 0

    def hear(self, report: Report) -> None:
        """Take the next report of the pipeline."""
        if self.gaps is None:
            return
        match report:
            case reports.Batched():
                self.gaps.put()
            case reports.BacklogFound() | reports.Made() | reports.Evicted() | reports.Purged() | reports.Unreadable():
                self.gaps.doubt()
            case reports.Rejected(rejections=rejections):
                self._refused = len(rejections)
            case reports.Stored(count=count):
                delivered, self._refused = count + self._refused, 0
                # A batch is in the spool until its report is heard.
                if self.spool.held.events <= delivered:
                    self.gaps.stored()
            case _:
                pass
