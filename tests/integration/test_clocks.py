"""Gaps of a home whose clock and ours do not agree: nothing is given up that the recorder has yet to write."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
import trio
from trio.testing import MockClock

from ingest.core.coverage import Cause, Progress
from ingest.core.home_clock import SILENCE_NS
from ingest.core.recorder import NO_TIME
from ingest.edge.disk_spool import Limits
from ingest.simulator import faults as f
from ingest.simulator import recorder_faults as r
from ingest.simulator.acts import Act
from ingest.simulator.script import happen
from ingest.simulator.values import micros
from tests.integration.house import MORNING
from tests.integration.test_evicted import Database
from tests.integration.test_gaps import FILLED, House, check, house


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


async def test_of_what_a_full_spool_dropped_nothing_is_given_up_for_a_state_from_the_future(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    """It is in the snapshot for as long as its entity does not change, and says nothing of what comes later."""
    async with house(tmp_path / "state.db", Database()) as it:
        it.home.now += 600 * 10**6
        it.home.set("sensor.other", "1", {})
        it.home.now -= 600 * 10**6
        await happen(it.server, r.Commits(30.0))
        async with it.living(limits=Limits(6_000, 6_000)):
            for number in range(18):
                it.memory.down = number >= 10
                await it.work()
                await trio.sleep(5 if it.memory.down else 10)
            it.memory.down = False
            await trio.sleep(4 * FILLED)
        assert [each for each in it.missing if each[0] != "sensor.other"] == []
        assert [(gap.cause, gap.progress) for gap in it.gaps] == [(Cause.EVICTED, Progress.FILLED)]


async def removed_while_nobody_listened(it: House, behind: float) -> None:
    """Nothing else happens in this home, and from then on our clock is so many seconds behind."""
    it.home._next = Act(micros(MORNING) + 10**12, "sensor.nobody")
    async with it.living():
        it.server.emit(each for each in [it.home.set("sensor.gone", "1", {})] if each)
        await trio.sleep(30)
    await trio.sleep(1800)
    it.server.emit(each for each in [it.home.set("sensor.gone", "2", {}), it.home.remove("sensor.gone")] if each)
    await trio.sleep(5)
    right = it.wall
    it.wall = lambda: right() - timedelta(seconds=behind)


@pytest.mark.parametrize("behind", [0, 100, 3600])
async def test_who_is_gone_is_not_asked_about_before_the_home_told_what_time_it_is(
    tmp_path: Path, autojump_clock: MockClock, behind: float
) -> None:
    async with house(tmp_path / "state.db") as it:
        await removed_while_nobody_listened(it, behind)
        async with it.living():
            await trio.sleep(600)
            assert [gap.progress for gap in it.gaps] == [Progress.OPEN]
            it.server.emit(each for each in [it.home.set("sensor.other", "1", {})] if each)
            await trio.sleep(60)
        check(it, [Cause.STOPPED])


@pytest.mark.parametrize(("behind", "why"), [(0, ""), (100, ""), (3600, f"{NO_TIME} (1)")])
async def test_a_home_of_which_nothing_is_heard_any_more_is_asked_by_our_clock_and_the_gap_says_so(
    tmp_path: Path, autojump_clock: MockClock, behind: float, why: str
) -> None:
    async with house(tmp_path / "state.db") as it:
        await removed_while_nobody_listened(it, behind)
        async with it.living():
            await trio.sleep(SILENCE_NS / 1e9 + 60)
        assert [gap.why for gap in it.gaps] == [why]
        assert bool(it.missing) == bool(why)
