"""What each import adds to a process."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import accumulate

from rich.table import Table

from scripts.benchmark.memory import imports
from scripts.benchmark.report import MIB, Piece, figures, say
from scripts.benchmark.size import Size


def table(_: Size) -> Iterator[Piece]:
    """Measure and show."""
    yield render(measure())


def measure() -> dict[str, int]:
    """Bytes by what is imported."""
    say("weighing the imports")
    return imports()


def render(weights: Mapping[str, int]) -> Table:
    """One row an import, each without what came before."""
    shown = figures("Imports alone", "MB", "sum")
    for (what, weight), total in zip(weights.items(), accumulate(weights.values()), strict=True):
        shown.add_row(what, f"{weight / MIB:.1f}", f"{total / MIB:.1f}")
    return shown
