"""What a home comes to in a day: points, bytes and series, and which limits of databases it comes near. Pure.

A day of the history is known in samples, states without attributes. From a row of it and the entity's present point comes a
point as it would have been live; its line says what a point weighs, and many of them how well they are compressed.
"""

from __future__ import annotations

import hashlib
from base64 import b32encode
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final

from attrs import frozen
from msgspec.structs import replace

from ingest.core.line_types import line_types, series
from ingest.core.number import number
from ingest.core.point import Kind, Point
from ingest.core.state import Context

DAY: Final = 86_400.0

ON_DISK: Final = 1.2
"""What InfluxDB's engine keeps, as a multiple of full batches of the same lines gzipped: measured, see the documentation."""

FULL: Final = 1000
"""Lines of a full batch."""

NEAR: Final = 0.8
"""From that part of a limit on it is worth a warning."""

PLAN: Final = 5_000_000
PLAN_SECONDS: Final = 300
"""InfluxDB Cloud's free plan takes so many bytes in so many seconds."""


@frozen
class Sampled:
    """A state of the history, without its attributes."""

    entity_id: str
    state: str
    time_ns: int


@frozen
class Entity:
    """One that is stored: points and bytes of lines a day, and the filter's rule that lets it through."""

    entity_id: str
    points: float
    size: float
    rule: str


@frozen
class Limit:
    """A limit of some database, and how much of it this home takes."""

    whose: str
    what: str
    taken: int
    most: int

    @property
    def is_near(self) -> bool:
        """True when it will bite, or soon may."""
        return self.taken >= NEAR * self.most


@frozen
class Lines:
    """The present line of every entity that is stored and has one, and lines of a sample of their day, in the order of time."""

    present: Mapping[str, bytes]
    day: Sequence[tuple[str, bytes]]

    def each(self) -> Mapping[str, bytes]:
        """A line of every entity: of one that is unavailable at this moment the first of its day."""
        return dict(reversed(self.day)) | dict(self.present)

    def weights(self) -> Mapping[str, float]:
        """Bytes of an entity's line, on average, its line break included."""
        seen: defaultdict[str, list[int]] = defaultdict(list)
        for entity_id, line in self.day:
            seen[entity_id].append(len(line) + 1)
        present = {entity_id: float(len(line) + 1) for entity_id, line in self.present.items()}
        return present | {entity_id: sum(sizes) / len(sizes) for entity_id, sizes in seen.items()}

    def compressed(self, seal: Callable[[Sequence[bytes]], bytes], count: int) -> float:
        """What is left of a byte when so many lines are sealed together."""
        lines = [line for _, line in self.day] or list(self.present.values())
        raw = sum(len(line) + 1 for line in lines)
        parts = range(0, len(lines), max(1, count))
        return sum(len(seal(lines[start : start + max(1, count)])) for start in parts) / raw if raw else 0.0


def as_live(rows: Iterable[Sampled], present: Mapping[str, Point]) -> list[Point]:
    """Rows of the history as the points that they would have been live, in the order of time."""
    by_entity: defaultdict[str, list[Sampled]] = defaultdict(list)
    for row in rows:
        if row.entity_id in present:
            by_entity[row.entity_id].append(row)
    made = []
    for entity_id, those in by_entity.items():
        ordered = sorted(those, key=lambda row: row.time_ns)
        made += [_live(present[entity_id], before, row) for before, row in zip([None, *ordered], ordered, strict=False)]
    return sorted(made, key=lambda point: point.time_ns)


def _live(point: Point, before: Sampled | None, row: Sampled) -> Point:
    changed = before is not None and before.state != row.state
    return replace(
        point,
        state=row.state,
        value=number(row.state),
        time_ns=row.time_ns,
        previous_state=None if before is None else before.state,
        duration=(row.time_ns - before.time_ns) / 1e9 if changed and before is not None else None,
        kind=Kind.CHANGED if changed or before is None else Kind.ATTRIBUTES,
        context=Context(_id(row)),
        origin=None,
    )


def _id(row: Sampled) -> str:
    """As long as a ULID, and no two alike: half of it cannot be compressed."""
    digest = hashlib.blake2b(f"{row.entity_id} {row.time_ns}".encode(), digest_size=16).digest()
    return b32encode(digest).decode()[:26]


def per_day(windows: Sequence[Mapping[str, int]], share: float) -> tuple[Mapping[str, float], int]:
    """States of each entity a day, and how many windows they were counted in; `share`: what a window is of its time.

    Before the first window that holds any there was no history.
    """
    first = next((place for place, each in enumerate(windows) if any(each.values())), len(windows))
    counted = windows[first:]
    if not counted:
        return {}, 0
    totals: defaultdict[str, int] = defaultdict(int)
    for window in counted:
        for entity_id, count in window.items():
            totals[entity_id] += count
    scale = len(windows) / len(counted) / share
    return {entity_id: count * scale for entity_id, count in totals.items()}, len(counted)


def limits(lines: Mapping[str, bytes], peak: float) -> list[Limit]:
    """What databases take at most of such lines; `peak` is in bytes a second, in the busiest window."""
    told = [(series(line), line_types(line)) for line in lines.values()]
    tags: defaultdict[str, set[str]] = defaultdict(set)
    columns: defaultdict[str, set[str]] = defaultdict(lambda: {"time"})
    for (measurement, known), types in told:
        columns[measurement].update(known)
        if types is not None:
            columns[measurement].update(name.decode() for name in types.fields)
        for name, value in known.items():
            tags[name].add(value)
    start = sum(len(line) + 1 for line in lines.values())
    cloud, core, one = "InfluxDB Cloud, free plan", "InfluxDB 3 Core", "InfluxDB 1.x"
    return [
        Limit(cloud, "series", count_series(lines.values()), 10_000),
        Limit(cloud, f"bytes in {PLAN_SECONDS // 60} minutes, at the busiest", round(peak * PLAN_SECONDS), PLAN),
        Limit(cloud, f"bytes in {PLAN_SECONDS // 60} minutes, at a start", start, PLAN),
        Limit(core, "tables", len(columns), 2_000),
        Limit(core, "columns in a table", max(map(len, columns.values()), default=0), 500),
        Limit(one, "series (max-series-per-database)", count_series(lines.values()), 1_000_000),
        Limit(one, "values of a tag (max-values-per-tag)", max(map(len, tags.values()), default=0), 100_000),
    ]


def count_series(lines: Iterable[bytes]) -> int:
    """How many series there are: a measurement with its tags."""
    return len({(measurement, *sorted(tags.items())) for measurement, tags in map(series, lines)})
