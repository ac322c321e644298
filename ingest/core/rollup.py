"""Summaries of what an entity did in a span of time: pure.

Home Assistant says a value when it changes; in between it holds. So the mean is weighted by time (an hour at 20° and a
minute at 80° is 21°, whatever the number of changes), and a spell in which the value was not known (`unavailable`)
counts for nothing.

What held at the beginning of an hour was said in an earlier one. A kept `Hour` therefore covers only the time from its
first change to its end: it is a function of its own changes alone, a late change touches one hour, and `fold` puts in
what held before when it is read.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TypeAlias

from attrs import Factory, define, frozen

Sample: TypeAlias = tuple[int, str, float | None]
"""`(time_ns, state, value)`: one change."""

STATES = 8
"""States whose seconds are kept for an hour: the longest. A text that is new each time must not grow the roll-up."""

STATE_CHARACTERS = 64


@frozen
class Hour:
    """What an entity did from its first change in an hour (`first_ns`) to `end_ns`.

    `area` is the sum of value times seconds over the `seconds` in which the value was a number; `low` and `high` are the
    least and greatest number; `states` has the seconds spent in each state that is not written as a number.
    """

    first_ns: int
    end_ns: int
    changes: int
    low: float | None
    high: float | None
    area: float
    seconds: float
    last_value: float | None
    last_state: str
    states: Mapping[str, float]


@frozen
class Bucket:
    """What an entity did from `start_ns` to `end_ns`; `last_state` is None when nothing was known of it by then."""

    start_ns: int
    end_ns: int
    changes: int
    low: float | None
    mean: float | None
    high: float | None
    last_value: float | None
    last_state: str | None
    states: Mapping[str, float]


@define
class _Span:
    """Adds up a span as time goes by; `now_ns` is how far it got."""

    now_ns: int
    state: str | None = None
    value: float | None = None
    changes: int = 0
    low: float | None = None
    high: float | None = None
    area: float = 0.0
    seconds: float = 0.0
    states: dict[str, float] = Factory(dict)

    def hold(self, until_ns: int) -> None:
        """What is, stays until then."""
        lasted = (until_ns - self.now_ns) / 1e9
        if lasted <= 0 or self.state is None:
            self.now_ns = max(self.now_ns, until_ns)
            return
        self.now_ns = until_ns
        self.see(self.value)
        if self.value is not None:
            self.area += self.value * lasted
            self.seconds += lasted
        if is_word(self.state, self.value):
            key = self.state[:STATE_CHARACTERS]
            self.states[key] = self.states.get(key, 0.0) + lasted

    def see(self, value: float | None) -> None:
        if value is not None:
            self.low = value if self.low is None else min(self.low, value)
            self.high = value if self.high is None else max(self.high, value)

    def change(self, state: str, value: float | None) -> None:
        self.state, self.value = state, value
        self.changes += 1
        self.see(value)

    def absorb(self, hour: Hour) -> None:
        """A kept hour, from its first change to its end."""
        self.hold(hour.first_ns)
        self.now_ns = hour.end_ns
        self.state, self.value = hour.last_state, hour.last_value
        self.changes += hour.changes
        self.see(hour.low)
        self.see(hour.high)
        self.area += hour.area
        self.seconds += hour.seconds
        for state, seconds in hour.states.items():
            self.states[state] = self.states.get(state, 0.0) + seconds

    def bucket(self, start_ns: int) -> Bucket:
        mean = self.area / self.seconds if self.seconds else self.value
        return Bucket(
            start_ns,
            self.now_ns,
            self.changes,
            self.low,
            mean,
            self.high,
            self.value,
            self.state,
            _longest(self.states),
        )


def is_word(state: str, value: float | None) -> bool:
    """True for a state that is not written as a number: `on` has the value 1 and is a word all the same."""
    return value is None or not (state[:1].isdecimal() or state[:1] in {"-", "+", "."})


def _longest(states: Mapping[str, float]) -> Mapping[str, float]:
    if len(states) <= STATES:
        return states
    return dict(sorted(states.items(), key=lambda item: (-item[1], item[0]))[:STATES])


def summarise(samples: Iterable[Sample], end_ns: int) -> Hour:
    """One entity's changes, in order of time and at least one, until `end_ns`. Raises ValueError without any."""
    span: _Span | None = None
    first_ns = end_ns
    for time_ns, state, value in samples:
        if span is None:
            first_ns, span = time_ns, _Span(time_ns)
        span.hold(time_ns)
        span.change(state, value)
    if span is None or span.state is None:
        raise ValueError("nothing to summarise")
    span.hold(end_ns)
    return Hour(
        first_ns, end_ns, span.changes, span.low, span.high, span.area, span.seconds, span.value, span.state,
        _longest(span.states),
    )  # fmt: skip


def fold(
    parts: Iterable[Sample | Hour], start_ns: int, end_ns: int, every_ns: int, before: Sample | None = None
) -> Iterator[Bucket]:
    """The buckets of `every_ns` from `start_ns` to `end_ns` (the last may be shorter), all of them, changes or none.

    `parts` are changes or kept hours in order of time, inside the span; `before` is what held when it began. A kept hour
    belongs to the bucket its first change is in: buckets that divide hours want changes.
    """
    waiting = iter(parts)
    part = next(waiting, None)
    state, value = (None, None) if before is None else before[1:]
    for begin_ns in range(start_ns, end_ns, every_ns):
        until_ns = min(begin_ns + every_ns, end_ns)
        span = _Span(begin_ns, state, value)
        while part is not None and begins(part) < until_ns:
            _take(span, part)
            part = next(waiting, None)
        span.hold(until_ns)
        state, value = span.state, span.value
        yield span.bucket(begin_ns)


def begins(part: Sample | Hour) -> int:
    """The time of a change, or of a kept hour's first."""
    return part.first_ns if isinstance(part, Hour) else part[0]


def _take(span: _Span, part: Sample | Hour) -> None:
    if isinstance(part, Hour):
        span.absorb(part)
    else:
        span.hold(part[0])
        span.change(part[1], part[2])
