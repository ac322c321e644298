"""The gaps of the coverage as points of a measurement of their own, so that a dashboard can shade them.

    ingest_gaps,cause=connection,home=home end=…i,duration=…,state="filled",why="",spans=…i,left=…i,filled=…i  from
    └──────────── a series a cause ───────┘                                                                  time

A gap is told again whenever it changes. Its point is its cause and its beginning, and every field is written each time,
so that what is told later takes the place of what was told before. How far a gap is filled is therefore a field: as a tag
it would begin another series. Where a gap becomes part of another one, or its beginning moves, its point says so.

What is told later need not arrive later: a spool hands out the newest batch before the oldest, and may lose one. So a
point that was told in two batches while something waited, or of which a batch may be lost, is told once more when all is
stored: nothing that waits is older, and it is the last word. One that is told once, and arrives, is not told again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import islice
from typing import Final, TypeAlias

from attrs import define, evolve, field, frozen

from ingest.core.coverage import Cause, Gap
from ingest.core.ledger import LEFT
from ingest.core.lineprotocol import decimal, quote, tag, utf8

MEASUREMENT: Final = "ingest_gaps"

MERGED: Final = "merged"
"""The state of a gap that is part of another one: there is nothing to shade."""

MOST: Final = 4096
"""Points that wait to be told at most: twice what a ledger holds. The oldest give way; a start tells all anew."""

_TOLD_ELSEWHERE: Final = "it is part of another gap"

Place: TypeAlias = tuple[Cause, int]


@frozen
class GapPoint:
    """One gap as it stands. Times in nanoseconds; `state` is a word of `Progress`, or `merged`."""

    home: str
    cause: Cause
    time_ns: int
    end_ns: int
    state: str
    why: str
    spans: int
    left: int
    filled: int

    @property
    def place(self) -> Place:
        """What makes it the same point."""
        return self.cause, self.time_ns


def gap_point(home: str, gap: Gap) -> GapPoint:
    """A gap of the ledger as its point."""
    return GapPoint(
        home, gap.cause, gap.from_ns, gap.to_ns, gap.progress.value, gap.why, gap.spans, gap.left, gap.filled
    )


def merged(told: GapPoint) -> GapPoint:
    """What takes the place of a point whose gap is told elsewhere now."""
    return evolve(told, end_ns=told.time_ns, state=MERGED, why=_TOLD_ELSEWHERE, spans=0, left=0, filled=0)


def gap_line(point: GapPoint) -> bytes:
    """The point's line. `end` is in milliseconds since the epoch, as Grafana takes the end of a region."""
    texts = f"state={quote(point.state)},why={quote(point.why)}"
    return utf8(f"{_series(point)} {_numbers(point)},{texts} {point.time_ns}")


def gap_numbers(point: GapPoint) -> bytes:
    """The same with its numeric fields only."""
    return utf8(f"{_series(point)} {_numbers(point)} {point.time_ns}")


def _series(point: GapPoint) -> str:
    return f"{MEASUREMENT},cause={point.cause.name.lower()},home={tag(point.home)}"


def _numbers(point: GapPoint) -> str:
    seconds = decimal((point.end_ns - point.time_ns) / 1e9)
    counts = f"spans={point.spans}i,left={point.left}i,filled={point.filled}i"
    return f"end={point.end_ns // 1_000_000}i,duration={seconds},{counts}"


@define(eq=False)
class _Waiting:
    """What was told since all was stored for the last time: which of it may not be the last word."""

    _open: dict[Place, GapPoint] = field(factory=dict)
    """Told, and in no batch that could be stored or lost."""
    _last: dict[Place, GapPoint] = field(factory=dict)
    _twice: set[Place] = field(factory=set)
    _doubtful: bool = False

    def told(self, points: Iterable[GapPoint]) -> None:
        """These go with the open batch."""
        self._open |= _by_place(points)

    def put(self) -> None:
        """The open batch waits with the others."""
        self._twice |= self._open.keys() & self._last.keys()
        self._add(self._open)
        self._open = {}

    def doubt(self, points: Iterable[GapPoint]) -> None:
        """Whatever is told until all is stored, and these before it, may not be the last word."""
        if not self._doubtful:
            self._doubtful = True
            later, self._last = self._last, _by_place(points)
            self._add(later)

    def stored(self) -> dict[Place, GapPoint]:
        """Nothing waits: what was told last where that may not have come last. The open batch comes after it."""
        places = (self._last.keys() if self._doubtful else self._twice) - self._open.keys()
        again = {place: point for place, point in self._last.items() if place in places}
        self._last, self._twice, self._doubtful = {}, set(), False
        return again

    def _add(self, points: Mapping[Place, GapPoint]) -> None:
        for place, point in points.items():
            self._last.pop(place, None)
            self._last[place] = point
        self._twice.difference_update(_bound(self._last))


@define(eq=False)
class Telling:
    """What of a home's gaps was told, and what is to be. It begins with nothing told: a start tells all."""

    home: str
    _told: dict[int, GapPoint] = field(factory=dict)
    _due: dict[Place, GapPoint] = field(factory=dict)
    _again: dict[Place, GapPoint] = field(factory=dict)
    _waiting: _Waiting = field(factory=_Waiting)

    def __bool__(self) -> bool:
        """True when something is to be told."""
        return bool(self._due)

    def look(self, gaps: Iterable[Gap]) -> None:
        """Compare all gaps there are with what was told of them."""
        now = {gap.id: gap_point(self.home, gap) for gap in gaps}
        news = [point for key, point in now.items() if self._told.get(key) != point]
        gone = [told for key, told in self._told.items() if _is_elsewhere(told, now.get(key))]
        self._due, self._again = {**self._again, **self._due}, {}
        for point in (*map(merged, gone), *news):
            self._due.pop(point.place, None)
            self._due[point.place] = point
        for point in now.values():
            if point.place in self._due:
                self._due[point.place] = point
        self._told = now
        _bound(self._due)

    def take(self) -> tuple[GapPoint, ...]:
        """What is to be told; it counts as told, and goes with the open batch."""
        due, self._due = self._due, {}
        self._again = {place: point for place, point in self._again.items() if place not in due}
        self._waiting.told(due.values())
        return tuple(due.values())

    def put(self) -> None:
        """What was taken waits for the store now."""
        self._waiting.put()

    def doubt(self) -> None:
        """Something of what waits is lost, or there is something that was told before: tell all again when all is stored."""
        self._waiting.doubt(self._told.values())

    def stored(self) -> None:
        """Nothing waits for the store any more: the next look tells again what may not have come last."""
        self._again |= self._waiting.stored()


def _by_place(points: Iterable[GapPoint]) -> dict[Place, GapPoint]:
    return {point.place: point for point in points}


def _bound(points: dict[Place, GapPoint]) -> list[Place]:
    """Have the oldest give way; returns which did."""
    gone = list(islice(points, max(0, len(points) - MOST)))
    for place in gone:
        del points[place]
    return gone


_left = frozenset(each.value for each in LEFT)


def _is_elsewhere(told: GapPoint, now: GapPoint | None) -> bool:
    """A settled gap that leaves the ledger stays as it was told; one that was not settled has become part of another."""
    if now is None:
        return told.state in _left
    return now.place != told.place
