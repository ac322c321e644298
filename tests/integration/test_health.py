"""Health tells the truth at each step of an outage: how many points wait, and why, until everything is stored."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import pytest
import trio
from attrs import define, field
from trio.testing import MockClock

from ingest.actors.batcher import Limits
from ingest.config.service import Api
from ingest.core.health import Health, Status
from ingest.core.health_causes import SLOW
from ingest.core.store import Batch, Keep, Verdict
from ingest.web.site import Site
from tests.integration.house import MORNING, Memory, Points, Running, living

NS = 10**9
ANSWERS = {
    "503": Keep("503 Service Unavailable", retry_after=20.0),
    "401": Keep("401 Unauthorized", remedy="Give influxdb.token_file a token that may write."),
    "refused": Keep("connection refused"),
}


@define(eq=False)
class Moody(Memory):
    """A store that answers as its mood is; `hang` answers when the mood has passed."""

    mood: str = ""
    better: trio.Event = field(factory=trio.Event)

    async def deliver(self, batch: Batch[Points]) -> Verdict:
        if self.mood == "hang":
            await self.better.wait()
        if self.mood in ANSWERS:
            await trio.sleep(self.seconds)
            return ANSWERS[self.mood]
        return await super().deliver(batch)

    def recover(self) -> None:
        self.mood = ""
        self.better.set()


@define(eq=False)
class Watched:
    running: Running
    site: Site
    memory: Moody

    @property
    def health(self) -> Health:
        return self.site.health()

    @property
    def missing(self) -> int:
        """Points that were made and are not in the store, counted at both ends."""
        return len(self.memory.encoded) - len(self.memory.points)


@asynccontextmanager
async def watched() -> AsyncGenerator[Watched]:
    memory = Moody()
    async with living(memory=memory, batch=Limits(max_points=100)) as running:
        began = trio.current_time()
        site = Site(Api(), running.pipeline.plan, lambda: int((MORNING.timestamp() + trio.current_time() - began) * NS))
        site.pipeline = running.pipeline
        running.pipeline.listeners = (*running.pipeline.listeners, site.hear)
        yield Watched(running, site, memory)


@pytest.mark.parametrize("mood", [*ANSWERS, "hang"])
async def test_an_outage_of_the_store_is_told_with_what_waits_until_it_is_over(
    mood: str, autojump_clock: MockClock
) -> None:
    async with watched() as seen:
        await seen.running.live()
        await seen.running.settled()
        assert (seen.health.status, seen.health.ready) == (Status.HEALTHY, True)
        seen.memory.mood = mood
        await seen.running.server.burst(1000, entities=50, batch=100)
        await trio.sleep(SLOW + 2)
        for _ in range(60):
            await trio.sleep(1)
            health = seen.health
            assert health.database.waiting == seen.missing >= 1000
            assert f"{seen.missing:,} points wait" in health.reason
            assert (ANSWERS[mood].reason if mood in ANSWERS else "has not answered for") in health.reason
            assert health.status is (Status.UNHEALTHY if mood == "401" else Status.DEGRADED)
            assert health.remedies or mood in {"503", "refused"}
            assert not health.ready
        seen.memory.recover()
        await seen.running.settled()
        assert seen.missing == seen.health.database.waiting == 0
        assert (seen.health.status, seen.health.ready) == (Status.HEALTHY, True)
        assert dict(seen.health.totals) == seen.running.books


async def test_before_the_first_delivery_it_is_not_ready(autojump_clock: MockClock) -> None:
    async with watched() as seen:
        seen.memory.mood = "refused"
        assert not seen.health.ready
        await seen.running.live()
        assert seen.health.subscription.subscribed
        assert not seen.health.ready
        seen.memory.recover()
        await seen.running.settled()
        assert seen.health.ready


async def test_a_restart_of_home_assistant_is_told_while_it_lasts(autojump_clock: MockClock) -> None:
    async with watched() as seen:
        await seen.running.live()
        await seen.running.settled()
        await seen.running.server.restart()
        await seen.running.until(lambda: not seen.health.subscription.subscribed)
        assert seen.health.status is Status.UNHEALTHY
        assert "no connection to Home Assistant (primary: " in seen.health.reason
        await seen.running.live(2)
        assert "no connection" not in seen.health.reason
        assert seen.health.connection.successes == 2


async def test_health_does_not_promise_anything_after_the_stop(autojump_clock: MockClock) -> None:
    async with watched() as seen:
        await seen.running.live()
    assert seen.health.status is Status.UNHEALTHY
    assert "starting or stopping" in seen.health.reason
