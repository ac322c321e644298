"""The house status as the OpenAPI document describes it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

TEXT: Mapping[str, Any] = {"type": "string"}
TIME: Mapping[str, Any] = {"type": "string", "format": "date-time"}
COUNT: Mapping[str, Any] = {"type": "integer", "minimum": 0}
DEGREES: Mapping[str, Any] = {"type": ["number", "null"]}
IDS: Mapping[str, Any] = {"type": "array", "items": {"type": "string", "pattern": r"\."}}


def _closed(**properties: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def _list_of(**properties: Mapping[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": _closed(**properties)}


HOUSE: Mapping[str, Any] = _closed(
    climate=_list_of(
        entity_id=TEXT,
        friendly_name=TEXT,
        current_temperature=DEGREES,
        target_temperature=DEGREES,
        hvac_mode=TEXT,
        unit={"type": ["string", "null"]},
    ),
    presence=_list_of(name=TEXT, state=TEXT),
    lights_by_area=_list_of(area=TEXT, on_count=COUNT, off_count=COUNT, unavailable_count=COUNT),
    sensors={
        "type": "object",
        "additionalProperties": _list_of(name=TEXT, state=TEXT, device_class=TEXT),
    },
    switches_on=IDS,
    active_automations=IDS,
    connected={"type": "boolean"},
    as_of=TIME,
    complete={"type": "boolean"},
    timestamp=TIME,
)

NOT_YET: Mapping[str, Any] = _closed(error=TEXT, connected={"const": False}, timestamp=TIME)

PATHS: Mapping[str, Any] = {
    "/api/status/house": {
        "get": {
            "summary": "What the house is like now, as Home Assistant says it",
            "description": "The WebSocket /ws/status sends the same as a snapshot, and then the sections that change.",
            "operationId": "houseStatus",
            "responses": {
                "200": {"description": "The house.", "content": {"application/json": {"schema": HOUSE}}},
                "503": {
                    "description": "Home Assistant has not told its present states since the service started.",
                    "content": {"application/json": {"schema": NOT_YET}},
                },
            },
        }
    }
}
