# ruff: noqa: ASYNC240  a test may touch its own files

from __future__ import annotations

import json
import random
import resource
import shutil
import sqlite3
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack, closing, contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import attrs
import pytest
import trio
from msgspec.structs import replace

from ingest.core.point import Attributes, Facts, Kind, Point
from ingest.core.rows import Row, row_of
from ingest.core.state import HOUR_NS, Context, Source
from ingest.core.store import Batch, Delivered, Keep, Verdict
from ingest.edge import embedded_names
from ingest.edge.aside import SetAside
from ingest.edge.embedded import Embedded, EmbeddedSettings, open_embedded
from ingest.edge.embedded_schema import VERSION, prepare
from ingest.edge.sqlite import open_writer
from ingest.errors import Refused
from ingest.runtime.lane import InlineLane, ThreadLane

S = 10**9
NOW = 1_770_000_000 * S // HOUR_NS * HOUR_NS
DAY = 24 * HOUR_NS
FACTS = Facts("r1", "device", "kitchen", None, "zha", "Acme", "T1", "1.0")
TEMPERATURE = Attributes('{"unit_of_measurement":"°C"}', "temperature", "°C", "Kitchen")


def point(at: int = NOW, state: str = "22.5", facts: Facts = FACTS, entity_id: str = "sensor.kitchen") -> Point:
    try:
        value: float | None = float(state)
    except ValueError:
        value = None
    context = Context("01JD", None, "user")
    return Point(entity_id, at, state, facts, TEMPERATURE, value, "22.4", 12.5, Kind.CHANGED, context)


def batch(points: Sequence[Point]) -> Batch[tuple[Row, ...]]:
    times = [one.time_ns for one in points] or [0]
    return Batch(tuple(row_of(one) for one in points), len(points), 0, min(times), max(times))


async def put(embedded: Embedded, *points: Point) -> Verdict:
    return await embedded.store.deliver(batch(points))


def look(path: Path, sql: str, *bound: object) -> list[tuple[Any, ...]]:
    """What any SQLite tool sees, while the store has the file open."""
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(sql, bound).fetchall()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "home.db"


@pytest.fixture
def reports() -> list[SetAside]:
    return []


@pytest.fixture
async def embedded(path: Path, reports: list[SetAside]) -> AsyncIterator[Embedded]:
    async with open_embedded(EmbeddedSettings(path), InlineLane(), lambda: NOW, reports.append) as opened:
        yield opened


async def test_everything_the_schema_keeps_is_there_for_any_tool(embedded: Embedded, path: Path) -> None:
    assert await put(embedded, point(NOW + 123_456_000)) == Delivered()
    with closing(sqlite3.connect(path)) as connection:
        connection.row_factory = sqlite3.Row
        row = dict(connection.execute("SELECT * FROM changes").fetchone())
    assert row == {
        "time": "2026-02-02T02:00:00.123456Z", "time_ns": NOW + 123_456_000, "entity_id": "sensor.kitchen",
        "state": "22.5", "value": 22.5, "previous_state": "22.4", "duration_in_state_seconds": 12.5,
        "kind": "changed", "origin": None, "domain": "sensor", "device_id": "device", "area_id": "kitchen",
        "entity_category": None, "platform": "zha", "manufacturer": "Acme", "model": "T1", "sw_version": "1.0",
        "device_class": "temperature", "unit": "°C", "friendly_name": "Kitchen", "restored": 0,
        "attributes": '{"unit_of_measurement":"°C"}', "context_id": "01JD", "context_parent_id": None,
        "context_user_id": "user", "registry_id": "r1",
    }  # fmt: skip


@pytest.mark.parametrize("state", ["unavailable", "unknown", "removed", "", "✨ " + "x" * 100_000, "a\x00b", "nan"])
async def test_every_state_is_stored_as_it_was_said(embedded: Embedded, path: Path, state: str) -> None:
    await put(embedded, point(state=state))
    assert look(path, "SELECT state, value FROM changes") == [(state, None)]


async def test_a_lone_surrogate_costs_a_character_not_a_batch(embedded: Embedded, path: Path) -> None:
    assert await put(embedded, point(), point(NOW + 1, state="a\ud800")) == Delivered()
    assert look(path, "SELECT state FROM changes ORDER BY time_ns") == [("22.5",), ("a?",)]


