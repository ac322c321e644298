"""Two stores of the same home, laid beside each other: what both hold alike, what differs, what only one of them holds.

A point of ours and one of the original are the same when they are of one entity and one time. Home Assistant's times are
whole microseconds; the original may cut them to its `precision`, and its client for InfluxDB 1 is some 250 ns off. So
times are compared in steps: a step is a microsecond, or what all of the original's times are multiples of. Spans begin
and end with a whole second, so that a step lies in one of them.
A span is compared by itself, with the original's read from half a microsecond before it on: so that rounding neither
takes a point out of a span nor brings one in.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from enum import Enum
from typing import Final

from attrs import define, field, frozen

from ingest.core.comparison_fields import Difference, differences
from ingest.core.coverage import MICROSECOND
from ingest.core.influxql import Stored, Value

STEPS: Final = (10**9, 10**6, MICROSECOND)
"""What a database's precision cuts times to, in nanoseconds, the coarsest first."""

ROUNDING: Final = MICROSECOND // 2
"""How far the times of a client that reckons with floats may be off, at most."""

ENOUGH: Final = 8
"""Points of the original that must have their times in common before it is believed that they are cut."""


class Side(Enum):
    """Who holds a point: we, the integration, or both, with a difference."""

    OURS = "ours"
    THEIRS = "theirs"
    BOTH = "both"


@frozen
class Finding:
    """A point that is not the same on both sides. `fields`: what differs, of one that both hold.

    `shared`: another of ours has the same time when that is cut as the original's times are. `again`: the original wrote
    the same state and attributes of it before. What it wrote of the class, unit and state class is for rules to ask.
    """

    side: Side
    entity_id: str
    time_ns: int
    state: str = ""
    fields: tuple[Difference, ...] = ()
    shared: bool = False
    again: bool = False
    device_class: str | None = None
    unit: str | None = None
    state_class: str | None = None


def step_of(times: Iterable[int], known: int) -> int:
    """To what the original's times are cut; `known`, as long as there are too few of them to tell."""
    found = list(times)
    if len(found) < ENOUGH:
        return known
    return next(step for step in STEPS if step == MICROSECOND or not any(time % step for time in found))


@define
class Comparison:
    """Goes through spans of time in their order. `same` counts points that both hold alike, `theirs` the original's.

    `whole`: the points of both sides have the same form, so that all of their fields are compared; else only the state.
    """

    whole: bool
    step: int = MICROSECOND
    ours: int = 0
    theirs: int = 0
    same: int = 0
    entities: set[str] = field(factory=set)
    times: list[int] = field(factory=list)
    _last: dict[str, int] = field(factory=dict)

    def begin(self, theirs: Iterable[Iterable[Stored]]) -> None:
        """Learn the step from the original's first spans, as few as say it: a quiet home's first one alone does not."""
        times = set[int]()
        for points in theirs:
            times |= {_rounded(point.time_ns) for point in points}
            if len(times) >= ENOUGH:
                break
        self.step = step_of(times, self.step)

    def span(self, ours: Iterable[Stored], theirs: Iterable[Stored]) -> Iterator[Finding]:
        """What differs in a span. `times` are then those of the original in it, in order."""
        there = _by_entity(theirs)
        here = _by_entity(ours)
        self.times = sorted({_rounded(point.time_ns) for points in there.values() for point in points})
        self.step = step_of(self.times, self.step)
        self.entities |= there.keys()
        self.theirs += sum(map(len, there.values()))
        self.ours += sum(map(len, here.values()))
        for entity_id in here.keys() | there.keys():
            yield from self._entity(entity_id, here.get(entity_id, ()), there.get(entity_id, ()))

    def _entity(self, entity_id: str, ours: Sequence[Stored], theirs: Sequence[Stored]) -> Iterator[Finding]:
        mine, their = self._steps(ours, exact=True), self._steps(theirs, exact=False)
        for step, points in their.items():
            again = self._again(entity_id, points[-1].fields)
            found = mine.pop(step, None) or (None if step + 1 in their else self._beside(mine, step, points))
            if found is None:
                yield _theirs(entity_id, points[-1], again=again)
            else:
                yield from self._both(entity_id, found, points)
        for points in mine.values():
            for point in points:
                yield Finding(Side.OURS, entity_id, point.time_ns, _state(point.fields))

    def _both(self, entity_id: str, ours: Sequence[Stored], theirs: Sequence[Stored]) -> Iterator[Finding]:
        *hidden, last = ours
        for point in hidden:
            yield Finding(Side.OURS, entity_id, point.time_ns, _state(point.fields), shared=True)
        found = tuple(differences(_merged(ours), _merged(theirs), whole=self.whole))
        if found:
            yield Finding(Side.BOTH, entity_id, last.time_ns, _state(last.fields), found)
        else:
            self.same += 1

    def _steps(self, points: Iterable[Stored], *, exact: bool) -> dict[int, list[Stored]]:
        found = defaultdict(list)
        for point in points:
            found[(point.time_ns if exact else _rounded(point.time_ns)) // self.step].append(point)
        return found

    def _beside(self, mine: dict[int, list[Stored]], step: int, theirs: Sequence[Stored]) -> list[Stored] | None:
        """Ours of a time that is a whole step: reckoned with floats and then cut it may be one step too early there."""
        points = mine.get(step + 1)
        if points is None or points[0].time_ns % self.step or _state(points[-1].fields) != _state(theirs[-1].fields):
            return None
        return mine.pop(step + 1)

    def _again(self, entity_id: str, fields: Mapping[str, Value]) -> bool:
        number = hash(tuple(sorted(fields.items(), key=lambda item: item[0])))
        before = self._last.get(entity_id)
        self._last[entity_id] = number
        return before == number


def _theirs(entity_id: str, point: Stored, *, again: bool) -> Finding:
    measured, domain = point.measurement, entity_id.partition(".")[0]
    _, named, device_class = measured.partition(f"{domain}__") if measured.startswith(f"{domain}__") else ("", "", "")
    unit = None if named or measured in {entity_id, domain} else measured
    return Finding(
        Side.THEIRS, entity_id, _rounded(point.time_ns), _state(point.fields), again=again,
        device_class=_said(point, "device_class") or device_class or None,
        unit=_said(point, "unit_of_measurement") or unit, state_class=_said(point, "state_class"),
    )  # fmt: skip


def _said(point: Stored, attribute: str) -> str | None:
    """An attribute that is a text: a field of the original's or, of its `tags_attributes`, a tag."""
    value = point.fields.get(f"{attribute}_str", point.tags.get(attribute))
    return None if value is None else str(value)


def _state(fields: Mapping[str, Value]) -> str:
    found = fields.get("state", fields.get("value", ""))
    return f"{found:g}" if isinstance(found, float) else str(found)


def _merged(points: Sequence[Stored]) -> Stored:
    """Points that a database has made one of: the last one's fields, and what only earlier ones had."""
    if len(points) == 1:
        return points[0]
    fields = {name: value for point in points for name, value in point.fields.items()}
    last = points[-1]
    return Stored(last.entity_id, last.time_ns, last.measurement, fields, last.tags)


def _by_entity(points: Iterable[Stored]) -> dict[str, list[Stored]]:
    found = defaultdict(list)
    for point in points:
        found[point.entity_id].append(point)
    for each in found.values():
        each.sort(key=lambda point: point.time_ns)
    return found


def _rounded(time_ns: int) -> int:
    """The nearest whole microsecond."""
    return (time_ns + ROUNDING) // MICROSECOND * MICROSECOND
