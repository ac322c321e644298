"""The schema `homeiq`: measurement `home_assistant_events`, as HomeIQ's services read it.

    measurement,tags │  manufacturer=…,unit=…, │ attributes=…, │ state_value=…,value=…,context_id=… time
    └──── series ────┘ └─────── head ────────┘                 └────────────── a point's own ──────────┘
                       └──────────────── kept ────────────────┘

Most of a line repeats from point to point of an entity: series and head change with its facts, the rest of what is kept with
its attributes, and both come as the very same objects while they are the same. So they are kept, escaped, per entity, and a
batch has them once for many lines: that is why the attributes stand before the state. To a database their order is nothing.
Tags are sorted by key, as InfluxDB likes them. What is not known is left out: no tag and no field is ever made up.
Source: HomeIQ's websocket-ingestion, `influxdb_schema.py`.
"""

from __future__ import annotations

from functools import partial

from attrs import define, field
from msgspec import Struct

from ingest.core.attributes import fewer, fitting
from ingest.core.gap_points import gap_line, gap_numbers
from ingest.core.legacy_repr import with_legacy_states
from ingest.core.line_owners import whose
from ingest.core.lineprotocol import decimal, is_plain, measurement, quote, tag, utf8
from ingest.core.point import Attributes, Facts, Kind, Point
from ingest.core.registry_points import registry_encoder
from ingest.core.room import ENTITIES, make_room
from ingest.core.sealing import Line, in_pieces, seal_pieces, uncut, weight
from ingest.core.store import Codec
from ingest.core.treatment import Treatment
from ingest.core.typed_fields import Fields, kept, members, typed, written

MEASUREMENT = "home_assistant_events"

# Python 3.11 takes 0.1 µs to find an enum's member, and as long for its value or its hash
_changed, _removed = Kind.CHANGED, Kind.REMOVED
_kinds = {kind: f',kind="{kind.value}"' for kind in Kind} | {None: ""}


def category(domain: str, device_class: str | None) -> str:
    """HomeIQ's `event_category`: the first that fits."""
    if domain in {"alarm_control_panel", "lock"} or device_class in {"door", "window", "motion", "lock"}:
        return "security"
    if domain == "climate" or device_class in {"temperature", "humidity"}:
        return "climate"
    if "light" in {domain, device_class}:
        return "lighting"
    if domain in {"switch", "fan", "vacuum"} or device_class in {"power", "energy"}:
        return "appliance"
    return "monitoring" if domain == "sensor" else "general"


def tags(entity_id: str, facts: Facts, device_class: str | None, home: str = "") -> dict[str, str | None]:
    """A point's tags, sorted by key; None and empty are not written. `home` is given where several share a bucket."""
    domain = entity_id.partition(".")[0]
    return {
        "area_id": facts.area_id,
        "device_class": device_class,
        "device_id": facts.device_id,
        "domain": domain,
        "entity_category": facts.entity_category,
        "entity_id": entity_id,
        "event_category": category(domain, device_class),
        "event_type": "state_changed",
        "home": home,
        "platform": facts.platform,
        "registry_id": facts.registry_id,
    }


NAMES = frozenset({
    *tags("", Facts(""), None), "time", "state_value", "previous_state", "value", "duration_in_state_seconds", "kind",
    "origin", "context_id", "context_parent_id", "context_user_id", "attributes", "manufacturer", "model", "sw_version",
    "unit",
})  # fmt: skip
"""What is a tag or a field of the schema: no attribute's number goes under such a name."""


def _series(point: Point, home: str) -> str:
    known = tags(point.entity_id, point.facts, point.attributes.device_class, home)
    series = (f",{key}={tag(value)}" for key, value in known.items() if value)
    return measurement(point.treatment.measurement or MEASUREMENT) + "".join(series) + " "


def _constants(facts: Facts, unit: str | None) -> str:
    """The fields that an entity's points share, each with the comma after it."""
    values = {
        "manufacturer": facts.manufacturer,
        "model": facts.model,
        "sw_version": facts.sw_version,
        "unit": unit,
    }
    return "".join(f"{key}={quote(value)}," for key, value in values.items() if value)


def _attributes(attributes: Attributes, treatment: Treatment) -> bytes:
    """The attributes: all of them as JSON, or those that are wanted as fields."""
    json = attributes.json
    if not json or treatment.attributes == "none":
        return b""
    if isinstance(treatment.attributes, tuple):
        fields = written(_chosen(json, treatment)).removeprefix(",")
        return utf8(f"{fields},") if fields else b""
    return utf8(f"attributes={quote(fitting(fewer(json, treatment)))},")


def _chosen(json: str, treatment: Treatment) -> Fields:
    return typed(kept(members(json), treatment), {}, NAMES)


class Parts(Struct, frozen=True, gc=False):
    """What repeats in an entity's lines, escaped, and what it was made from."""

    facts: Facts
    attributes: Attributes
    treatment: Treatment
    series: bytes
    head: bytes
    kept: bytes


