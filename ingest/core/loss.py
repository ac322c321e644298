"""What was lost, named: how many, between when and when, of whom."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from ingest.core.point import PointFrame
from ingest.core.reports import Evicted, Shed
from ingest.core.state import Frame, moment_of, nanoseconds
from ingest.core.store import Batch


def shed_changes(link: str, frames: Iterable[Frame]) -> Shed:
    """What a link before the filter dropped."""
    changes = [change for frame in frames for change in frame.changes]
    return _shed(link, [nanoseconds(moment_of(each)) for each in changes], {each.data.entity_id for each in changes})


def shed_points(link: str, frames: Iterable[PointFrame]) -> Shed:
    """What a store's link dropped."""
    points = [point for frame in frames for point in frame.points]
    return _shed(link, [each.time_ns for each in points], {each.entity_id for each in points})


def evicted(store: str, batches: Sequence[Batch[Any]]) -> Evicted:
    """What a spool dropped."""
    times = min(each.oldest_ns for each in batches), max(each.newest_ns for each in batches)
    counted = sum(batch.count for batch in batches if batch.counted)
    return Evicted(store, sum(batch.count for batch in batches), *times, counted)


def _shed(link: str, times: list[int], entities: set[str]) -> Shed:
    return Shed(link, len(times), min(times), max(times), tuple(sorted(entities)))
