"""What time it is by Home Assistant's clock, learnt from the changes that come: ours may be wrong."""

from __future__ import annotations

from collections.abc import Callable

from attrs import define


@define
class HomeClock:
    """`wall_ns` is our clock. Until a change was heard the two are taken to agree."""

    wall_ns: Callable[[], int]
    _ahead_ns: int | None = None

    def heard(self, time_ns: int) -> None:
        """A change of that time came just now. The one that was on its way for the shortest time tells best."""
        ahead = time_ns - self.wall_ns()
        self._ahead_ns = ahead if self._ahead_ns is None else max(ahead, self._ahead_ns)

    @property
    def known(self) -> bool:
        """True when a change was heard: from then on `now_ns` is never ahead of Home Assistant's clock."""
        return self._ahead_ns is not None

    def now_ns(self) -> int:
        """The time there, in nanoseconds."""
        return self.wall_ns() + (self._ahead_ns or 0)
