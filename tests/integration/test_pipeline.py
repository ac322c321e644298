from __future__ import annotations

import pytest
import trio
from attrs import evolve
from trio.testing import MockClock

from ingest.actors.batcher import Limits
from ingest.actors.connector import GaveUp, Persistence
from ingest.core import reports
from ingest.core.attributes import Drops
from ingest.core.enrich import Enricher
from ingest.core.filter_settings import FilterSettings, Pattern
from ingest.core.point import Facts, Kind, Point
from ingest.core.restart import Last
from ingest.core.state import Change, Source
from ingest.core.store import Batch, Keep, Verdict
from ingest.errors import Transient
from ingest.pipeline import SNAPSHOT_SHARE, Pipeline
from ingest.plan import STOP_WITHIN
from ingest.runtime.link import Overflow, Weight
from ingest.runtime.supervise import one_error
from ingest.simulator import faults
from ingest.simulator.home import Home
from ingest.simulator.script import happen
from tests.actors.states import check_states
from tests.integration.house import MORNING, Memory, Points, Running, candidate, living, server_of
from tests.support.marked import secret

BURST = 2000
FRAME = 512
"""The largest part of a frame that travels on a link."""


def stored(running: Running, prefix: str = "sensor.burst") -> list[str]:
    return [point.state for point in running.memory.points if point.entity_id.startswith(prefix)]


async def burst(running: Running, count: int = BURST) -> None:
    """So many changes in one frame; they are known by their states, the numbers from 0 on."""
    received = running.books["received"]
    await running.server.burst(count, entities=50, batch=count)
    await running.until(lambda: running.books["received"] >= received + count)


async def test_everything_the_home_does_is_stored(autojump_clock: MockClock) -> None:
    async with living() as running:
        await running.live()
        await burst(running)
        await trio.sleep(600)
        await running.settled()
        home = running.server.home
        missing = {(key, state.updated * 1000) for key, state in home.states.items()} - {
            (point.entity_id, point.time_ns) for point in running.memory.points
        }
    assert not missing
    assert [int(each) for each in sorted(stored(running), key=int)] == list(range(BURST))
    assert running.books["stored"] == running.books["received"] - running.books["repeated"]


async def test_points_carry_what_the_registries_know(autojump_clock: MockClock) -> None:
    async with living() as running:
        await running.live()
    point = next(point for point in running.memory.points if point.facts.area_id)
    assert point.facts.registry_id != point.entity_id
    assert point.facts.platform


async def test_a_moved_device_is_noticed(autojump_clock: MockClock) -> None:
    async with living() as running:
        await running.live()
        entity_id = next(point.entity_id for point in running.memory.encoded if point.facts.area_id)
        running.server.instance.move(entity_id, area_id="elsewhere")
        await running.until(lambda: running.pipeline.catalog.value.facts(entity_id).area_id == "elsewhere")


async def test_what_moves_while_everything_is_read_is_noticed_in_two_seconds(autojump_clock: MockClock) -> None:
    async with living() as running, trio.open_nursery() as nursery:
        await running.live()
        entity_id = next(point.entity_id for point in running.memory.encoded if point.facts.area_id)
        readings = len(running.reports(reports.CatalogLoaded))
        running.server.instance.mood.delay = 0.35  # of one command after the other: three seconds for everything
        nursery.start_soon(running.pipeline.inventory.rediscovery.now)
        await trio.sleep(1)
        running.server.instance.move(entity_id, area_id="elsewhere")
        await trio.sleep(2)
        assert len(running.reports(reports.CatalogLoaded)) == readings, "everything is still being read"
        assert running.pipeline.catalog.value.facts(entity_id).area_id == "elsewhere"
        await running.until(lambda: len(running.reports(reports.CatalogLoaded)) > readings)
        assert running.pipeline.catalog.value.facts(entity_id).area_id == "elsewhere"


