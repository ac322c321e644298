"""What is known of how a pipeline is: its reports folded, and what it holds now."""

from __future__ import annotations

from collections.abc import Callable

import trio
from attrs import define, field

from ingest.core.data_api_health import DataApiFold
from ingest.core.health import Gauges, Health
from ingest.core.health_fold import HealthFold
from ingest.core.reports import Report
from ingest.core.state import moment_at
from ingest.pipeline import Pipeline
from ingest.plan import Plan
from ingest.web.gauges import gauges


@define(eq=False)
class Known:
    """Of one pipeline, once there is one. `hear` is one of its listeners; `now_ns` is the wall clock."""

    plan: Plan
    now_ns: Callable[[], int]
    pipeline: Pipeline | None = None
    _fold: HealthFold = field(init=False)

    def __attrs_post_init__(self) -> None:
        names = tuple(candidate.name for candidate in self.plan.candidates)
        spool = self.plan.destination.spool
        told = None if self.plan.data_api is None else DataApiFold()
        self._fold = HealthFold(self.plan.destination.store.name, names, spool.held.events if spool else 0, told)

    def hear(self, report: Report) -> None:
        """Take the next report of the pipeline."""
        self._fold.add(report, trio.current_time())

    def health(self) -> Health:
        """How things are at this moment, read from the reports so far and from the pipeline, once there is one."""
        read = Gauges() if self.pipeline is None else gauges(self.pipeline)
        return self._fold.look(read, trio.current_time(), moment_at(self.now_ns()))
