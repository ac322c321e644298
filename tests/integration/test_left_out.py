"""Who is gone, comes back while a rule leaves it out, and is stored again: what came live is told by nobody else."""

from __future__ import annotations

from pathlib import Path

import pytest
import trio
from trio.testing import MockClock

from ingest.core.coverage import Cause, Progress
from ingest.core.filter_settings import FilterSettings, Pattern
from ingest.core.rules import Rules
from ingest.simulator import faults as f
from ingest.simulator.script import happen
from tests.integration.test_gaps import FILLED, house
from tests.integration.test_import import begin, stored_once

KEY = "sensor.free"


@pytest.mark.parametrize("lost", [False, True], ids=["in one session", "the connection is lost once more"])
@pytest.mark.parametrize("before", [False, True], ids=["back before that", "back meanwhile"])
async def test_what_came_live_is_not_told_again_by_the_history(
    tmp_path: Path, autojump_clock: MockClock, *, lost: bool, before: bool
) -> None:
    async with house(tmp_path / "state.db") as it:
        count = 0

        def change() -> None:
            nonlocal count
            count += 1
            it.server.emit(each for each in [it.home.set(KEY, f"v{count}", {})] if each)

        async with it.living() as pipeline:
            change()
            await trio.sleep(5)
            await happen(it.server, f.Drop())
            it.server.emit(each for each in [it.home.remove(KEY)] if each)
            await trio.sleep(20)
            pipeline.rules.set(Rules(FilterSettings(patterns=(Pattern(entity_id=KEY),))))
            await trio.sleep(5)
            if before:
                change()
            await trio.sleep(5)
            if lost:
                await happen(it.server, f.Drop())
            if not before:
                change()
            await trio.sleep(20)
            pipeline.rules.set(Rules(FilterSettings()))
            for _ in range(5):
                await trio.sleep(5)
                change()
            await trio.sleep(3 * FILLED)
            assert stored_once(it)
            assert {gap.progress for gap in it.gaps if gap.cause is Cause.CONNECTION} == {Progress.FILLED}
            await begin(pipeline)
            await trio.sleep(FILLED)
        assert stored_once(it)
        assert [state for name, state in it.missing if name == KEY] == [], (
            "its removal was left out, too, when it was told"
        )