async def test_a_renamed_entity_is_the_same_from_its_first_state_on(autojump_clock: MockClock) -> None:
    async with living() as running:
        await running.live()
        await running.settled()
        before = next(point for point in running.memory.points if point.facts.area_id)
        running.server.instance.rename(before.entity_id, f"{before.entity_id}_renamed")
        await trio.sleep(5)
        await running.settled()
    (gone,) = [point for point in running.memory.points if point.kind is Kind.REMOVED]
    (first, *_) = [point for point in running.memory.points if point.entity_id == f"{before.entity_id}_renamed"]
    assert gone.facts == first.facts == before.facts


async def test_what_the_rules_leave_out_is_counted(autojump_clock: MockClock) -> None:
    rules = FilterSettings(patterns=(Pattern(entity_id="sensor.burst_*"),))
    async with living(rules=rules) as running:
        await running.live()
        await burst(running, 300)
        await running.settled()
    assert stored(running) == []
    assert running.books["filtered"] == 300


@pytest.mark.parametrize(
    ("overflow", "kept"),
    [(Overflow.DROP_OLDEST, range(BURST - BURST % FRAME, BURST)), (Overflow.DROP_NEWEST, range(FRAME))],
)
async def test_an_intake_at_capacity_sheds_as_it_is_told(
    overflow: Overflow, kept: range, autojump_clock: MockClock
) -> None:
    async with living(intake=Weight(FRAME, 10**8), intake_overflow=overflow) as running:
        await running.live()
        await running.settled()
        await burst(running)
        await running.settled()
    shed = running.reports(reports.Shed)
    assert sorted(map(int, stored(running))) == list(kept)
    assert sum(each.count for each in shed) == BURST - len(kept)
    assert {each.link for each in shed} == {"intake"}
    assert all(each.entities and each.oldest_ns <= each.newest_ns for each in shed)


async def test_an_intake_bounded_in_bytes_sheds_too(autojump_clock: MockClock) -> None:
    async with living(intake=Weight(10**6, 300_000)) as running:
        await running.live()
        await burst(running)
        await running.settled()
    assert 0 < running.books["shed"] < BURST


async def test_a_blocking_link_at_capacity_loses_nothing(autojump_clock: MockClock) -> None:
    async with living(
        link=Weight(FRAME, 10**8), link_overflow=Overflow.BLOCK, slow_spool=True, batch=Limits(max_points=100)
    ) as running:
        await running.live()
        await burst(running)
        assert running.books["in_flight"] > FRAME
        await running.settled()
    assert sorted(map(int, stored(running))) == list(range(BURST))
    assert running.pipeline.link.peak.events < 2 * FRAME
    assert running.books["shed"] == 0


@pytest.mark.parametrize(("overflow", "expected"), [(Overflow.DROP_OLDEST, BURST - 1), (Overflow.DROP_NEWEST, 0)])
async def test_a_shedding_link_at_capacity_sheds_as_it_is_told(
    overflow: Overflow, expected: int, autojump_clock: MockClock
) -> None:
    async with living(
        link=Weight(FRAME, 10**8), link_overflow=overflow, slow_spool=True, batch=Limits(max_points=100)
    ) as running:
        await running.live()
        await running.settled()
        await burst(running)
        await running.settled()
    assert expected in set(map(int, stored(running)))
    shed = running.reports(reports.Shed)
    assert {each.link for each in shed} == {"memory"}
    assert running.books["shed"] == sum(each.count for each in shed) > 0


async def test_a_full_spool_evicts_and_says_so(autojump_clock: MockClock) -> None:
    memory = Memory()
    async with living(memory=memory, spool_memory=100_000, batch=Limits(max_points=100)) as running:
        await running.live()
        await running.settled()
        memory.down = True
        await burst(running)
        await trio.sleep(30)
        memory.down = False
        await running.settled()
    assert running.books["evicted"] == sum(each.count for each in running.reports(reports.Evicted)) > 0
    assert BURST - 1 in set(map(int, stored(running)))


