"""How a candidate stands: one address of Home Assistant, its failures in a row, and when to try it next.

Failures are forgiven after a healthy spell. A refused token is asked again once an hour, because every refusal counts
towards Home Assistant's IP ban.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from attrs import evolve, frozen

from ingest.core.backoff import Breaker, backoff, breaker_at

REFUSED_DELAY = 3600.0
HEALTHY = 60.0
"""Seconds of session after which earlier failures are forgiven."""


@frozen
class Standing:
    """Failures in a row, and the earliest next attempt in seconds of the caller's clock."""

    failures: int = 0
    retry_at: float = 0.0
    refused: bool = False

    def breaker(self, now: float, threshold: int) -> Breaker:
        """The circuit breaker as it is now: open after `threshold` failures, or one refusal."""
        return breaker_at(now, self.retry_at, is_open=self.failures >= threshold or self.refused)


def failed(standing: Standing, now: float, cap: float, chance: Callable[[], float]) -> Standing:
    """After one more failed attempt, or a session that did not last. `now` and `cap` in seconds, `now` of the caller's clock."""
    failures = standing.failures + 1
    return Standing(failures, now + backoff(failures, cap, chance))


def ended(standing: Standing, lasted: float, now: float, cap: float, chance: Callable[[], float]) -> Standing:
    """After a session that had been live for `lasted` seconds."""
    return failed(Standing() if lasted >= HEALTHY else standing, now, cap, chance)


def refused(standing: Standing, now: float) -> Standing:
    """After the server refused the token at `now`: the next attempt is an hour away."""
    return evolve(standing, failures=standing.failures + 1, retry_at=now + REFUSED_DELAY, refused=True)


def next_attempt(standings: Sequence[Standing], now: float) -> tuple[int, float]:
    """Whom to try next and how many seconds from now: the first that may be tried, else the one that may be soonest."""
    for index, standing in enumerate(standings):
        if standing.retry_at <= now:
            return index, 0.0
    index = min(range(len(standings)), key=lambda at: standings[at].retry_at)
    return index, standings[index].retry_at - now


def exhausted(standings: Sequence[Standing], max_retries: int) -> bool:
    """True when every candidate failed more than `max_retries` times in a row; below zero: never."""
    return max_retries >= 0 and all(each.failures > max_retries for each in standings)
