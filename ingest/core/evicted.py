"""Whose states a spool dropped, and what is missing of each entity then: pure. Times in nanoseconds, Home Assistant's.

    batches, in the order in which they were put     b1    b2    b3    b4
    an entity's live states in them                  ●  ●        ●     ●
    dropped, one after the other                     └────── one span ─┘
    b2 was delivered                                 └──┘        └─────┘

Live states of an entity come one after the other: between two in batches that follow each other, and are all dropped,
nothing of it can be stored. So a spool that is full for a day leaves one span an entity, and not one a batch. Across a
batch that was delivered no span reaches: the history would write over what is told better there. What a snapshot or the
history itself told lies between other states, so that each such state is missing alone. Of a batch that was delivered in
part, some of which was taken, no span reaches across what is stored.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from attrs import define, evolve, field, frozen

from ingest.core.coverage import MICROSECOND, UNNAMED, Cause, Missed, Span
from ingest.core.room import ENTITIES

ALONE: Final = 1_000
"""Spans of one state each that a batch may leave: the ledger is bounded, and an import fills whole batches with such."""

TOO_MANY: Final = "too many states from the history were dropped again: `gaps reopen --since` has them asked for again"

BEFORE_ONE: Final = 2
"""Nanoseconds before a state at which the span of that one alone begins; no other one's does."""


@frozen
class Named:
    """States of one entity in a batch, from the oldest to the newest; `live`: all that it had between the two.

    `stored`: they are not missing, and what went before and what comes after them are not one.
    """

    registry_id: str
    entity_id: str
    oldest_ns: int
    newest_ns: int
    live: bool = True
    stored: bool = False


@define
class Owners:
    """Gathers who has states in a batch, state by state in the order of the batch."""

    _live: dict[str, list[int]] = field(factory=dict)
    _names: dict[str, str] = field(factory=dict)
    _done: list[Named] = field(factory=list)

    def add(self, registry_id: str, entity_id: str, time_ns: int, *, live: bool) -> None:
        """One state. A live one that is older than the one before it begins anew: Home Assistant's clock was set back."""
        if not live:
            self._done.append(Named(registry_id, entity_id, time_ns, time_ns, live=False))
            return
        times = self._live.get(registry_id)
        if times is not None and time_ns >= times[1]:
            times[1], self._names[registry_id] = time_ns, entity_id
            return
        if times is not None:
            self._done.append(Named(registry_id, entity_id, times[0], times[1]))
        self._live[registry_id], self._names[registry_id] = [time_ns, time_ns], entity_id

    def pass_over(self, registry_id: str, entity_id: str, time_ns: int) -> None:
        """One live state that is stored already."""
        times = self._live.pop(registry_id, None)
        if times is not None:
            self._done.append(Named(registry_id, self._names[registry_id], times[0], times[1]))
        self._done.append(Named(registry_id, entity_id, time_ns, time_ns, stored=True))

    @property
    def all(self) -> tuple[Named, ...]:
        """Everybody of whom states were dropped, each with the times of the first and the last."""
        return (*self._done, *(Named(key, self._names[key], times[0], times[1]) for key, times in self._live.items()))


@define
class Trail:
    """The spans of what was dropped last, which grow as long as what is dropped follows without a break."""

    _last: dict[str, Span] = field(factory=dict)

    def cut(self) -> None:
        """What is dropped next does not follow: something between the two is stored, or may be."""
        self._last.clear()

    def spans(self, named: Iterable[Named]) -> list[Span]:
        """What is missing now. A span that begins where one told before does is that one, grown."""
        told: dict[tuple[str, int], Span] = {}
        for each in named:
            if each.stored:
                self._last.pop(each.registry_id, None)
                continue
            after = each.oldest_ns - (1 if each.live else BEFORE_ONE)
            span = Span(each.entity_id, each.registry_id, after, each.newest_ns + 1)
            if each.live:
                span = self._grown(span)
            keep_longer(told, span)
        return list(told.values())

    def _grown(self, span: Span) -> Span:
        last = self._last.get(span.registry_id)
        if last is None and len(self._last) >= ENTITIES:
            return span  # it stays as short as it came: the ledger has a bound of its own
        if last is not None and last.before_ns <= span.after_ns + 1:
            span = evolve(span, after_ns=last.after_ns)
        if last is None or last.before_ns <= span.before_ns:
            self._last[span.registry_id] = span
        return span


def is_alone(span: Span) -> bool:
    """True for a span of one state that the history or a snapshot told: no other is told to be the same."""
    return span.after_ns % MICROSECOND == MICROSECOND - BEFORE_ONE


def keep_longer(spans: dict[tuple[str, int], Span], span: Span) -> None:
    """Of two spans of an entity that begin alike, what was dropped later made one longer; neither ends earlier than it did."""
    place = span.registry_id, span.after_ns
    known = spans.get(place)
    if known is None or known.before_ns <= span.before_ns:
        spans[place] = span


def missed(named: Sequence[Named] | None, oldest_ns: int, newest_ns: int, trail: Trail) -> tuple[Missed, ...]:
    """The gaps of batches of these times that were dropped. None of `named`: it is not known whose states they held."""
    if named is None:
        trail.cut()
        return (Missed(Cause.EVICTED, oldest_ns, newest_ns, why=UNNAMED),)
    alone = [each for each in named if not each.live]
    left_out = len(alone) > ALONE
    spans = trail.spans([each for each in named if each.live] if left_out else named)
    gaps = []
    if spans:
        gaps.append(Missed(Cause.EVICTED, oldest_ns, newest_ns, spans))
    if left_out:
        first, last = min(each.oldest_ns for each in alone), max(each.newest_ns for each in alone)
        gaps.append(Missed(Cause.EVICTED, first, last, why=TOO_MANY))
    return tuple(gaps)
