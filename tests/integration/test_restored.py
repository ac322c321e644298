"""What restoring an older back-up means: the ledger asks for what came since, and nothing is stored twice."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import trio
from trio.testing import MockClock

from ingest.cli.main import main
from ingest.core import control
from ingest.core.coverage import Cause, Progress
from ingest.core.homeiq import Encoder
from ingest.core.point import Point
from ingest.core.state import Source
from ingest.edge.backup import Kept, back_up, check_state, restore
from ingest.edge.embedded_read import open_store
from ingest.simulator import faults as f
from ingest.simulator.script import happen
from tests.cli.stores import run
from tests.integration.test_gaps import FILLED, House, house
from tests.integration.test_import import begin
from tests.integration.test_state_files import configured, running
from tests.support.homes import running_home


def state_of(it: House) -> list[Kept]:
    return [Kept(it.path, "state.db", check_state)]


def in_the_database(points: Sequence[Point]) -> set[tuple[bytes, bytes]]:
    """What InfluxDB has of them: a point is its series and its time."""
    lines = [Encoder().line(point) for point in points]
    return {(line.partition(b" ")[0], line.rpartition(b" ")[2]) for line in lines}


def moments(points: Sequence[Point]) -> set[tuple[str, int]]:
    return {(point.entity_id, point.time_ns) for point in points}


async def test_who_was_gone_and_comes_back_in_another_area_when_its_gap_is_filled_is_told_once(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    """All of it again would be poorer, and another series."""
    away = "sensor.living_room_climate_battery"
    async with house(tmp_path / "state.db") as it:

        def put(state: str) -> None:
            it.server.emit(change for change in [it.home.set(away, state, {})] if change)

        async with it.living():
            put("1")
            await trio.sleep(5)
            await happen(it.server, f.Drop())
            for number in range(5):
                put(f"missed {number}")
            it.server.emit(change for change in [it.home.remove(away)] if change)
            await trio.sleep(2 * FILLED)
            assert [gap.progress for gap in it.gaps] == [Progress.FILLED]
            it.server.instance.move(away, area_id="bathroom")
            await trio.sleep(10)
            put("back")
            await trio.sleep(2 * FILLED)
        points = [point for point in it.memory.points if point.entity_id == away]
        assert [gap.progress for gap in it.gaps] == [Progress.FILLED] * 2
        assert it.missing == []
        assert len(in_the_database(points)) == len(points) == len(moments(points))


async def test_a_state_file_that_is_older_than_the_database_has_the_time_since_filled_and_nothing_doubled(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    async with house(tmp_path / "state.db") as it:
        async with it.living():
            await it.work()
            await trio.sleep(5)
            back_up(state_of(it), tmp_path / "kept", lambda _: None)
            await it.work()
            await trio.sleep(5)
        await it.work()
        live = moments(it.memory.points)
        [aside] = restore(state_of(it), tmp_path / "kept", it.now_ns(), lambda _: None)
        assert aside.exists()
        await trio.sleep(60)
        async with it.living():
            await trio.sleep(2 * FILLED)
        assert it.missing == []
        (gap,) = it.gaps
        assert (gap.cause, gap.progress) == (Cause.KILLED, Progress.FILLED)
        again = live & moments(it.points(Source.BACKFILL))
        assert again, "what came after the back-up is asked for once more, and said more poorly"
        assert len(in_the_database(it.memory.points)) == len(moments(it.memory.points)) == len(it.truth)


async def test_a_new_state_file_and_an_import_write_over_no_live_state(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    """The other way, when the database has more than the back-up: from the moment of the crash on."""
    async with house(tmp_path / "state.db") as it:
        async with it.living():
            await it.work()
            await trio.sleep(5)
        live, crashed_ns = moments(it.memory.points), it.now_ns()
        await trio.sleep(5)
        await it.work()
        it.path = tmp_path / "new.db"
        await trio.sleep(60)
        async with it.living() as pipeline:
            await begin(pipeline, control.Import(crashed_ns))
            await trio.sleep(2 * FILLED)
        assert it.missing == []
        assert not live & moments(it.points(Source.BACKFILL))
        assert len(in_the_database(it.memory.points)) == len(moments(it.memory.points)) == len(it.truth)


KEYS = [f"sensor.of_the_test_{number}" for number in range(5)]


async def test_a_machine_is_lost_and_another_goes_on_from_the_back_up(tmp_path: Path) -> None:
    """The real service, its real files and the commands: made while it runs, put into a folder of another machine."""
    truth = set[tuple[str, int]]()
    with running_home() as home:

        async def change(state: str) -> None:
            truth.update(await trio.to_thread.run_sync(home.change, KEYS, state))

        async def until_all_is_stored(folder: Path) -> None:
            with trio.fail_after(60):  # the recorder tells it when it has committed it
                while not truth <= set(stored(folder)):  # noqa: ASYNC110  another thread writes the file
                    await trio.sleep(0.1)

        async with running(configured(tmp_path / "one", home)) as service:
            await service.stored()
            await change("before the back-up")
            await until_all_is_stored(tmp_path / "one")
            made = await trio.to_thread.run_sync(run, main, "backup", tmp_path / "kept", *sets(tmp_path / "one"))
            assert made.exit_code == 0, made.output
            await change("after it, and stored where it is lost")
            await until_all_is_stored(tmp_path / "one")
        await change("heard by nobody")
        await change("so in the home when it goes on")
        done = run(main, "restore", tmp_path / "kept", *sets(tmp_path / "two"))
        assert done.exit_code == 0, done.output
        assert len(truth & set(stored(tmp_path / "two"))) == len(KEYS)

        async with running(configured(tmp_path / "two", home)):
            await until_all_is_stored(tmp_path / "two")
    found = stored(tmp_path / "two")
    assert len(set(found)) == len(found)
    assert len(truth) == 4 * len(KEYS)


def sets(folder: Path) -> tuple[str, ...]:
    chosen = (f"spool.path={folder / 'state.db'}", f"embedded.path={folder / 'home.db'}", "api.enabled=false")
    return tuple(word for each in chosen for word in ("--set", each))


def stored(folder: Path) -> list[tuple[str, int]]:
    with (
        open_store(folder / "home.db") as reader,
        closing(reader.connection.execute("SELECT entity_id, time_ns FROM changes")) as rows,
    ):
        return [(str(entity_id), int(time_ns)) for entity_id, time_ns in rows]
