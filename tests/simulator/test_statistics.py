"""The simulated long-term statistics: their shape is that of recorded ones, their numbers are those of the past."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ingest.simulator.history import Row
from ingest.simulator.home import Home
from ingest.simulator.instance import HomeAssistant
from ingest.simulator.statistics import HOUR
from ingest.simulator.values import SECOND, State, encode, iso, moment
from tests.simulator.caller import TOKEN
from tests.simulator.test_shapes import Talk

START = 1_795_392_000 * SECOND - 1_795_392_000 * SECOND % HOUR
FRAMES = Path(__file__).parents[1] / "frames"


def instance(version: str = "2025.4.4") -> HomeAssistant:
    """A home whose present is five hours after its start, with a sensor that measures and a meter."""
    home = Home(1, 5, moment(START + 5 * HOUR + 30 * SECOND))
    for key, kind, values in (
        ("sensor.power", "measurement", [(0.5, "10"), (1.25, "30"), (1.75, "unavailable"), (3.0, "20")]),
        ("sensor.meter", "total_increasing", [(0.1, "5"), (0.9, "7"), (2.5, "1"), (3.5, "nan"), (4.5, "4")]),
    ):
        attributes = encode({"state_class": kind, "unit_of_measurement": "W"})
        for hours, text in values:
            at = START + round(hours * HOUR)
            home.states[key] = State(key, text, attributes, at, at, "c")
            home.past.record(key, Row(at, home.states[key]))
    return HomeAssistant(home, TOKEN, version=version)


def ask(talk: Talk, start: int, end: int | None, *keys: str, **more: object) -> Any:
    until = {} if end is None else {"end_time": iso(end).decode()}
    fields = {"start_time": iso(start).decode(), "period": "hour", "statistic_ids": list(keys), **until, **more}
    return talk.ask("recorder/statistics_during_period", **fields)


@pytest.mark.parametrize("version", ["2024.3.3", "2025.4.4", "2026.11.0"])
def test_the_shapes_are_those_of_the_release(version: str) -> None:
    talk = Talk(instance(version))
    lists, hours = map(json.loads, (FRAMES / version / "statistics.jsonl").read_text("utf-8").splitlines())
    ours = {each["statistic_id"]: each for each in talk.ask("recorder/list_statistic_ids")["result"]}
    theirs = {each["statistic_id"]: each for each in lists["result"]}
    assert list(ours["sensor.power"]) == list(theirs["sensor.power_consumption"])
    assert ours["sensor.power"]["has_mean"]
    assert ours["sensor.meter"]["has_sum"]
    answer = ask(talk, START, None, "sensor.power")["result"]["sensor.power"][0]
    assert set(answer) == set(hours["result"]["kitchen_sink:temperature_outdoor"][0])


def test_what_measures_has_a_mean_over_time() -> None:
    found = ask(Talk(instance()), START, START + 9 * HOUR, "sensor.power", "sensor.none", types=["mean", "min", "max"])
    begin = START // 1000
    assert [
        (each["start"] - begin, each["mean"], each["min"], each["max"]) for each in found["result"]["sensor.power"]
    ] == [
        (0, 10, 10, 10),
        (3_600_000, 25, 10, 30),
        (7_200_000, 30, 30, 30),
        (10_800_000, pytest.approx(20), 20, 30),
        (14_400_000, 20, 20, 20),
    ]
    assert list(found["result"]) == ["sensor.power"]
    assert set(found["result"]["sensor.power"][0]) == {"start", "end", "mean", "min", "max"}


def test_what_counts_has_a_sum_that_survives_a_new_beginning() -> None:
    (first, second, *_, last) = ask(Talk(instance()), START, START + 9 * HOUR, "sensor.meter")["result"]["sensor.meter"]
    assert (first["state"], first["sum"], first["change"], first["mean"]) == (7, 2, 2, None)
    assert (second["state"], second["sum"], second["change"]) == (7, 2, 0)
    assert (last["state"], last["sum"], last["change"]) == (4, 6, 3)


def test_a_window_holds_the_hours_that_begin_in_it() -> None:
    talk = Talk(instance())
    whole = ask(talk, START, START + 9 * HOUR, "sensor.meter")["result"]["sensor.meter"]
    part = ask(talk, START + HOUR, START + 3 * HOUR, "sensor.meter")["result"]["sensor.meter"]
    assert part == whole[1:3]


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"start_time": "soon"}, "invalid_start_time"),
        ({"end_time": "late"}, "invalid_end_time"),
        ({"period": "week"}, "invalid_format"),
    ],
)
def test_a_senseless_question_is_refused(fields: dict[str, object], code: str) -> None:
    answer = ask(Talk(instance()), START, START + HOUR, "sensor.meter", **fields)
    assert answer["error"]["code"] == code
