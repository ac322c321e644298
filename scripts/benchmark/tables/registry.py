"""All tables by name: what `scripts/bench` can measure."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeAlias

from scripts.benchmark.report import Piece
from scripts.benchmark.size import Size
from scripts.benchmark.tables import cost, footprint, history, imports, latency, memory, peers, schemas, speed
from scripts.benchmark.verdict import Verdict

Shown: TypeAlias = Iterable[Piece | list[Verdict]]

TABLES: dict[str, Callable[[Size], Shown]] = {
    "speed": speed.table,
    "peers": peers.table,
    "latency": latency.table,
    "cost": cost.table,
    "schemas": schemas.table,
    "import": history.table,
    "footprint": footprint.table,
    "memory": memory.table,
    "imports": imports.table,
}
