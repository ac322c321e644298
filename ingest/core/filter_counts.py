"""What the filter did with what came in, by rule: a fold over what is judged, live and of snapshots.

The history is not judged where others look on, so states that fill a gap are not among these counts. A rule that another
configuration brought to an end keeps its states under one name with all others of its kind.

Every snapshot tells every state again. What is stored is known by its mark, and no rule is asked; what is left out has none
and is judged each time, so that it is remembered here which state of an entity was the last that counted.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import datetime

from attrs import define, field, frozen

from ingest.core.judged import Judged
from ingest.core.room import ENTITIES, make_room
from ingest.core.rule_names import is_exception
from ingest.core.rules import Rules
from ingest.core.state import Source, moment_of
from ingest.core.tally import EARLIER


@frozen
class FilterCounts:
    """States since the start. `excepted` are those of `passed` that an exception let through."""

    passed: int
    excepted: int
    filtered: int
    passed_by: Mapping[str, int]
    filtered_by: Mapping[str, int]

    @property
    def total(self) -> int:
        """Every state for which it was decided."""
        return self.passed + self.filtered


@define
class FilterCountsFold:
    """What is remembered of it; `rules` are those that judge.

    Of at most `entities` that are left out it remembers the last state, and forgets the one that came first.
    """

    rules: Rules
    entities: int = ENTITIES
    _excepted_earlier: int = 0
    _passed: Counter[str] = field(factory=Counter)
    _filtered: Counter[str] = field(factory=Counter)
    _last: dict[str, datetime] = field(factory=dict)

    def hear(self, judged: Judged, rules: Rules) -> None:
        """Fold in what these rules made of a frame."""
        self._renew(rules)
        self._passed.update(judged.rules)
        if len(judged.rules) < len(judged.verdicts):
            self._filtered.update(self._left_out(judged))

    def look(self, rules: Rules) -> FilterCounts:
        """The counts now, by the rules that are now."""
        self._renew(rules)
        passed, filtered = self._passed, self._filtered
        excepted = self._excepted_earlier + sum(count for name, count in passed.items() if is_exception(name))
        return FilterCounts(passed.total(), excepted, filtered.total(), dict(passed), dict(filtered))

    def _left_out(self, judged: Judged) -> Iterator[str]:
        """The rule of each state that is left out, but for those of a snapshot that counted before."""
        again, last = judged.source is Source.SNAPSHOT, self._last
        for change, verdict in zip(judged.changes, judged.verdicts, strict=True):
            if not isinstance(verdict, str):
                continue
            entity_id, moment = change.data.entity_id, moment_of(change)
            known = last.get(entity_id)
            if again and known == moment:
                continue
            if known is None:
                make_room(last, self.entities)
            last[entity_id] = moment
            yield verdict

    def _renew(self, rules: Rules) -> None:
        if rules is self.rules:
            return
        ended = self.rules.ended(rules)
        self._excepted_earlier += sum(self._passed[name] for name in ended if is_exception(name))
        for counts in (self._passed, self._filtered):
            gone = sum(counts.pop(name, 0) for name in ended)
            if gone:
                counts[EARLIER] += gone
        self.rules = rules
