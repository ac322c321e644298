"""What a previous run left in the spool: reported at the start, and again when all of it has gone."""

from __future__ import annotations

from collections.abc import Callable

from attrs import define

from ingest.core import reports
from ingest.core.reports import Emit, Report


@define(eq=False)
class Backlog:
    """A fold over reports. `held` is how many points are in the spool now."""

    store: str
    count: int
    held: Callable[[], int]
    emit: Emit

    def hear(self, report: Report) -> None:
        """Take the next report of the pipeline; says by itself that the backlog is there, and that it is gone."""
        match report:
            case reports.Started() if self.count:
                self.emit(reports.BacklogFound(self.store, self.count))
            # A batch is in the spool until its report is heard: when there is only that one, the last is stored.
            case reports.Stored(count=count) if self.count and self.held() <= count:
                found, self.count = self.count, 0
                self.emit(reports.BacklogGone(self.store, found))
            case _:
                pass
