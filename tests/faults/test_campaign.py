"""The fault campaign: `nox -s faults -- --examples 10000`; another `--campaign-seed`, other scenarios.

A scenario that fails is printed as it is written: put it into `FOUND`, and it is played by every run.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings

from ingest.core import reports
from ingest.simulator import faults as f
from tests.faults.campaign.found import FOUND
from tests.faults.campaign.mutants import CORNERED, MUTANTS, planted
from tests.faults.campaign.scenario import (
    SICKNESSES,
    Act,
    Crash,
    Outage,
    Room,
    Scenario,
    Sick,
    Terminate,
    scenarios,
)
from tests.faults.campaign.world import World, play
from tests.faults.conftest import REPORT

pytestmark = pytest.mark.slow

HUNT = 1_500
"""Scenarios within which a mutant must be found."""

SEEDS = {
    "evicted states believed to be stored": 10,
    "a span that grew while it was read, believed read": 8,
}
"""Those that the usual seed, 1, meets only after some hundreds of scenarios. Of twelve and nine other seeds the middle one needed about a hundred."""

assert SEEDS.keys() <= MUTANTS.keys()

Record = Callable[[str, object], None]


def test_without_faults_everything_is_stored() -> None:
    world = play(Scenario(0, ()))
    [life] = world.lives
    books = life.pipeline.books()
    assert books["received"] == books["stored"] + books["repeated"] >= 20
    assert world.database.keys == life.seen


def test_the_same_scenario_is_the_same_run() -> None:
    acts = (Act(3.0, Outage("503", 20.0)), Act(9.0, Crash(70, 3.0)), Act(20.0, f.Drop()), Act(30.0, Terminate(2.0)))
    runs = [play(Scenario(7, acts, pace=8.0)) for _ in range(2)]
    assert runs[0].database.points == runs[1].database.points
    assert [life.pipeline.books() for life in runs[0].lives] == [life.pipeline.books() for life in runs[1].lives]
    assert len(runs[0].lives) == 3


@pytest.mark.parametrize("what", FOUND)
def test_what_was_found_once(what: str) -> None:
    play(FOUND[what])


def test_campaign(examples: int, shard: int, record_property: Record) -> None:
    met: Counter[str] = Counter()

    @seed(shard)
    @settings(max_examples=examples, database=None, suppress_health_check=list(HealthCheck), print_blob=False)
    @given(scenarios)
    def campaign(scenario: Scenario) -> None:
        count(met, play(scenario))

    campaign()
    record_property(REPORT, dict(met))


def count(met: Counter[str], world: World) -> None:
    met["scenarios"] += 1
    met["lives of the service"] += len(world.lives)
    met.update({f"act: {name}": times for name, times in world.met.items()})
    met.update({f"database: {name}": times for name, times in world.database.met.items()})
    for life in world.lives:
        if life.built:
            met.update({f"states {term}": times for term, times in life.pipeline.books().items()})


def leaf(error: BaseException) -> BaseException:
    return leaf(error.exceptions[0]) if isinstance(error, BaseExceptionGroup) else error


@pytest.mark.parametrize("name", MUTANTS)
def test_the_campaign_finds_a_planted_bug(name: str) -> None:
    played = 0

    @seed(SEEDS.get(name, 1))
    @settings(
        max_examples=HUNT, database=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck),
        report_multiple_bugs=False,
    )  # fmt: skip
    @given(scenarios)
    def hunt(scenario: Scenario) -> None:
        nonlocal played
        played += 1
        play(scenario)

    with planted(name), pytest.raises((AssertionError, ExceptionGroup)) as found:
        hunt()
    assert played < HUNT
    assert isinstance(leaf(found.value), AssertionError), "the oracle finds it, not a crash"


@pytest.mark.parametrize("name", CORNERED)
def test_what_chance_meets_too_seldom_is_found_where_it_is_met(name: str) -> None:
    scenario = CORNERED[name][1]
    play(scenario)
    with planted(name), pytest.raises((AssertionError, ExceptionGroup)) as found:
        play(scenario)
    assert isinstance(leaf(found.value), AssertionError)


@pytest.mark.parametrize("name", MUTANTS)
def test_a_planted_bug_is_taken_out_again(name: str) -> None:
    where, attribute, _ = MUTANTS[name]
    right = getattr(where, attribute)
    with planted(name):
        assert getattr(where, attribute) is not right
    assert getattr(where, attribute) is right


@pytest.mark.parametrize("sick", [Sick(how, 40.0) for how in SICKNESSES], ids=repr)
def test_a_sick_disk_during_an_outage_and_a_stop(sick: Sick) -> None:
    """The corner in which the most can go wrong, once for every sickness, whatever the campaign draws."""
    acts = (Act(2.0, Outage("hangs", 60.0)), Act(4.0, sick), Act(20.0, Terminate(3.0)))
    world = play(Scenario(3, acts, Room(memory=1_500, batch=20), 8.0))
    assert len(world.lives) == 2
    late = world.lives[1].of(reports.Made)
    assert bool(late) == bool(world.met["file that could not be opened"]) == (sick.how != "slow")
