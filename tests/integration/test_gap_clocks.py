"""Home Assistant's clock is set, and what is missed then of who was absent meanwhile is found all the same. Ours stands."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
import trio
from trio.testing import MockClock

from ingest.core.coverage import Progress
from ingest.core.recorder import PURGED
from ingest.simulator import faults as f
from ingest.simulator.recorder_faults import Purge
from ingest.simulator.script import happen
from tests.integration.test_gaps import FILLED, House, house
from tests.integration.test_gaps_in_turn import quiet

YEARS = 10 * 365 * 86_400.0


def put(it: House, entity_id: str, state: str) -> tuple[str, int]:
    made = it.home.set(entity_id, state, {}, force=True)
    assert made is not None
    it.server.emit([made])
    return entity_id, made.fired * 1000


def put_in_the_future(it: House, entity_id: str) -> None:
    """One state of a clock that is ten years ahead for a moment."""
    now = it.home.now
    it.home.now += int(YEARS * 1e6)
    put(it, entity_id, "1")
    it.home.now = now


def stand_still(it: House) -> None:
    """Nothing happens in this home from now on but what the test does."""
    it.home._waiting.clear()
    quiet(it)
    put(it, "sensor.late", "0")


def remove(it: House, entity_id: str) -> None:
    it.server.emit(change for change in [it.home.remove(entity_id)] if change)


def shift(it: House, seconds: float) -> None:
    before = it.server._now
    it.server._now = lambda: before() + timedelta(seconds=seconds)
    it.home.now += int(seconds * 1e6)


async def miss_two_states(it: House) -> set[tuple[str, int]]:
    """One that only the history has, and the next, which the snapshot has, too."""
    await happen(it.server, f.Drop())
    return {put(it, "sensor.late", "in the gap"), put(it, "sensor.late", "in the snapshot")}


async def test_who_was_absent_when_a_clock_two_hours_ahead_was_set_back(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    async with house(tmp_path / "state.db") as it:
        shift(it, 7200)
        async with it.living():
            put(it, "sensor.late", "before")
            await it.work()
            await trio.sleep(10)
            await happen(it.server, f.Drop())
            remove(it, "sensor.late")
            shift(it, -7200)
            await trio.sleep(FILLED)
            live = {put(it, "sensor.late", "is back")}
            await trio.sleep(20)
            live.add(put(it, "sensor.late", "goes on"))
            await trio.sleep(20)
            assert not live & set(it.missing)
            missed = await miss_two_states(it)
            await trio.sleep(2 * FILLED)
            assert not missed & set(it.missing)


async def test_who_was_absent_and_is_in_the_snapshot_of_a_clock_that_is_behind(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    """Home Assistant comes up after a power cut, before its clock is set."""
    async with house(tmp_path / "state.db") as it, it.living():
        put(it, "sensor.late", "before")
        await it.work()
        await trio.sleep(10)
        await happen(it.server, f.Drop())
        del it.home.states["sensor.late"]  # as of an integration that is late: nothing says that it is gone
        await trio.sleep(FILLED + 100)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(happen, it.server, f.Restart(5.0, 2.0))
            await trio.sleep(1)
            shift(it, -2520)
            back = put(it, "sensor.late", "is back")
        await trio.sleep(2 * FILLED)
        assert back not in it.missing


async def test_one_state_ten_years_ahead_hides_nothing_of_who_is_absent_later(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    async with house(tmp_path / "state.db") as it, it.living():
        await it.work()
        put(it, "sensor.late", "0")
        it.home._waiting.clear()  # else a day's behaviours would run for ten years
        now = it.home.now
        it.home.now += int(YEARS * 1e6)
        put(it, "sensor.ghost", "1")
        remove(it, "sensor.ghost")
        it.home.now = now
        await trio.sleep(60)
        put(it, "sensor.late", "1")
        await trio.sleep(7200)
        await happen(it.server, f.Drop())
        del it.home.states["sensor.late"]
        await trio.sleep(FILLED + 60)
        seen = {put(it, "sensor.late", "is back")}
        await trio.sleep(3600)
        for _ in range(3):
            seen |= await miss_two_states(it)
            await trio.sleep(3600)
        await trio.sleep(2 * FILLED)
        assert not seen & set(it.missing)


@pytest.mark.parametrize("restarted", [False, True])
async def test_what_an_entity_missed_whose_last_state_is_from_the_future(
    tmp_path: Path, autojump_clock: MockClock, *, restarted: bool
) -> None:
    async with house(tmp_path / "state.db") as it:
        stand_still(it)
        async with it.living():
            put_in_the_future(it, "sensor.late")
            await trio.sleep(10)
            put(it, "sensor.other", "1")
            await trio.sleep(100)
            missed = set() if restarted else await miss_two_states(it)
            await trio.sleep(2 * FILLED)
        if restarted:
            await trio.sleep(600)
            missed = {put(it, "sensor.late", "in the gap"), put(it, "sensor.late", "in the snapshot")}
        async with it.living():
            await trio.sleep(2 * FILLED)
        assert not missed & set(it.missing)


@pytest.mark.parametrize("between", ["", "silent", "unreachable"])
async def test_what_is_thrown_away_within_a_gap_is_told_though_one_state_is_from_the_future(
    tmp_path: Path, autojump_clock: MockClock, between: str
) -> None:
    """Also where a run in between heard nothing, or never heard of the home."""
    async with house(tmp_path / "state.db") as it:
        stand_still(it)
        async with it.living():
            put_in_the_future(it, "sensor.ghost")
            await trio.sleep(10)
            known = put(it, "sensor.late", "1")
            await trio.sleep(100)
        if between:
            it.server.accepting.set(between == "silent")
            async with it.living():
                await trio.sleep(100)
            it.server.accepting.set(True)
        for number in range(60):
            put(it, "sensor.late", f"v{number}")
            await trio.sleep(60)
        await happen(it.server, Purge(1500))
        async with it.living():
            put(it, "sensor.late", "live")
            await trio.sleep(2 * FILLED)
        assert it.missing
        assert (Progress.PARTLY, f"{PURGED} (1)") in {(gap.progress, gap.why) for gap in it.gaps}
        assert {gap.from_ns for gap in it.gaps} == {known[1]}
