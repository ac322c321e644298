"""What the filter leaves out of entities that were stored before: it counts neither as coverage nor as a loss.

    stored ──mark──┤   left out   ├──first state that passes──▶ stored again
                   └── the span ──┘

A span is reported when the first state is left out, without an end, and reported again when it has one. Nothing fills
it by itself, because the states were left out on purpose; an import that names the entity does. If the history returns
states of an entity that is left out by now, those are left out as well. So they are not known, whatever gap they were
read for.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from attrs import define, field

from ingest.core.coverage import FOREVER, Cause, Mark, Missed, Span


@define
class Excluded:
    """Who is left out since when, by names for life. Times in nanoseconds, Home Assistant's."""

    since: dict[str, int] = field(factory=dict)
    _back: dict[str, int] = field(factory=dict)
    """Who came back in this session, until its snapshot is through: an earlier state may be the first."""
    _ended: dict[str, Span] = field(factory=dict)
    """Which may not be on disk yet."""
    _found: dict[tuple[str, int], Span] = field(factory=dict)
    _told: dict[str, Span] = field(factory=dict)
    """What the history told, and was left out."""

    def __bool__(self) -> bool:
        """True when anybody is left out, or just came back."""
        return bool(self.since or self._back)

    def __contains__(self, key: str) -> bool:
        return key in self.since or key in self._back

    def remember(self, since: Mapping[str, int]) -> None:
        """What the run before knew."""
        self.since = {**since, **self.since}

    def begin(self, left_out: Mark, after_ns: int) -> None:
        """That state is left out, and the newest before it is of `after_ns`; unless that was told, or is no news."""
        key = left_out.registry_id
        if key not in self.since and left_out.time_ns > after_ns:
            self._back.pop(key, None)
            self.since[key] = after_ns
            self._found[key, after_ns] = Span(left_out.entity_id, key, after_ns, FOREVER)

    def tell(self, left_out: Mark) -> None:
        """The history told of that state, and it is left out."""
        key, time_ns = left_out.registry_id, left_out.time_ns
        if self.since.get(key, FOREVER) >= time_ns:
            known = self._told.get(key)
            times = (time_ns,) if known is None else (time_ns, known.after_ns + 1, known.before_ns - 1)
            self._told[key] = Span(left_out.entity_id, key, min(times) - 1, max(times) + 1)

    def end(self, passed: Mark, end_ns: int, *, reading: bool) -> None:
        """That state passes. `reading`: a snapshot is under way, which may have an earlier one."""
        key = passed.registry_id
        after_ns = self.since.pop(key, self._back.get(key))
        if after_ns is None:
            return
        if reading:
            self._back[key] = after_ns
        known = self._ended.get(key)
        if known is not None and known.after_ns == after_ns:
            end_ns = min(end_ns, known.before_ns)
        self._ended[key] = self._found[key, after_ns] = Span(passed.entity_id, key, after_ns, end_ns)

    def over(self) -> None:
        """No snapshot is under way any more, or another one begins."""
        self._back.clear()

    def still(self, spans: Iterable[Span]) -> list[Span]:
        """Those of the spans, told before, that are true: what ended since is told whole, with its end."""
        return [each for each in spans if each.before_ns < FOREVER or self.since.get(each.registry_id) == each.after_ns]

    def take(self) -> tuple[Missed, ...]:
        """What was found since the last time, as one; nothing where there is nothing."""
        if not (self._found or self._told):
            return ()
        spans = (*self._found.values(), *self._told.values())
        self._found, self._told = {}, {}
        first = min(each.after_ns for each in spans)
        last = max(each.before_ns if each.before_ns < FOREVER else each.after_ns for each in spans)
        return (Missed(Cause.FILTERED, first, last, spans),)

    @property
    def ended(self) -> tuple[Span, ...]:
        """Which ended, and may not be in the ledger yet."""
        return tuple(self._ended.values())

    def handed_over(self, ended: Iterable[Span]) -> None:
        """Forget these spans, which are in the ledger; one that has grown since stays."""
        for each in ended:
            if self._ended.get(each.registry_id) == each:
                del self._ended[each.registry_id]
