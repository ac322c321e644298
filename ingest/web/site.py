"""The API beside a pipeline: it hears every report, and serves what they add up to.

Nothing here can stop the pipeline: a port that is taken is said once and tried again.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import trio
from attrs import define, field
from starlette.routing import BaseRoute

from ingest.config.service import Api
from ingest.core import reports
from ingest.core.health import Health
from ingest.core.reports import Report
from ingest.core.rule_names import SCHEMA
from ingest.core.state import moment_at
from ingest.edge import http_server
from ingest.edge.process import Process
from ingest.errors import Refused
from ingest.pipeline import Pipeline
from ingest.plan import Plan
from ingest.runtime.supervise import one_error
from ingest.web import openapi
from ingest.web.app import Sources, application
from ingest.web.audience import Audience
from ingest.web.beside_page import page_routes
from ingest.web.counting import Counting
from ingest.web.house import HouseStatus
from ingest.web.known import Known
from ingest.web.live import Live
from ingest.web.live_metrics import LiveMetrics
from ingest.web.metrics import Metrics
from ingest.web.seats import Seats

RETRY = 30.0
"""Seconds between two attempts to take the port."""

QUIET = 60.0
"""Seconds between two complaints about the API: whoever sends nonsense must not fill the log."""


def _tasks() -> int:
    return trio.lowlevel.current_statistics().tasks_living


@define(eq=False)
class Site:
    """Health, metrics and the house of one pipeline. `hear` is one of its listeners; `now_ns` is the wall clock."""

    api: Api
    plan: Plan
    now_ns: Callable[[], int]
    known: Known = field(init=False)
    process: Process = field(factory=Process)
    seats: Seats = field(factory=Seats)
    metrics: Metrics = field(init=False)
    counting: Counting = field(init=False)
    _hearing: list[reports.Emit] = field(init=False)
    _complained: float = -math.inf

    def __attrs_post_init__(self) -> None:
        self.known = Known(self.plan, self.now_ns)
        self.counting = Counting(self.plan.rules)
        self.metrics = Metrics(self.health, self.process.usage, self._rules, self.now_ns, self.counting.stalls, _tasks)
        self._hearing = [self.metrics.hear, self.counting.hear]

    @property
    def pipeline(self) -> Pipeline | None:
        """The pipeline, once there is one."""
        return self.known.pipeline

    @pipeline.setter
    def pipeline(self, pipeline: Pipeline) -> None:
        """From now on it is looked at when health is asked for."""
        self.known.pipeline = pipeline

    def hear(self, report: Report) -> None:
        """Take the next report of the pipeline. Never raises: a part that breaks is told no more."""
        self.known.hear(report)
        for each in tuple(self._hearing):
            try:
                each(report)
            except Exception as error:  # noqa: BLE001  what can be asked must not end what is asked about
                self._hearing.remove(each)
                if self.pipeline is not None:
                    self.pipeline.emit(reports.Notice(f"a part of the API broke, and is told no more: {error!r}"))

    def health(self) -> Health:
        """How things are at this moment, in one value: what `/health` shows."""
        return self.known.health()

    async def serve(self, pipeline: Pipeline) -> None:
        """Serve until cancelled. After a bug there is no API any more, and everything else goes on."""
        self.pipeline = pipeline
        try:
            await self._serve(pipeline)
        except Exception as error:  # noqa: BLE001  what can be asked must not end what is asked about
            sentence = f"the API broke, report this and restart the service; everything else goes on: {error!r}"
            pipeline.emit(reports.NotListening(sentence))

    async def _serve(self, pipeline: Pipeline) -> None:
        live = self._live(pipeline)
        app = application([*self.routes(pipeline), *live.routes()], self.api)
        with self.counting.looking_on(pipeline), one_error():
            listeners = await self._listeners(pipeline.emit)
            pipeline.emit(reports.Listening(", ".join(map(http_server.url_of, listeners))))
            async with trio.open_nursery() as nursery:
                nursery.start_soon(live.audience.run, name="live events")
                await http_server.serve(app, listeners, self._complain)

    def routes(self, pipeline: Pipeline) -> list[BaseRoute]:
        """Everything that is answered. From now on the house is looked at."""
        house = HouseStatus(pipeline.filter, lambda: moment_at(self.now_ns()), seats=self.seats)
        self._hearing.append(house.hear)
        pipeline.filter.tap.add(house.take)
        discover = pipeline.inventory.rediscovery.now
        sources = Sources(self.health, self.process.usage, self.metrics.page, discover, self.plan.files)
        counted, beside_page = self.counting.routes(self.health), page_routes(self.plan, self.now_ns)
        return [*sources.routes(), *counted, *house.routes(), *beside_page, *openapi.routes()]

    def _live(self, pipeline: Pipeline) -> Live:
        audience = Audience(
            pipeline.filter.tap,
            pipeline.catalog,
            lambda: moment_at(self.now_ns()).isoformat(),
            writes=pipeline.plan.destination.writes,
        )
        self.metrics.beside(LiveMetrics(audience, self.seats))
        return Live(audience, self.api, self._complain, seats=self.seats)

    async def _listeners(self, emit: reports.Emit) -> list[trio.SocketListener]:
        told = False
        while True:
            try:
                return list(await http_server.listen(self.api.host, self.api.port))
            except Refused as problem:
                if not told:
                    emit(
                        reports.NotListening(f"there is no API and no status page, everything else goes on: {problem}")
                    )
                told = True
                await trio.sleep(RETRY)

    def _complain(self, sentence: str) -> None:
        if self.pipeline is not None and trio.current_time() - self._complained >= QUIET:
            self._complained = trio.current_time()
            self.pipeline.emit(reports.Notice(sentence))

    def _rules(self) -> dict[str, int]:
        """What the filter left out, and beside it what the store's schema does not write."""
        unwritten = 0 if self.pipeline is None else self.pipeline.tally.by_rule[SCHEMA]
        return {**self.counting.left_out(), **({SCHEMA: unwritten} if unwritten else {})}
