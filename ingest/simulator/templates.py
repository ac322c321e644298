"""`POST /api/template`, as far as a client of ours asks: no Jinja, but the answers to the two templates that it knows."""

from __future__ import annotations

import json
from typing import Any

from ingest.core.template_facts import ENTITY_IDS, ROWS
from ingest.simulator.home import Home
from ingest.simulator.rooms import AREAS
from ingest.simulator.values import encode

_FLOORS = {area.area_id: area.floor_id for area in AREAS}


def rendered(home: Home, body: bytes) -> bytes | None:
    """What is rendered; None for a template that nobody here knows."""
    try:
        question = json.loads(body)
    except ValueError:
        return None
    template = question.get("template") if isinstance(question, dict) else None
    if template == ENTITY_IDS:
        return encode(list(home.states))
    if template == ROWS:
        return encode([_row(home, each) for each in question["variables"]["entity_ids"]])
    return None


def _row(home: Home, entity_id: str) -> dict[str, Any]:
    entity = home.registry.entities.get(entity_id)
    if entity is None or not entity.kind.registered:
        return {"entity_id": entity_id, "device_id": None, "area_id": None, "labels": [], "hidden": False}
    entry, device = home.registry.entry(entity), entity.device
    area_id: str | None = entry["area_id"] or (device.area_id if device else None)
    return {
        "entity_id": entity_id,
        "device_id": entry["device_id"],
        "area_id": area_id,
        "manufacturer": device.manufacturer if device else None,
        "model": device.model if device else None,
        "sw_version": device.sw_version if device else None,
        "floor_id": _FLOORS.get(area_id or ""),
        "labels": entry["labels"],
        "hidden": entry["hidden_by"] is not None,
    }
