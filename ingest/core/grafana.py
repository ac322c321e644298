"""Dashboards for Grafana as values, and the JSON that Grafana provisions.

    Query      what one panel asks, in the language of its data source
    Panel      a title, a kind, a size in Grafana's grid of 24 columns, and its queries
    Dashboard  panels in reading order, variables at its head, and the query that shades gaps

Places in the grid and the numbers of panels are made here, so that they cannot collide. The data source is a variable of the
dashboard: what is provisioned for one Grafana can be imported into another.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from enum import Enum
from itertools import count
from typing import Any, Final

from attrs import Factory, frozen

from ingest.core.grafana_look import KINDS

COLUMNS: Final = 24
"""How wide Grafana's grid is."""

SCHEMA_VERSION: Final = 39
"""That of Grafana 11; newer ones move a dashboard on by themselves, older ones down to 9 read what is used of it here."""

ALL: Final = "$__all"


class Language(Enum):
    """What a data source is asked in. `METRICSQL` goes through Grafana's data source for Prometheus, too."""

    INFLUXQL = "influxql"
    METRICSQL = "metricsql"
    PROMETHEUS = "prometheus"

    @property
    def plugin(self) -> str:
        """Grafana's kind of data source."""
        return "influxdb" if self is Language.INFLUXQL else "prometheus"


@frozen
class Query:
    """One query of a panel. `table`: one row for each series or point, where time is not an axis."""

    text: str
    legend: str = ""
    table: bool = False


@frozen
class Variable:
    """A choice at the head of a dashboard: any of what the query lists, or all.

    `regex` is an expression as Grafana has it, with slashes: of what the query lists only what it fits is there.
    """

    name: str
    label: str
    query: str
    regex: str = ""


@frozen
class Panel:
    """One panel: width and height in cells of the grid. `look` is merged into what its kind always has."""

    title: str
    kind: str
    width: int
    height: int
    queries: Sequence[Query]
    unit: str = ""
    about: str = ""
    over: str = ""
    """A time range of its own, such as `7d`; else that of the dashboard."""
    look: Mapping[str, Any] = Factory(dict)


@frozen
class Dashboard:
    """A whole dashboard. `gaps` is the annotation that shades them, as its language has it; empty without one."""

    uid: str
    title: str
    language: Language
    panels: Sequence[Panel]
    variables: Sequence[Variable] = ()
    gaps: Mapping[str, Any] = Factory(dict)
    since: str = "now-24h"
    refresh: str = "1m"


def as_json(dashboard: Dashboard, datasource: str) -> str:
    """The file that Grafana reads; `datasource` is the uid of the one that is chosen at first."""
    return json.dumps(_dashboard(dashboard, datasource), ensure_ascii=False, indent=2) + "\n"


def _dashboard(made: Dashboard, datasource: str) -> dict[str, Any]:
    return {
        "uid": made.uid,
        "title": made.title,
        "tags": ["homeiq-ingest", made.language.value],
        "schemaVersion": SCHEMA_VERSION,
        "version": 1,
        "editable": True,
        "graphTooltip": 1,
        "refresh": made.refresh,
        "time": {"from": made.since, "to": "now"},
        "timezone": "browser",
        "templating": {"list": [_chosen_source(made, datasource), *(_variable(made, each) for each in made.variables)]},
        "annotations": {"list": [_annotation(made)] if made.gaps else []},
        "panels": list(_placed(made)),
    }


def _source(language: Language) -> dict[str, str]:
    return {"type": language.plugin, "uid": "${datasource}"}


def _chosen_source(made: Dashboard, datasource: str) -> dict[str, Any]:
    return {
        "name": "datasource",
        "label": "Data source",
        "type": "datasource",
        "query": made.language.plugin,
        "current": {"selected": True, "text": datasource, "value": datasource},
        "hide": 0,
        "refresh": 1,
        "regex": "",
    }


def _variable(made: Dashboard, variable: Variable) -> dict[str, Any]:
    query: Any = variable.query
    if made.language.plugin == "prometheus":
        query = {"query": variable.query, "refId": f"variable-{variable.name}"}
    return {
        "name": variable.name,
        "label": variable.label,
        "type": "query",
        "datasource": _source(made.language),
        "definition": variable.query,
        "query": query,
        "refresh": 2,
        "sort": 1,
        "multi": True,
        "includeAll": True,
        # Also what has no such label is among all: an entity without an area, for one.
        "allValue": ".*",
        "current": {"selected": True, "text": ["All"], "value": [ALL]},
        "hide": 0,
        "regex": variable.regex,
    }


def _annotation(made: Dashboard) -> dict[str, Any]:
    usual = {"name": "Gaps", "enable": True, "hide": False, "iconColor": "rgba(255, 152, 48, 1)"}
    return {**usual, "datasource": _source(made.language), **made.gaps}


def _placed(made: Dashboard) -> Iterator[dict[str, Any]]:
    """The panels from left to right; one that does not fit into its row begins the next."""
    x = y = tallest = 0
    for number, panel in zip(count(1), made.panels, strict=False):
        if x + panel.width > COLUMNS:
            x, y, tallest = 0, y + tallest, 0
        place = {"x": x, "y": y, "w": panel.width, "h": panel.height}
        yield {"id": number, "gridPos": place, **_panel(panel, made.language)}
        x, tallest = x + panel.width, max(tallest, panel.height)


def _panel(panel: Panel, language: Language) -> dict[str, Any]:
    usual = KINDS[panel.kind]
    defaults: dict[str, Any] = {**usual.get("defaults", {}), **panel.look.get("defaults", {})}
    if panel.unit:
        defaults["unit"] = panel.unit
    made = {
        "title": panel.title,
        "type": panel.kind,
        "description": panel.about,
        "datasource": _source(language),
        "fieldConfig": {"defaults": defaults, "overrides": panel.look.get("overrides", [])},
        "options": {**usual.get("options", {}), **panel.look.get("options", {})},
        "targets": [_target(each, language, at) for at, each in enumerate(panel.queries)],
    }
    if panel.over:
        made["timeFrom"] = panel.over
    if "transformations" in panel.look:
        made["transformations"] = panel.look["transformations"]
    return made


def _target(query: Query, language: Language, at: int) -> dict[str, Any]:
    usual: dict[str, Any] = {"refId": chr(ord("A") + at), "datasource": _source(language)}
    if language is Language.INFLUXQL:
        form = "table" if query.table else "time_series"
        return {**usual, "query": query.text, "rawQuery": True, "resultFormat": form, "alias": query.legend}
    return {
        **usual,
        "expr": query.text,
        "legendFormat": query.legend or "__auto",
        "editorMode": "code",
        "range": not query.table,
        "instant": query.table,
        "format": "table" if query.table else "time_series",
    }