async def test_the_same_batch_twice_is_stored_once(embedded: Embedded, path: Path) -> None:
    points = [point(NOW + at, str(at)) for at in range(100)]
    for _ in range(2):
        assert await put(embedded, *points) == Delivered()
    assert look(path, "SELECT count(*) FROM change") == [(100,)]
    assert look(path, "SELECT (SELECT count(*) FROM attributes), (SELECT count(*) FROM facts)") == [(1, 1)]


@pytest.mark.parametrize(
    ("first", "second", "stays"),
    [
        (None, Source.SNAPSHOT, None),
        (None, Source.BACKFILL, None),
        (Source.SNAPSHOT, None, None),
        (Source.BACKFILL, None, None),
        (Source.SNAPSHOT, Source.BACKFILL, "snapshot"),
        (Source.BACKFILL, Source.SNAPSHOT, "snapshot"),
    ],
)
async def test_the_richer_account_of_a_change_stays(
    embedded: Embedded, path: Path, first: Source | None, second: Source | None, stays: str | None
) -> None:
    for origin in (first, second):
        await put(embedded, replace(point(), origin=origin))
    assert look(path, "SELECT origin FROM changes") == [(stays,)]


async def test_a_rename_is_the_same_entity_and_each_change_keeps_its_name(embedded: Embedded, path: Path) -> None:
    moved = attrs.evolve(FACTS, area_id="cellar")
    await put(embedded, point(NOW), point(NOW + 1, facts=moved, entity_id="sensor.cellar"))
    await put(embedded, point(NOW - 1))
    assert look(path, "SELECT entity_id, area_id, registry_id FROM entities") == [("sensor.cellar", "cellar", "r1")]
    assert look(path, "SELECT entity_id, area_id FROM changes ORDER BY time_ns") == [
        ("sensor.kitchen", "kitchen"), ("sensor.kitchen", "kitchen"), ("sensor.cellar", "cellar"),
    ]  # fmt: skip


async def test_names_are_found_again_after_a_restart_and_past_a_full_memory(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedded_names, "REMEMBERED", 2)
    points = [point(NOW + at, facts=attrs.evolve(FACTS, registry_id=f"r{at}")) for at in range(5)]
    for _ in range(2):
        async with open_embedded(EmbeddedSettings(path), ThreadLane(), lambda: NOW) as opened:
            assert await put(opened, *points) == Delivered()
    assert look(path, "SELECT count(*) FROM entity") == [(5,)]
    assert look(path, "SELECT count(*) FROM facts") == [(5,)]


async def test_a_full_disk_keeps_the_batch_and_goes_on_when_there_is_room(embedded: Embedded, path: Path) -> None:
    await put(embedded, point())
    pages = embedded._connection.execute("PRAGMA page_count").fetchone()[0]  # type: ignore[union-attr]  # it is open
    embedded._connection.execute(f"PRAGMA max_page_count = {pages}")  # type: ignore[union-attr]
    many = [point(NOW + at, "x" * 100, attrs.evolve(FACTS, registry_id=f"e{at}")) for at in range(1, 200)]
    verdict = await put(embedded, *many)
    assert isinstance(verdict, Keep)
    assert "no space" in verdict.reason
    assert "Free some space" in verdict.remedy
    embedded._connection.execute("PRAGMA max_page_count = 100000")  # type: ignore[union-attr]
    assert await put(embedded, *many) == Delivered()
    assert look(path, "SELECT count(*), count(DISTINCT registry_id) FROM changes") == [(200, 200)]


