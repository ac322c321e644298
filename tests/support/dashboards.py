"""What Grafana makes of a dashboard's queries, and a home that every panel has something of."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from attrs import evolve, frozen

from ingest.core.coverage import Cause, Gap, Progress
from ingest.core.gap_points import GapPoint, gap_point, merged
from ingest.core.grafana import Dashboard, Language
from ingest.core.grafana_home import home_dashboard
from ingest.core.grafana_influxql import influxql_homeassistant, influxql_homeiq
from ingest.core.grafana_metricsql import metricsql_homeassistant, metricsql_homeiq
from ingest.core.number import number
from ingest.core.point import Attributes, Facts, Kind, Point

SECOND_NS = 10**9
HOMES: Mapping[str, Dashboard] = {
    made.uid.removeprefix("homeiq-ingest-"): made
    for made in (
        home_dashboard("homeiq", Language.INFLUXQL, influxql_homeiq("home")),
        home_dashboard("homeiq", Language.METRICSQL, metricsql_homeiq("home")),
        home_dashboard("homeassistant", Language.INFLUXQL, influxql_homeassistant("home")),
        home_dashboard("homeassistant", Language.METRICSQL, metricsql_homeassistant("home")),
    )
}
"""The dashboards of a home, by schema and language."""

TAGGED: Mapping[str, Dashboard] = {
    "homeiq-influxql": home_dashboard("homeiq", Language.INFLUXQL, influxql_homeiq("home", tagged=True), "home"),
    "homeiq-metricsql": home_dashboard("homeiq", Language.METRICSQL, metricsql_homeiq("home", tagged=True), "home"),
    "homeassistant-influxql": home_dashboard(
        "homeassistant", Language.INFLUXQL, influxql_homeassistant("home", tagged=True), "home"
    ),
    "homeassistant-metricsql": home_dashboard(
        "homeassistant", Language.METRICSQL, metricsql_homeassistant("home", tagged=True), "home"
    ),
}
"""The same of a home that shares its bucket with others."""


@frozen
class Asked:
    """One query of a dashboard: what it is for, its text as it is written, and whether it is asked at one moment."""

    what: str
    text: str
    instant: bool


def queries(dashboard: Mapping[str, Any]) -> Iterator[Asked]:
    """Everything that a dashboard's JSON asks its data source: panels, variables, the shading."""
    for panel in dashboard["panels"]:
        for target in panel["targets"]:
            instant = target.get("instant", False)
            yield Asked(f"{panel['title']} {target['refId']}", target.get("query") or target["expr"], instant)
    for variable in dashboard["templating"]["list"]:
        if variable["type"] == "query":
            yield Asked(f"variable {variable['name']}", variable["definition"], instant=True)
    for annotation in dashboard["annotations"]["list"]:
        yield Asked("shading", annotation.get("query") or annotation["expr"], instant=False)


def expanded(text: str, chosen: Mapping[str, str], from_ms: int, to_ms: int, interval: str = "1m") -> str:
    """The query as it is sent: as Grafana does it, a variable is a regular expression of what is chosen, or `.*`."""
    seconds = (to_ms - from_ms) // 1000
    known = {
        "timeFilter": f"time >= {from_ms}ms and time <= {to_ms}ms",
        "__interval": interval,
        "__rate_interval": interval,
        "__range": f"{seconds}s",
    }
    names = {**known, **chosen}
    # An alias names tags, which the data source fills in afterwards; no query may.
    return re.sub(r"\$(\w+)", lambda found: names[found[1]], text)


def picked(*values: str) -> str:
    """A choice of several values, as Grafana writes it into a regular expression."""
    escaped = [re.sub(r"([\\^$*+?.()|[\]{}/])", r"\\\1", value) for value in values]
    return escaped[0] if len(escaped) == 1 else f"({'|'.join(escaped)})"


_ENTITIES: tuple[tuple[str, str, str, str, tuple[str, ...]], ...] = (
    ("sensor.kitchen_temperature", "kitchen", "temperature", "°C", ("20.5", "21", "unavailable", "21.5")),
    ("sensor.attic_temperature", "", "temperature", "°C", ("17", "17.25", "17.5")),
    ("sensor.kitchen_humidity", "kitchen", "humidity", "%", ("48", "52", "51")),
    ("sensor.oven_power", "kitchen", "power", "W", ("0", "1900", "12")),
    ("sensor.house_power", "", "power", "kW", ("0.3", "2.2", "0.4")),
    ("sensor.door_battery", "hall", "battery", "%", ("81", "80", "79")),
    ("light.kitchen", "kitchen", "", "", ("off", "on", "off")),
    ("switch.pump", "garden", "", "", ("on", "off", "on")),
    ("binary_sensor.door", "hall", "door", "", ("off", "on", "unavailable")),
    ("lock.door", "hall", "", "", ("locked", "unlocked", "locked")),
    ("climate.kitchen", "kitchen", "", "", ("heat", "off", "heat")),
    ("person.anna", "", "", "", ("home", "not_home", "home")),
    ("person.ben", "", "", "", ("home", "not_home", "Work")),
)


def sample(now_ns: int) -> list[Point]:
    """Changes of an hour of a small home, of each entity every ten minutes, the last a minute ago."""
    return [point for each in _ENTITIES for point in _points(*each, now_ns=now_ns)]


def _points(
    entity_id: str, area: str, device_class: str, unit: str, states: tuple[str, ...], *, now_ns: int
) -> Iterator[Point]:
    told = {"unit_of_measurement": unit, "device_class": device_class}
    json = ",".join(f'"{key}":"{value}"' for key, value in told.items() if value)
    attributes = Attributes(f"{{{json}}}", device_class or None, unit or None)
    facts = Facts(f"id-{entity_id}", area_id=area or None)
    before: str | None = None
    for age, state in zip(range(len(states) - 1, -1, -1), states, strict=True):
        time_ns = now_ns - (60 + 600 * age) * SECOND_NS
        lasted = None if before is None else 600.0
        yield Point(entity_id, time_ns, state, facts, attributes, number(state), before, lasted, Kind.CHANGED)
        before = state


def gaps(now_ns: int) -> list[GapPoint]:
    """One that is open, one that was filled, one that could not be, and one that is part of another."""
    opened = Gap(1, Cause.CONNECTION, now_ns - 1800 * SECOND_NS, now_ns - 1500 * SECOND_NS, Progress.OPEN, "", 3, 3)
    filled = evolve(opened, cause=Cause.STOPPED, progress=Progress.FILLED, left=0, filled=7)
    lost = evolve(opened, cause=Cause.EVICTED, progress=Progress.UNFILLABLE, why="the recorder lacks it")
    other = gap_point("home", evolve(opened, cause=Cause.KILLED))
    return [*(gap_point("home", each) for each in (opened, filled, lost)), merged(other)]
