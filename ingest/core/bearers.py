"""Which entity has which name while a home is read anew, and which one continues another's mark.

An entity may get another id for life: it was paired again, or its registry came late. It is then looked for by its
name, and continues the mark of that name. But the name may now belong to a new entity, because the one that had it was
renamed: that is how people replace a sensor. Then both are there, and the new one continues nothing. Which of the two
is seen first is chance.
"""

from __future__ import annotations

from collections.abc import Mapping

from attrs import define, field

from ingest.core.coverage import MICROSECOND, Mark, Span
from ingest.core.marks import is_absent, mark_of, missing_since, state_ns, unknown_at


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

    def span(self, mark: Mark, before: Mark | None, after_ns: int, end_ns: int) -> Span:
        """What is missing after `after_ns` of an entity that is seen first with this mark, and goes on from `before`.

        Until the mark of who bore its name before it, what the history has under that name is stored as that one's. It begins a
        microsecond later, as if a state were there: then its beginning is missed, as it should be, for what the entity did under
        the name that it had itself is not asked for.
        """
        # Under the id that it had: then it takes the place of a span that has no end yet.
        known_as = mark.registry_id if before is None else before.registry_id
        other = self.baseline.get(self.known_as.get(mark.entity_id, known_as))
        if before is not None and before.entity_id != mark.entity_id and not is_absent(before) and other is not None:
            is_anothers = other.registry_id != known_as and not is_absent(other)
            after_ns = max(after_ns, state_ns(other) + MICROSECOND) if is_anothers else after_ns
        return Span(mark.entity_id, known_as, after_ns, max(end_ns, after_ns + 1))

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
