"""How the panels of Grafana look: what a panel of each kind always has, colours by value, and words for values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

_HOLDS: Final = {"lineInterpolation": "stepAfter", "lineWidth": 1, "fillOpacity": 0, "spanNulls": True}
"""A state holds until the next one: a slope between two would be invented."""

_LAST: Final = {"calcs": ["lastNotNull"], "fields": "", "values": False}

KINDS: Final[Mapping[str, Mapping[str, Any]]] = {
    "timeseries": {
        "defaults": {"custom": {"drawStyle": "line", "showPoints": "auto", **_HOLDS}},
        "options": {
            "legend": {"displayMode": "list", "placement": "bottom", "showLegend": True},
            "tooltip": {"mode": "multi", "sort": "desc"},
        },
    },
    "state-timeline": {
        "defaults": {"custom": {"fillOpacity": 80, "lineWidth": 0, "spanNulls": True}},
        "options": {
            "mergeValues": True,
            "showValue": "auto",
            "rowHeight": 0.8,
            "legend": {"displayMode": "list", "placement": "bottom", "showLegend": False},
        },
    },
    "stat": {
        "options": {"reduceOptions": _LAST, "colorMode": "background", "graphMode": "none", "textMode": "auto"},
    },
    "bargauge": {
        "options": {"reduceOptions": _LAST, "displayMode": "basic", "orientation": "horizontal", "valueMode": "text"},
    },
    "table": {"options": {"showHeader": True, "cellHeight": "sm"}},
}
"""What a panel of a kind always has."""


def steps(*values: tuple[str, float | None]) -> dict[str, Any]:
    """Colours by value: each holds from its value on, the first, with None, below."""
    return {"mode": "absolute", "steps": [{"color": color, "value": value} for color, value in values]}


def words(**meanings: tuple[str, str]) -> list[dict[str, Any]]:
    """What values are called, and in which colour: `words(_1=("on", "green"))`; a number has an underscore before it."""
    options = {
        value.removeprefix("_"): {"index": at, "text": text, "color": color}
        for at, (value, (text, color)) in enumerate(meanings.items())
    }
    return [{"type": "value", "options": options}]
