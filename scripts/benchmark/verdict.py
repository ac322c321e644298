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
        """True when the value as it is shown keeps the bound."""
        shown = float(f"{self.value:{self.bound.form}}".replace(",", ""))
        return shown <= self.bound.limit if self.bound.most else shown >= self.bound.limit

    def __str__(self) -> str:
        return f"{self.bound}: {'' if self.holds else 'missed, '}{self.value:{self.bound.form}}"


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
