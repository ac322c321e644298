"""Imports, against the home's own truth: what it did before anybody listened is stored, and nothing is written over."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
import trio
from attrs import evolve
from trio.testing import MockClock

from ingest.core import control, history_query, reports
from ingest.core.coverage import Cause, Progress
from ingest.core.filter_settings import FilterSettings, Pattern
from ingest.core.state import Source, nanoseconds
from ingest.errors import Transient
from ingest.pipeline import Pipeline
from ingest.simulator import recorder_faults as r
from ingest.simulator.script import happen
from tests.integration.house import MORNING
from tests.integration.test_gaps import FILLED, House, house

EVERYTHING = control.Import(nanoseconds(MORNING) - 20 * 3600 * 10**9)


async def begin(pipeline: Pipeline, asked: control.Import = EVERYTHING) -> control.Imported:
    assert pipeline.importing is not None
    return await pipeline.importing.begin(asked)


async def live_through(it: House, times: int = 3) -> None:
    """Before anybody listens."""
    for _ in range(times):
        await it.work()
        await trio.sleep(600)


def stored_once(it: House) -> bool:
    return max(Counter((point.entity_id, point.time_ns) for point in it.memory.points).values()) == 1


def live_points(it: House) -> dict[tuple[str, int], object]:
    return {(each.entity_id, each.time_ns): each for each in it.memory.points if each.origin is not Source.BACKFILL}


async def test_what_happened_before_is_stored_and_nothing_is_written_over(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    async with house(tmp_path / "state.db") as it:
        await live_through(it)
        async with it.living() as pipeline:
            await it.work()
            await trio.sleep(5)
            assert it.missing
            begun = await begin(pipeline)
            assert begun.entities > 20
            assert begun.pending == (begun.gap_id,)
            await it.work()
            await trio.sleep(FILLED)
            assert await begin(pipeline) == control.Imported()
            assert await begin(pipeline, evolve(EVERYTHING, since_ns=EVERYTHING.since_ns + 10**9)) == control.Imported()
        assert it.missing == []
        assert stored_once(it)
        (gap,) = it.gaps
        assert (gap.cause, gap.progress) == (Cause.IMPORTED, Progress.FILLED)
        assert gap.filled == len(it.points(Source.BACKFILL)) > 100


async def test_an_import_goes_on_where_it_was(
    tmp_path: Path, autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed: what was safe is not read again, and what was not is."""
    monkeypatch.setattr(history_query, "WIDEST_NS", 1800 * 10**9)
    async with house(tmp_path / "state.db") as it:
        await live_through(it, 30)
        async with it.living(killed=True) as pipeline:
            await trio.sleep(5)
            it.server.instance.recorder.delay = 20
            await begin(pipeline)
            with trio.fail_after(7200):
                while not it.points(Source.BACKFILL):  # noqa: ASYNC110  a store has no event
                    await trio.sleep(1)
            await trio.sleep(90)
            part = len(it.points(Source.BACKFILL))
            assert it.missing
        async with it.living():
            await trio.sleep(40 * FILLED)
        assert it.missing == []
        assert 0 < part < len(it.points(Source.BACKFILL))
        assert stored_once(it)
        assert {gap.progress for gap in it.gaps} == {Progress.FILLED}
        imported = next(gap for gap in it.gaps if gap.cause is Cause.IMPORTED)
        others = sum(gap.filled for gap in it.gaps if gap.cause is not Cause.IMPORTED)
        assert imported.filled + others == len(it.points(Source.BACKFILL))


async def test_only_what_is_named_and_stored_by_the_rules_is_asked_for(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    rules = FilterSettings(patterns=(Pattern(entity_id="sensor.burst_*1"),))
    async with house(tmp_path / "state.db") as it:
        await live_through(it, 1)
        async with it.living(rules=rules) as pipeline:
            await trio.sleep(5)
            begun = await begin(pipeline, evolve(EVERYTHING, entities=("sensor.burst_*",)))
            await trio.sleep(FILLED)
        names = {point.entity_id for point in it.points(Source.BACKFILL)}
        named = {each for each in it.home.states if each.startswith("sensor.burst_")}
        assert names == {each for each in named if not each.endswith("1")} != named
        assert begun.entities == len(names)


async def test_again_reads_what_is_stored(tmp_path: Path, autojump_clock: MockClock) -> None:
    async with house(tmp_path / "state.db") as it:
        async with it.living() as pipeline:
            await it.work()
            await trio.sleep(100)
            known = {(each.entity_id, each.time_ns) for each in it.memory.points}
            begun = await begin(pipeline, evolve(EVERYTHING, again=True))
            assert begun.entities
            await trio.sleep(FILLED)
        assert known <= {(each.entity_id, each.time_ns) for each in it.points(Source.BACKFILL)}


async def test_before_the_states_are_known_nothing_can_be_imported(tmp_path: Path, autojump_clock: MockClock) -> None:
    async with house(tmp_path / "state.db") as it, it.living() as pipeline:
        assert pipeline.importing is not None
        pipeline.importing.reconciler.enter(99)
        with pytest.raises(Transient, match="not read yet"):
            await begin(pipeline)


async def test_what_could_not_be_had_is_filled_when_somebody_asks(tmp_path: Path, autojump_clock: MockClock) -> None:
    async with house(tmp_path / "state.db") as it:
        async with it.living():
            await it.work()
            await trio.sleep(5)
        await it.work()
        await happen(it.server, r.Exclude(("sensor.burst_*",)))
        async with it.living() as pipeline:
            await trio.sleep(2 * FILLED)
            assert [gap.progress for gap in it.gaps] in ([Progress.PARTLY], [Progress.UNFILLABLE])
            assert it.missing
            it.server.instance.recorder.excluded = ()
            assert pipeline.importing is not None
            filling = await pipeline.importing.fill()
            assert (len(filling.gaps), filling.again > 0) == (1, True)
            await trio.sleep(FILLED)
            assert await pipeline.importing.fill() == control.Filling()
        assert it.missing == []
        assert stored_once(it)
        assert [gap.progress for gap in it.gaps] == [Progress.FILLED]


@pytest.mark.parametrize(
    ("code", "progress", "noticed"),
    [
        ("unknown_command", Progress.UNFILLABLE, False),
        ("unauthorized", Progress.OPEN, True),
        ("home_assistant_error", Progress.OPEN, True),
    ],
)
async def test_a_history_that_cannot_be_read_now_is_read_when_somebody_asks(
    code: str, progress: Progress, noticed: bool, tmp_path: Path, autojump_clock: MockClock
) -> None:
    async with house(tmp_path / "state.db") as it:
        errors = it.server.instance.mood.errors
        errors[history_query.COMMAND] = code, "no"
        await live_through(it, 1)
        async with it.living() as pipeline:
            await trio.sleep(5)
            await begin(pipeline)
            await trio.sleep(FILLED)
            assert [gap.progress for gap in it.gaps] == [progress]
            notices = [each for each in it.told if isinstance(each, reports.Notice)]
            assert (len(notices) == 1) is noticed
            errors.clear()
            assert pipeline.importing is not None
            await pipeline.importing.fill()
            await trio.sleep(60)
            assert [gap.progress for gap in it.gaps] == [Progress.FILLED]
        assert it.missing == []
        assert stored_once(it)
