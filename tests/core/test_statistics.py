"""Statistics as real servers told them, in each form of the metadata, and the lines they become."""

from __future__ import annotations

import json
import re
from datetime import datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw

from ingest.core import statistics
from ingest.core.line_types import line_types
from ingest.core.state import HOUR_NS
from ingest.core.statistics import TOGETHER, WINDOW_NS, Hour, Statistic, head, line, listed, questions, rows_of
from ingest.core.wire import Malformed

FRAMES = Path(__file__).parents[1] / "frames"
BEGIN_NS = 1_795_302_000_000_000_000
"""2026-11-21T23:00:00Z, the first hour that was recorded."""


def raw(value: object) -> Raw:
    return Raw(value.encode() if isinstance(value, str) else json.dumps(value).encode())


def recorded(version: str) -> tuple[dict[str, Statistic], list[tuple[str, Hour]]]:
    names, rows = (
        raw(json.loads(text)["result"])
        for text in (FRAMES / version / "statistics.jsonl").read_text("utf-8").splitlines()
    )
    found = [each for each in listed(names) if isinstance(each, Statistic)]
    hours = [(key, each) for key, each in rows_of(rows) if isinstance(each, Hour)]
    assert len(found) == len(json.loads(bytes(names)))
    assert len(hours) == sum(map(len, json.loads(bytes(rows)).values()))
    return {each.statistic_id: each for each in found}, hours


@pytest.mark.parametrize(("version", "count"), [("2024.3.3", 24), ("2025.4.4", 23), ("2026.11.0", 26)])
def test_what_real_servers_told_is_read_and_written(version: str, count: int) -> None:
    found, hours = recorded(version)
    assert len(found) == count
    outdoor = found["kitchen_sink:temperature_outdoor"]
    assert outdoor == Statistic(outdoor.statistic_id, "kitchen_sink", "°C", mean=True, total=False)
    assert outdoor.external
    energy = found["sensor.total_energy_kwh"]
    assert energy == Statistic("sensor.total_energy_kwh", "recorder", "kWh", mean=False, total=True)
    assert not energy.external
    for statistic_id, fields in (
        (outdoor.statistic_id, [b"mean", b"min", b"max"]),
        ("kitchen_sink:energy_consumption_kwh", [b"sum"]),
    ):
        mine = [hour for key, hour in hours if key == statistic_id]
        assert [hour.time_ns for hour in mine] == [BEGIN_NS + number * HOUR_NS for number in range(24)]
        begin = head(found[statistic_id], None)
        for hour in mine:
            types = line_types(line(begin, found[statistic_id].unit, hour) or b"")
            assert types is not None
            assert types.fields == dict.fromkeys(fields, "float") | {b"unit": "string"}


@pytest.mark.parametrize(
    ("said", "mean"),
    [
        ({"has_mean": True}, True),
        ({"has_mean": False}, False),
        ({"has_mean": True, "mean_type": 0}, False),
        ({"mean_type": 1}, True),
        ({"mean_type": 2}, True),
        ({"mean_type": None, "has_mean": True}, True),
        ({}, False),
    ],
)
def test_either_form_says_whether_there_is_a_mean(said: dict[str, object], mean: bool) -> None:
    (found,) = listed(raw([{"statistic_id": "sensor.a", "source": "recorder", "has_sum": False, **said}]))
    assert found == Statistic("sensor.a", "recorder", None, mean, total=False)


def test_the_unit_is_the_one_of_the_numbers() -> None:
    units = {"display_unit_of_measurement": "\u00b5g", "statistics_unit_of_measurement": "mg"}
    first, second, third = listed(
        raw(
            [
                {"statistic_id": "a", **units},
                {"statistic_id": "b", **units, "display_unit_of_measurement": None},
                {"statistic_id": "c", "display_unit_of_measurement": ""},
            ]
        )
    )
    assert [each.unit for each in (first, second, third) if isinstance(each, Statistic)] == ["\u03bcg", "mg", None]


def test_what_cannot_be_read_costs_nothing_else() -> None:
    found = list(
        listed(raw([{"name": 5}, {"statistic_id": "sensor.a", "has_mean": "yes"}, {"statistic_id": "sensor.b"}]))
    )
    assert [type(each) for each in found] == [Malformed, Malformed, Statistic]
    rows = {
        "sensor.a": [
            {"start": 0, "mean": 1},
            {"mean": 2},
            {"start": "soon"},
            {"start": 1e300},
            {"start": 0, "sum": "x"},
        ],
        "sensor.b": 5,
        "sensor.c": [{"start": 3_600_000, "state": 7}],
    }
    read = list(rows_of(raw(rows)))
    assert [(key, each) for key, each in read if isinstance(each, Hour)] == [
        ("sensor.a", Hour(0, 1.0, None, None, None, None)),
        ("sensor.c", Hour(HOUR_NS, None, None, None, 7.0, None)),
    ]
    assert [key for key, each in read if isinstance(each, Malformed)] == ["sensor.a"] * 4 + ["sensor.b"]
    (infinite,) = rows_of(raw('{"sensor.a":[{"start":0,"mean":1e999}]}'))
    assert isinstance(infinite[1], Malformed)


