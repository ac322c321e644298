"""Spans in which the original wrote nothing at all, although something happened that it should have written."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from typing import Final

from attrs import define, field, frozen

LEAST_NS: Final = 5 * 10**9
"""Nanoseconds without a word from it that make a silence."""

FEW: Final = 3
"""Changes in them that make one."""

MOST: Final = 1_000
"""Silences that are remembered: the ones with the most changes in them."""


@frozen
class Silence:
    """From one point of the original to its next; `missed` changes happened in between."""

    from_ns: int
    to_ns: int
    missed: int


@define
class Listening:
    """Hears spans of time in their order. Until it heard anything one change makes a silence."""

    last_ns: int
    found: list[Silence] = field(factory=list)
    _missed: int = 0
    _few: int = 1

    def heard(self, times: Iterable[int], missed: Iterable[int]) -> None:
        """In the next span it wrote at `times`, and not what happened at those that it `missed`."""
        for time_ns, wrote in sorted([*((each, True) for each in times), *((each, False) for each in missed)]):
            if wrote:
                self.end(time_ns)
            else:
                self._missed += 1

    def end(self, time_ns: int) -> None:
        """It wrote something then, or nothing is looked at after that."""
        if self._missed >= self._few and time_ns - self.last_ns >= LEAST_NS:
            self.found.append(Silence(self.last_ns, time_ns, self._missed))
            if len(self.found) > MOST:
                self.found.remove(min(self.found, key=lambda each: each.missed))
        self.last_ns, self._missed, self._few = time_ns, 0, FEW

    def at(self, time_ns: int) -> Silence | None:
        """The silence in which a time lies."""
        number = bisect_right(self.found, time_ns, key=lambda each: each.from_ns)
        found = self.found[number - 1] if number else None
        return found if found is not None and time_ns < found.to_ns else None
