"""What was found to be missed and is not written yet: what touches is one, and there is never too much of it.

A frame after which a home is known again names thousands of entities, each with its span, and while a disk does not
answer every frame that is shed adds to them. So spans of one gap come together at once; where there are too many gaps,
the oldest of one cause become one; and where there are too many spans, those of the oldest gap go, and it says so.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from attrs import define, evolve, field

from ingest.core.coverage import Cause, Missed, Span
from ingest.core.evicted import keep_longer

PARTS: Final = 200
"""Gaps that wait at most: many more than there are causes and reasons."""

SPANS: Final = 200_000
"""Spans that wait at most, in all: twice as many as there are marks."""

NO_ROOM: Final = "there was no room in memory for the entities of which states are missing"


@define
class _Part:
    """One gap on its way."""

    cause: Cause
    why: str
    from_ns: int
    to_ns: int
    spans: dict[tuple[str, int], Span] = field(factory=dict)
    """By entity and beginning: the last that is told of both is right."""

    @classmethod
    def of(cls, missed: Missed) -> _Part:
        spans = {(each.registry_id, each.after_ns): each for each in missed.spans}
        return cls(missed.cause, missed.why, missed.from_ns, missed.to_ns, spans)

    def is_like(self, other: _Part) -> bool:
        return self.cause is other.cause and self.why == other.why

    def touches(self, other: _Part) -> bool:
        return self.from_ns <= other.to_ns and other.from_ns <= self.to_ns

    def take_in(self, other: _Part) -> None:
        self.from_ns, self.to_ns = min(self.from_ns, other.from_ns), max(self.to_ns, other.to_ns)
        if self.cause is not Cause.EVICTED:
            self.spans.update(other.spans)
            return
        for span in other.spans.values():
            keep_longer(self.spans, span)


@define
class Missing:
    """All that waits. What is told last of a span's end is kept."""

    parts: int = PARTS
    spans: int = SPANS
    _waiting: list[_Part] = field(factory=list)
    _held: int = 0

    def __bool__(self) -> bool:
        return bool(self._waiting)

    def add(self, *missed: Missed) -> None:
        """Take in more that was missed; what touches joins what is there."""
        for each in missed:
            self._add(_Part.of(each))

    def _add(self, new: _Part) -> None:
        part = next((each for each in self._waiting if each.is_like(new) and each.touches(new)), None)
        if part is None:
            self._waiting.append(new)
            self._held += len(new.spans)
            self._fold()
        else:
            self._join(part, new)
        self._drop()

    @property
    def all(self) -> tuple[Missed, ...]:
        """All of it, the oldest first."""
        return tuple(
            Missed(each.cause, each.from_ns, each.to_ns, tuple(each.spans.values()), each.why) for each in self._waiting
        )

    def take(self) -> tuple[Missed, ...]:
        """All of it, to be handed on; `add` gives it back."""
        taken = self.all
        self._waiting, self._held = [], 0
        return taken

    def _join(self, part: _Part, other: _Part) -> None:
        before = len(part.spans)
        part.take_in(other)
        self._held += len(part.spans) - before

    def _fold(self) -> None:
        """The oldest two of a kind become one: there are fewer kinds than gaps that may wait."""
        if len(self._waiting) <= self.parts:
            return
        for place, part in enumerate(self._waiting):
            for later, other in enumerate(self._waiting[place + 1 :], start=place + 1):
                if part.is_like(other):
                    self._held -= len(other.spans)
                    self._join(part, other)
                    del self._waiting[later]
                    return

    def _drop(self) -> None:
        for part in self._waiting:
            if self._held <= self.spans:
                return
            if part.spans:
                self._held -= len(part.spans)
                part.spans, part.why = {}, part.why or NO_ROOM


def shortened(span: Span, *seen: Mapping[str, int]) -> Span:
    """The span, ended by what was seen of its entity after its beginning; `seen` are times by id for life."""
    ends = [times[span.registry_id] for times in seen if times.get(span.registry_id, 0) > span.after_ns]
    return evolve(span, before_ns=min([span.before_ns, *ends]))
