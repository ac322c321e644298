"""How long to wait after failures in a row, and the circuit breaker, which is that same count, shown.

Exponential backoff with full jitter, capped. The breaker is open while the wait lasts after so many failures as whoever
counts them says, and half open when the next attempt may be made.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum

FIRST_DELAY = 1.0


class Breaker(Enum):
    """A circuit breaker's state."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


def breaker_at(now: float, retry_at: float, *, is_open: bool) -> Breaker:
    """The breaker at `now`, where one that `is_open` waits until `retry_at`: both in seconds of one clock."""
    if not is_open:
        return Breaker.CLOSED
    return Breaker.OPEN if now < retry_at else Breaker.HALF_OPEN


def backoff(failures: int, cap: float, chance: Callable[[], float]) -> float:
    """Seconds to wait after that many failures: full jitter under a doubling, capped bound. `chance` is in [0, 1)."""
    bound = min(cap, FIRST_DELAY * 2.0 ** min(failures - 1, 60))
    return bound * chance()
