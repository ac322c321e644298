"""Long-term statistics: the hours of what the recorder shows, in the shape of Home Assistant's answers.

An hour is there when it is over and something is known of it. What measures has the mean over time, and the least and
greatest value; what counts has its last value, and the sum of what it rose since the recorder knows it: a value lower than
the one before begins anew at 0.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from math import isfinite
from typing import Any, Protocol, TypeAlias

from attrs import frozen

from ingest.simulator.history import Row
from ingest.simulator.values import SECOND, State

HOUR = 3_600 * SECOND
Answer: TypeAlias = Mapping[str, list[Mapping[str, Any]]]
"""The hours of each statistic."""

TYPES = ("change", "last_reset", "max", "mean", "min", "state", "sum")
COUNTING = frozenset({"total", "total_increasing"})
WITH_MEAN_TYPE = (2025, 4)
"""The release since which metadata says what kind of mean it is."""


class Shown(Protocol):
    """What of the recorder the statistics are made of."""

    def rows(self, entity_id: str) -> Iterable[Row]:
        """Return an entity's rows, oldest first; empty when it is unknown."""


@frozen
class Hours:
    """What a client asks for: the hours that begin at `start` or later, and before `end`."""

    start: int
    end: int
    statistic_ids: tuple[str, ...]
    types: tuple[str, ...] = TYPES


def listed(states: Mapping[str, State], version: str) -> list[Mapping[str, Any]]:
    """Answer `recorder/list_statistic_ids`, as the release does."""
    kinded = tuple(map(int, version.split(".")[:2])) >= WITH_MEAN_TYPE
    found: list[Mapping[str, Any]] = []
    for entity_id, state in states.items():
        attributes = json.loads(state.attributes)
        kind, unit = attributes.get("state_class"), attributes.get("unit_of_measurement")
        if kind is None or not entity_id.startswith("sensor."):
            continue
        mean = kind not in COUNTING
        found.append(
            {
                "statistic_id": entity_id,
                "display_unit_of_measurement": unit,
                "has_mean": mean,
                **({"mean_type": int(mean)} if kinded else {}),
                "has_sum": not mean,
                "name": None,
                "source": "recorder",
                "statistics_unit_of_measurement": unit,
                "unit_class": None,
            }
        )
    return found


def during(shown: Shown, asked: Hours, now: int) -> Answer:
    """Answer `recorder/statistics_during_period` for hours; what has none is left out."""
    answers = {each: list(_hours(list(shown.rows(each)), asked, now)) for each in asked.statistic_ids}
    return {each: hours for each, hours in answers.items() if hours}


def _hours(rows: list[Row], asked: Hours, now: int) -> Iterator[Mapping[str, Any]]:
    known = [(row.at, value, row.state) for row in rows if row.state and (value := _number(row.state)) is not None]
    if not known:
        return
    counting = json.loads(known[-1][2].attributes).get("state_class") in COUNTING
    last, total, at = known[0][1], 0.0, 0
    for begin in range(known[0][0] // HOUR * HOUR, min(asked.end, now - HOUR + 1), HOUR):
        points = [(begin, last)] if known[0][0] < begin else []
        before = total
        while at < len(known) and known[at][0] < begin + HOUR:
            value = known[at][1]
            total += value - last if value >= last else value
            last = value
            points.append((known[at][0], value))
            at += 1
        if begin < asked.start:
            continue
        yield {
            "start": begin // 1000,
            "end": (begin + HOUR) // 1000,
            **_said(asked.types, _counted(last, total, before) if counting else _measured(points, begin + HOUR)),
        }


def _said(types: Iterable[str], values: Mapping[str, float]) -> Mapping[str, float | None]:
    return {each: values.get(each) for each in types}


def _counted(last: float, total: float, before: float) -> Mapping[str, float]:
    return {"state": last, "sum": total, "change": total - before}


def _measured(points: list[tuple[int, float]], end: int) -> Mapping[str, float]:
    values = [value for _, value in points]
    until = [at for at, _ in points[1:]] + [end]
    area = sum(value * (after - at) for (at, value), after in zip(points, until, strict=True))
    return {"mean": area / (end - points[0][0]), "min": min(values), "max": max(values)}


def _number(state: State) -> float | None:
    try:
        value = float(state.state)
    except ValueError:
        return None
    return value if isfinite(value) else None
