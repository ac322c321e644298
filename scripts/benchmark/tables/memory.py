"""Resident memory by size of the home and store."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from rich.table import Table

from scripts.benchmark.memory import Footprint, footprint
from scripts.benchmark.report import MIB, Piece, figures, say
from scripts.benchmark.runs import STORES, run
from scripts.benchmark.size import Size


def table(size: Size) -> Iterator[Piece]:
    """Measure and show."""
    yield render(measure(size))


def measure(size: Size) -> dict[tuple[int, str], Footprint]:
    """The service's memory in each home with each store."""
    found = {}
    for entities in size.homes:
        for name, opener in STORES.items():
            say(f"weighing the service in a home of {entities:,} entities: {name}")
            found[entities, name] = run(footprint, entities, opener)
    return found


def render(footprints: Mapping[tuple[int, str], Footprint]) -> Table:
    """One row a home and store."""
    shown = figures("Resident memory", "peak MB", "settled MB", "largest frames MB")
    for (entities, store), found in footprints.items():
        frames = " + ".join(f"{size / MIB:.1f}" for size in found.frames) or "< 1"
        megabytes = f"{found.peak / MIB:.0f}", f"{found.settled / MIB:.0f}"
        shown.add_row(f"{entities:,} entities, {store}", *megabytes, frames)
    return shown
