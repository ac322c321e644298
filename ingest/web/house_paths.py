"""The house status as the OpenAPI document describes it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from ingest.web.schemas import COUNT, FLAG, NUMBER, TEXT, TIME, Schema, answer, by_name, closed, many, maybe

DEGREES: Final = maybe(NUMBER)
IDS: Final = many({"type": "string", "pattern": r"\."})


def _list_of(**properties: Schema) -> Schema:
    return many(closed(properties))


HOUSE: Final = closed(
    {
        "climate": _list_of(
            entity_id=TEXT,
            friendly_name=TEXT,
            current_temperature=DEGREES,
            target_temperature=DEGREES,
            hvac_mode=TEXT,
            unit=maybe(TEXT),
        ),
        "presence": _list_of(name=TEXT, state=TEXT),
        "lights_by_area": _list_of(
            area=TEXT, area_id=maybe(TEXT), on_count=COUNT, off_count=COUNT, unavailable_count=COUNT
        ),
        "sensors": by_name(_list_of(name=TEXT, state=TEXT, device_class=TEXT)),
        "switches_on": IDS,
        "active_automations": IDS,
        "connected": FLAG,
        "as_of": TIME,
        "complete": FLAG,
        "timestamp": TIME,
    }
)

NOT_YET: Final = closed({"error": TEXT, "connected": {"const": False}, "timestamp": TIME})

PATHS: Final[Mapping[str, Any]] = {
    "/api/status/house": {
        "get": {
            "summary": "What the house is like now, as Home Assistant says it",
            "description": "The WebSocket /ws/status sends the same as a snapshot, and then the sections that change.",
            "operationId": "houseStatus",
            "responses": {
                "200": answer("The house.", HOUSE),
                "503": answer("Home Assistant has not told its present states since the service started.", NOT_YET),
            },
        }
    }
}
