"""What was dropped on its way behind the filter or before it, and is missed from then on."""

from __future__ import annotations

from attrs import define, field

from ingest.core import reports
from ingest.core.catalog import Catalog
from ingest.core.coverage import UNNAMED, Cause
from ingest.core.evicted import Trail
from ingest.core.heartbeat import Heartbeats
from ingest.core.loss import gaps_of, missing_of, newest_of
from ingest.core.reconcile import Reconciler
from ingest.core.reports import Report
from ingest.core.snapshot_states import SnapshotStates


@define(eq=False)
class Losses:
    """Tells the filter's memories: the reconciler, what a snapshot told, heartbeats. `trail` is of what follows each other."""

    told: SnapshotStates
    heartbeats: Heartbeats
    trail: Trail = field(factory=Trail)

    def hear(self, report: Report, reconciler: Reconciler, catalog: Catalog, *, spooled: bool) -> None:
        """One report. `spooled`: a spool on disk opens the gap of what it drops itself."""
        match report:
            case reports.Shed():
                self.heartbeats.lose(newest_of(report))
                for gap in missing_of(report, lambda entity_id: catalog.facts(entity_id).registry_id, reconciler.has):
                    self.told.miss(gap.from_ns, gap.to_ns)
                    reconciler.miss(gap.cause, gap.from_ns, gap.to_ns, gap.spans)
            case reports.Unreadable():
                self._forget(reconciler, report.oldest_ns, report.newest_ns)
                reconciler.miss(Cause.UNREADABLE, report.oldest_ns, report.newest_ns, (), UNNAMED)
            case reports.Evicted():
                self._forget(reconciler, report.oldest_ns, report.newest_ns)
                for gap in () if spooled else gaps_of(report, self.trail):
                    reconciler.miss(gap.cause, gap.from_ns, gap.to_ns, gap.spans, gap.why)
            case reports.Purged():
                self._forget(reconciler, report.oldest_ns, report.newest_ns)
            case reports.Stored():
                self.trail.cut()
            case reports.GapOpened(cause=Cause.REOPENED | Cause.IMPORTED) as opened:
                self.told.clear()
                self.told.miss(opened.from_ns, opened.to_ns)

    def _forget(self, reconciler: Reconciler, oldest_ns: int, newest_ns: int) -> None:
        """Points of that time are gone: what the next snapshot says of their entities is not stored already."""
        reconciler.forget(oldest_ns, newest_ns)
        self.told.forget(oldest_ns, newest_ns)
