"""A restart of Home Assistant in the whole pipeline, with what it repeats left out; time is virtual."""

from __future__ import annotations

from pathlib import Path

import pytest
import trio
from trio.testing import MockClock

from ingest.core import reports
from ingest.core.coverage import Progress
from ingest.core.filter_settings import FilterSettings
from ingest.core.point import Kind
from ingest.core.restart import REPEATS
from ingest.core.state import Source
from ingest.simulator import faults as f
from ingest.simulator.script import happen
from tests.integration.test_gaps import FILLED, House, house


async def restart(it: House, *, busy: bool) -> None:
    """Home Assistant is away for five seconds; when `busy`, things happen that nobody but its recorder hears of."""
    async with trio.open_nursery() as nursery:
        nursery.start_soon(happen, it.server, f.Restart(5.0, 2.0))
        await trio.sleep(0.01)
        if busy:
            await it.work()
    await trio.sleep(2 * FILLED)


@pytest.mark.parametrize("busy", [False, True])
async def test_what_a_restart_repeats_is_left_out_and_no_value_is_wrong(
    tmp_path: Path, autojump_clock: MockClock, *, busy: bool
) -> None:
    async with house(tmp_path / "state.db") as it:
        async with it.living(rules=FilterSettings(drop_replays=True)) as pipeline:
            await it.work()
            await trio.sleep(5)
            stored_before = len(it.memory.points)
            await restart(it, busy=busy)
            replays = pipeline.tally.by_rule[REPEATS]
        assert replays > 0
        stored = {point.entity_id: point for point in sorted(it.memory.points, key=lambda point: point.time_ns)}
        truth = {state.entity_id: state.state for state in it.home.states.values()}
        assert {key: stored[key].state for key in truth} == truth
        assert {gap.progress for gap in it.gaps} == {Progress.FILLED}
        filtered = sum(each.rules.get(REPEATS, 0) for each in it.told if isinstance(each, reports.Filtered))
        assert filtered == replays
        replayed = [each for each in it.memory.points[stored_before:] if each.kind is Kind.STARTUP]
        assert len(replayed) + replays >= len(it.home.states)


async def test_a_restart_makes_no_changes(tmp_path: Path, autojump_clock: MockClock) -> None:
    async with house(tmp_path / "state.db") as it:
        async with it.living():
            await it.work()
            await trio.sleep(5)
            known = {point.entity_id: point.state for point in it.memory.points}
            count = len(it.memory.points)
            await restart(it, busy=False)
        after = it.memory.points[count:]
        again = [
            each for each in after if known.get(each.entity_id) == each.state and each.origin is not Source.SNAPSHOT
        ]
        assert [each for each in again if each.kind is Kind.CHANGED and each.previous_state == each.state] == []
        assert it.missing == []
