"""How far one span of a reading is read, and what was seen of it on the way."""

from __future__ import annotations

from collections.abc import Sequence

from attrs import define, evolve, frozen
from msgspec import Raw

from ingest.core.coverage import MICROSECOND, Span
from ingest.core.history import Row, changes_of
from ingest.core.history_query import Query
from ingest.core.recorder import Seen, first_state_ns
from ingest.core.state import Change, nanoseconds


@frozen
class Recorded:
    """One entity's rows of an answer, in order; `unreadable` of its rows could not be read."""

    rows: Sequence[Row] = ()
    unreadable: int = 0


@define
class Progress:
    """One span's. `rest` is what is still to be read of `span`, `last` the last row that came.

    `begins_ns` is when the state was that is known where it begins; None: none is.
    """

    span: Span
    rest: Span
    begins_ns: int | None
    seen: Seen
    last: Row | None = None

    @classmethod
    def of(cls, span: Span, *, by_hand: bool) -> Progress:
        """Nothing is read yet. `by_hand`: one that begins just before some time was asked for since then."""
        return cls(span, span, first_state_ns(span, included=not by_hand), Seen(found=span.found))

    @property
    def last_ns(self) -> int | None:
        """The time of the last row that came; None: none did."""
        return None if self.last is None else self.last.time_ns

    @property
    def is_whole(self) -> bool:
        """True when nothing is lacking so far."""
        seen = self.seen
        return not (seen.unreadable or seen.purged) and (seen.began or self.begins_ns is None)

    def forget(self) -> None:
        """What came is not there any more: something may be missing before what comes next."""
        self.seen = evolve(self.seen, purged=True)
        self.last = None

    def advance(self, query: Query, recorded: Recorded) -> list[Change]:
        """The changes of a window, and what they mean for the span.

        What a question reaches over its window waits for the next one: two rows of one time may lie on both sides of it.
        """
        within = [row for row in recorded.rows if row.time_ns <= query.to_ns]
        changes = changes_of(self.rest, within, self.last)
        self.seen = self._seen(recorded, changes)
        if within:
            self.last = _kept(within[-1])
        if changes:
            self.rest = evolve(self.rest, after_ns=nanoseconds(changes[-1].time_fired))
        return changes

    def _seen(self, recorded: Recorded, changes: Sequence[Change]) -> Seen:
        seen, times = self.seen, [row.time_ns for row in recorded.rows]
        return Seen(
            seen.began or self.begins_ns in times,
            # A span may end just after a state that is part of it: between two states is a microsecond at least.
            # The last answer says it: one before that reached over its window tells nothing of what came until there.
            bool(times) and times[-1] + MICROSECOND > self.span.before_ns,
            seen.found + len(changes),
            changes[-1].data.new_state is None if changes else seen.removed,
            seen.unreadable + recorded.unreadable,
            seen.purged,
        )


def _kept(row: Row) -> Row:
    """The row without the answer that it came in: a raw value would keep all of it alive."""
    return evolve(row, attributes=Raw(bytes(row.attributes)))
