from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from ingest.simulator.history import Past, Question, Row, compressed, full, parse_time, seconds
from ingest.simulator.values import DAY, SECOND, State, moment

KEY = "sensor.a"


def past(*rows: tuple[int, str | None, int], key: str = KEY) -> Past:
    """Rows of (time, state, last changed), in seconds."""
    known = Past(DAY)
    for at, state, changed in rows:
        value = State(key, state, b'{"u":1}', changed * SECOND, at * SECOND, "c") if state is not None else None
        known.record(key, Row(at * SECOND, value))
    return known


LIFE = past((10, "1", 10), (20, "1", 10), (30, "2", 30), (40, "2", 40), (50, None, 50), (60, "", 60))


def ask(known: Past, start: int, end: int, key: str = KEY, **more: Any) -> list[dict[str, Any]]:
    question = Question(start * SECOND, end * SECOND, (key,), **more)
    answer: list[dict[str, Any]] = json.loads(compressed(known, question)).get(key, [])
    return answer


def test_both_bounds_are_exclusive() -> None:
    rows = ask(LIFE, 10, 40, significant=False, start_state=False)
    assert [round(row["lu"]) for row in rows] == [20, 30]


def test_the_state_at_the_start_is_fabricated_unless_declined() -> None:
    (row,) = ask(LIFE, 25, 26)
    assert (row["s"], row["a"], round(row["lu"], 6)) == ("1", {"u": 1}, 25)
    assert ask(LIFE, 25, 26, start_state=False) == []
    assert ask(LIFE, 55, 56) == []


def test_only_significant_changes_by_default() -> None:
    assert [row["s"] for row in ask(LIFE, 5, 45)] == ["1", "2", "2"]
    assert [row["s"] for row in ask(LIFE, 5, 45, significant=False)] == ["1", "1", "2", "2"]
    heating = past((10, "heat", 10), (20, "heat", 10), key="climate.a")
    assert len(ask(heating, 5, 45, key="climate.a")) == 2


def test_lc_is_there_when_it_differs() -> None:
    rows = ask(LIFE, 5, 45, significant=False)
    assert ["lc" in row for row in rows] == [False, True, False, False]
    assert list(rows[1]) == ["s", "a", "lu", "lc"]
    assert rows[1]["lc"] == 10


def test_a_removal_is_null_and_an_empty_state_is_empty() -> None:
    rows = ask(LIFE, 45, 70, start_state=False)
    assert [row["s"] for row in rows] == [None, ""]
    assert rows[0] == {"s": None, "a": {}, "lu": rows[0]["lu"]}


def test_a_minimal_response_repeats_neither_states_nor_attributes() -> None:
    rows = ask(LIFE, 5, 70, minimal=True)
    assert [row["s"] for row in rows] == ["1", "2", None, ""]
    assert ["a" in row for row in rows] == [True, False, False, False]
    heating = past((10, "heat", 10), (20, "heat", 10), key="climate.a")
    assert all("a" in row for row in ask(heating, 5, 45, key="climate.a", minimal=True))


def test_no_attributes() -> None:
    assert [row["a"] for row in ask(LIFE, 5, 15, no_attributes=True)] == [{}]


def test_unknown_entities_are_left_out() -> None:
    assert json.loads(compressed(LIFE, Question(0, 100, ("sensor.b",)))) == {}
    assert json.loads(full(LIFE, Question(0, 100, ("sensor.b",)))) == []


def test_rest_rows_have_iso_times_and_an_empty_string_for_a_removal() -> None:
    question = Question(5 * SECOND, 70 * SECOND, (KEY,), significant=False)
    (rows,) = json.loads(full(LIFE, question))
    assert rows[0]["last_updated"] == "1970-01-01T00:00:10+00:00"
    assert rows[1]["last_changed"] == "1970-01-01T00:00:10+00:00"
    assert [row["state"] for row in rows] == ["1", "1", "2", "2", "", ""]
    (brief,) = json.loads(full(LIFE, Question(5 * SECOND, 70 * SECOND, (KEY,), minimal=True)))
    assert brief[1] == {"state": "2", "last_changed": "1970-01-01T00:00:30+00:00"}
    assert brief[2]["state"] is None


@given(st.integers(0, 4_000_000_000_000_000))
def test_floats_read_back_as_the_time_they_were(at: int) -> None:
    assert datetime.fromtimestamp(seconds(at), UTC) == moment(at)


def test_some_floats_have_digits_below_the_microsecond() -> None:
    first = 1_795_422_102_064_559
    assert any(seconds(at) != at / SECOND for at in range(first, first + 10))
    assert any(round(seconds(at) * 1e6) != at for at in range(first, first + 2000))


def test_reading_times() -> None:
    assert parse_time("1970-01-01T00:00:01+00:00") == SECOND
    assert parse_time("1970-01-01T00:00:01Z") == SECOND
    assert parse_time("1970-01-01T00:00:01") == SECOND
    assert parse_time("nonsense") is None
    assert parse_time(None) is None