@contextmanager
def a_disk_that_takes_nothing() -> Iterator[None]:
    """No file of this process may grow."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


async def test_a_disk_that_takes_nothing_at_the_start_is_waited_for(tmp_path: Path) -> None:
    path = tmp_path / "new" / "home.db"
    async with AsyncExitStack() as stack:
        with a_disk_that_takes_nothing():
            opened = await stack.enter_async_context(open_embedded(EmbeddedSettings(path), InlineLane(), lambda: NOW))
            assert "the disk failed" in str(opened.problem)
            assert list(path.parent.iterdir()) == []
            verdict = await put(opened, point())
            assert isinstance(verdict, Keep)
            assert "the disk failed" in verdict.reason
            assert list(path.parent.iterdir()) == []
        assert await put(opened, point()) == Delivered()
    assert look(path, "SELECT count(*) FROM changes") == [(1,)]


async def test_a_file_that_cannot_be_written_keeps_the_batch(embedded: Embedded) -> None:
    embedded._connection.execute("PRAGMA query_only = ON")  # type: ignore[union-attr]  # it is open
    verdict = await put(embedded, point())
    assert isinstance(verdict, Keep)
    assert "cannot be written" in verdict.reason
    assert "writable" in verdict.remedy


async def test_another_programs_lock_keeps_the_batch_and_nobody_needs_to_act(embedded: Embedded, path: Path) -> None:
    embedded._connection.execute("PRAGMA busy_timeout = 1")  # type: ignore[union-attr]  # it is open
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        verdict = await put(embedded, point())
    assert isinstance(verdict, Keep)
    assert verdict.remedy == ""
    assert await put(embedded, point()) == Delivered()


async def test_a_damaged_file_is_set_aside_at_opening(path: Path, reports: list[SetAside]) -> None:
    path.write_bytes(b"garbage" * 1000)
    for _ in range(2):
        async with open_embedded(EmbeddedSettings(path), InlineLane(), lambda: NOW, reports.append) as opened:
            assert await put(opened, point()) == Delivered()
    (report,) = reports
    assert report.kept_as.read_bytes() == b"garbage" * 1000
    assert "damaged" in report.reason


async def test_somebody_elses_file_is_left_alone(tmp_path: Path, reports: list[SetAside]) -> None:
    path = tmp_path / "README.md"
    path.write_text("# mine")
    with pytest.raises(Refused, match="not ours"):
        async with open_embedded(EmbeddedSettings(path), InlineLane(), lambda: NOW, reports.append):
            pass
    assert (path.read_text(), reports) == ("# mine", [])


def spoil(path: Path) -> None:
    """Overwrite the second half of the file, behind SQLite's back: its layout stays readable."""
    half = path.stat().st_size // 2
    with path.open("r+b") as file:
        file.seek(half)
        file.write(b"\xff" * half)


async def test_a_file_damaged_under_us_is_set_aside_and_the_batch_stored_but_once_an_hour(
    path: Path, reports: list[SetAside]
) -> None:
    now = NOW
    many = [point(NOW + at, str(at)) for at in range(3000)]
    async with open_embedded(EmbeddedSettings(path), InlineLane(), lambda: now, reports.append) as opened:
        for aside in (1, 1, 2):
            await put(opened, *many)
            opened.close()
            spoil(path)
            verdict = await put(opened, *many)
            assert len(reports) == aside
            assert isinstance(verdict, Keep) == (now == NOW + S)
            now += S if now == NOW else 3 * HOUR_NS
            if isinstance(verdict, Keep):
                assert ".recover" in verdict.remedy
                path.unlink()
    assert [report.kept_as.stat().st_size > 100_000 for report in reports] == [True, True]
    assert look(path, "SELECT count(*) FROM change") == [(3000,)]


async def test_damage_that_a_thread_meets_is_told_in_trios(path: Path) -> None:
    told: list[float] = []
    async with open_embedded(
        EmbeddedSettings(path), ThreadLane(), lambda: NOW, lambda _: told.append(trio.current_time())
    ) as opened:
        for _ in range(2):
            assert await put(opened, *(point(NOW + at, str(at)) for at in range(3000))) == Delivered()
            opened.close()
            spoil(path)
        assert len(told) == 1


async def test_files_set_aside_never_replace_each_other(path: Path, reports: list[SetAside]) -> None:
    for text in (b"one" * 100, b"two" * 100):
        path.write_bytes(text)
        async with open_embedded(EmbeddedSettings(path), InlineLane(), lambda: NOW, reports.append):
            pass
    assert [report.kept_as.read_bytes() for report in reports] == [b"one" * 100, b"two" * 100]


