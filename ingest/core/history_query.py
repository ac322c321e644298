"""Which questions to ask of the history, so that one answer stays moderate.

    spans ──▶ groups of entities whose spans overlap ──▶ a window of time each, one after the other

The first window is small; the next is as wide as the last answer says, so that about `target` rows come. Both bounds of
the API are exclusive and compared as floats with digits below the microsecond, so a question reaches a little over its
window at both ends; what a window settles is decided by the times as they are read.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from attrs import frozen

from ingest.core.coverage import Span
from ingest.core.state import moment_at

COMMAND = "history/history_during_period"
ENTITIES = 50
"""Entities in one question."""

TARGET = 5_000
"""Rows that an answer should have: one or two megabytes."""

SECOND_NS = 1_000_000_000
FIRST_NS = 900 * SECOND_NS
"""How much time the first window of a group is: a very busy home makes some ten thousand rows in it."""

NARROWEST_NS = SECOND_NS
WIDEST_NS = 30 * 86_400 * SECOND_NS
OVER_NS = 1_000_000
"""How far a question reaches over its window: a millisecond."""

GROWTH = 4
"""A window is at most so many times as wide as the last: a quiet night says little of the morning."""

JOIN = 4
"""A window reaches so small a part of the way to where the group's last span begins, if others begin in it."""


@frozen
class Query:
    """One question: the rows of `spans` after `from_ns`, until `to_ns` included. `width_ns` is the window's."""

    spans: Sequence[Span]
    from_ns: int
    to_ns: int
    width_ns: int

    @property
    def begun(self) -> list[Span]:
        """The spans that have begun by the window's end."""
        return [span for span in self.spans if span.after_ns <= self.to_ns]

    @property
    def entity_ids(self) -> list[str]:
        """The entities of these, each once."""
        return list(dict.fromkeys(span.entity_id for span in self.begun))

    def fields(self) -> Mapping[str, object]:
        """What the command says. Every default of Home Assistant's here drops rows, or invents one."""
        return {
            "start_time": _iso(self.from_ns - OVER_NS),
            "end_time": _iso(self.to_ns + OVER_NS),
            "entity_ids": self.entity_ids,
            "significant_changes_only": False,
            "include_start_time_state": False,
            "minimal_response": False,
            "no_attributes": False,
        }

    def through(self, span: Span) -> bool:
        """True when nothing of the span lies after this window."""
        return span.before_ns <= self.to_ns


def queries(spans: Iterable[Span], *, entities: int = ENTITIES, width_ns: int = FIRST_NS) -> list[Query]:
    """The first question of each group of spans."""
    return [_window(group, min(span.after_ns for span in group), width_ns) for group in _groups(spans, entities)]


def following(query: Query, rows: int, *, target: int = TARGET) -> Query | None:
    """The group's next question, after one that was answered with so many rows; None when it is through."""
    left = [span for span in query.spans if not query.through(span)]
    if not left:
        return None
    return _window(left, max(query.to_ns, min(span.after_ns for span in left)), wider(query.width_ns, rows, target))


def wider(width_ns: int, rows: int, target: int = TARGET) -> int:
    """How wide a window should be when the last one, so wide, gave so many rows."""
    wanted = width_ns * min(GROWTH, target / max(1, rows))
    return round(min(WIDEST_NS, max(NARROWEST_NS, wanted)))


def narrower(width_ns: int) -> int:
    """How wide a window should be after one whose answer did not come: a quarter."""
    return max(NARROWEST_NS, width_ns // GROWTH)


def _groups(spans: Iterable[Span], entities: int) -> Iterator[list[Span]]:
    """Spans that overlap in time, of at most so many entities."""
    group: list[Span] = []
    names: set[str] = set()
    until = 0
    for span in sorted(set(spans), key=lambda span: (span.after_ns, span.before_ns, span.entity_id, span.id)):
        if group and (span.after_ns > until or len(names | {span.entity_id}) > entities):
            yield group
            group, names, until = [], set(), 0
        group.append(span)
        names.add(span.entity_id)
        until = max(until, span.before_ns)
    if group:
        yield group


def _window(spans: Sequence[Span], from_ns: int, width_ns: int) -> Query:
    """The question from there on. It ends before the first span that begins too late to be asked for from here on.

    Who begins within the window is asked for from the window's beginning, and may be busy; but nothing happened to an entity
    from where its span begins until the last one's does, if what was missed is the same for all. So the longer that is, the
    earlier may it be asked for, and the wider the window be in which it joins.
    """
    beginnings = [span.after_ns for span in spans if span.after_ns > from_ns]
    near_ns = max(FIRST_NS, (max(beginnings, default=from_ns) - from_ns) // JOIN)
    # A window takes in who begins where it ends.
    too_late = [each - 1 for each in beginnings if each - from_ns > near_ns]
    end = min([max(span.before_ns for span in spans), *too_late])
    if any(each - from_ns <= near_ns for each in beginnings):
        width_ns = min(width_ns, near_ns)
    return Query(spans, from_ns, max(from_ns, min(end, from_ns + width_ns)), width_ns)


def _iso(time_ns: int) -> str:
    return moment_at(time_ns).isoformat(timespec="microseconds")
