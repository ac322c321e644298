"""Looking now and then at what moves, and telling systemd and everybody who listens."""

from __future__ import annotations

import random
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager

import trio
from attrs import define, field

from ingest.cli.remembering import Relay
from ingest.core import reports
from ingest.core.health import Health
from ingest.core.health_line import line
from ingest.core.reports import Emit
from ingest.edge.notify import Manager
from ingest.pipeline import Pipeline
from ingest.plan import Plan
from ingest.runtime.progress import Progress
from ingest.runtime.supervise import one_error


@define(eq=False)
class Watchdog:
    """One service's. `health` is asked for the status that systemd shows, where it is known."""

    manager: Manager = field(factory=Manager)
    progress: Progress = field(factory=Progress)
    health: Callable[[], Health] | None = None
    _stuck: dict[str, float] = field(factory=dict)

    @asynccontextmanager
    async def looking(self, emit: Emit) -> AsyncGenerator[None]:
        """Look, while the block runs: what is stuck is said once, and so is that it moves again."""
        with one_error():
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._look_again, emit, name="watchdog")
                yield
                nursery.cancel_scope.cancel()

    def alone(self, plan: Plan, relay: Relay) -> Pipeline:
        """A pipeline that is looked at. How it is is kept only where somebody asks."""
        if not self.manager.listens:
            pipeline = Pipeline(plan, relay.to, random.random)
            relay.hand_over(pipeline.emit)
            return self._watched(pipeline)
        from ingest.web.known import Known  # noqa: PLC0415  only where it is used

        known = Known(plan, time.time_ns)
        known.pipeline = self.heard(plan, relay, known.hear, known.health)
        return known.pipeline

    def heard(self, plan: Plan, relay: Relay, hear: Emit, health: Callable[[], Health]) -> Pipeline:
        """A pipeline that is looked at, and to which somebody listens who knows its health; it is told what came before."""
        pipeline = Pipeline(plan, (*relay.to, hear), random.random)
        for report in relay.hand_over(pipeline.emit):
            hear(report)
        self.health = health
        return self._watched(pipeline)

    def _watched(self, pipeline: Pipeline) -> Pipeline:
        """Who reads the second link may wait for the files, who reads the first for the second."""
        self.progress.watch("what makes batches", pipeline.link.moves)
        self.progress.watch("what makes points", pipeline.intake.moves)
        return pipeline

    async def _look_again(self, emit: Emit) -> None:
        while True:
            self.look(emit)
            await trio.sleep(self.manager.every)

    def look(self, emit: Emit) -> None:
        """Look once. While something is stuck systemd gets no sign of life."""
        now = trio.current_time()
        stuck = {each.station: each.seconds for each in self.progress.look(now, 2 * self.manager.every)}
        for station, since in tuple(self._stuck.items()):
            if station not in stuck:
                del self._stuck[station]
                emit(reports.Moving(station, now - since))
        for station, seconds in stuck.items():
            if station not in self._stuck:
                self._stuck[station] = now - seconds
                emit(reports.Stuck(station, seconds, watchdog=self.manager.watchdog is not None))
        if not stuck:
            self.manager.alive(self._status(emit))

    def _status(self, emit: Emit) -> str:
        try:
            return line(self.health()) if self.health else ""
        except Exception as error:  # noqa: BLE001  what is shown must not end what it is about
            self.health = None
            emit(reports.Notice(f"the status for systemd broke, and is told no more: {error!r}"))
            return ""
