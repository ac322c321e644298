"""Who bears which name while a home is read anew, and who goes on from another's mark.

An entity may get another id for life: paired again, or its registry came late. It is looked for by its name, then, and goes on from
the mark of that name. But the name may have been given to a new entity, when its former bearer got another one, as who
replaces a sensor does. Then both are there, and the new one goes on from nothing. Which of the two is seen first is chance.

Who has another name than before is missing under both. At a renaming the recorder gives what there was to the new name, and leaves the
removal under the old one; a name that it knows already gets nothing, and has the states of its former bearer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from attrs import define, evolve, field

from ingest.core.coverage import MICROSECOND, Mark, Span
from ingest.core.history import Row
from ingest.core.marks import is_absent, mark_of, missing_since, unknown_at

GIVEN_UP = MICROSECOND // 4
"""So many nanoseconds after one of Home Assistant's times ends what is missing under a name that its entity gave up: no state is there."""


def is_given_up(span: Span) -> bool:
    """True of a span under a name that its entity gave up: it ends with the first removal, and what follows is of another one."""
    return span.before_ns % MICROSECOND == GIVEN_UP


def before_given_up(span: Span, rows: Sequence[Row]) -> Sequence[Row]:
    """Those of the rows that are of the span's entity. One that is read already until then may begin at its removal."""
    begun_ns = span.after_ns if span.done_ns else span.after_ns + 1
    for place, row in enumerate(rows):
        if row.state is None and row.time_ns >= begun_ns:
            return rows[: place + 1]
    return rows


@define
class Bearers:
    """The names of one reading, by ids for life. `baseline` are the marks before it, `known_as` the ids of their names.

    `present` are the ids and the names of those that are there.
    """

    baseline: Mapping[str, Mark] = field(factory=dict)
    known_as: Mapping[str, str] = field(factory=dict)
    from_ns: int = 0
    present: set[str] = field(factory=set)
    _names: dict[str, str] = field(factory=dict)
    _lent: dict[str, Span] = field(factory=dict)

    def mark_before(self, mark: Mark, end_ns: int) -> Mark | None:
        """The mark that an entity goes on from, which is seen first with this one; its span ends at `end_ns`."""
        registry_id, entity_id = mark.registry_id, mark.entity_id
        before = mark_of(self.baseline, self.known_as, registry_id, entity_id)
        if before is None or before.registry_id == registry_id:
            return before
        if self._names.get(before.registry_id, entity_id) != entity_id:
            return None
        self._lent[before.registry_id] = Span(entity_id, registry_id, unknown_at(self.from_ns), end_ns)
        return before

    def spans(self, mark: Mark, before: Mark | None, after_ns: int, end_ns: int) -> tuple[Span, ...]:
        """What is missing of an entity after `after_ns`, which goes on from the mark `before` and is seen first with this one."""
        # Under the id that it had: then it takes the place of a span that has no end yet.
        known_as = mark.registry_id if before is None else before.registry_id
        span = Span(mark.entity_id, known_as, after_ns, max(end_ns, after_ns + 1))
        if before is None or is_absent(before) or known_as != mark.registry_id or before.entity_id == mark.entity_id:
            return (span,)
        until_ns = span.before_ns - span.before_ns % MICROSECOND - MICROSECOND + GIVEN_UP
        given_up = evolve(span, entity_id=before.entity_id, before_ns=max(until_ns, after_ns + 2))
        other = self.baseline.get(self.known_as.get(mark.entity_id, ""))
        # Only one of the two begins at the mark: where both did, one would take the place of the other.
        if other is None:
            return span, evolve(given_up, after_ns=unknown_at(after_ns))
        # What is older is stored as that one's.
        begun_ns = unknown_at(max(after_ns, other.time_ns))
        return given_up, evolve(span, after_ns=begun_ns, before_ns=max(end_ns, begun_ns + 1))

    def bear(self, registry_id: str, entity_id: str) -> tuple[Span, ...]:
        """That id is there under this name. Who went on from its mark under another name is a new entity, it turns out.

        Returns the span that this one has by itself, and what takes the place of the one that it had: nothing.
        """
        self.present.update((registry_id, entity_id))
        self._names[registry_id] = entity_id
        lent = self._lent.get(registry_id)
        if lent is None or lent.entity_id == entity_id:
            return ()
        after_ns = missing_since(self.baseline.get(registry_id), self.from_ns)
        return self._lent.pop(registry_id), Span(entity_id, registry_id, after_ns, after_ns + 1)
