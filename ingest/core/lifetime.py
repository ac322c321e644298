"""Totals that survive restarts: what each run counted, added up since the state file was begun."""

from __future__ import annotations

from collections.abc import Mapping

from attrs import field, frozen

_NOT_GROWN = frozenset({"carried", "spooled", "in_flight"})
"""What is held goes up and down; what a start carries was received by a run before."""


@frozen
class Lifetime:
    """Counts since a moment: the terms of the books that only grow, and `lost` with a process that ended."""

    since_ns: int
    totals: Mapping[str, int] = field(factory=dict)

    def plus(self, more: Mapping[str, int]) -> Lifetime:
        """With what was counted since."""
        names = dict.fromkeys([*more, *self.totals])
        return Lifetime(self.since_ns, {name: self.totals.get(name, 0) + more.get(name, 0) for name in names})


def grown(books: Mapping[str, int], lost: int = 0) -> dict[str, int]:
    """What a run adds to its totals, by name: those terms of its books that only grow, and what was `lost`."""
    return {name: count for name, count in {**books, "lost": lost}.items() if name not in _NOT_GROWN}
