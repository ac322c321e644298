"""A whole pipeline that is looked at: what may last for days is never an alarm, and what hangs always is one."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
import trio
from attrs import define, field
from trio.testing import MockClock

from ingest.cli.watchdog import Watchdog
from ingest.core import reports
from ingest.core.point import Point
from ingest.core.reports import Report
from ingest.core.store import Batch, Store, Verdict
from ingest.runtime.progress import ALLOWANCE, Counted
from tests.integration.house import Points, Running, living
from tests.integration.test_health import Moody

LONG = 6 * ALLOWANCE
"""Seconds: a day is looked at no differently."""


@define(eq=False)
class Looked(Moody):
    """A store whose deliveries are looked at."""

    delivery: Counted[Batch[Points], Verdict] = field(init=False)

    def store(self) -> Store[Point, Points]:
        found = super().store()
        self.delivery = Counted(found.deliver)
        return Store(found.name, found.codec, self.delivery)


@define(eq=False)
class Scene:
    running: Running
    memory: Looked
    said: list[Report] = field(factory=list)

    @property
    def stuck(self) -> list[str]:
        return [each.station for each in self.said if isinstance(each, reports.Stuck)]


@asynccontextmanager
async def scene(**changes: Any) -> AsyncGenerator[Scene]:
    memory = Looked()
    async with living(memory=memory, **changes) as running:
        made, dog = Scene(running, memory), Watchdog()
        dog.progress.watch("a delivery", memory.delivery.moves)
        dog._watched(running.pipeline)
        async with dog.looking(made.said.append):
            await running.live()
            yield made


@pytest.mark.parametrize("mood", ["503", "401", "refused", ""])
async def test_a_database_that_is_away_or_a_home_that_is_quiet_is_no_alarm(
    mood: str, autojump_clock: MockClock
) -> None:
    async with scene() as it:
        it.memory.mood = mood
        await trio.sleep(LONG)
        assert it.said == []
        it.memory.recover()


async def test_a_delivery_that_hangs_is_told_and_that_it_came_back(autojump_clock: MockClock) -> None:
    async with scene() as it:
        it.memory.mood = "hang"
        it.running.server.emit([change for change in [it.running.server.home.set("light.x", "on", {})] if change])
        await trio.sleep(2 * ALLOWANCE)
        assert it.stuck == ["a delivery"]
        it.memory.recover()
        await trio.sleep(60)
        assert [type(each) for each in it.said] == [reports.Stuck, reports.Moving]


async def test_a_stage_that_does_not_come_back_is_told(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with scene() as it:
        free, put = trio.Event(), it.running.pipeline.spool.put

        async def hangs(batch: Batch[Points]) -> Any:
            await free.wait()
            return await put(batch)

        monkeypatch.setattr(it.running.pipeline.batcher, "spool", _Instead(it.running.pipeline.spool, hangs))
        it.running.server.emit([change for change in [it.running.server.home.set("light.x", "on", {})] if change])
        await trio.sleep(2 * ALLOWANCE)
        assert it.stuck == ["what makes batches"]
        free.set()
        await trio.sleep(60)


@define(eq=False)
class _Instead:
    """A spool whose `put` is another one."""

    spool: Any
    put: Callable[[Batch[Points]], Any]

    def __getattr__(self, name: str) -> Any:
        return getattr(self.spool, name)
