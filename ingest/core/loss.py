"""What was lost, named: how many, between when and when, of whom."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, TypeAlias

import msgspec
from attrs import define, field

from ingest.core.coverage import Cause, Missed, Span
from ingest.core.evicted import BEFORE_ONE, Named, Trail, missed
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
    lost = _Lost()
    for frame in frames:
        for each in frame.changes:
            lost.add(frame.source, each.data.entity_id, nanoseconds(moment_of(each)))
    return lost.shed(link)


def shed_points(link: str, frames: Iterable[PointFrame]) -> Shed | None:
    """What a store's link dropped; None when there was nothing in it. With heartbeats nothing of the home is lost."""
    points = [point for frame in frames for point in frame.points]
    lost = _Lost()
    for each in points:
        if each.origin is None:
            lost.add(Source.LIVE, each.entity_id, each.time_ns)
        elif each.origin is not Source.HEARTBEAT:
            # The filter let it pass, so that it is not stored already: also what a snapshot told is missing.
            lost.add(Source.BACKFILL, each.entity_id, each.time_ns)
    if not lost.times and points:
        return Shed(link, len(points), points[0].time_ns, points[-1].time_ns, ())
    return lost.shed(link, len(points) - len(lost.times))


def missing_of(shed: Shed, registry_id: Callable[[str], str], has: Callable[[str, str, int], bool]) -> Iterator[Missed]:
    """The gaps of what a link dropped: of live changes, and of states that are missing one by one.

    `registry_id` says how an entity is called for life, and `has`, given that, its entity_id and a time, whether that state of a
    snapshot is stored already.
    """
    if shed.spans:
        live = [
            Span(entity_id, registry_id(entity_id), first - 1, last + 1)
            for entity_id, (first, last) in shed.spans.items()
        ]
        times = [time_ns for span in shed.spans.values() for time_ns in span]
        yield Missed(Cause.SHED, min(times), max(times), live)
    present = [each for each in shed.present if not has(registry_id(each[0]), *each)]
    if alone := [*shed.alone, *present]:
        times = [time_ns for _, time_ns in alone]
        spans = [Span(name, registry_id(name), time_ns - BEFORE_ONE, time_ns + 1) for name, time_ns in alone]
        yield Missed(Cause.SHED, min(times), max(times), spans)


def newest_of(shed: Shed) -> dict[str, int]:
    """The time of the newest that was dropped of each entity, by entity_id."""
    newest = {entity_id: last for entity_id, (_, last) in shed.spans.items()}
    for entity_id, time_ns in (*shed.present, *shed.alone):
        newest[entity_id] = max(time_ns, newest.get(entity_id, time_ns))
    return newest


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


@define
class _Lost:
    """Gathers what was dropped. Live changes of an entity come one after the other, and nothing of it is stored between them."""

    times: list[int] = field(factory=list)
    _live: dict[str, tuple[int, int]] = field(factory=dict)
    _others: dict[Source, list[tuple[str, int]]] = field(factory=lambda: {Source.SNAPSHOT: [], Source.BACKFILL: []})

    def add(self, source: Source, entity_id: str, time_ns: int) -> None:
        self.times.append(time_ns)
        if source is not Source.LIVE:
            self._others[source].append((entity_id, time_ns))
            return
        first, last = self._live.get(entity_id, (time_ns, time_ns))
        self._live[entity_id] = min(first, time_ns), max(last, time_ns)

    def shed(self, link: str, beside: int = 0) -> Shed | None:
        if not self.times:
            return None
        present, alone = self._others[Source.SNAPSHOT], self._others[Source.BACKFILL]
        names = tuple(sorted({*self._live, *(name for name, _ in (*present, *alone))}))
        times = min(self.times), max(self.times)
        return Shed(link, len(self.times) + beside, *times, names, self._live, tuple(present), tuple(alone))
