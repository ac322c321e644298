"""Another filter while the service runs: what is left out meanwhile is not known to be stored, and an import brings it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
import trio
from attrs import evolve
from trio.testing import MockClock

from ingest.actors import renewing
from ingest.actors.batcher import Limits
from ingest.cli.reloading import Reloading
from ingest.config.home_assistant import Attributes, Filter
from ingest.config.load import Loaded
from ingest.config.settings import Settings
from ingest.core import control, reports
from ingest.core.catalog import Catalog
from ingest.core.coverage import FOREVER, ON_PURPOSE, Cause, Gap, Progress
from ingest.core.filter_settings import Pattern
from ingest.core.reconcile import Reconciler
from ingest.core.rules import NO_ATTRIBUTES, Rules
from ingest.core.state import nanoseconds
from ingest.core.tally import EARLIER, balanced
from ingest.pipeline import Pipeline
from ingest.runtime.lane import InlineLane
from ingest.simulator import faults as f
from ingest.simulator.script import happen
from ingest.simulator.server import Server
from tests.integration.house import MORNING, living
from tests.integration.test_gaps import FILLED, House, house

EVERYTHING = Filter()
NO_BURSTS = Filter(patterns=(Pattern(entity_id="sensor.burst_*"),))
SINCE = nanoseconds(MORNING) - 3600 * 10**9


def choosing(chosen: list[Filter]) -> Reloading:
    """The configuration says what was chosen last."""

    def read() -> Loaded:
        return Loaded(evolve(Settings(home="home"), filter=chosen[-1]), {})

    return Reloading(read, read(), lambda _: None, InlineLane())


def bursts(it: House, *, between: tuple[int, int] = (0, FOREVER)) -> set[tuple[str, int]]:
    """What the home did with those, by its own account."""
    return {each for each in it.truth if each[0].startswith("sensor.burst_") and between[0] < each[1] < between[1]}


def stored(it: House) -> set[tuple[str, int]]:
    return {(point.entity_id, point.time_ns) for point in it.memory.points}


def missing_bursts(it: House) -> set[tuple[str, int]]:
    return bursts(it) - stored(it)


def left_out(it: House) -> Gap:
    (gap,) = [gap for gap in it.gaps if gap.cause is Cause.FILTERED]
    return gap


async def bring(pipeline: Pipeline, *entities: str, since_ns: int = SINCE) -> control.Imported:
    assert pipeline.importing is not None
    return await pipeline.importing.begin(control.Import(since_ns, entities))


@pytest.mark.parametrize("known", [False, True])
async def test_what_was_left_out_between_two_stored_states_comes_with_an_import(
    tmp_path: Path, autojump_clock: MockClock, *, known: bool
) -> None:
    """`known`: the first snapshot has them already."""
    chosen = [EVERYTHING]
    async with house(tmp_path / "state.db") as it:
        if known:
            await it.work(10)
        async with it.living() as pipeline:
            reloading = choosing(chosen)
            async with reloading.attached(pipeline):
                await it.work()
                await trio.sleep(5)
                chosen.append(NO_BURSTS)
                outcome = await reloading.reload("test")
                assert outcome.left_out.count == 10
                began_ns = it.now_ns()
                await it.work()
                await trio.sleep(60)
                ended_ns = it.now_ns()
                chosen.append(EVERYTHING)
                outcome = await reloading.reload("test")
                assert outcome.stored.count == 10
                assert outcome.offer.startswith("homeiq-ingest backfill --since 2026-")
                assert "--entities sensor.burst_0000" in outcome.offer
                await it.work()
                await trio.sleep(70)
            missing = bursts(it, between=(began_ns, ended_ns)) - stored(it)
            # The last state of each was read at the reload; what was before it is left out, and nothing fills it by itself.
            assert len(missing) == 60 - 10
            assert missing_bursts(it) == missing
            gap = left_out(it)
            assert (gap.progress, gap.why, gap.spans, gap.left) == (Progress.UNFILLABLE, ON_PURPOSE, 10, 0)
            await trio.sleep(FILLED)
            assert missing_bursts(it) == missing
            begun = await bring(pipeline, "sensor.burst_*")
            assert begun.entities == 10
            await trio.sleep(FILLED)
            assert await bring(pipeline, "sensor.burst_*") == control.Imported()
        assert it.missing == []
        assert max(Counter((each.entity_id, each.time_ns) for each in it.memory.points).values()) == 1
        (gap,) = it.gaps
        assert (gap.cause, gap.progress, gap.filled) == (Cause.IMPORTED, Progress.FILLED, 50)


async def excluded_for_a_while(it: House, pipeline: Pipeline, during: Callable[[], Awaitable[None]]) -> None:
    """Stored, left out from a reload on, and stored again from another one on."""
    chosen = [EVERYTHING]
    reloading = choosing(chosen)
    await it.work()
    await trio.sleep(5)
    chosen.append(NO_BURSTS)
    await reloading_in(pipeline, reloading)
    await it.work()
    await during()
    chosen.append(EVERYTHING)
    await reloading_in(pipeline, reloading)


async def reloading_in(pipeline: Pipeline, reloading: Reloading) -> None:
    async with reloading.attached(pipeline):
        await reloading.reload("test")


@pytest.mark.parametrize("seconds", [1.0, FILLED])
async def test_a_connection_that_is_lost_meanwhile_fills_nothing_of_it(
    tmp_path: Path, autojump_clock: MockClock, seconds: float
) -> None:
    async with house(tmp_path / "state.db") as it:
        async with it.living() as pipeline:

            async def lose() -> None:
                await happen(it.server, f.Drop())
                await it.work()
                await trio.sleep(seconds + 30)

            await excluded_for_a_while(it, pipeline, lose)
            await trio.sleep(2 * FILLED)
            assert len(missing_bursts(it)) == 120 - 10
            await bring(pipeline)
            await trio.sleep(2 * FILLED)
        assert it.missing == []


@pytest.mark.parametrize("killed", [False, True])
async def test_a_restart_in_between_fills_nothing_of_it(
    tmp_path: Path, autojump_clock: MockClock, *, killed: bool
) -> None:
    """The service stops, starts and stops while they are left out, and starts with them."""
    async with house(tmp_path / "state.db") as it:
        async with it.living(killed=killed) as pipeline:
            await it.work()
            await trio.sleep(5)
            pipeline.rules.set(Rules(NO_BURSTS))
            await it.work()
            await trio.sleep(20)
        await it.work()
        async with it.living(killed=killed, rules=NO_BURSTS):
            await it.work()
            await trio.sleep(60)
        await it.work()
        async with it.living() as pipeline:
            await trio.sleep(2 * FILLED)
            assert len(missing_bursts(it)) == 4 * 60 - 10
            await bring(pipeline)
            await trio.sleep(2 * FILLED)
        assert it.missing == []
        assert {gap.progress for gap in it.gaps} == {Progress.FILLED}


async def test_an_import_of_a_part_leaves_the_rest_for_another(tmp_path: Path, autojump_clock: MockClock) -> None:
    async with house(tmp_path / "state.db") as it:
        async with it.living() as pipeline:
            times = list[int]()

            async def twice() -> None:
                await trio.sleep(60)
                times.append(it.now_ns())
                await trio.sleep(60)
                await it.work()
                await trio.sleep(60)

            await excluded_for_a_while(it, pipeline, twice)
            await trio.sleep(10)
            assert len(missing_bursts(it)) == 120 - 10
            await bring(pipeline, since_ns=times[0])
            await trio.sleep(2 * FILLED)
            assert len(missing_bursts(it)) == 60
            assert (left_out(it).spans, left_out(it).to_ns < times[0]) == (10, True)
            await bring(pipeline)
            await trio.sleep(2 * FILLED)
        assert it.missing == []
        assert max(Counter((each.entity_id, each.time_ns) for each in it.memory.points).values()) == 1


async def test_what_the_history_tells_of_who_is_left_out_by_then_is_not_known(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    """Missed while the connection was lost, asked for when they are left out: the gap is settled, and they can still be had."""
    async with house(tmp_path / "state.db") as it:
        async with it.living() as pipeline:
            await it.work()
            await trio.sleep(5)
            it.server.instance.recorder.delay = 20
            await happen(it.server, f.Drop())
            await it.work()
            await trio.sleep(10)
            pipeline.rules.set(Rules(NO_BURSTS))
            await trio.sleep(2 * FILLED)
            assert pipeline.tally.by_rule["pattern 1: entity_id=sensor.burst_*"] >= 50
            assert len(missing_bursts(it)) == 50
            pipeline.rules.set(Rules(EVERYTHING))
            await trio.sleep(30)
            await bring(pipeline)
            await trio.sleep(2 * FILLED)
        assert it.missing == []


async def test_an_import_finds_what_came_back_before_it_is_on_disk(tmp_path: Path, autojump_clock: MockClock) -> None:
    """A batch may be open for a minute, and what it proves is written down with it."""
    async with house(tmp_path / "state.db") as it:
        async with it.living(batch=Limits(max_points=100_000, max_age=100.0)) as pipeline:

            async def wait() -> None:
                await trio.sleep(30)

            await excluded_for_a_while(it, pipeline, wait)
            begun = await bring(pipeline, "sensor.burst_*")
            assert begun.entities == 10
            await trio.sleep(5 * FILLED)
            assert await bring(pipeline, "sensor.burst_*") == control.Imported()
        assert missing_bursts(it) == set()


async def test_the_books_balance_while_the_rules_change_under_load(autojump_clock: MockClock) -> None:
    """A thousand changes a second, and a reload every two seconds."""
    chosen = [EVERYTHING]
    async with living(entities=40) as it:
        await it.live()
        reloading = choosing(chosen)
        async with reloading.attached(it.pipeline):
            for number in range(10):
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(many, it.server)
                    await trio.sleep(0.3)
                    chosen.append(NO_BURSTS if number % 2 == 0 else EVERYTHING)
                    outcome = await reloading.reload("test")
                    assert outcome.left_out.count == (100 if number % 2 == 0 else 0)
                    assert outcome.stored.count == (0 if number % 2 == 0 else 100)
                    assert balanced(it.books), it.books
        await it.settled()
        assert it.books["received"] >= 20_000
        assert it.books["filtered"] + it.books["stored"] + it.books["repeated"] == it.books["received"]
        assert it.books["filtered"] > 5_000
        assert len(it.reports(reports.Reloaded)) == 10
        # A rule that is no more has no series of its own for ever.
        assert it.pipeline.tally.by_rule == {EARLIER: it.books["filtered"]}


async def many(server: Server) -> None:
    """Two seconds of a thousand changes each."""
    for _ in range(20):
        await server.burst(100, 100, 50)
        await trio.sleep(0.1)


async def test_only_what_was_left_out_of_them_is_offered(tmp_path: Path, autojump_clock: MockClock) -> None:
    """Who did not change while it was left out lacks nothing; who was never stored lacks everything."""
    chosen = [Filter(patterns=(Pattern(entity_id="sensor.burst_0001"), Pattern(domain="zone")))]
    async with house(tmp_path / "state.db") as it, it.living(rules=chosen[0]) as pipeline:
        reloading = choosing(chosen)
        async with reloading.attached(pipeline):
            await it.work()
            await trio.sleep(5)
            chosen.append(Filter(patterns=(Pattern(entity_id="sensor.burst_*"), Pattern(domain="zone"))))
            await reloading.reload("test")
            it.server.emit(change for change in [it.home.set("sensor.burst_0002", "1", {})] if change)
            await trio.sleep(5)
            chosen.append(Filter(patterns=(Pattern(entity_id="sensor.burst_0001"), Pattern(domain="zone"))))
            outcome = await reloading.reload("test")
            assert outcome.stored.count == 9
            assert outcome.offer.partition(" --entities ")[2] == "sensor.burst_0002"
            chosen.append(EVERYTHING)
            outcome = await reloading.reload("test")
            assert outcome.offer.partition(" --since ")[2].startswith("10d --entities sensor.burst_0001")
            chosen.append(NO_BURSTS)
            await reloading.reload("test")
            chosen.append(EVERYTHING)
            outcome = await reloading.reload("test")
            assert (outcome.stored.count, outcome.offer) == (10, "")


async def test_attributes_are_dropped_from_the_next_change_on(tmp_path: Path, autojump_clock: MockClock) -> None:
    settings = [Settings(home="home")]
    async with house(tmp_path / "state.db") as it, it.living() as pipeline:
        reloading = Reloading(lambda: Loaded(settings[-1], {}), Loaded(settings[0], {}), lambda _: None, InlineLane())
        async with reloading.attached(pipeline):
            await it.work(10)
            await trio.sleep(5)
            settings.append(evolve(settings[0], attributes=Attributes(drop=("friendly_name",))))
            outcome = await reloading.reload("test")
            assert outcome.settings[0].startswith("attributes.drop: without ")
            assert (outcome.restart, outcome.stored.count) == ((), 0)
            await it.work(10)
            await trio.sleep(5)
    texts = ["friendly_name" in each.attributes.json for each in it.memory.points if "burst" in each.entity_id]
    assert texts == [True] * 10 + [False] * 10


async def test_many_entities_are_compared_in_parts(monkeypatch: pytest.MonkeyPatch, autojump_clock: MockClock) -> None:
    monkeypatch.setattr(renewing, "CHUNK", 2)
    before, catalog = Rules(EVERYTHING), Catalog()
    for number in range(5):
        before.decide(f"sensor.burst_{number}", NO_ATTRIBUTES, catalog.facts(f"sensor.burst_{number}"))
    found = await renewing.compared(before, Rules(NO_BURSTS), catalog, Reconciler())
    assert len(found.left_out) == 5
    assert found.stored == ()
