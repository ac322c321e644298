"""The schema `homeiq`: measurement `home_assistant_events`, as HomeIQ's services read it.

    measurement,tags manufacturer=…,unit=…, │ state_value=…,value=…,context_id=… │ ,attributes=… │ time
    └─────────── head: per entity ─────────┘ └─────────── per point ───────────┘ └ per entity ─┘

Most of a line repeats from point to point of an entity: the head changes with its facts, the attributes with its
attributes, and both come as the very same objects while they are the same. So they are kept, escaped, per entity.
Tags are sorted by key, as InfluxDB likes them. What is not known is left out: no tag and no field is ever made up.
Source: HomeIQ's websocket-ingestion, `influxdb_schema.py`.
"""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Sequence

import msgspec
from attrs import define, field, frozen
from msgspec import Raw

from ingest.core.gap_points import gap_line, gap_numbers
from ingest.core.lineprotocol import TEXT_LIMIT, decimal, quote, tag, utf8
from ingest.core.point import Attributes, Facts, Kind, Point
from ingest.core.registry_points import registry_line, registry_numbers
from ingest.core.store import Batch, Codec

MEASUREMENT = "home_assistant_events"

_members = msgspec.json.Decoder(dict[str, Raw])
_removed = Kind.REMOVED  # Python 3.11 takes 0.1 µs to find an enum's member, and as long for its value
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


def tags(entity_id: str, facts: Facts, device_class: str | None) -> dict[str, str | None]:
    """A point's tags, sorted by key; None and empty are not written."""
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
        "platform": facts.platform,
        "registry_id": facts.registry_id,
    }


def _series(entity_id: str, facts: Facts, device_class: str | None) -> str:
    written = (f",{key}={tag(value)}" for key, value in tags(entity_id, facts, device_class).items() if value)
    return MEASUREMENT + "".join(written) + " "


def _constants(facts: Facts, unit: str | None) -> str:
    """The fields that an entity's points share, each with the comma after it."""
    values = {
        "manufacturer": facts.manufacturer,
        "model": facts.model,
        "sw_version": facts.sw_version,
        "unit": unit,
    }
    return "".join(f"{key}={quote(value)}," for key, value in values.items() if value)


def _attributes(json: str) -> bytes:
    if not json:
        return b""
    return utf8(f",attributes={quote(fitting(json))}")


def fitting(json: str, limit: int = TEXT_LIMIT) -> str:
    """The JSON object, without its longest members when it is longer than a field may be: it stays readable JSON."""
    if len(json) <= limit // 4 or len(utf8(json)) <= limit:
        return json
    members = _members.decode(utf8(json))
    longest = sorted(members, key=lambda name: len(members[name]))
    while len(utf8(json)) > limit:
        del members[longest.pop()]
        json = msgspec.json.encode(members).decode()
    return json


@frozen
class Parts:
    """What repeats in an entity's lines, escaped, and what it was made from."""

    facts: Facts
    attributes: Attributes
    head: bytes
    tail: bytes


@define
class Encoder:
    """Makes lines. It remembers the parts of at most `entities` entities, and forgets the one that came first."""

    entities: int = 100_000
    _parts: dict[str, Parts] = field(factory=dict)

    def line(self, point: Point) -> bytes:
        """The point's line, without a line break."""
        parts = self._parts.get(point.entity_id)
        if parts is None or parts.attributes is not point.attributes or parts.facts is not point.facts:
            parts = self._renew(point, parts)
        return b"".join((parts.head, utf8(_fields(point)), parts.tail, b" %d" % point.time_ns))

    def _renew(self, point: Point, old: Parts | None) -> Parts:
        new = _parts(point, old)
        if point.kind is _removed:
            self._parts.pop(point.entity_id, None)
            return new
        if old is None and len(self._parts) >= self.entities:
            del self._parts[next(iter(self._parts))]
        self._parts[point.entity_id] = new
        return new


def _parts(point: Point, old: Parts | None) -> Parts:
    facts, attributes = point.facts, point.attributes
    if old is not None and old.facts is facts and _same_tags(old.attributes, attributes):
        head = old.head
    else:
        series = _series(point.entity_id, facts, attributes.device_class)
        head = utf8(series + _constants(facts, attributes.unit))
    return Parts(facts, attributes, head, _attributes(attributes.json))


def _same_tags(one: Attributes, other: Attributes) -> bool:
    return one.device_class == other.device_class and one.unit == other.unit


def _fields(point: Point) -> str:
    """The fields that are a point's own. A frame of thousands goes through here: no loop, no dict."""
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


def numbers(point: Point) -> bytes | None:
    """The point's line with its numeric fields only; None when it has none.

    For VictoriaMetrics, which would store every text as 0.
    """
    fields = {"value": point.value, "duration_in_state_seconds": point.duration}
    known = ",".join(f"{key}={decimal(number)}" for key, number in fields.items() if number is not None)
    if not known:
        return None
    series = _series(point.entity_id, point.facts, point.attributes.device_class)
    return utf8(f"{series}{known} {point.time_ns}")


def seal(lines: Sequence[bytes]) -> bytes:
    """The payload as it is sent: the lines, compressed; the same lines make the same bytes at any time."""
    return gzip.compress(b"\n".join([*lines, b""]), 1, mtime=0)


def resealed(lines: Sequence[bytes]) -> Batch[bytes]:
    """Lines that were taken out of a payload, as a batch of their own. Raises `ValueError` when one has no time."""
    times = [int(line.rpartition(b" ")[2]) for line in lines]
    payload = seal(lines)
    return Batch(payload, len(lines), len(payload), min(times), max(times))


def unsealed(payload: bytes) -> tuple[bytes, ...]:
    """The lines of a payload."""
    return tuple(gzip.decompress(payload).removesuffix(b"\n").split(b"\n"))


def lines_in(payload: bytes) -> int:
    """How many lines a payload decompresses into (it has a checksum); 0 when it is not whole."""
    try:
        lines = gzip.decompress(payload)
    except (OSError, EOFError, zlib.error):
        return 0
    return lines.count(b"\n") if lines.endswith(b"\n") else 0


def whole(payload: bytes, count: int) -> bool:
    """True when a payload decompresses into so many lines."""
    return lines_in(payload) == count > 0


def joined(payloads: Sequence[bytes]) -> bytes:
    """Several payloads as one: gzip's members may follow each other, and each ends with a line break."""
    return b"".join(payloads)


def homeiq(
    *, numeric_only: bool = False, gaps: bool = False, registries: bool = False, entities: int = 100_000
) -> Codec[bytes, bytes]:
    """The schema's codec: points to lines, lines to a compressed payload. Each pipeline has its own.

    With `gaps` it writes those, too, and with `registries` devices and entities, into measurements of their own.
    """
    gap = (gap_numbers if numeric_only else gap_line) if gaps else None
    registry = (registry_numbers if numeric_only else registry_line) if registries else None
    encode = numbers if numeric_only else Encoder(entities).line
    return Codec(encode, len, seal, gap, heartbeats=True, registry=registry)
