"""How many events come in, and whether that is unusual: counts in slots of time, O(1) for each event.

A window is a ring of counters, one for each `width` seconds; adding moves to the present slot and clears what lies
between. "Usual" is the hour before the last five minutes, as far as this subscription reaches back. Small numbers are
left alone: three events after one are no news.
"""

from __future__ import annotations

from attrs import define, field

WIDTH = 5.0
RECENT = 300.0
"""Seconds that are compared with what is usual."""

USUAL = 3600.0
"""Seconds before them that say what is usual, and the least of them that must have been seen."""

LEARNT = 900.0
FACTOR_HIGH = 3.0
FACTOR_LOW = 0.1
FEW = 50
"""Events in five minutes below which no difference is worth a word."""


@define
class Window:
    """Counts of the last `slots` times `width` seconds. Times in seconds of one clock that never goes back."""

    width: float = WIDTH
    slots: int = int((RECENT + USUAL) / WIDTH) + 1
    _counts: list[int] = field(init=False)
    _newest: int = 0

    def __attrs_post_init__(self) -> None:
        self._counts = [0] * self.slots

    def add(self, count: int, now: float) -> None:
        """Count events that came now."""
        self._advance(now)
        self._counts[self._newest % self.slots] += count

    def total(self, seconds: float, now: float) -> int:
        """Events of the last `seconds`, to the slot."""
        self._advance(now)
        wanted = min(self.slots, round(seconds / self.width))
        return sum(self._counts[(self._newest - back) % self.slots] for back in range(wanted))

    def per_minute(self, now: float) -> int:
        """Events of the last 60 seconds."""
        return self.total(60.0, now)

    def _advance(self, now: float) -> None:
        slot = int(now / self.width)
        for each in range(max(self._newest + 1, slot - self.slots + 1), slot + 1):
            self._counts[each % self.slots] = 0
        self._newest = max(self._newest, slot)


def unusual(window: Window, last_event: float | None, subscribed_since: float, now: float) -> str:
    """What is unusual about the rate of a subscription, as a sentence; empty when nothing is. Times in seconds of one clock."""
    silent = now - max(subscribed_since, subscribed_since if last_event is None else last_event)
    if silent >= RECENT:
        return f"Home Assistant is connected but has sent no event for {silent / 60:.0f} minutes"
    seen = min(USUAL, now - subscribed_since - RECENT)
    if seen < LEARNT:
        return ""
    recent = window.total(RECENT, now)
    usual = (window.total(RECENT + seen, now) - recent) * RECENT / seen
    figures = f"{recent / RECENT * 60:.0f} events a minute, usual are {usual / RECENT * 60:.0f}"
    if recent >= FEW and recent >= FACTOR_HIGH * usual:
        return f"unusually many events: {figures}"
    if usual >= FEW and recent <= FACTOR_LOW * usual:
        return f"unusually few events: {figures}"
    return ""