async def test_what_a_full_spool_evicted_comes_again_with_the_next_snapshot(autojump_clock: MockClock) -> None:
    memory = Memory(down=True)
    async with living(memory=memory, spool_memory=8100) as running:
        await running.live()
        await running.until(lambda: running.books["evicted"])
        memory.down = False
        await running.settled()
        await happen(running.server, faults.Drop())
        await running.live(2)
        await running.settled()
        entities = set(running.server.home.states)
    assert {point.entity_id for point in memory.points} == entities


async def test_a_snapshot_leaves_room_for_changes(autojump_clock: MockClock) -> None:
    async with living(intake=Weight(40, 10**8), slow_spool=True, batch=Limits(max_points=1)) as running:
        await running.live()
        assert running.pipeline.intake.peak.events <= 40 * (1 + SNAPSHOT_SHARE) + FRAME


class Brittle(Enricher):
    def made_of(self, change: Change, source: Source, facts: Facts, last: Last | None) -> Point:
        if change.data.entity_id == "sensor.burst_0007":
            raise ZeroDivisionError("bug")
        return super().made_of(change, source, facts, last)


async def test_an_event_that_breaks_a_pure_function_goes_to_the_dead_letters(autojump_clock: MockClock) -> None:
    async with living(enricher=Brittle(Drops())) as running:
        await running.live()
        await burst(running, 500)
        await running.settled()
    letters = running.reports(reports.DeadLetter)
    assert len(letters) == running.books["rejected"] == 10
    assert {letter.reason for letter in letters} == {"ZeroDivisionError: bug"}
    assert len(stored(running)) == 490


async def test_a_database_that_is_away_for_a_while_costs_nothing(autojump_clock: MockClock) -> None:
    memory = Memory()
    async with living(memory=memory) as running:
        await running.live()
        memory.down = True
        await burst(running)
        await trio.sleep(300)
        assert running.books["spooled"] > 0
        memory.down = False
        await running.settled()
    assert sorted(map(int, stored(running))) == list(range(BURST))
    assert len(running.reports(reports.StoreRecovered)) == 1


async def test_a_restart_of_home_assistant_is_survived(autojump_clock: MockClock) -> None:
    async with living() as running:
        await running.live()
        await running.server.restart()
        await running.live(2)
        assert len(running.server.clients("live")) == 1
        await burst(running, 100)
        await running.settled()
    assert sorted(map(int, stored(running))) == list(range(100))
    way = [state.value for state in check_states(running.emitted)["primary"]]
    assert way[:7] == ["idle", "connecting", "authenticating", "loading", "subscribing", "snapshot", "live"]
    assert len(running.reports(reports.Connected)) == 2


async def test_home_assistant_may_be_away_at_the_start(autojump_clock: MockClock) -> None:
    async with living() as running:
        running.server.accepting.set(False)
        await trio.sleep(120)
        running.server.accepting.set(True)
        await running.live()
    assert running.reports(reports.ConnectionFailed)
    assert running.books["stored"] > 0


@pytest.mark.parametrize(
    ("fault", "within"),
    [
        (faults.Drop(), 5),
        (faults.Drop("bulk"), 5),
        (faults.Cut(), 60),
        (faults.HalfOpen("live"), 60),
        (faults.HalfOpen("bulk"), 60),
        (faults.Burst(), 5),
    ],
    ids=repr,
)
async def test_a_broken_session_is_found_and_begun_again(
    fault: faults.Fault, within: float, autojump_clock: MockClock
) -> None:
    async with living() as running:
        await running.live()
        await trio.sleep(5)
        began = trio.current_time()
        await happen(running.server, fault)
        await running.live(2)
        assert trio.current_time() - began <= within + 10
        await running.settled()


@pytest.mark.parametrize("what", ["json", "shape"])
async def test_what_cannot_be_read_is_counted_and_skipped(what: str, autojump_clock: MockClock) -> None:
    async with living() as running:
        await running.live()
        await happen(running.server, faults.Malformed(what))  # type: ignore[arg-type]  # one of the two
        await burst(running, 10)
        await running.settled()
    assert len(running.reports(reports.MalformedMessage)) == 1
    assert running.books["malformed"] == (what == "shape")
    # Of a whole frame nobody knows what was in it: a new session finds out what is missing.
    assert len(running.reports(reports.Connected)) == (1 if what == "shape" else 2)


