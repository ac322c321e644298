from __future__ import annotations

import json
import shlex
import sqlite3
import time
from contextlib import closing
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import cast

import pytest

from ingest.cli.query import query
from ingest.cli.query_span import ROWS, STEPS, _aligned, _step
from ingest.core.point import Attributes, Facts, Point
from ingest.core.state import nanoseconds
from ingest.edge.embedded_read import open_store
from tests.cli.stores import DAY, HOUR, NOON, S, a_day, light, run, temperature, write

SPAN = ("--since", "2025-12-31T12:00Z", "--until", "2026-01-01T12:00Z")


@pytest.fixture(params=["changes", "roll-up"])
def path(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    return a_day(tmp_path / "home.db", NOON + DAY if request.param == "roll-up" else None)


def test_a_days_curve_is_a_plot_and_a_table(path: Path) -> None:
    result = run(query, "sensor.room", "--db", path, *SPAN)
    assert (result.exit_code, result.stderr) == (0, "")
    lines = result.stdout.splitlines()
    assert lines[:2] == ["sensor.room · Room · °C", "2025-12-31 12:00+00:00 to 2026-01-01 12:00+00:00"]
    assert [line[:4] for line in (lines[3], lines[10])] == ["23 ┤", " 0 ┤"]
    assert all(len(line) <= 80 for line in lines)
    assert lines[12].split() == ["from", "min", "mean", "max", "last", "changes"]
    assert lines[14].split() == ["2025-12-31", "13:00+00:00", "1", "1", "1", "1", "1"]
    assert lines[-1] == "24 changes"
    assert len(lines) == 13 + 24 + 2


def test_the_summary_tells_how_to_look_at_one_in_the_same_file(tmp_path: Path) -> None:
    path = a_day(tmp_path / "my home.db")
    *_, one, several = run(query, "--db", path).stdout.splitlines()
    for pasted in (one, several):
        _, arguments = pasted.split(" query ")
        assert run(query, *shlex.split(arguments)).exit_code == 0


def test_words_are_lanes_and_times_in_each_state(path: Path) -> None:
    result = run(query, "light.lamp", "--db", path, *SPAN, "--every", "1h")
    assert result.exit_code == 0
    assert "unavailable │" in result.stdout
    rows = [line.split(maxsplit=4) for line in result.stdout.splitlines() if line.startswith("20")][1:]
    assert rows[18] == ["2026-01-01", "06:00+00:00", "1", "on", "on 1 h"]
    assert rows[23][3:] == ["unavailable", "unavailable 1 h"]
    assert rows[0][2:] == ["0", "–"]


def test_since_ever_until_no_end_is_all_there_is(path: Path) -> None:
    result = run(query, "sensor.room", "--db", path, "--since", "1000y", "--until", "9999-12-31", "--every", "999999y")
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout.startswith("sensor.room · Room · °C\n1970-01-01 00:00+00:00 to 20")
    assert result.stdout.endswith("24 changes\n")


def test_json_is_for_programs(path: Path) -> None:
    result = run(query, "sensor.room", "--db", path, *SPAN, "--every", "12h", "--json")
    said = json.loads(result.stdout)
    assert (said["entity_id"], said["unit"], said["every_seconds"]) == ("sensor.room", "°C", 43_200)
    first, last = said["buckets"]
    assert first == {
        "from": "2025-12-31T12:00:00.000000Z", "to": "2026-01-01T00:00:00.000000Z", "changes": 12, "min": 0.0,
        "mean": 5.5, "max": 11.0, "last": 11.0, "last_state": "11.0", "seconds_by_state": {},
    }  # fmt: skip
    assert last["mean"] == pytest.approx(17.5)


def test_a_long_span_reads_the_roll_up_and_the_changes_that_came_since(tmp_path: Path) -> None:
    points = [temperature(NOON + hour * HOUR, float(hour % 24)) for hour in range(20 * 24)]
    path = write(tmp_path / "a.db", points, NOON + 19 * DAY)
    write(path, [temperature(NOON + 5 * DAY + 1800 * S, 99.0)])
    with closing(sqlite3.connect(path)) as connection:
        # What was rolled up must not be needed: only the hour that a late change touched is read from the changes.
        connection.execute("DELETE FROM change WHERE time_ns < ?", (NOON + 5 * DAY,))
        connection.commit()
    span = ("--since", "2026-01-01T12:00Z", "--until", "2026-01-21T12:00Z", "--every", "1d", "--json")
    drawn = run(query, "sensor.room", "--db", path, *span[:-1]).stdout.splitlines()
    assert (drawn[3][:4], drawn[10][:4]) == ("99 ┤", " 0 ┤")
    assert max(map(len, drawn)) <= 80
    days = json.loads(run(query, "sensor.room", "--db", path, *span).stdout)["buckets"]
    middle = [day for day in days if day["changes"] >= 24]
    assert len(middle) == 19
    assert {day["max"] for day in middle} == {23.0, 99.0}
    assert {round(day["mean"], 3) for day in middle} == {11.5, round(11.5 + 99 / 48, 3)}
    assert sum(day["changes"] for day in days) == 481


def test_what_held_before_is_found_whether_rolled_up_or_not(tmp_path: Path) -> None:
    span = ("--since", "2026-01-01T13:30Z", "--until", "2026-01-01T14:00Z", "--json")
    for name, now_ns in (("a.db", None), ("b.db", NOON + DAY)):
        for at in (NOON - 30 * DAY, NOON + HOUR + S):
            path = write(tmp_path / f"{at}{name}", [light(at - 1, "off"), light(at, "on")], now_ns)
            said = json.loads(run(query, "light.lamp", "--db", path, *span).stdout)
            assert {bucket["last_state"] for bucket in said["buckets"]} == {"on"}
            assert sum(bucket["changes"] for bucket in said["buckets"]) == 0


def test_a_late_change_is_what_held_before(tmp_path: Path) -> None:
    path = write(tmp_path / "a.db", [light(NOON - 30 * DAY, "off")], NOON)
    write(path, [light(NOON - 20 * DAY, "on")])
    said = json.loads(run(query, "light.lamp", "--db", path, *SPAN, "--json").stdout)
    assert said["buckets"][0]["last_state"] == "on"


def test_a_rename_and_a_late_registry_are_one_life(tmp_path: Path) -> None:
    points = [
        temperature(NOON - 5 * HOUR, 1.0, "sensor.old"),
        temperature(NOON - 4 * HOUR, 2.0, "sensor.new"),
        temperature(NOON - 3 * HOUR, 3.0, "sensor.new", registry_id="sensor.new"),
    ]
    path = write(tmp_path / "a.db", points)
    for name in ("sensor.new", "sensor.old"):
        said = json.loads(run(query, name, "--db", path, *SPAN, "--every", "1d", "--json").stdout)
        assert (said["entity_id"], sum(bucket["changes"] for bucket in said["buckets"])) == ("sensor.new", 3)


def test_globs_show_a_few_and_list_many(tmp_path: Path) -> None:
    path = write(tmp_path / "a.db", [temperature(NOON - HOUR, 1.0, f"sensor.n{at}", f"r{at}") for at in range(6)])
    few = run(query, "sensor.n[12]", "--db", path, *SPAN)
    assert few.stdout.count(" · Room · °C") == 2
    many = run(query, "sensor.*", "--db", path, *SPAN)
    assert "6 entities match" in many.stdout
    assert many.stdout.splitlines()[1].split() == ["sensor.n0", "Room", "°C"]


def test_an_unknown_name_is_answered_with_what_may_have_been_meant(path: Path) -> None:
    for typed in ("sensor.rom", "ROOM"):
        result = run(query, typed, "--db", path)
        assert (result.exit_code, result.stdout) == (2, "")
        assert "Did you mean sensor.room" in result.stderr
    assert "query '*'" in run(query, "xyzzy", "--db", path).stderr


def test_a_missing_file_says_where_it_looked(tmp_path: Path) -> None:
    result = run(query, "sensor.a", "--db", tmp_path / "none.db")
    assert result.exit_code == 2
    assert str(tmp_path / "none.db") in result.stderr
    assert "homeiq-ingest run" in result.stderr


def test_the_configured_file_is_the_default(tmp_path: Path) -> None:
    a_day(tmp_path / "home.db")
    result = run(query, "--set", f"embedded.path={tmp_path / 'home.db'}")
    assert result.exit_code == 0
    assert "28 changes of 3 entities" in result.stdout


def test_without_an_entity_it_says_what_there_is(path: Path, tmp_path: Path) -> None:
    lines = run(query, "--db", path).stdout.splitlines()
    assert lines[0].startswith("28 changes of 3 entities, 0.")
    assert lines[1] == "from 2024-11-27 12:00+00:00 to 2026-01-01 11:00+00:00"
    assert lines[2].startswith("27 changes in the last day of it, about 0.")
    assert run(query, "--db", write(tmp_path / "empty.db", [])).stdout == "Nothing is stored yet.\n"


def test_nothing_in_the_span_is_said(path: Path) -> None:
    result = run(query, "light.lamp", "--db", path, "--since", "2025-12-01T00:00Z", "--until", "2025-12-02T00:00Z")
    assert result.exit_code == 0
    assert "longer --since" in result.stdout


def test_a_value_that_never_changes_is_a_flat_line(path: Path) -> None:
    result = run(query, "sensor.zähler", "--db", path, *SPAN)
    assert "\n0 changes" in result.stdout
    assert "7 ┤" in result.stdout


@pytest.mark.parametrize(
    "wrong", [("--every", "0s"), ("--every", "soon"), ("--since", "soon"), ("--since", "1h", "--until", "2h")]
)
def test_wrong_options_are_named(path: Path, wrong: tuple[str, ...]) -> None:
    result = run(query, "sensor.room", "--db", path, *wrong)
    assert result.exit_code == 2
    assert wrong[0] in result.stderr


def test_the_future_is_not_known(path: Path) -> None:
    result = run(query, "sensor.room", "--db", path, "--since", "1h", "--until", "2999-01-01", "--json")
    assert json.loads(result.stdout)["buckets"][-1]["to"] < "2998"


def test_steps_give_tables_that_fit_a_screen() -> None:
    assert all(step < following for step, following in pairwise(STEPS))
    assert _step(DAY) == HOUR
    assert all(length / _step(length) <= ROWS for length in (60 * S, HOUR, DAY, 7 * DAY, 400 * DAY))
    assert _step(100_000 * DAY) == STEPS[-1]


def test_rows_begin_on_full_steps_of_utc_when_hours_are_read() -> None:
    assert _aligned(NOON + 5, HOUR, DAY) == NOON
    assert _aligned(NOON + 5, DAY, 40 * DAY) % HOUR == 0


@pytest.mark.parametrize("zone", ["UTC0", "<+0530>-5:30", "<+0545>-5:45"])
@pytest.mark.parametrize("since", ["2025-12-24T13:00Z", "2025-12-23T12:00Z"])
def test_a_row_that_begins_within_an_hour_of_utc_has_what_changed_from_then_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, zone: str, since: str
) -> None:
    """Where clocks are half an hour off, a span that only became long by its first row began within a kept hour."""
    path = write(tmp_path / "a.db", [temperature(NOON - at * HOUR // 2, float(at)) for at in range(1, 800)], NOON)
    span = ("--since", since, "--until", "2026-01-01T12:00Z", "--every", "12h", "--json")
    with monkeypatch.context() as patched:
        patched.setenv("TZ", zone)
        time.tzset()
        said = json.loads(run(query, "sensor.room", "--db", path, *span).stdout)["buckets"]
    time.tzset()
    for row in said:
        begins, ends = (nanoseconds(datetime.fromisoformat(row[end])) for end in ("from", "to"))
        assert row["changes"] == sum(begins <= NOON - at * HOUR // 2 < ends for at in range(1, 800)), row


def power(at_ns: int, value: float, unit: str | None) -> Point:
    return Point("sensor.power", at_ns, str(value), Facts("p"), Attributes("{}", "power", unit, "Power"), value)


def test_values_of_several_units_are_not_said_to_be_of_one(tmp_path: Path) -> None:
    changes = [(50, 1.1, "kW"), (5, 1.2, "kW"), (4, 1.3, "kW"), (3, 2.0, None), (2, 1_250.0, "W"), (1, 1_300.0, "W")]
    path = write(tmp_path / "a.db", [power(NOON - hours * HOUR, value, unit) for hours, value, unit in changes], NOON)

    def told(since: str, until: str, *more: str) -> list[str]:
        span = ("--since", f"2026-01-01T{since}Z", "--until", f"2026-01-01T{until}Z", *more)
        shown = run(query, "sensor.power", "--db", path, *span).stdout.splitlines()
        said = json.loads(run(query, "sensor.power", "--db", path, *span, "--json").stdout)
        assert shown[0] == f"sensor.power · Power · {said['unit']}"
        assert ("Its unit has changed (kW, W)" in shown[1]) == (len(said["units"]) > 1)
        units: list[str] = said["units"]
        return units

    assert told("06:00", "12:00") == ["kW", "W"]
    assert told("06:30", "08:30") == ["kW"]
    assert told("08:30", "09:30") == ["kW"]  # one that has none is after it, and none of those
    assert told("09:30", "11:30") == ["W"]
    assert told("05:00", "06:00") == ["kW"]  # only what held before
    long = ("--since", "2025-12-01T00:00Z", "--until", "2025-12-31T00:00Z", "--json")
    assert json.loads(run(query, "sensor.power", "--db", path, *long).stdout)["units"] == ["kW", "W"]


def test_the_changes_are_not_looked_at_for_units_where_there_is_only_one(path: Path) -> None:
    with open_store(path) as reader:
        (room,) = reader.find("sensor.room")
        asked: list[str] = []
        cast("sqlite3.Connection", reader.connection).set_trace_callback(asked.append)
        assert reader.units(room.ids, 0, 1 << 62, kept=False) == ["°C"]
    assert not any("change" in each for each in asked)


@pytest.mark.parametrize("days", [4, 10])
def test_an_hour_in_which_the_registry_came_to_know_it_is_read_from_its_changes(tmp_path: Path, days: int) -> None:
    """Of each life an hour is kept, as if that alone had been for the rest of it."""
    begin = NOON - 3 * DAY
    known = [temperature(begin + 1800 * S, 30.0), temperature(begin + 2 * HOUR, 25.0)]
    path = write(tmp_path / "a.db", [temperature(begin + 300 * S, 20.0, registry_id="sensor.room"), *known], NOON)
    span = ("--since", f"2025-12-{22 if days == 10 else 28}T12:00Z", "--until", "2026-01-01T12:00Z", "--every", "1h")
    rows = json.loads(run(query, "sensor.room", "--db", path, *span, "--json").stdout)["buckets"]
    first, second = [row for row in rows if row["last_state"]][:2]
    assert (first["changes"], first["last"], second["mean"]) == (2, 30.0, 30.0)
    assert first["mean"] == pytest.approx((25 * 20 + 30 * 30) / 55)


def test_what_a_terminal_would_obey_is_not_sent_to_it(tmp_path: Path) -> None:
    odd = Attributes("{}", None, "k\x1bW", "Nice\x1b]0;owned\x07")
    states = ["ok", "line1\nline2", "\x1b[2J\x1b[31mhacked"]
    changes = [Point("sensor.t", NOON - (9 - at) * HOUR, each, Facts("t"), odd) for at, each in enumerate(states)]
    path = write(tmp_path / "a.db", [*changes, *(temperature(NOON, 1.0, f"sensor.n{at}", f"r{at}") for at in range(5))])
    for name in ("sensor.t", "sensor.*"):
        said = run(query, name, "--db", path, *SPAN).stdout
        assert not set(said) & {"\x1b", "\x07"}, said
        assert "Nice\ufffd]0;owned\ufffd" in said
    assert "line1\ufffdline2 1 h" in run(query, "sensor.t", "--db", path, *SPAN).stdout
    said = run(query, "sensor.t", "--db", path, *SPAN, "--json").stdout
    assert any("\x1b[2J" in word for row in json.loads(said)["buckets"] for word in row["seconds_by_state"])


def test_a_file_of_which_nobody_has_made_anything_yet_is_not_somebody_elses(tmp_path: Path) -> None:
    """The first moment of the first start."""
    path = tmp_path / "home.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
    result = run(query, "--db", path)
    assert result.exit_code == 2
    assert "there is nothing in the embedded store yet" in result.stderr
    assert "try again in a moment" in result.stderr


@pytest.mark.parametrize("until", [(), ("--until", "2999-02-01")])
def test_what_is_to_come_is_not_asked_for(tmp_path: Path, until: tuple[str, ...]) -> None:
    result = run(query, "sensor.room", "--db", a_day(tmp_path / "home.db"), "--since", "2999-01-01", *until)
    assert (result.exit_code, "'2999-01-01' lies in the future" in result.stderr) == (2, True), result.output
    past = run(query, "sensor.room", "--db", tmp_path / "home.db", "--since", "1d", "--until", "2d")
    assert "--since is not before --until" in past.stderr
