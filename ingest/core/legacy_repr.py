"""States as HomeIQ wrote them: Python's text of the whole object that Home Assistant sent.

HomeIQ's websocket-ingestion stores `str(new_state)`, a dict. Its activity-writer reads that back with
`ast.literal_eval` and takes `state` and some `attributes` out of it; for that one this is written. A point knows less
than Home Assistant said, and what it does not know is left out: `last_changed` and `last_reported`, and of the state
before everything but its value.
Source: HomeIQ, websocket-ingestion's influxdb_schema.py, activity-writer's helpers.py (commit 580788a).
"""

from __future__ import annotations

from msgspec.structs import asdict, replace

from ingest.core.attributes import fewer, fitting
from ingest.core.lineprotocol import TEXT_LIMIT
from ingest.core.point import Point
from ingest.core.state import moment_at
from ingest.core.typed_fields import members

_ROOM = TEXT_LIMIT // 4
"""Bytes of JSON whose attributes as Python writes them surely fit: a text that is cut cannot be read back."""


def with_legacy_states(point: Point) -> Point:
    """The point, its states as texts of dicts."""
    previous = point.previous_state
    return replace(
        point,
        state=str(_now(point)),
        previous_state=None if previous is None else str({"entity_id": point.entity_id, "state": previous}),
    )


def _now(point: Point) -> dict[str, object]:
    state: dict[str, object] = {"entity_id": point.entity_id, "state": point.state}
    if point.attributes.json:
        state["attributes"] = members(fitting(fewer(point.attributes.json, point.treatment), _ROOM))
    state["last_updated"] = moment_at(point.time_ns).isoformat()
    if point.context is not None:
        state["context"] = asdict(point.context)
    return state