@pytest.mark.parametrize("answer", ["5", '{"sensor', "null"])
def test_an_answer_that_is_none_is_said_to_be(answer: str) -> None:
    with pytest.raises(Malformed):
        list(listed(raw(answer)))
    with pytest.raises(Malformed):
        list(rows_of(raw(answer)))


@pytest.mark.parametrize(
    "start", [BEGIN_NS // 10**6, BEGIN_NS / 10**6, "2026-11-21T23:00:00+00:00", "2026-11-22T00:00:00+01:00"]
)
def test_a_start_is_milliseconds_or_text(start: object) -> None:
    ((_, hour),) = rows_of(raw({"sensor.a": [{"start": start, "mean": 1.0}]}))
    assert isinstance(hour, Hour)
    assert hour.time_ns == BEGIN_NS


def test_a_time_without_an_offset_is_none() -> None:
    ((_, hour),) = rows_of(raw({"sensor.a": [{"start": "2026-11-21T23:00:00"}]}))
    assert isinstance(hour, Malformed)
    assert "no offset" in hour.problem


def test_a_line_holds_what_is_known() -> None:
    power = Statistic("sensor.power", "recorder", "W", mean=True, total=False)
    hour = Hour(BEGIN_NS, 21.5, 20.9, 22.0, None, None)
    assert line(head(power, "0123"), "W", hour) == (
        b"home_assistant_statistics,registry_id=0123,source=recorder,statistic_id=sensor.power "
        b'mean=21.5,min=20.9,max=22,unit="W" 1795302000000000000'
    )
    assert line(head(power, None), None, Hour(0, None, None, None, 3.0, 1e21)) == (
        b"home_assistant_statistics,source=recorder,statistic_id=sensor.power state=3,sum=1e+21 0"
    )
    assert line(head(power, None), "W", Hour(0, None, None, None, None, None)) is None
    assert head(power, "0123", "cabin").startswith(b"home_assistant_statistics,home=cabin,registry_id=0123,source=")


def test_the_page_of_the_schema_says_what_is_written() -> None:
    page = (Path(__file__).parents[2] / "docs/reference/schema.md").read_text("utf-8")
    section = page.partition("\n## Statistics\n")[2].partition("\n## ")[0]
    power = Statistic("sensor.boiler_power", "recorder", "W", mean=True, total=False)
    written = line(head(power, "0123456789abcdef" * 2), "W", Hour(BEGIN_NS, 21.5, 20.9, 22.0, None, None))
    assert written is not None
    assert written.decode() in section
    assert re.findall(r"\| field \| `(\w+)` \| float", section) == list(statistics.TYPES)
    assert re.findall(r"\| tag \| `(\w+)`", section) == ["registry_id", "source", "statistic_id"]


@given(
    st.integers(0, 3 * TOGETHER),
    st.integers(BEGIN_NS - 4 * WINDOW_NS, BEGIN_NS),
    st.integers(BEGIN_NS, BEGIN_NS + HOUR_NS),
)
def test_every_hour_of_every_statistic_is_asked_for_once(count: int, from_ns: int, to_ns: int) -> None:
    names = [f"sensor.{number}" for number in range(count)]
    asked = list(questions(names, from_ns, to_ns))
    assert all(len(each.statistic_ids) <= TOGETHER and 0 < each.to_ns - each.from_ns <= WINDOW_NS for each in asked)
    assert [each.from_ns for each in asked] == sorted(each.from_ns for each in asked)
    for name in names[:1] + names[-1:]:
        mine = [each for each in asked if name in each.statistic_ids]
        hours = [hour for each in mine for hour in range(each.from_ns, each.to_ns, HOUR_NS)]
        assert hours == list(range(from_ns - from_ns % HOUR_NS, to_ns - to_ns % HOUR_NS, HOUR_NS))


def test_a_question_says_everything() -> None:
    (question,) = questions(["sensor.a"], BEGIN_NS + 5, BEGIN_NS + HOUR_NS + 5)
    fields = question.fields()
    assert {name: fields[name] for name in ("period", "statistic_ids", "types")} == {
        "period": "hour",
        "statistic_ids": ["sensor.a"],
        "types": list(statistics.TYPES),
    }
    assert datetime.fromisoformat(str(fields["start_time"])).timestamp() == BEGIN_NS / 1e9
    assert datetime.fromisoformat(str(fields["end_time"])).timestamp() == BEGIN_NS / 1e9 + 3600
