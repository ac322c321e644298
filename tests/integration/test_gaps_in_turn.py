"""Gaps whose filling is overtaken: by another reading, by a purge, by who came back."""

from __future__ import annotations

from pathlib import Path

import pytest
import trio
from trio.testing import MockClock

from ingest.core.coverage import Cause, Progress
from ingest.core.home_clock import SILENCE_NS
from ingest.core.recorder import PURGED
from ingest.core.state import Source
from ingest.edge.disk_spool import Limits
from ingest.simulator import faults, recorder_faults
from ingest.simulator.acts import Act
from ingest.simulator.script import happen
from ingest.simulator.values import micros
from tests.integration.house import MORNING
from tests.integration.test_evicted import ROOM, Database, outage
from tests.integration.test_gaps import FILLED, House, house

NAME = "sensor.n"


def put(it: House, state: str, entity_id: str = NAME) -> None:
    it.server.emit(each for each in (it.home.set(entity_id, state, {}),) if each)


def remove(it: House, entity_id: str = NAME) -> None:
    it.server.emit(each for each in (it.home.remove(entity_id),) if each)


def quiet(it: House) -> None:
    """Nothing happens in this home but what the test does."""
    it.home._next = Act(micros(MORNING) + 10**12, "sensor.nobody")


async def test_a_reading_does_not_settle_a_span_whose_end_has_moved_meanwhile(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    async with house(tmp_path / "state.db") as it:
        quiet(it)
        put(it, "0")
        async with it.living():
            put(it, "1")
            await trio.sleep(5)
            await happen(it.server, faults.Drop())
            remove(it)
            await trio.sleep(2 * FILLED)
            await happen(it.server, faults.Drop())
            await trio.sleep(2 * FILLED)
            await happen(it.server, faults.Drop())
            await trio.sleep(SILENCE_NS / 1e9 - 5)  # nothing tells what time it is
            it.server.instance.recorder.delay = 50.0
            await trio.sleep(50)  # it is asked about
            it.server.accepting.set(False)
            await happen(it.server, faults.Drop())
            it.server.instance.recorder.delay = 0.0
            await trio.sleep(300)
            for number in range(4):
                put(it, f"v{number}")
                await trio.sleep(10)
            it.server.accepting.set(True)
            await trio.sleep(4 * FILLED)
        assert it.missing == []


@pytest.mark.parametrize("away", [True, False])
async def test_who_was_away_and_came_back_is_among_what_is_reopened(
    tmp_path: Path, autojump_clock: MockClock, away: bool
) -> None:
    async with house(tmp_path / "state.db") as it:
        put(it, "0")
        async with it.living() as pipeline:
            put(it, "1")
            await trio.sleep(5)
            await happen(it.server, faults.Drop())
            if away:
                remove(it)
            await trio.sleep(10)
            for number in range(5):
                put(it, f"v{number}")
                await trio.sleep(30)
            await trio.sleep(FILLED)
            ledger = pipeline.plan.destination.ledger
            assert ledger is not None
            it.memory.batches.clear()  # the database is put back to a back-up of an hour ago
            await ledger.reopen(it.now_ns() - 3600 * 10**9)
            await trio.sleep(2 * FILLED)
        assert Cause.REOPENED in {each.cause for each in it.gaps}
        assert not [key for key in it.missing if key[0] == NAME]


async def miss_an_hour(it: House) -> None:
    """A change a minute while nobody listens; then the recorder takes half a minute for each answer."""
    quiet(it)
    put(it, "0")
    async with it.living():
        put(it, "1")
        await trio.sleep(5)
    for number in range(60):
        put(it, str(number))
        await trio.sleep(60)
    it.server.instance.recorder.delay = 30


async def filling(it: House) -> None:
    with trio.fail_after(600):
        while not it.points(Source.BACKFILL):  # noqa: ASYNC110
            await trio.sleep(0.5)


async def test_what_is_purged_while_a_filling_is_interrupted_is_said_to_lack(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    async with house(tmp_path / "state.db") as it:
        await miss_an_hour(it)
        async with it.living(killed=True):
            await filling(it)
            await trio.sleep(3)
        await trio.sleep(600)
        await happen(it.server, recorder_faults.Purge(1500))
        it.server.instance.recorder.delay = 0
        async with it.living():
            await trio.sleep(2 * FILLED)
        assert it.missing
        assert (Progress.PARTLY, f"{PURGED} (1)") in {(each.progress, each.why) for each in it.gaps}


async def test_what_is_purged_while_the_connection_is_lost_is_said_to_lack(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    """The same process goes on with the same reading; nothing is told to follow what it read before the purge."""
    async with house(tmp_path / "state.db") as it:
        await miss_an_hour(it)
        async with it.living():
            await filling(it)
            await trio.sleep(3)
            it.server.accepting.set(False)
            await happen(it.server, faults.Drop())
            await trio.sleep(600)
            await happen(it.server, recorder_faults.Purge(1500))
            it.server.instance.recorder.delay = 0
            it.server.accepting.set(True)
            await trio.sleep(1200)
        assert it.missing
        assert (Progress.PARTLY, f"{PURGED} (1)") in {(each.progress, each.why) for each in it.gaps}
        told = [(point.state, point.previous_state) for point in it.points(Source.BACKFILL) if point.previous_state]
        assert told
        assert all(before == str(int(state) - 1) for state, before in told if state not in {"0", "1"})


async def test_what_an_outage_lost_and_the_recorder_threw_away_is_said_to_lack(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    """Nothing is asked before that: of what is older no row was seen."""
    async with house(tmp_path / "state.db", Database()) as it:
        quiet(it)
        it.server.instance.mood.errors["recorder/info"] = ("unknown_error", "not now")
        async with it.living(limits=Limits(ROOM, ROOM)):
            await it.work()
            await trio.sleep(10)
            await outage(it)
            await happen(it.server, recorder_faults.Purge(100))
            await trio.sleep(60)
            it.server.instance.mood.errors.clear()
            await trio.sleep(900)
        assert it.missing
        (gap,) = it.gaps
        assert (gap.cause, gap.progress, gap.why) == (Cause.EVICTED, Progress.PARTLY, f"{PURGED} ({gap.spans})")


@pytest.mark.parametrize("killed", [True, False])
@pytest.mark.parametrize("back", [True, False], ids=["back", "new"])
async def test_a_run_that_ends_before_its_snapshot_does_not_shorten_the_gap(
    tmp_path: Path, autojump_clock: MockClock, back: bool, killed: bool
) -> None:
    async with house(tmp_path / "state.db") as it:
        put(it, "0", "sensor.known")
        if back:
            put(it, "first")
        async with it.living():
            put(it, "1", "sensor.known")
            await trio.sleep(5)
            if back:
                remove(it)
                await trio.sleep(5)
        if back:  # a session through which it is absent
            async with it.living():
                put(it, "1b", "sensor.known")
                await trio.sleep(200)
        await trio.sleep(60)
        for number in range(5):  # nobody listens
            put(it, f"v{number}")
            await trio.sleep(60)
        it.server.instance.state = "NOT_RUNNING"  # it is starting: the snapshot waits
        async with it.living(killed=killed):
            put(it, "2", "sensor.known")
            await trio.sleep(5)
        it.server.instance.state = "RUNNING"
        await trio.sleep(10)
        async with it.living():
            await trio.sleep(3 * FILLED)
        assert not [key for key in it.missing if key[0] in {NAME, "sensor.known"}]
