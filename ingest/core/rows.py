"""A point as a row of the embedded store, and back: pure.

A row keeps everything a point knows, so that `point_of(row_of(point))` is that point again and `export` and `copy` can
hand it to any other schema. Two things are not kept as they came, because SQLite cannot: a lone surrogate becomes `?`,
and a NaN or infinite number is left out (the state's own text still says it).
"""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite
from typing import NamedTuple, TypeAlias

from ingest.core.attributes import fewer
from ingest.core.evicted import Named, Owners
from ingest.core.point import Attributes, Facts, Kind, Point
from ingest.core.state import Context, Source
from ingest.core.store import Codec

Known: TypeAlias = str | None
Tags: TypeAlias = tuple[str, Known, Known, Known, Known, Known, Known, Known, Known, Known, Known, bool]

TAGS = (
    "entity_id",
    "device_id",
    "area_id",
    "entity_category",
    "platform",
    "manufacturer",
    "model",
    "sw_version",
    "device_class",
    "unit",
    "friendly_name",
    "restored",
)
"""What is true of an entity for a long time, in the order of a row's `tags`."""

KINDS = {Kind.CHANGED: 1, Kind.ATTRIBUTES: 2, Kind.STARTUP: 3, Kind.RESTORED: 4, Kind.REMOVED: 5}
KIND_OF = {number: kind for kind, number in KINDS.items()}

ORIGINS = {Source.SNAPSHOT: 1, Source.BACKFILL: 2}
"""The poorer the source, the higher its number; a live change has none. Heartbeats are no changes, and have no row."""

ORIGIN_OF = {number: origin for origin, number in ORIGINS.items()}

ROW_BYTES = 120
"""What a row weighs beside its two texts of any length, in bytes: an estimate for the links' bounds."""

INT64 = 1 << 63

_NOBODY = Context()


class Row(NamedTuple):
    """One change, as a tuple because that is what the database's driver takes.

    `time_ns` and the two numbers as in `Point`; `kind` and `origin` are the numbers of the tables above.
    """

    time_ns: int
    registry_id: str
    tags: Tags
    attributes: str
    state: str
    value: float | None
    previous_state: str | None
    duration: float | None
    kind: int | None
    origin: int | None
    context_id: str | None
    context_parent_id: str | None
    context_user_id: str | None


def row_of(point: Point) -> Row:
    """Raises ValueError for a time that 64 bits of nanoseconds cannot say (before 1677, after 2262)."""
    if not -INT64 <= point.time_ns < INT64:
        raise ValueError(f"the time of {point.entity_id} is out of range: {point.time_ns} ns")
    facts, attributes, context = point.facts, point.attributes, point.context or _NOBODY
    return Row(
        point.time_ns,
        facts.registry_id,
        (
            point.entity_id,
            facts.device_id,
            facts.area_id,
            facts.entity_category,
            facts.platform,
            facts.manufacturer,
            facts.model,
            facts.sw_version,
            attributes.device_class,
            attributes.unit,
            attributes.friendly_name,
            attributes.restored,
        ),
        fewer(attributes.json, point.treatment),
        point.state,
        _finite(point.value),
        point.previous_state,
        _finite(point.duration),
        None if point.kind is None else KINDS[point.kind],
        None if point.origin is None else ORIGINS.get(point.origin),
        context.id,
        context.parent_id,
        context.user_id,
    )


def _finite(number: float | None) -> float | None:
    return number if number is not None and isfinite(number) else None


def without_surrogates(row: Row) -> Row:
    """The row with `?` for each lone surrogate, which UTF-8 cannot say."""
    tags = tuple(_encodable(tag) for tag in row.tags)
    return Row(*(tags if part is row.tags else _encodable(part) for part in row))  # type: ignore[arg-type]  # same types


def _encodable(part: object) -> object:
    return part.encode("utf-8", "replace").decode() if isinstance(part, str) else part


def facts_of(registry_id: str, tags: Tags) -> Facts:
    """The registries' part of a row's tags."""
    return Facts(registry_id, *tags[1:8])


def attributes_of(json: str, tags: Tags) -> Attributes:
    """The attributes, with what was looked at in them."""
    return Attributes(json, *tags[8:])


def assembled(row: Row, facts: Facts, attributes: Attributes) -> Point:
    """The row's point, with facts and attributes that the caller may share between points."""
    context = Context(row.context_id, row.context_parent_id, row.context_user_id)
    return Point(
        row.tags[0],
        row.time_ns,
        row.state,
        facts,
        attributes,
        row.value,
        row.previous_state,
        row.duration,
        None if row.kind is None else KIND_OF[row.kind],
        None if context == _NOBODY else context,
        None if row.origin is None else ORIGIN_OF[row.origin],
    )


def size_of(rows: Sequence[Row]) -> int:
    """About the weight of rows in memory, in bytes."""
    return sum(ROW_BYTES + len(row.attributes) + len(row.state) for row in rows)


def _seal(rows: Sequence[Row]) -> tuple[Row, ...]:
    return tuple(rows)


def whose(rows: Sequence[Row]) -> Sequence[Named]:
    """Who has states among rows."""
    owners = Owners()
    for row in rows:
        owners.add(row.registry_id, row.tags[0], row.time_ns, live=row.origin is None)
    return owners.all


CODEC: Codec[Row, tuple[Row, ...]] = Codec(row_of, size_of, _seal, whose=whose)
