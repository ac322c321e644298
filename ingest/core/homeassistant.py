"""The schema `homeassistant`: what Home Assistant's own `influxdb` integration writes, so that its dashboards go on.

    °C,domain=sensor,entity_id=attic value=21.5 │ ,device_class_str="temperature",… │ time
    └───── head: per entity ──────┘└ per point ┘ └──────── tail: per entity ──────┘

A measurement for each unit, the entity without its domain as a tag, and each attribute as a field of its own
(`core/typed_fields.py`). Head and tail are kept per entity: the attributes come as the very same
object while they are the same. `unknown`, `unavailable`, an empty state and removals are not written.
Where it differs on purpose, and why: docs/reference/schema-homeassistant.md; a test pins each difference.
Source: homeassistant/components/influxdb/__init__.py, helpers/state.py; 2024.3.3 and 2025.4.4.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import Enum

from attrs import Factory, define, evolve, field, frozen

from ingest.core.gap_points import gap_line, gap_numbers
from ingest.core.line_owners import whose
from ingest.core.lineprotocol import decimal, measurement, quote, tag, utf8
from ingest.core.number import WORDS
from ingest.core.point import Attributes, Kind, Point
from ingest.core.registry_points import registry_encoder
from ingest.core.room import ENTITIES, make_room
from ingest.core.sealing import Line, in_pieces, seal_pieces, weight
from ingest.core.store import Codec
from ingest.core.treatment import Treatment
from ingest.core.typed_fields import Fields, kept, members, number, plain, typed, written

NOT_WRITTEN = frozenset({"unknown", "unavailable", ""})
UNIT, DEVICE_CLASS = "unit_of_measurement", "device_class"

_NUMBER, _TEXT = 1, 2
_removed = Kind.REMOVED  # Python 3.11 takes 0.1 µs to find an enum's member


class MeasurementAttr(Enum):
    """What a measurement is named after."""

    UNIT = "unit_of_measurement"
    DOMAIN_AND_CLASS = "domain__device_class"
    ENTITY = "entity_id"


@frozen
class Profile:
    """The integration's own settings, under its own names."""

    measurement_attr: MeasurementAttr = MeasurementAttr.UNIT
    default_measurement: str = ""
    override_measurement: str = ""
    tags: Mapping[str, str] = Factory(dict)
    tags_attributes: frozenset[str] = frozenset()
    ignore_attributes: frozenset[str] = frozenset()


def _tuple(value: object) -> str:
    return str(tuple(value)) if isinstance(value, list) else str(value)


def _moment(value: object) -> str:
    return value.replace("T", " ", 1) if isinstance(value, str) else str(value)


_natives: Mapping[str, Mapping[str, Callable[[object], str]]] = {
    "automation": {"last_triggered": _moment},
    "group": {"entity_id": _tuple},
    "light": dict.fromkeys(("hs_color", "rgb_color", "rgbw_color", "rgbww_color", "xy_color"), _tuple),
    "media_player": {"media_position_updated_at": _moment},
    "script": {"last_triggered": _moment},
}
"""What is no JSON inside Home Assistant, so that Python's text of it is another than that of what the WebSocket tells."""


@frozen
class Parts:
    """What repeats in an entity's lines, escaped, and what it was made from. `shape`: see `_shape`."""

    attributes: Attributes
    treatment: Treatment
    shape: int
    head: bytes
    tail: bytes