async def test_a_file_that_cannot_be_renamed_is_damage_for_a_person(path: Path) -> None:
    path.write_bytes(b"garbage" * 1000)
    now = NOW
    opened = Embedded(EmbeddedSettings(path), InlineLane(), lambda: now, lambda _: None)
    (path.parent / "home.db-wal").touch()
    stamp = "20260202T020000Z"
    (path.parent / f"home.db.damaged-{stamp}-wal").mkdir()
    with pytest.raises(Refused, match="damaged"):
        opened.open()
    for later in (NOW, NOW + 2 * HOUR_NS):
        now = later
        (path.parent / "home.db-wal").touch()
        (path.parent / "home.db.damaged-20260202T040000Z-wal").mkdir(exist_ok=True)
        verdict = await put(opened, point())
        assert isinstance(verdict, Keep)
        assert ".recover" in verdict.remedy
    assert path.read_bytes() == b"garbage" * 1000


async def test_a_file_removed_under_us_is_begun_anew(embedded: Embedded, path: Path) -> None:
    await put(embedded, point())
    path.unlink()
    assert await put(embedded, point(NOW + 1, "23")) == Delivered()
    assert look(path, "SELECT state FROM changes") == [("23",)]


async def test_a_folder_removed_under_us_is_made_again_or_told(embedded: Embedded, path: Path) -> None:
    shutil.rmtree(path.parent)
    path.parent.touch()
    verdict = await put(embedded, point())
    assert isinstance(verdict, Keep)
    assert verdict.remedy
    path.parent.unlink()
    assert await put(embedded, point()) == Delivered()


async def test_a_newer_file_is_refused_with_a_remedy(path: Path) -> None:
    async with open_embedded(EmbeddedSettings(path), InlineLane(), lambda: NOW):
        pass
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(f"PRAGMA user_version = {VERSION + 1}")
    with pytest.raises(Refused, match="newer homeiq-ingest") as caught:
        async with open_embedded(EmbeddedSettings(path), InlineLane(), lambda: NOW):
            pytest.fail("it was opened")
    assert "newer version" in caught.value.remedy


