"""The usual change, made into its point in one piece.

Nine changes in ten are live, of an entity of which everything is known, and have the attributes that it had. What the
filter came to for such an entity the last time holds again: what the registries say of it, the rule, the tags. So all of that
is kept in one place, `Last`, and one look says whether it still holds. In a large home every look is a walk to memory
that no cache holds: what was asked of five tables is asked of one, and of the reconciler's marks.

Whatever is otherwise, in any of the conditions below, goes the long way (`Filter`, `Enricher`), which would make the very
same of what goes this way: `tests/core/test_usual.py` compares the two.
"""

from __future__ import annotations

from collections.abc import Sequence

from attrs import Factory, define, field

from ingest.core.catalog import Catalog
from ingest.core.enrich import Enricher
from ingest.core.marks import Marks
from ingest.core.number import number
from ingest.core.point import Kind, Point
from ingest.core.restart import PLACEHOLDERS, UNAVAILABLE, Last
from ingest.core.rules import Rules
from ingest.core.state import Change, nanoseconds

# Python 3.11 takes 0.1 µs to find an enum's member.
_changed, _attributes = Kind.CHANGED, Kind.ATTRIBUTES


@define(eq=False)
class Usual:
    """What holds as long as this catalog and these rules do.

    `passed_by` are the names of the rules that let points through, one for each, until somebody takes them. What is true of
    an entity under this bears its `stamp`, which keeps nothing alive: who is silent for a year bears it for a year.
    """

    catalog: Catalog
    rules: Rules
    enricher: Enricher
    marks: Marks
    passed_by: list[str] = field(factory=list)
    stamp: object = field(factory=object)
    _lasts: dict[str, Last] = field(default=Factory(lambda self: self.enricher.lasts, takes_self=True))

    def holds(self, catalog: Catalog, rules: Rules, marks: Marks) -> bool:
        """True while nothing else is known of the home, and nothing else wanted."""
        return self.catalog is catalog and self.rules is rules and self.marks is marks

    def point(self, change: Change) -> Point | None:
        """The point of a live change, and everything that goes with it is done; None, and nothing is, for an unusual one."""
        data = change.data
        new, old = data.new_state, data.old_state
        if new is None or old is None:
            return None
        last = self._lasts.get(data.entity_id)
        state, before = new.state, old.state
        if last is None or last.under is not self.stamp or state in PLACEHOLDERS or before == UNAVAILABLE:
            return None
        raw, attributes = last.raw, last.attributes
        if raw != new.attributes:
            read = self.enricher.reread(last, new.attributes)
            if read is None:
                return None
            raw, attributes = read
        since, time_ns = new.last_changed, nanoseconds(new.last_updated)
        kind, duration = _changed, None
        if state != before:
            seconds = (since - old.last_changed).total_seconds()
            duration = seconds if seconds >= 0 else None
        elif since != new.last_updated:
            kind = _attributes
        entity_id, facts = last.entity_id, last.facts
        point = Point(
            entity_id,
            time_ns,
            state,
            facts,
            attributes,
            number(state),
            before,
            duration,
            kind,
            new.context,
            None,
            last.treatment,
        )
        if not self.marks.advance(facts.registry_id, entity_id, time_ns):
            return None
        last.state = last.value = state
        last.time_ns, last.raw, last.attributes = time_ns, raw, attributes
        self.passed_by.append(last.rule)
        return point

    def taken(self) -> Sequence[str]:
        """The names of the rules since the last time."""
        names, self.passed_by = self.passed_by, []
        return names


def unusual(_: Change) -> None:
    """Where no change goes the short way."""