async def test_commands_that_a_release_does_not_have_are_no_obstacle(autojump_clock: MockClock) -> None:
    async with living() as running:
        for command in ("supported_features", "config/area_registry/list"):
            running.server.instance.mood.errors[command] = ("unknown_command", "Unknown command.")
        await running.live()
        await running.settled()
    assert running.reports(reports.CatalogFailed)
    # What templates tell is there, what they cannot is not invented.
    assert {point.facts.registry_id == point.entity_id for point in running.memory.points} == {True}
    assert any(point.facts.area_id for point in running.memory.points)


async def test_a_server_without_registries_or_ids_in_its_errors_delays_nothing(autojump_clock: MockClock) -> None:
    async with living() as running:
        mood = running.server.instance.mood
        mood.errors |= {"config/*": ("unknown_command", ""), "api/template": ("unauthorized", "")}
        mood.nameless = {"config/*"}
        await running.live()
        assert trio.current_time() < 5
        await running.settled()
    assert running.reports(reports.RegistryFailed)[0].reason == "templates are refused. Give another token."


async def test_what_was_known_serves_from_the_first_point_on_when_the_registries_fail(
    autojump_clock: MockClock,
) -> None:
    async with living() as first:
        await first.live()
        await first.settled()
    known = first.pipeline.catalog.value
    async with living() as running:
        running.server.instance.mood.errors |= {"config/*": ("unknown_error", ""), "api/*": ("unauthorized", "")}
        running.pipeline.catalog.set(known.as_of(5))
        await running.live()
        await running.settled()
    ids = {point.entity_id: point.facts.registry_id for point in running.memory.points}
    assert ids
    assert ids == {entity_id: known.facts(entity_id).registry_id for entity_id in ids}
    assert any(point.facts.area_id for point in running.memory.points)


async def test_the_primary_is_back_within_one_backoff_while_the_others_token_is_wrong(
    autojump_clock: MockClock,
) -> None:
    other = server_of(Home(2, 10, MORNING), token=secret("another-home-assistant"))
    candidates = [candidate("primary"), candidate("backup")]
    async with living(
        candidates=candidates, others={"backup": other}, persistence=Persistence(max_delay=60.0)
    ) as running:
        running.server.accepting.set(False)
        await trio.sleep(900)
        running.server.accepting.set(True)
        began = trio.current_time()
        await running.live()
        assert trio.current_time() - began <= 61
    (refused,) = running.reports(reports.CandidateRefused)
    assert refused.candidate == "backup"
    assert len(running.reports(reports.ConnectionFailed)) < 60
    ways = check_states(running.emitted)
    assert [state.value for state in ways["backup"]] == ["idle", "connecting", "authenticating", "refused", "stopped"]


async def test_stopping_drains_what_is_under_way(autojump_clock: MockClock) -> None:
    async with living(memory=Memory(seconds=1.0), batch=Limits(max_points=1000, max_age=30.0)) as running:
        await running.live()
        await burst(running)
        assert running.books["stored"] < running.books["received"]
    assert running.books["spooled"] == running.books["in_flight"] == 0
    assert not running.reports(reports.Lost)
    assert sorted(map(int, stored(running))) == list(range(BURST))
    last = running.emitted[-1]
    assert isinstance(last, reports.Stopped)
    assert last.balanced


async def test_stopping_has_a_deadline_and_keeps_what_is_not_stored(autojump_clock: MockClock) -> None:
    memory = Memory(down=True)
    async with living(memory=memory, stop_within=5.0) as running:
        await running.live()
        await burst(running)
        began = trio.current_time()
    assert trio.current_time() - began <= 5
    assert running.books["spooled"] == running.books["received"] - running.books["repeated"]
    assert running.reports(reports.Lost) == [reports.Lost("memory", running.books["spooled"])]
    assert f"of which {running.books['spooled']} were only in memory and are lost" in running.emitted[-1].text()
    assert running.books["in_flight"] == 0


