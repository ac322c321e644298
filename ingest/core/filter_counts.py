"""What the filter did with what came in, by rule: a fold over what is judged, live and of snapshots.

The history is not judged where others look on, so states that fill a gap are not among these counts. A rule that another
configuration brought to an end keeps its states under one name with all others of its kind.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from attrs import define, field, frozen

from ingest.core.judged import Judged
from ingest.core.rules import Rules
from ingest.core.tally import EARLIER

EXCEPTION = "exception "
"""How the name of an exception begins."""


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
    """What is remembered of it; `rules` are those that judge."""

    rules: Rules
    _excepted_earlier: int = 0
    _passed: Counter[str] = field(factory=Counter)
    _filtered: Counter[str] = field(factory=Counter)

    def hear(self, judged: Judged, rules: Rules) -> None:
        """Fold in what these rules made of a frame."""
        self._renew(rules)
        self._passed.update(judged.rules)
        if len(judged.rules) < len(judged.verdicts):
            self._filtered.update([each for each in judged.verdicts if isinstance(each, str)])

    def look(self, rules: Rules) -> FilterCounts:
        """The counts now, by the rules that are now."""
        self._renew(rules)
        passed, filtered = self._passed, self._filtered
        excepted = self._excepted_earlier + sum(count for name, count in passed.items() if name.startswith(EXCEPTION))
        return FilterCounts(passed.total(), excepted, filtered.total(), dict(passed), dict(filtered))

    def _renew(self, rules: Rules) -> None:
        if rules is self.rules:
            return
        ended = self.rules.ended(rules)
        self._excepted_earlier += sum(self._passed[name] for name in ended if name.startswith(EXCEPTION))
        for counts in (self._passed, self._filtered):
            gone = sum(counts.pop(name, 0) for name in ended)
            if gone:
                counts[EARLIER] += gone
        self.rules = rules
