"""How long the event loop is away from its sockets: no other task runs meanwhile.

Between two looks at the sockets, trio runs one step of every task that can run. What one of them computes, all others
wait for: a change that came, an answer of the database, a stop. That time is measured here, where it passes, by an
instrument that trio calls around each look, at a cost of a microsecond a round. An instrument around the steps of tasks
would cost that for each of them. A task that slept and checked how late it woke would tick while nothing else does, and
would miss whatever fell between two of its sleeps.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import trio

BOUNDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
"""Seconds by which the rounds are told apart."""


class Stalls(trio.abc.Instrument):
    """The rounds of the loop: how long they took together and at most, in seconds, and how many were how long."""

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        self._clock = clock
        self._since: float | None = None
        self._longer = [0] * (len(BOUNDS) + 1)
        self.rounds = 0
        self.busy = 0.0
        self.longest = 0.0

    def after_io_wait(self, _: float) -> None:
        """A round of the scheduler begins: tasks run until the next wait."""
        self._since = self._clock()

    def before_io_wait(self, _: float) -> None:
        """The round ends; how long it kept everybody else waiting is counted."""
        if self._since is None:
            return
        lasted = self._clock() - self._since
        self.rounds += 1
        self.busy += lasted
        if lasted > BOUNDS[0]:
            self._longer[sum(lasted > bound for bound in BOUNDS)] += 1
            self.longest = max(self.longest, lasted)

    def up_to(self) -> Iterator[tuple[float, int]]:
        """Each bound in seconds, and how many rounds were no longer than it."""
        count = self.rounds - sum(self._longer)
        for bound, more in zip(BOUNDS, self._longer, strict=False):
            count += more
            yield bound, count

    @contextmanager
    def measured(self) -> Iterator[None]:
        """Measure while the block runs."""
        trio.lowlevel.add_instrument(self)
        try:
            yield
        finally:
            trio.lowlevel.remove_instrument(self)
