"""How much is done: enough to quote, or a look."""

from __future__ import annotations

from attrs import evolve, frozen

from scripts.benchmark.imports import Past
from scripts.benchmark.traffic import TOGETHER

ENTITIES = 500
LARGE = 41_000


@frozen
class Size:
    """Rounds, warming events, measured events by kind of frame, the homes that are weighed, an import; `quick` is a look."""

    rounds: int
    warm: int
    measured: dict[int, int]
    homes: tuple[int, ...]
    past: Past
    quick: bool = False

    def of(self, rounds: int | None) -> Size:
        """The same in so many rounds, unless that is None."""
        return evolve(self, rounds=rounds or self.rounds)


USUAL = Size(3, 10_000, {TOGETHER: 60_000, 1: 20_000}, (ENTITIES, LARGE), Past(1_000, 400))
QUICK = Size(1, 5_000, {TOGETHER: 20_000, 1: 5_000}, (ENTITIES,), Past(100, 400), quick=True)
