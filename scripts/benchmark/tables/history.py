"""What an import costs, by store."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from rich.table import Table

from scripts.benchmark.imports import Imported, Past, imported
from scripts.benchmark.report import MIB, Piece, figures, say
from scripts.benchmark.runs import STORES, run
from scripts.benchmark.size import Size


def table(size: Size) -> Iterator[Piece]:
    """Measure and show."""
    yield render(measure(size.past), size.past)


def measure(past: Past) -> dict[str, Imported]:
    """One import for each store."""
    found = {}
    for name, opener in STORES.items():
        say(f"importing {past.imported:,} states: {name}")
        found[name] = run(imported, past, opener)
    return found


def render(found: Mapping[str, Imported], past: Past) -> Table:
    """One row a store."""
    title = f"An import of {past.imported:,} states of {past.entities:,} entities"
    shown = figures(title, "states/s", "CPU µs/state", "peak MB")
    for store, each in found.items():
        shown.add_row(store, f"{each.sample.rate:,.0f}", f"{each.sample.micros:.1f}", f"{each.peak / MIB:.0f}")
    return shown
