"""The account of one run: how many events were sent, how many are acknowledged, and what that took.

    sent ─────────────▶ at most WINDOW on the way ─────────────▶ acknowledged, each time with a mark: events, seconds, CPU

The window is what makes "as fast as it takes" and "nothing lost" one thing: it keeps every stage busy, and stays below
the 20,000 events that the service's intake holds before it sheds.

Processor time is taken from rest to rest: nothing is under way at either end, so all the work on these events is in it
and no other. The rate is taken from rest to the last acknowledgement but one, for the last batch is seldom full and may
have waited a second for its age.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import NamedTuple

from attrs import define, field, frozen

from ingest.runtime.watch import Watch

WINDOW = 19_000
"""Events sent and not acknowledged, at most: nearly four batches of the default size."""


class Failed(Exception):  # noqa: N818  the bench says what, and ends
    """A run proves nothing: events are missing, or a process ended."""


class Mark(NamedTuple):
    """So many events were acknowledged at that moment; `cpu` is the service's processor time in seconds."""

    events: int
    seconds: float
    cpu: float


@frozen
class Sample:
    """What one run came to: events a second, microseconds of processor time for each, resident bytes at most."""

    rate: float
    micros: float
    peak: int = 0


@define(eq=False)
class Account:
    """The books of one run. `cpu` reads the processor time of the process under test, in seconds."""

    cpu: Callable[[], float]
    window: float = WINDOW
    sent: int = 0
    acknowledged: Watch[int] = field(factory=lambda: Watch(0))
    marks: list[Mark] = field(factory=list)
    sendings: list[tuple[range, float]] = field(factory=list)
    """Which events, counted from 0, were due when, in seconds of the marks' clock; of those that are sent at a pace."""

    def mark(self) -> Mark:
        """What is counted at this moment, to be compared with later."""
        return Mark(self.acknowledged.value, time.perf_counter(), self.cpu())

    def send(self, count: int, due: float) -> None:
        """So many more events are about to be sent, which should be then; `due` is in seconds of the marks' clock."""
        self.sendings.append((range(self.sent, self.sent + count), due))
        self.sent += count

    def acknowledge(self, count: int) -> None:
        """So many more events are stored."""
        self.acknowledged.set(self.acknowledged.value + count)
        self.marks.append(self.mark())

    async def room(self) -> None:
        """Wait until the window has room."""
        await self.acknowledged.until(lambda known: self.sent - known < self.window)

    async def rest(self) -> Mark:
        """Wait until everything that was sent is acknowledged."""
        await self.acknowledged.until(lambda known: known >= self.sent)
        return self.mark()

    def sample(self, begun: Mark, ended: Mark) -> Sample:
        """The work between two rests."""
        *_, last = [mark for mark in self.marks if begun.events < mark.events <= ended.events][:-1] or [ended]
        rate = (last.events - begun.events) / (last.seconds - begun.seconds)
        return Sample(rate, (ended.cpu - begun.cpu) / (ended.events - begun.events) * 1e6)