@define
class Encoder:
    """Makes lines, with the tag `home` if it is not empty. It remembers the parts of the newest `entities` entities."""

    entities: int = ENTITIES
    home: str = ""
    _parts: dict[str, Parts] = field(factory=dict)

    def line(self, point: Point) -> bytes:
        """The point's line, without a line break."""
        return uncut(self.encode(point))

    def encode(self, point: Point) -> Line:
        """The point's line in its pieces."""
        parts = self._parts.get(point.entity_id)
        if (
            parts is None
            or parts.attributes is not point.attributes
            or parts.facts is not point.facts
            or parts.treatment is not point.treatment
        ):
            parts = self._renew(point, parts)
        return parts.series, parts.kept, utf8(_own(point))

    def _renew(self, point: Point, old: Parts | None) -> Parts:
        new = _parts(point, old, self.home)
        if point.kind is _removed:
            self._parts.pop(point.entity_id, None)
            return new
        if old is None:
            make_room(self._parts, self.entities)
        self._parts[point.entity_id] = new
        return new


def _parts(point: Point, old: Parts | None, home: str) -> Parts:
    facts, attributes, treatment = point.facts, point.attributes, point.treatment
    if old is not None and _same_head(old, point):
        series, head = old.series, old.head
    else:
        series, space, constants = utf8(_series(point, home) + _constants(facts, attributes.unit)).partition(b" ")
        head = space + constants
    return Parts(facts, attributes, treatment, series, head, head + _attributes(attributes, treatment))


def _same_head(old: Parts, point: Point) -> bool:
    one, other = old.attributes, point.attributes
    same = one.device_class == other.device_class and one.unit == other.unit
    return same and old.facts is point.facts and old.treatment.measurement == point.treatment.measurement


def _own(point: Point) -> str:
    """The fields that are a point's own, and its time. A frame of thousands goes through here, nine in ten of them alike."""
    state, previous, duration, context = point.state, point.previous_state, point.duration, point.context
    if (
        point.kind is _changed
        and previous is not None
        and duration is not None
        and context is not None
        and context.id
        and not (context.parent_id or context.user_id or point.origin)
        and is_plain(f"{state}{previous}{context.id}")
    ):
        value = "" if point.value is None else f",value={decimal(point.value)}"
        return (
            f'state_value="{state}",previous_state="{previous}"{value},duration_in_state_seconds={decimal(duration)}'
            f',kind="changed",context_id="{context.id}" {point.time_ns}\n'
        )
    return f"{_any_fields(point)} {point.time_ns}\n"


def _any_fields(point: Point) -> str:
    """Those fields, of any point."""
    text = f"state_value={quote(point.state)}"
    if point.previous_state is not None:
        text += f",previous_state={quote(point.previous_state)}"
    if point.value is not None:
        text += f",value={decimal(point.value)}"
    if point.duration is not None:
        text += f",duration_in_state_seconds={decimal(point.duration)}"
    text += _kinds[point.kind]
    if point.origin is not None:
        text += f',origin="{point.origin.value}"'
    context = point.context
    if context is not None:
        if context.id:
            text += f",context_id={quote(context.id)}"
        if context.parent_id:
            text += f",context_parent_id={quote(context.parent_id)}"
        if context.user_id:
            text += f",context_user_id={quote(context.user_id)}"
    return text


def numbers(point: Point, home: str = "") -> bytes | None:
    """The point's line with its numeric fields only; None when it has none. `home` as in `tags`.

    For VictoriaMetrics, which would store every text as 0.
    """
    fields = {"value": point.value, "duration_in_state_seconds": point.duration}
    own = ",".join(f"{key}={decimal(number)}" for key, number in fields.items() if number is not None)
    chosen: Fields = {}
    if isinstance(point.treatment.attributes, tuple) and point.attributes.json:
        wanted = _chosen(point.attributes.json, point.treatment).items()
        chosen = {key: each for key, each in wanted if not isinstance(each, str)}
    known = own + written(chosen)
    return utf8(f"{_series(point, home)}{known.removeprefix(',')} {point.time_ns}") if known else None


def homeiq(
    *,
    numeric_only: bool = False,
    gaps: bool = False,
    registries: bool = False,
    legacy: bool = False,
    entities: int = ENTITIES,
    home: str = "",
) -> Codec[Line, bytes]:
    """The schema's codec: points to lines in pieces, those to a compressed payload. Each pipeline has its own.

    With `gaps` it writes those, too, and with `registries` devices and entities, into measurements of their own;
    `legacy`: states as HomeIQ wrote them. A `home` that is not empty is a tag of all of them.
    """
    gap = in_pieces(gap_numbers if numeric_only else gap_line) if gaps else None
    registry = in_pieces(registry_encoder(numeric_only=numeric_only, home=home)) if registries else None
    usual, bare = Encoder(entities, home).encode, in_pieces(partial(numbers, home=home))
    encode = bare if numeric_only else (lambda point: usual(with_legacy_states(point))) if legacy else usual
    return Codec(encode, weight, seal_pieces, gap, registry, heartbeats=True, whose=whose)
