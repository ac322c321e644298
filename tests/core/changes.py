"""Changes for tests, made the way they come: as JSON, decoded."""

from __future__ import annotations

import json
from typing import Any

from msgspec import Raw

from ingest.core import wire
from ingest.core.judged import Judged
from ingest.core.state import Change

NOON = "2026-11-23T12:00:00.000000+00:00"
LATER = "2026-11-23T12:00:05.250001+00:00"
LATER_NS = 1795435205250001000


def state(
    entity_id: str, value: str, *, changed: str = LATER, updated: str = LATER, **attributes: Any
) -> dict[str, Any]:
    return {
        "entity_id": entity_id,
        "state": value,
        "attributes": attributes,
        "last_changed": changed,
        "last_reported": updated,
        "last_updated": updated,
        "context": {"id": "01M83QYPK4TRRB9RF03HSFM2CX", "parent_id": None, "user_id": "anna"},
    }


def together(*parts: Judged) -> Judged:
    """What was judged apart as one."""
    return Judged(
        parts[0].source,
        [change for each in parts for change in each.changes],
        [verdict for each in parts for verdict in each.verdicts],
        [rule for each in parts for rule in each.rules],
    )


def change(new: dict[str, Any] | None, old: dict[str, Any] | None = None, *, fired: str = LATER) -> Change:
    """The change from `old` to `new`; one of them at least is a state."""
    entity_id = (new or old or {})["entity_id"]
    event = {
        "event_type": "state_changed",
        "data": {"entity_id": entity_id, "old_state": old, "new_state": new},
        "origin": "LOCAL",
        "time_fired": fired,
        "context": {"id": "01EVENT", "parent_id": "01PARENT", "user_id": None},
    }
    return wire.change(raw(event))


def raw(value: object) -> Raw:
    return Raw(json.dumps(value, ensure_ascii=False).encode())
