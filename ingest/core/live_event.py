"""A change as those hear of it who look on: one JSON object, and the frame that holds many."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import Any, Final

import msgspec

from ingest.core.attributes import looked_at
from ingest.core.enrich import REMOVED
from ingest.core.number import number
from ingest.core.point import Attributes, Facts, Kind, Point
from ingest.core.restart import REPEATS
from ingest.core.rule_names import SCHEMA
from ingest.core.state import Change, Source, moment_of

_encoder: Final = msgspec.json.Encoder()
_NOTHING: Final = Attributes()


def live_event(change: Change, source: Source, verdict: Point | str, facts: Facts, *, written: bool = True) -> bytes:
    """The event as JSON. `verdict` is the point that is stored, or the name of the rule that leaves the change out.

    A point that is not `written` is what the store's schema leaves out.

    `facts` are what the registries know of the entity: a change that is left out has no point to say it. Nothing of the
    frame is kept.
    """
    told = (
        _passed(verdict, written=written) if isinstance(verdict, Point) else _left_out(change, verdict, source, facts)
    )
    entity_id = change.data.entity_id
    return _encoder.encode(
        {
            "entity_id": entity_id,
            "domain": entity_id.partition(".")[0],
            **told,
            "last_updated": moment_of(change).isoformat(),
        }
    )


def _passed(point: Point, *, written: bool) -> dict[str, Any]:
    seen, kind, origin = point.attributes, point.kind, point.origin
    return {
        "state": point.state,
        "previous_state": point.previous_state,
        "value": point.value,
        "unit": seen.unit,
        "name": seen.friendly_name,
        "area_id": point.facts.area_id,
        "device_class": seen.device_class,
        "kind": None if kind is None else kind.value,
        "origin": None if origin is None else origin.value,
        **({"verdict": "stored"} if written else {"verdict": "filtered", "rule": SCHEMA}),
    }


def _left_out(change: Change, rule: str, source: Source, facts: Facts) -> dict[str, Any]:
    new, old = change.data.new_state, change.data.old_state
    seen = _NOTHING
    if new is not None or old is not None:
        with suppress(msgspec.DecodeError):
            seen = looked_at((new or old).attributes)  # type: ignore[union-attr]  # one of them is there
    return {
        "state": REMOVED if new is None else new.state,
        "previous_state": None if old is None else old.state,
        "value": None if new is None else number(new.state),
        "unit": seen.unit,
        "name": seen.friendly_name,
        "area_id": facts.area_id,
        "device_class": seen.device_class,
        "kind": Kind.REMOVED.value if new is None else None,
        "origin": None if source is Source.LIVE else source.value,
        "verdict": "repeated" if rule == REPEATS else "filtered",
        "rule": rule,
    }


def frame(events: Sequence[bytes], omitted: int, at: str) -> str:
    """The message with these events. `omitted` is how many more came in the same time; `at` the time, ISO 8601."""
    more = b'"omitted":%d,' % omitted if omitted else b""
    return (b'{"type":"events","timestamp":"%b",%b"events":[%b]}' % (at.encode(), more, b",".join(events))).decode()
