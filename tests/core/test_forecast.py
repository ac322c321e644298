"""What is reckoned of samples, against what was counted."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from ingest.core.forecast import (
    FULL,
    Limit,
    Lines,
    Sampled,
    as_live,
    count_series,
    limits,
    per_day,
)  # fmt: skip
from ingest.core.homeiq import Encoder
from ingest.core.point import Attributes, Facts, Kind, Point
from ingest.core.state import Source

POWER = Point("sensor.power", 10**18, "5", Facts("r1"), Attributes(unit="W"), 5.0, origin=Source.SNAPSHOT)
DOOR = Point("lock.door", 10**18, "locked", Facts("r2"), Attributes(), 1.0)
SECOND = 10**9


def test_rows_become_the_points_that_they_were() -> None:
    rows = [
        Sampled("sensor.power", "7", 3 * SECOND),
        Sampled("sensor.power", "6", SECOND),
        Sampled("lock.door", "unlocked", 2 * SECOND),
        Sampled("sensor.power", "7", 4 * SECOND),
        Sampled("sensor.gone", "1", 4 * SECOND),
    ]
    made = as_live(rows, {"sensor.power": POWER, "lock.door": DOOR})
    assert [(each.entity_id, each.state, each.value, each.time_ns // SECOND) for each in made] == [
        ("sensor.power", "6", 6.0, 1), ("lock.door", "unlocked", 0.0, 2), ("sensor.power", "7", 7.0, 3),
        ("sensor.power", "7", 7.0, 4),
    ]  # fmt: skip
    assert [each.kind for each in made] == [Kind.CHANGED, Kind.CHANGED, Kind.CHANGED, Kind.ATTRIBUTES]
    assert [(each.previous_state, each.duration) for each in made] == [
        (None, None),
        (None, None),
        ("6", 2.0),
        ("7", None),
    ]
    assert all(each.origin is None for each in made)
    ids = [each.context.id for each in made if each.context and each.context.id]
    assert len(set(ids)) == 4
    assert {len(each) for each in ids} == {26}


@given(st.lists(st.dictionaries(st.sampled_from("abc"), st.integers(0, 2), max_size=3), min_size=1, max_size=24))
def test_a_day_is_what_its_windows_are_a_part_of(windows: list[dict[str, int]]) -> None:
    rates, counted = per_day(windows, 1.0)
    first = next((place for place, each in enumerate(windows) if sum(each.values())), len(windows))
    assert counted == len(windows) - first
    total = sum((Counter(each) for each in windows), Counter[str]())
    assert {name for name, rate in rates.items() if rate} == total.keys()
    for name, count in total.items():
        assert rates[name] == pytest.approx(count * len(windows) / counted)
    assert per_day(windows, 0.5)[0] == {name: pytest.approx(2 * rate) for name, rate in rates.items()}


def test_weights_are_of_the_day_where_it_told_and_of_the_present_elsewhere() -> None:
    lines = Lines({"a": b"12345", "b": b"123"}, [("a", b"1"), ("a", b"123")])
    assert lines.weights() == {"a": 3.0, "b": 4.0}
    assert lines.compressed(lambda part: b"x" * len(part), 1) == pytest.approx(2 / 6)
    assert lines.compressed(lambda part: b"x", FULL) == pytest.approx(1 / 6)
    assert Lines({"b": b"123"}, []).compressed(lambda part: b"xx", 0) == pytest.approx(0.5)
    assert Lines({}, []).compressed(lambda part: b"xx", 0) == 0.0


def test_what_has_no_line_at_present_has_the_first_of_its_day() -> None:
    lines = Lines({"a": b"now"}, [("a", b"then"), ("b", b"first"), ("b", b"second")])
    assert lines.each() == {"a": b"now", "b": b"first"}


def test_limits_are_counted_in_the_lines_themselves() -> None:
    encode = Encoder().line
    made = [replace(POWER, entity_id=f"sensor.p{n}", facts=Facts(f"r{n}")) for n in range(5)]
    lines = {each.entity_id: encode(each) for each in (*made, DOOR)}
    found = {(each.whose, each.what): each.taken for each in limits(lines, 100.0)}
    assert found["InfluxDB 3 Core", "tables"] == 1
    assert found["InfluxDB Cloud, free plan", "series"] == 6 == count_series(lines.values())
    assert found["InfluxDB Cloud, free plan", "bytes in 5 minutes, at the busiest"] == 30_000
    assert found["InfluxDB Cloud, free plan", "bytes in 5 minutes, at a start"] == sum(map(len, lines.values())) + 6
    assert found["InfluxDB 1.x", "values of a tag (max-values-per-tag)"] == 6
    written = {
        "time",
        "domain",
        "entity_id",
        "event_category",
        "event_type",
        "registry_id",
        "unit",
        "state_value",
        "value",
    }
    assert found["InfluxDB 3 Core", "columns in a table"] == len(written | {"origin", "attributes"})
    assert limits({}, 0.0)[4].taken == 0


def test_a_limit_is_near_before_it_bites() -> None:
    assert [Limit("a", "b", taken, 100).is_near for taken in (0, 79, 80, 120)] == [False, False, True, True]