@define
class Encoder:
    """Makes lines. It remembers the parts of at most `entities` entities, and forgets the one that came first."""

    profile: Profile = Factory(Profile)
    numeric_only: bool = False
    entities: int = ENTITIES
    _parts: dict[str, Parts] = field(factory=dict)
    _taken: frozenset[str] = field(init=False)

    def __attrs_post_init__(self) -> None:
        """No number may have the name of the text `state`, of the time, or of a tag."""
        tags = {"domain", "entity_id", *self.profile.tags, *self.profile.tags_attributes}
        self._taken = frozenset({"state", "time", *tags})

    def line(self, point: Point) -> bytes | None:
        """The point's line, without a line break; None when the integration would not write it."""
        if point.kind is _removed:
            self._parts.pop(point.entity_id, None)
            return None
        state = point.state
        if state in NOT_WRITTEN:
            return None
        # Our own number leaves out what is only a number to Python, such as 1_000: the integration does not.
        value = point.value if point.value is not None else number(state)
        shape = _shape(state, value)
        parts = self._parts.get(point.entity_id)
        if (
            parts is None
            or parts.attributes is not point.attributes
            or parts.shape != shape
            or parts.treatment is not point.treatment
        ):
            parts = self._renew(point, shape, parts)
        own = "" if value is None else f"value={decimal(value)}"
        if shape & _TEXT and not self.numeric_only:
            own += f"{own and ','}state={quote(state)}"
        if not own:
            return self._bare(parts, point)
        return b"".join((parts.head, utf8(own), parts.tail, b" %d" % point.time_ns))

    def _bare(self, parts: Parts, point: Point) -> bytes | None:
        """Of a text nothing is left but what numbers its attributes hold."""
        return b"".join((parts.head, parts.tail[1:], b" %d" % point.time_ns)) if parts.tail else None

    def _renew(self, point: Point, shape: int, old: Parts | None) -> Parts:
        new = self._made(point, shape)
        if old is None:
            make_room(self._parts, self.entities)
        self._parts[point.entity_id] = new
        return new

    def _made(self, point: Point, shape: int) -> Parts:
        attributes = members(point.attributes.json)
        domain, _, name = point.entity_id.partition(".")
        measured, said = self._measurement(point, domain, attributes)
        tags: dict[str, object] = {"domain": domain, "entity_id": name}
        tags |= {key: attributes.pop(key) for key in self.profile.tags_attributes if key in attributes}
        left_out = self.profile.ignore_attributes | {said}
        fields = {key: value for key, value in kept(attributes, point.treatment).items() if key not in left_out}
        head = measurement(measured) + _tags({**tags, **self.profile.tags}) + " "
        tail = written(self._fields(fields, domain, shape))
        return Parts(point.attributes, point.treatment, shape, utf8(head), utf8(tail))

    def _measurement(self, point: Point, domain: str, attributes: Mapping[str, object]) -> tuple[str, str | None]:
        """The measurement, and the attribute that it says already, which is therefore no field."""
        profile, entity_id = self.profile, point.entity_id
        if override := point.treatment.measurement or profile.override_measurement:
            return override, None
        match profile.measurement_attr:
            case MeasurementAttr.ENTITY:
                return entity_id, None
            case MeasurementAttr.DOMAIN_AND_CLASS:
                device_class = attributes.get(DEVICE_CLASS)
                return (domain, None) if device_class is None else (f"{domain}__{device_class}", DEVICE_CLASS)
        unit = attributes.get(UNIT)
        # InfluxDB takes a line that begins with # for a comment, and answers that all is well.
        if unit is None or unit == "" or str(unit).startswith("#"):
            return profile.default_measurement or entity_id, None
        return str(unit), UNIT

    def _fields(self, attributes: Mapping[str, object], domain: str, shape: int) -> Fields:
        there: Fields = {name: 0.0 for name, part in (("state", _TEXT), ("value", _NUMBER)) if shape & part}
        made = typed(attributes, there, self._taken, _native(_natives[domain]) if domain in _natives else plain)
        return {
            name: value
            for name, value in made.items()
            if name not in there and not (self.numeric_only and isinstance(value, str))
        }


def _shape(state: str, value: float | None) -> int:
    """Which fields the state has: `value` for a number, `state` for a text, both for a word that has a value."""
    if value is None:
        return _TEXT
    return _NUMBER | _TEXT if state in WORDS else _NUMBER


def _native(natives: Mapping[str, Callable[[object], str]]) -> Callable[[str, object], str]:
    return lambda name, value: natives.get(name, str)(value)


def _tags(tags: Mapping[str, object]) -> str:
    texts = ((key, "" if value is None else str(value)) for key, value in sorted(tags.items()))
    return "".join(f",{tag(key)}={tag(text)}" for key, text in texts if text)


def homeassistant(
    profile: Profile,
    *,
    numeric_only: bool = False,
    gaps: bool = False,
    registries: bool = False,
    entities: int = ENTITIES,
    home: str = "",
) -> Codec[Line, bytes]:
    """The schema's codec: points to lines in pieces, those to a compressed payload. Each pipeline has its own.

    With `gaps` it writes those, too, and with `registries` devices and entities, into measurements of their own. A `home`
    that is not empty is a tag of all of them.
    """
    profile = evolve(profile, tags={"home": home, **profile.tags}) if home else profile
    gap = in_pieces(gap_numbers if numeric_only else gap_line) if gaps else None
    registry = in_pieces(registry_encoder(numeric_only=numeric_only, home=home)) if registries else None
    encode = in_pieces(Encoder(profile, numeric_only, entities).line)
    return Codec(encode, weight, seal_pieces, gap, registry, heartbeats=True, whose=whose)