async def test_somebody_elses_database_is_left_alone(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE photos (a)")
    with pytest.raises(Refused, match="not an embedded store"):
        async with open_embedded(EmbeddedSettings(path), InlineLane(), lambda: NOW):
            pytest.fail("it was opened")
    assert look(path, "SELECT name FROM sqlite_master") == [("photos",)]


async def test_cancelling_closes_the_file(path: Path) -> None:
    with trio.CancelScope() as scope:
        async with open_embedded(EmbeddedSettings(path), ThreadLane(), lambda: NOW) as opened:
            await put(opened, point())
            scope.cancel()
            await trio.lowlevel.checkpoint()
    assert not path.with_name("home.db-wal").exists()


# ---- upkeep ------------------------------------------------------------------------------------------------------


def life(start: int, hours: int, entities: int = 3) -> list[Point]:
    chance = random.Random(7)
    return [
        point(start + at * 60 * S + entity, str(chance.randint(0, 30)), attrs.evolve(FACTS, registry_id=f"e{entity}"))
        for at in range(hours * 60)
        for entity in range(entities)
    ]


HOURS = "SELECT * FROM rollup ORDER BY entity, hour"


async def rolled(path: Path, *batches: Sequence[Point]) -> list[tuple[Any, ...]]:
    async with open_embedded(EmbeddedSettings(path), InlineLane(), lambda: NOW) as opened:
        for points in batches:
            await put(opened, *points)
            await opened.maintain()
    return look(path, HOURS)


async def test_late_points_give_the_same_roll_up_as_points_in_time(tmp_path: Path) -> None:
    points = life(NOW - DAY, 6)
    late = points[100:300]
    at_once = await rolled(tmp_path / "a.db", points)
    after = await rolled(tmp_path / "b.db", points[:100] + points[300:], late, late)
    assert len(at_once) == 18
    assert after == at_once


async def test_an_hour_with_many_changes_is_rolled_up_in_parts(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    points = life(NOW - DAY, 2, entities=7)
    whole = await rolled(path.with_name("whole.db"), points)
    monkeypatch.setattr("ingest.edge.embedded_upkeep.ROLLED", 100)
    assert await rolled(path, points) == whole


async def test_a_batch_between_the_parts_leaves_the_hour_due(embedded: Embedded, path: Path) -> None:
    await put(embedded, *life(NOW - DAY, 1))
    steps = embedded._upkeep()
    next(steps)
    await put(embedded, point(NOW - DAY + 5, "99"))
    for _ in steps:
        pass
    assert look(path, "SELECT late > 0 FROM hour") == [(1,)]
    await embedded.maintain()
    assert look(path, "SELECT changes, late FROM hour") == [(181, 0)]
    assert look(path, "SELECT max(high) FROM rollup") == [(99.0,)]


async def test_upkeep_ends_when_the_file_is_set_aside_meanwhile(embedded: Embedded, path: Path) -> None:
    await put(embedded, *life(NOW - DAY, 5))
    steps = embedded._upkeep()
    next(steps)
    path.unlink()
    await put(embedded, point())
    assert list(steps) == []


async def test_the_running_hour_waits(embedded: Embedded, path: Path) -> None:
    await put(embedded, point(NOW + S))
    await embedded.maintain()
    assert look(path, HOURS) == []


async def test_the_hourly_view_puts_in_what_held_before(embedded: Embedded, path: Path) -> None:
    start = NOW - 3 * HOUR_NS
    await put(
        embedded, point(start, "10"), point(start + HOUR_NS + 1800 * S, "20"), point(start + 2 * HOUR_NS, "unavailable")
    )
    await embedded.maintain()
    assert look(path, "SELECT hour, min, mean, max, last, last_state, seconds_by_state FROM hourly ORDER BY hour") == [
        ("2026-02-01T23:00:00Z", 10.0, 10.0, 10.0, 10.0, "10", None),
        ("2026-02-02T00:00:00Z", 10.0, 15.0, 20.0, 20.0, "20", None),
        ("2026-02-02T01:00:00Z", 20.0, None, 20.0, None, "unavailable", json.dumps({"unavailable": 3600.0}, separators=(",", ":"))),
    ]  # fmt: skip


async def test_a_question_about_one_entity_reads_that_ones_hours_only(embedded: Embedded, path: Path) -> None:
    question = "SELECT max(max) FROM hourly WHERE entity_id = 'sensor.kitchen'"
    plan = " ".join(row[3] for row in look(path, f"EXPLAIN QUERY PLAN {question}"))
    assert "SEARCH rollup USING PRIMARY KEY (entity=?)" in plan
    assert "SEARCH earlier USING PRIMARY KEY (entity=? AND hour<?)" in plan


def test_a_file_of_before_gets_the_views_of_today_once_nobody_holds_it(path: Path) -> None:
    views = "SELECT name, sql FROM sqlite_master WHERE type = 'view' ORDER BY name"
    with closing(open_writer(path)) as writer, closing(sqlite3.connect(path, isolation_level=None)) as other:
        prepare(writer, path)
        today = look(path, views)
        other.execute("DROP VIEW hourly")
        other.execute("CREATE VIEW hourly AS SELECT 1 AS hour")
        before = look(path, views)
        writer.execute("PRAGMA busy_timeout = 0")
        other.execute("BEGIN IMMEDIATE")
        prepare(writer, path)
        assert look(path, views) == before
        other.execute("ROLLBACK")
        prepare(writer, path)
        assert look(path, views) == today
        written = look(path, "PRAGMA schema_version")
        prepare(writer, path)
        assert look(path, "PRAGMA schema_version") == written


async def test_retention_rolls_up_removes_and_gives_space_back(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ingest.edge.embedded_upkeep.REMOVED", 100)
    old = [replace(one, attributes=Attributes("x" * 500 + str(at))) for at, one in enumerate(life(NOW - 20 * DAY, 24))]
    settings = EmbeddedSettings(path, retention=timedelta(days=1))
    async with open_embedded(settings, InlineLane(), lambda: NOW) as opened:
        await put(opened, *old)
        await put(opened, *life(NOW - HOUR_NS, 1))
        opened.close()
        before = path.stat().st_size
        await opened.maintain()
        assert look(path, "SELECT count(*) FROM change") == [(180,)]
        assert look(path, "SELECT count(*) FROM attributes") == [(1,)]
        assert look(path, "SELECT count(*), sum(changes) FROM rollup") == [(75, 24 * 180 + 180)]
        late = await put(opened, old[0], point(NOW))
    assert isinstance(late, Delivered)
    (rejection,) = late.rejected
    assert "retention" in rejection.reason
    assert look(path, "SELECT count(*) FROM change") == [(181,)]
    assert path.stat().st_size < before / 4


async def test_changes_that_are_not_rolled_up_yet_are_never_removed(path: Path) -> None:
    later = NOW
    async with open_embedded(
        EmbeddedSettings(path, retention=timedelta(hours=1)), InlineLane(), lambda: later
    ) as opened:
        await put(opened, point(NOW + 5 * HOUR_NS), point(NOW - 5 * HOUR_NS))
        await opened.maintain()
        assert look(path, "SELECT time_ns FROM change") == [(NOW + 5 * HOUR_NS,)]
        later = NOW + 20 * HOUR_NS
        await put(opened, point(later))
        await opened.maintain()
    assert look(path, "SELECT time_ns FROM change") == [(later,)]
    assert look(path, "SELECT count(*) FROM rollup") == [(2,)]


async def test_a_clock_that_is_ahead_for_a_while_costs_no_history(path: Path) -> None:
    clock = NOW
    old = [point(NOW - day * DAY) for day in range(5)]
    async with open_embedded(EmbeddedSettings(path, timedelta(days=10)), InlineLane(), lambda: clock) as opened:
        await put(opened, *old)
        await opened.maintain()
        clock = NOW + 500 * DAY
        await opened.maintain()
        assert look(path, "SELECT count(*) FROM change") == [(5,)]
        clock = NOW + HOUR_NS
        assert await put(opened, point(clock)) == Delivered()


async def test_the_home_and_we_ahead_together_cost_a_day_of_the_oldest_at_each_upkeep(path: Path) -> None:
    clock = NOW
    async with open_embedded(EmbeddedSettings(path, timedelta(days=4)), InlineLane(), lambda: clock) as opened:
        await put(opened, *(point(NOW - day * DAY) for day in range(4)))
        await opened.maintain()
        clock = NOW + 500 * DAY
        await put(opened, point(clock))
        await opened.maintain()
        assert look(path, "SELECT count(*) FROM change") == [(5,)]
        await opened.maintain()
        assert look(path, "SELECT count(*) FROM change") == [(4,)]
        clock = NOW + HOUR_NS
        await opened.maintain()
        assert look(path, "SELECT count(*) FROM change") == [(4,)]
        assert await put(opened, point(clock)) == Delivered()


async def test_a_clock_that_is_behind_for_a_while_delays_no_forgetting(path: Path) -> None:
    clock = NOW
    async with open_embedded(EmbeddedSettings(path, timedelta(days=1)), InlineLane(), lambda: clock) as opened:
        await put(opened, point(NOW - HOUR_NS), point())
        await opened.maintain()
        clock = 0
        await opened.maintain()
        clock = NOW + DAY
        await put(opened, point(clock))
        await opened.maintain()
    assert look(path, "SELECT time_ns FROM change ORDER BY time_ns") == [(NOW,), (NOW + DAY,)]


async def test_a_home_that_says_nothing_any_more_keeps_its_last_changes(path: Path) -> None:
    clock = NOW
    async with open_embedded(EmbeddedSettings(path, timedelta(days=1)), InlineLane(), lambda: clock) as opened:
        await put(opened, point(NOW - 5 * DAY), point())
        clock = NOW + 50 * DAY
        await opened.maintain()
    assert look(path, "SELECT time_ns FROM change") == [(NOW,)]


async def test_for_ever_is_for_ever(path: Path) -> None:
    async with open_embedded(EmbeddedSettings(path, retention=None), InlineLane(), lambda: NOW) as opened:
        await put(opened, point(NOW - 4000 * DAY))
        await opened.maintain()
    assert look(path, "SELECT count(*) FROM change") == [(1,)]


async def test_deliveries_get_their_turn_between_the_steps(embedded: Embedded, path: Path) -> None:
    await put(embedded, *life(NOW - 2 * DAY, 24))
    done: list[str] = []

    async def upkeep() -> None:
        await embedded.maintain()
        done.append("upkeep")

    async with trio.open_nursery() as nursery:
        nursery.start_soon(upkeep)
        await trio.lowlevel.checkpoint()
        await put(embedded, point())
        done.append("delivered")
    assert done == ["delivered", "upkeep"]
