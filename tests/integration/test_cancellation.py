"""The running pipeline, cancelled before every single step of the scheduler.

Whatever the moment: the books balance, nothing is invented, stored twice or out of order, and no batch is left open.
The peer is a small scripted one, so that a run is some hundred steps and a thousand runs are seconds.
"""

from __future__ import annotations

import json
from functools import partial
from random import Random
from typing import Any

import pytest
import trio
from attrs import define, field
from trio.testing import MockClock

from ingest.actors.batcher import Limits
from ingest.core import reports
from ingest.core.point import Point
from ingest.core.reports import Report
from ingest.core.store import Batch
from ingest.core.tally import balanced
from ingest.pipeline import Pipeline
from ingest.plan import Plan
from ingest.runtime.link import Overflow, Weight
from ingest.runtime.spool import MemorySpool, Spool
from tests.actors.peer import Act, Side, answering, ok, playing
from tests.actors.states import check_states
from tests.core.changes import state
from tests.integration.house import Memory, candidate, check_points, plan_of

ENTITIES, FRAMES = 3, 6
PARTS = 4
"""In how many tests the steps of a run are cut, so that they can run beside each other."""

STRIDE = 3
"""Steps between two cancellations of the second run, whose first step is as random as the seed."""


def moment(second: int) -> str:
    return f"2026-11-23T12:00:{second:02}.250001+00:00"


def changes(number: int) -> list[dict[str, Any]]:
    """One frame: a change of each entity at that second."""
    found = []
    for entity in range(ENTITIES):
        new = state(f"sensor.n{entity}", str(number), changed=moment(number), updated=moment(number))
        data = {"entity_id": new["entity_id"], "old_state": None, "new_state": new}
        found.append({"event_type": "state_changed", "data": data, "time_fired": moment(number), "context": {}})
    return found


def home() -> Act:
    """A Home Assistant that sends some frames as soon as somebody listens, while it is asked for the rest."""
    present = [state(f"sensor.n{entity}", "0", changed=moment(0), updated=moment(0)) for entity in range(ENTITIES + 2)]

    def subscribed(message: dict[str, Any]) -> list[object]:
        if message["event_type"] != "state_changed":
            return [ok()]
        number = message["id"]
        return [
            ok(),
            *(
                json.dumps([{"type": "event", "event": event, "id": number} for event in changes(frame)])
                for frame in range(1, FRAMES + 1)
            ),
        ]

    async def act(side: Side) -> None:
        await answering(
            subscribe_events=subscribed,
            get_states=[ok(present)],
            get_config=[ok({"state": "RUNNING"})],
            **{f"config/{kind}_registry/list": [ok([])] for kind in ("area", "device", "entity")},
        )(side)

    return act


@define(eq=False)
class Cut(trio.abc.Instrument):
    """Cancels a scope before the step with that number; counts the steps."""

    at: int
    scope: trio.CancelScope = field(factory=trio.CancelScope)
    steps: int = 0

    def before_task_step(self, task: trio.lowlevel.Task) -> None:
        self.steps += 1
        if self.steps == self.at:
            self.scope.cancel()


@define(eq=False)
class Run:
    """One run, and what must hold after it."""

    cut: Cut
    settings: dict[str, Any]
    memory: Memory = field(factory=partial(Memory, seconds=0.0))
    emitted: list[Report] = field(factory=list)
    ended: bool = False

    async def main(self) -> None:
        async with playing(home()) as peer:
            pipeline = Pipeline(await self.plan(), (self.emitted.append,), lambda: 0.5, peer.dial)
            stop = trio.Event()
            async with trio.open_nursery() as nursery:
                nursery.cancel_scope.shield = True
                nursery.start_soon(self._run, pipeline, stop)
                await trio.sleep(5)
                stop.set()
            self.check(pipeline)

    async def plan(self) -> Plan:
        return plan_of(self.memory, [candidate("primary", "token")], **self.settings)

    async def _run(self, pipeline: Pipeline, stop: trio.Event) -> None:
        with self.cut.scope:
            await pipeline.run(stop)
            self.ended = True

    def check(self, pipeline: Pipeline) -> None:
        books = pipeline.books()
        assert balanced(books), books
        assert pipeline.batcher.open == 0
        check_states(self.emitted)
        check_points(self.memory, again=bool(books["evicted"] + books["shed"]))
        sealed = [*self.memory.points, *self.spooled(pipeline.spool)]
        assert len(sealed) == len(self.memory.encoded) - books["evicted"]
        assert all(0 <= int(point.state) <= FRAMES for point in sealed)
        assert not [
            report for report in self.emitted if isinstance(report, reports.DeadLetter | reports.MalformedMessage)
        ]

    def spooled(self, spool: Spool[Batch[Any]]) -> list[Point]:
        assert isinstance(spool, MemorySpool)
        return [point for batch in spool.batches for point in batch.payload]


def run(at: int, settings: dict[str, Any]) -> Run:
    """Cancel before that step. The same number is the same run: trio shuffles the order of tasks with this generator."""
    trio._core._run._r.seed(at)
    cut = Cut(at)
    this = Run(cut, settings)
    trio.run(this.main, clock=MockClock(autojump_threshold=0), instruments=[cut])
    return this


SHORT: dict[str, Any] = {"batch": Limits(max_points=4)}
TIGHT: dict[str, Any] = {
    "batch": Limits(max_points=2),
    "intake": Weight(4, 10**6),
    "intake_overflow": Overflow.DROP_OLDEST,
    "link": Weight(1, 10**6),
    "link_overflow": Overflow.DROP_NEWEST,
    "spool_memory": 900,
}


def test_an_undisturbed_run_stores_everything() -> None:
    whole = run(0, SHORT)
    assert whole.ended
    assert len(whole.memory.points) == ENTITIES * FRAMES + ENTITIES + 2


@pytest.mark.parametrize("part", range(PARTS))
def test_a_pipeline_cancelled_before_any_step_keeps_its_promise(part: int) -> None:
    for at in range(1 + part, run(0, SHORT).cut.steps + 1, PARTS):
        run(at, SHORT)


@pytest.mark.parametrize("part", range(PARTS))
def test_a_pipeline_that_sheds_everywhere_keeps_its_promise_when_cancelled(part: int) -> None:
    first = Random(part).randrange(STRIDE * PARTS)
    for at in range(1 + first, run(0, TIGHT).cut.steps + 1, STRIDE * PARTS):
        run(at, TIGHT)
