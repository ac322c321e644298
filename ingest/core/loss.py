"""What was lost, named: how many, between when and when, of whom."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeAlias

import msgspec

from ingest.core.coverage import Missed, Span
from ingest.core.evicted import Named, Trail, missed
from ingest.core.point import PointFrame
from ingest.core.redact import redacted
from ingest.core.reports import DeadLetter, Evicted, Shed
from ingest.core.state import Change, Frame, Source, moment_of, nanoseconds
from ingest.core.store import Batch

Whose: TypeAlias = Callable[[Any], Sequence[Named] | None]


def unnamed(_payload: Any) -> None:
    """For a `Whose`: it is not known."""


def shed_changes(link: str, frames: Iterable[Frame]) -> Shed | None:
    """What a link before the filter dropped; None when there was nothing in it."""
    changes = [change for frame in frames for change in frame.changes]
    return _shed(link, [(each.data.entity_id, nanoseconds(moment_of(each))) for each in changes])


def shed_points(link: str, frames: Iterable[PointFrame]) -> Shed | None:
    """What a store's link dropped; None when there was nothing in it. With heartbeats nothing of the home is lost."""
    points = [point for frame in frames for point in frame.points]
    home = [(each.entity_id, each.time_ns) for each in points if each.origin is not Source.HEARTBEAT]
    if not home and points:
        return Shed(link, len(points), points[0].time_ns, points[-1].time_ns, ())
    return _shed(link, home, len(points) - len(home))


def missing_of(shed: Shed, registry_id: Callable[[str], str]) -> list[Span]:
    """What is missing of each entity; `registry_id` says how an entity is called for life."""
    return [
        Span(entity_id, registry_id(entity_id), first - 1, last + 1) for entity_id, (first, last) in shed.spans.items()
    ]


def dead_letter(stage: str, change: Change) -> DeadLetter:
    """The change being handled when an exception came, with its JSON and that exception's traceback."""
    json = msgspec.json.encode(change).decode("utf-8", "replace")
    return DeadLetter(stage, change.data.entity_id, redacted(json), redacted(traceback.format_exc()))


def evicted(store: str, batches: Sequence[Batch[Any]], whose: Whose = unnamed, *, unbroken: bool = False) -> Evicted:
    """What a spool dropped. `whose` says who has states in a payload; None: it is not known."""
    times = min(each.oldest_ns for each in batches), max(each.newest_ns for each in batches)
    counted = sum(batch.count for batch in batches if batch.counted)
    named = [whose(batch.payload) for batch in batches]
    known = None if None in named else tuple(each for those in named for each in those or ())
    return Evicted(store, sum(batch.count for batch in batches), *times, counted, known, unbroken)


def gaps_of(lost: Evicted, trail: Trail) -> Sequence[Missed]:
    """The gaps of what a spool in memory dropped. What came between it and the last may be stored by now."""
    if not lost.unbroken:
        trail.cut()
    return missed(lost.named, lost.oldest_ns, lost.newest_ns, trail)


def _shed(link: str, lost: Sequence[tuple[str, int]], beside: int = 0) -> Shed | None:
    if not lost:
        return None
    spans: dict[str, tuple[int, int]] = {}
    for entity_id, time_ns in lost:
        first, last = spans.get(entity_id, (time_ns, time_ns))
        spans[entity_id] = (min(first, time_ns), max(last, time_ns))
    times = [time_ns for _, time_ns in lost]
    return Shed(link, len(lost) + beside, min(times), max(times), tuple(sorted(spans)), spans)
