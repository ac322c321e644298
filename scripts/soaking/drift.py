"""Does a quantity drift? Values in, verdicts out.

The slope is Theil and Sen's, the median of the slopes between all pairs: a third of the samples may be anything, as they
are while a database is away, and it stays. What is judged is how much that makes over the time that was looked at, because a
slope of ten minutes, told per hour, makes six of every wobble.

A count that may not grow however long it takes is judged by its step, too: of one descriptor that is lost half-way most
slopes know nothing, but the median of the last third is one more than that of the first.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from statistics import median

from attrs import frozen

MOST = 400
"""Points between which slopes are taken; of more samples neighbours are put together, as their median."""

LEAST = 8
"""Samples without which nothing can be said."""

HOUR = 3600.0

Samples = Sequence[tuple[float, float]]
"""Seconds and values."""


@frozen
class Quantity:
    """What may drift: `hourly` is how much it may grow in an hour, `once` how much in whatever time: that is noise.

    `quiet`: where little happens there may be nothing to tell it from. Else too few samples of a long life are a failure.
    """

    name: str
    unit: str
    hourly: float
    once: float
    digits: int = 1
    quiet: bool = False


@frozen
class Drift:
    """What was found of a quantity: medians of the first and the last third, growth per hour and in all, and what was allowed."""

    quantity: Quantity
    count: int
    first: float
    last: float
    hourly: float
    growth: float
    allowed: float

    @property
    def known(self) -> bool:
        """There were enough samples."""
        return self.count >= LEAST

    @property
    def drifts(self) -> bool:
        """It grew by more than it may."""
        return self.known and self.growth > self.allowed


def slope(samples: Samples) -> float:
    """How much the value grows in a second. Fails without two different times."""
    return median((w - v) / (u - t) for (t, v), (u, w) in combinations(_thinned(samples), 2) if u != t)


def _thinned(samples: Samples) -> list[tuple[float, float]]:
    size = -(-len(samples) // MOST)
    parts = (samples[first : first + size] for first in range(0, len(samples), size))
    return [(median(t for t, _ in part), median(v for _, v in part)) for part in parts]


def judged(quantity: Quantity, samples: Samples) -> Drift:
    """The samples in the order of their times, without those of the warm-up."""
    if len(samples) < LEAST:
        return Drift(quantity, len(samples), 0.0, 0.0, 0.0, 0.0, quantity.once)
    third = len(samples) // 3
    seconds = samples[-1][0] - samples[0][0]
    steep = slope(samples)
    first, last = (median(v for _, v in part) for part in (samples[:third], samples[-third:]))
    grew = steep * seconds if quantity.hourly else max(steep * seconds, last - first)
    allowed = max(quantity.once, quantity.hourly * seconds / HOUR)
    return Drift(quantity, len(samples), first, last, steep * HOUR, grew, allowed)
