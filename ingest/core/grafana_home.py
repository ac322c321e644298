"""The dashboard of a home: what somebody who lives in it wants to see first, whatever the schema and the database.

The panels are the same everywhere; what they ask is in `core/grafana_influxql.py` and `core/grafana_metricsql.py`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, Literal
from zlib import crc32

from attrs import Factory, frozen

from ingest.core.grafana import Dashboard, Language, Panel, Query, Variable
from ingest.core.grafana_look import steps, words

Schema = Literal["homeiq", "homeassistant"]

STATES: Final = "alarm_control_panel|binary_sensor|climate|cover|fan|light|lock|media_player|switch|vacuum|valve"
"""The domains whose states are words that a person does something with, as a regular expression."""

PRESENCE: Final = "person|device_tracker"

MOST: Final = 15
"""Rows of the table of what changed most."""


@frozen
class Queries:
    """What the panels ask. A panel that a schema has nothing for has no queries, and is left out."""

    temperatures: Sequence[Query]
    humidities: Sequence[Query]
    power: Sequence[Query]
    batteries: Sequence[Query]
    presence: Sequence[Query]
    states: Sequence[Query]
    busiest: Sequence[Query]
    changes: Sequence[Query]
    gaps: Sequence[Query]
    variables: Sequence[Variable]
    shading: Mapping[str, Any]
    notes: Mapping[str, str] = Factory(dict)
    """By the name of a field above: what is to be known of its panel beside what is always said."""


def home_dashboard(schema: Schema, language: Language, asked: Queries, home: str = "") -> Dashboard:
    """The dashboard; its uid says schema and language, so that all of them fit into one Grafana.

    `home` is the name of one of several, whose uid is made of it, too: Grafana takes 40 characters of the plainest kind.
    """
    panels = [panel for panel in _panels(asked) if panel.queries]
    uid, title = f"homeiq-ingest-{schema}-{language.value}", f"Home ({schema}, {_SPOKEN[language]})"
    if home:
        uid, title = f"homeiq-ingest-{crc32(f'{uid} {home}'.encode()):08x}", title.replace("Home", f"Home {home}", 1)
    return Dashboard(uid, title, language, panels, asked.variables, asked.shading)


_SPOKEN: Final = {Language.INFLUXQL: "InfluxQL", Language.METRICSQL: "MetricsQL"}

_MEANS: Final = "The mean of what was reported in each interval."
_HELD: Final = "Coloured from each change on; what was before the first change in the range is not known here."

_ON_OFF: Final = words(
    _1=("on", "yellow"), _0=("off", "#444444"),
    on=("on", "yellow"), off=("off", "#444444"), open=("open", "orange"), closed=("closed", "green"),
    locked=("locked", "green"), unlocked=("unlocked", "orange"), unavailable=("unavailable", "#888888"),
)  # fmt: skip
_AT_HOME: Final = words(
    _1=("home", "green"), _0=("away", "#444444"), home=("home", "green"), not_home=("away", "#444444")
)
_DESCENDING: Final = [
    {"id": "merge", "options": {}},
    {
        "id": "organize",
        "options": {"excludeByName": {"Time": True, "time": True}, "renameByName": {"Value": "changes"}},
    },
    {"id": "sortBy", "options": {"sort": [{"field": "changes", "desc": True}]}},
    {"id": "limit", "options": {"limitField": MOST}},
]


def _panels(asked: Queries) -> Iterator[Panel]:
    notes = asked.notes
    yield Panel("Temperatures", "timeseries", 12, 8, asked.temperatures, "suffix:°", _MEANS)
    yield Panel("Power", "timeseries", 12, 8, asked.power, "watt", _said(_MEANS, notes.get("power")))
    yield Panel(
        "Who is at home", "state-timeline", 12, 7, asked.presence, about=_said(_HELD, notes.get("presence")),
        look={"defaults": {"mappings": _AT_HOME}},
    )  # fmt: skip
    levels = steps(("red", None), ("orange", 15), ("green", 30))
    yield Panel(
        "Batteries", "bargauge", 12, 7, asked.batteries, "percent",
        _said("The last level that each reported in seven days.", notes.get("batteries")), "7d",
        {"defaults": {"min": 0, "max": 100, "thresholds": levels}},
    )  # fmt: skip
    yield Panel(
        "States", "state-timeline", 24, 11, asked.states, about=_said(_HELD, notes.get("states")),
        look={"defaults": {"mappings": _ON_OFF}},
    )  # fmt: skip
    yield Panel("Humidity", "timeseries", 12, 8, asked.humidities, "percent", _said(_MEANS, notes.get("humidities")))
    yield Panel(
        "What changed most", "table", 12, 8, asked.busiest, about=_said("In the range.", notes.get("busiest")),
        look={"transformations": _DESCENDING},
    )  # fmt: skip
    bars = {"drawStyle": "bars", "fillOpacity": 60, "lineWidth": 0, "stacking": {"mode": "normal", "group": "A"}}
    yield Panel(
        "Stored changes by domain", "timeseries", 12, 8, asked.changes, "short", notes.get("changes", ""),
        look={"defaults": {"custom": bars}},
    )  # fmt: skip
    yield Panel(
        "Gaps: when changes may have been missed", "table", 12, 8, asked.gaps,
        about=_said("`homeiq-ingest gaps list` says more.", notes.get("gaps")),
    )  # fmt: skip


def _said(always: str, note: str | None) -> str:
    return f"{always} {note}" if note else always
