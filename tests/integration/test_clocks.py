"""Gaps of a home whose clock and ours do not agree: nothing is given up that the recorder has yet to write."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
import trio
from trio.testing import MockClock

from ingest.core.coverage import Cause
from ingest.simulator import faults as f
from ingest.simulator import recorder_faults as r
from ingest.simulator.script import happen
from tests.integration.test_gaps import FILLED, check, house


@pytest.mark.parametrize("ahead", [600, -600])
async def test_a_home_that_is_quiet_after_a_gap_is_waited_for_whatever_our_clock_says(
    tmp_path: Path, autojump_clock: MockClock, ahead: int
) -> None:
    async with house(tmp_path / "state.db") as it:
        right = it.wall
        it.wall = lambda: right() + timedelta(seconds=ahead)
        await happen(it.server, r.Commits(30.0))
        async with it.living():
            await it.work()
            await trio.sleep(100)
            await happen(it.server, f.Drop())
            await it.work()
            await trio.sleep(FILLED)
        check(it, [Cause.CONNECTION])


@pytest.mark.parametrize("live", [True, False], ids=["in the session", "before it"])
async def test_a_home_whose_clock_was_ahead_for_one_change_is_waited_for(
    tmp_path: Path, autojump_clock: MockClock, *, live: bool
) -> None:
    async with house(tmp_path / "state.db") as it:
        home = it.home

        def change_from_the_future() -> None:
            home.now += 600 * 10**6
            it.server.emit(each for each in [home.set("sensor.other", "1", {})] if each)
            home.now -= 600 * 10**6

        await happen(it.server, r.Commits(30.0))
        async with it.living():
            await it.work()
            await trio.sleep(40)
            await happen(it.server, f.Drop())
            await it.work()
            if live:
                await trio.sleep(1.5)
            change_from_the_future()
            await trio.sleep(2 * FILLED)
        assert [each for each in it.missing if each[0] != "sensor.other"] == []