class Dead(Memory):
    """Whatever is asked of it hangs, cancelled or not, until it is given up."""

    def __init__(self) -> None:
        super().__init__()
        self.given_up = trio.Event()

    async def hang(self, _: reports.Emit) -> None:
        with trio.CancelScope(shield=True):
            await self.given_up.wait()

    async def deliver(self, batch: Batch[Points]) -> Verdict:
        await self.hang(lambda _: None)
        return Keep("given up")

    def held_by(self, pipeline: Pipeline) -> None:
        """The pipeline flushes to it as well, and knows how to give it up."""
        destination = evolve(pipeline.plan.destination, give_up=self.given_up.set, flush=self.hang)
        pipeline.plan = evolve(pipeline.plan, destination=destination)


async def test_stopping_has_one_deadline_for_the_tail_and_for_what_comes_after_it(autojump_clock: MockClock) -> None:
    async with living(memory=Memory(down=True), stop_within=5.0) as running:
        Dead().held_by(running.pipeline)
        await running.live()
        await burst(running)
        began = trio.current_time()
    assert trio.current_time() - began == pytest.approx(5)


async def test_stopping_leaves_a_dead_disk_behind(autojump_clock: MockClock) -> None:
    dead = Dead()
    async with living(memory=dead) as running:
        dead.held_by(running.pipeline)
        await running.live()
        began = trio.current_time()
    assert trio.current_time() - began == pytest.approx(STOP_WITHIN)
    assert running.reports(reports.Lost) == [reports.Lost("memory", running.books["spooled"])]


async def test_a_pipeline_that_is_cancelled_leaves_a_dead_disk_behind_too(autojump_clock: MockClock) -> None:
    dead = Dead()
    with trio.CancelScope() as scope:
        async with living(memory=dead) as running:
            dead.held_by(running.pipeline)
            await running.live()
            began = trio.current_time()
            scope.cancel()
            await trio.sleep_forever()
    assert trio.current_time() - began == pytest.approx(STOP_WITHIN)
    assert isinstance(running.emitted[-1], reports.Stopped)


async def test_stopping_at_once_is_clean(autojump_clock: MockClock) -> None:
    async with living() as running:
        pass
    assert running.books["stored"] == 0


async def test_giving_up_ends_the_pipeline_with_its_own_error(autojump_clock: MockClock) -> None:
    emitted: list[reports.Report] = []
    with pytest.raises(GaveUp), one_error():
        await _without_home(emitted)
    last = emitted[-1]
    assert isinstance(last, reports.Stopped)
    assert last.balanced


async def _without_home(emitted: list[reports.Report]) -> None:
    async with living(persistence=Persistence(max_retries=3)) as running:
        running.pipeline.listeners += (emitted.append,)
        running.server.accepting.set(False)
        await trio.sleep_forever()


class Broken(Memory):
    async def deliver(self, batch: Batch[Points]) -> Verdict:
        raise ZeroDivisionError(f"bug met by {batch.count} points")


async def test_a_store_that_breaks_is_a_bug_and_ends_the_pipeline(autojump_clock: MockClock) -> None:
    emitted: list[reports.Report] = []
    with pytest.raises(ZeroDivisionError), one_error():
        await _breaking(emitted)
    last = emitted[-1]
    assert isinstance(last, reports.Stopped)
    assert last.balanced


async def _breaking(emitted: list[reports.Report]) -> None:
    async with living(memory=Broken()) as running:
        running.pipeline.listeners += (emitted.append,)
        await trio.sleep_forever()


async def test_upkeep_goes_on_and_ends_with_the_pipeline(autojump_clock: MockClock) -> None:
    done: list[float] = []

    async def upkeep() -> None:
        done.append(trio.current_time())
        if len(done) == 2:
            raise Transient("the disk is busy")

    async with living(upkeep=upkeep, upkeep_every=100.0) as running:
        await running.live()
        await trio.sleep(350)
    assert len(done) == 3
    assert any("the disk is busy" in notice.text() for notice in running.reports(reports.Notice))
