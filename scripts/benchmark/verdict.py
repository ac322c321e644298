"""What a figure must be, beside what it is: a stranger sees at a glance what holds."""

from __future__ import annotations

from collections.abc import Sequence

from attrs import frozen
from rich.table import Column, Table

from scripts.benchmark.report import simple


@frozen
class Bound:
    """A figure may be `limit` at most (or at least, when not `most`); `what` says of what, `unit` in what, `form` how it reads."""

    what: str
    limit: float
    unit: str
    most: bool = True
    form: str = ".1f"

    def judge(self, value: float) -> Verdict:
        """The bound beside a value that was measured."""
        return Verdict(self, value)

    def __str__(self) -> str:
        return f"{'≤' if self.most else '≥'} {self.limit:{self.form}} {self.unit}"


@frozen
class Verdict:
    """A bound and what was measured."""

    bound: Bound
    value: float

    @property
    def holds(self) -> bool:
        """True when the value keeps the bound, and not only its rounded figure."""
        return self.value <= self.bound.limit if self.bound.most else self.value >= self.bound.limit

    def __str__(self) -> str:
        shown = f"{self.value:{self.bound.form}}"
        if self.holds:
            return f"{self.bound}: {shown}"
        # Missed by so little that the figure would read as the bound itself: its next digits say by how much.
        return f"{self.bound}: missed, {f'{self.value:,.3f}' if shown == f'{self.bound.limit:{self.bound.form}}' else shown}"


def verdicts(found: Sequence[Verdict]) -> Table:
    """The bounds of one table, each with what was measured beside it."""
    table = simple("", Column("bound", no_wrap=True), Column("verdict", no_wrap=True))
    for each in found:
        table.add_row(each.bound.what, str(each))
    return table


def outcome(found: Sequence[Verdict]) -> str:
    """All bounds of a run in a sentence."""
    missed = [each.bound.what for each in found if not each.holds]
    held = f"{len(found) - len(missed)} of {len(found)} bounds hold"
    return f"{held}; missed: {'; '.join(missed)}." if missed else f"{held}."
