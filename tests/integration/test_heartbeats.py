"""Heartbeats in the whole pipeline, against the home's own truth; time is virtual."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import trio
from attrs import define, evolve
from trio.testing import MockClock

from ingest.cli.reloading import Reloading
from ingest.config.load import Loaded
from ingest.config.settings import Settings
from ingest.core import reports
from ingest.core.filter_settings import FilterSettings, Pattern
from ingest.core.heartbeat import SILENT
from ingest.core.point import Point
from ingest.core.state import Source
from ingest.core.store import Codec, Store
from ingest.runtime.lane import InlineLane
from ingest.simulator import faults as f
from ingest.simulator.script import happen
from tests.integration.test_cancellation_disk import Tokens
from tests.integration.test_gaps import House, house

MINUTE = 60 * 10**9
RULES = FilterSettings(exceptions=(Pattern(domain="sensor", heartbeat=60.0),))


@define(eq=False)
class Steady(Tokens):
    """A store that takes heartbeats."""

    def store(self) -> Store[Point, Any]:
        return Store(
            "memory", Codec(self.encode, lambda items: 200 * len(items), self.seal, heartbeats=True), self.deliver
        )


def true_at(it: House, entity_id: str, time_ns: int) -> str:
    """What the entity was just before that time."""
    known = "removed"
    for each in it.home.truth():
        at = (each.new.updated if each.new else each.fired) * 1000
        if each.entity_id == entity_id and at < time_ns:
            known = each.new.state if each.new else "removed"
    return known


def check(it: House) -> list[Point]:
    """Each is at its minute, says what was true, and is there once; returns them."""
    beats = it.points(Source.HEARTBEAT)
    assert all(each.time_ns % MINUTE == 0 for each in beats)
    assert {each.entity_id.partition(".")[0] for each in beats} == {"sensor"}
    assert [each for each in beats if each.state != true_at(it, each.entity_id, each.time_ns)] == []
    assert not SILENT & {each.state for each in beats}
    assert max(Counter((each.entity_id, each.time_ns) for each in beats).values()) == 1
    return beats


async def test_what_does_not_change_is_said_again_every_minute(tmp_path: Path, autojump_clock: MockClock) -> None:
    async with house(tmp_path / "state.db") as it:
        it.memory = Steady(seconds=0.01)
        async with it.living(rules=RULES) as pipeline:
            await it.work()
            await trio.sleep(600)
            books = pipeline.books()
        beats = check(it)
        quiet = [each for each in beats if each.entity_id == "sensor.burst_0003"]
        assert len(quiet) == 10
        assert {each.kind for each in beats} == {None}
        added = [each.count for each in it.told if isinstance(each, reports.Added) and each.what == "heartbeats"]
        assert len(beats) <= sum(added) == books["made"]
        assert not {each.time_ns for each in beats} & {mark.time_ns for mark in marks(pipeline.filter.reconciler)}
        assert it.missing == []


def marks(reconciler: Any) -> list[Any]:
    return list(reconciler.marks.values())


async def test_there_is_none_while_home_assistant_is_away_or_a_value_is_not_known(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    async with house(tmp_path / "state.db") as it:
        it.memory = Steady(seconds=0.01)
        async with it.living(rules=RULES):
            await it.work()
            await trio.sleep(130)
            gone = it.now_ns()
            async with trio.open_nursery() as nursery:
                nursery.start_soon(happen, it.server, f.Refuse(200.0))
                await happen(it.server, f.Drop())
            await trio.sleep(100)
            back = it.now_ns()
            it.server.emit(change for change in [it.home.set("sensor.burst_0003", "unavailable", {})] if change)
            it.server.emit(change for change in [it.home.remove("sensor.burst_0004")] if change)
            await trio.sleep(300)
        beats = check(it)
        assert [each for each in beats if gone <= each.time_ns < gone + 200 * 10**9] == []
        after = [each.entity_id for each in beats if each.time_ns > back]
        assert "sensor.burst_0005" in after
        assert not {"sensor.burst_0003", "sensor.burst_0004"} & set(after)


async def test_a_start_goes_on_with_what_has_not_changed_since(tmp_path: Path, autojump_clock: MockClock) -> None:
    async with house(tmp_path / "state.db") as it:
        it.memory = Steady(seconds=0.01)
        async with it.living(rules=RULES):
            await it.work()
            await trio.sleep(130)
        stopped = it.now_ns()
        await trio.sleep(300)
        started = it.now_ns()
        async with it.living(rules=RULES):
            await trio.sleep(300)
        beats = check(it)
        assert [each for each in beats if stopped <= each.time_ns <= started] == []
        again = [each for each in beats if each.time_ns > started and each.entity_id == "sensor.burst_0003"]
        assert len(again) >= 3
        assert it.missing == []


async def test_a_store_that_takes_none_is_not_given_any(tmp_path: Path, autojump_clock: MockClock) -> None:
    async with house(tmp_path / "state.db") as it, it.living(rules=RULES) as pipeline:
        await it.work()
        await trio.sleep(300)
        assert it.points(Source.HEARTBEAT) == []
        assert pipeline.books()["made"] == 0


async def test_whoever_looks_makes_the_same_ones(tmp_path: Path, autojump_clock: MockClock) -> None:
    async with house(tmp_path / "one.db") as it:
        it.memory = Steady(seconds=0.01)
        other = House(tmp_path / "other.db", it.server, it.peer, it.wall, Steady(seconds=0.5))
        async with it.living(rules=RULES):
            await trio.sleep(17)
            async with other.living(rules=RULES):
                since = it.now_ns()
                await it.work()
                await trio.sleep(400)
                until = it.now_ns() - 10 * 10**9
        made = [
            {
                (each.entity_id, each.time_ns, each.state, each.attributes)
                for each in check(one)
                if since < each.time_ns < until
            }
            for one in (it, other)
        ]
        assert len(made[0]) > 60
        assert made[0] == made[1]


async def test_what_is_not_to_be_stored_any_more_is_not_said_again(tmp_path: Path, autojump_clock: MockClock) -> None:
    settings = Settings(home="home")
    settings = evolve(settings, filter=evolve(settings.filter, exceptions=RULES.exceptions))
    without = evolve(settings, attributes=evolve(settings.attributes, drop=("friendly_name",)))
    async with house(tmp_path / "state.db") as it:
        it.memory = Steady(seconds=0.01)
        async with it.living(rules=settings.filter) as pipeline:
            await it.work()
            await trio.sleep(130)
            reading = Reloading(lambda: Loaded(without, {}), Loaded(settings, {}), lambda _: None, InlineLane())
            async with reading.attached(pipeline):
                await reading.reload("test")
                changed = it.now_ns()
                await trio.sleep(300)
        beats = [(each.time_ns, "friendly_name" in each.attributes.json) for each in check(it)]
        assert {has for time_ns, has in beats if time_ns < changed - MINUTE} == {True}
        assert {has for time_ns, has in beats if time_ns > changed} == {False}
