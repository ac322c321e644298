"""A point as a flat record with the names that people and other programs read: for CSV and JSON lines. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Raw, json

from ingest.core.point import Point
from ingest.core.state import Context, moment_at

COLUMNS = (
    "time", "entity_id", "state", "value", "unit", "previous_state", "duration_in_state_seconds", "kind", "origin",
    "domain", "friendly_name", "device_class", "area_id", "device_id", "entity_category", "platform", "manufacturer",
    "model", "sw_version", "context_id", "context_parent_id", "context_user_id", "registry_id", "attributes",
)  # fmt: skip
"""The names of the view `changes`."""


def record(point: Point) -> Mapping[str, str | float | None]:
    """Every column; None for what is not known. `time` is UTC, ISO 8601, to the microsecond."""
    facts, attributes, context = point.facts, point.attributes, point.context or Context()
    moment = moment_at(point.time_ns)
    values = (
        moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ"), point.entity_id, point.state, point.value, attributes.unit,
        point.previous_state, point.duration, point.kind and point.kind.value, point.origin and point.origin.value,
        point.entity_id.partition(".")[0], attributes.friendly_name, attributes.device_class, facts.area_id,
        facts.device_id, facts.entity_category, facts.platform, facts.manufacturer, facts.model, facts.sw_version,
        context.id, context.parent_id, context.user_id, facts.registry_id, attributes.json,
    )  # fmt: skip
    return dict(zip(COLUMNS, values, strict=True))


def json_line(point: Point) -> bytes:
    """One JSON object without a line break: what is not known is left out, attributes are an object."""
    known: dict[str, object] = {name: value for name, value in record(point).items() if value is not None}
    known["attributes"] = Raw(point.attributes.json.encode())
    return json.encode(known)
