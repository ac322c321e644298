"""What a schema costs by itself, without a pipeline around it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from rich.table import Table

from scripts.benchmark.report import Piece, figures, say
from scripts.benchmark.schemas import Cost, schemas
from scripts.benchmark.size import ENTITIES, Size
from scripts.benchmark.traffic import events, points


def table(size: Size) -> Iterator[Piece]:
    """Measure and show."""
    yield render(measure(size))


def measure(size: Size) -> dict[str, Cost]:
    """The cost of each schema, for the same points."""
    say("the schemas")
    return schemas(points(ENTITIES, events(ENTITIES, size.warm)))


def render(found: Mapping[str, Cost]) -> Table:
    """One row a schema."""
    shown = figures("Schemas: a point into a line", "CPU µs/point", "bytes/line", "bytes, gzip")
    for name, cost in found.items():
        shown.add_row(name, f"{cost.micros:.1f}", f"{cost.size:.0f}", f"{cost.packed:.0f}")
    return shown
