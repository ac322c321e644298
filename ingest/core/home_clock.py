"""What time it is by Home Assistant's clock, learnt from the changes that come: ours may be wrong.

There are two answers. What is asked for may reach a little too far, and a guess does. But that the recorder will not
come to have more is believed only of a time that is past there for certain: else what it had yet to write would be lost
for good.

But where nothing else ends what is asked for, what a guess leaves out is lost. There it does only where nothing is heard
for long.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from attrs import define

LITTLE_NS: Final = 5_000_000_000
"""So much a clock may be set back without being noticed.

By that much more is waited for than two of the recorder's longest intervals.
"""

SILENCE_NS: Final = 1_800_000_000_000
"""So long is waited for a change: half an hour. The sun, which nearly every home has, tells one every twenty minutes."""


@define
class HomeClock:
    """One session's. `wall_ns` is our clock, which is not set meanwhile. Until a change was heard the two are taken to agree."""

    wall_ns: Callable[[], int]
    _ahead_ns: int | None = None
    _heard_ns: int = 0
    _read_ahead_ns: int | None = None
    _read_at_ns: int | None = None

    def heard(self, time_ns: int) -> None:
        """A change of that time came just now. The one that was on its way for the shortest time tells best."""
        if time_ns < self._heard_ns - LITTLE_NS:
            # The clock was set back: what it said before is not past yet.
            self._ahead_ns = None
        self._heard_ns = time_ns
        ahead = time_ns - self.wall_ns()
        self._ahead_ns = ahead if self._ahead_ns is None else max(ahead, self._ahead_ns)

    def read(self, newest_ns: int) -> None:
        """A snapshot came, whose newest state is of that time; 0: it has none. Only a session's first one tells anything."""
        if self._read_at_ns is None:
            self._read_at_ns = self.wall_ns()
            self._read_ahead_ns = newest_ns - self._read_at_ns

    @property
    def known(self) -> bool:
        """True when a change was heard: from then on `now_ns` is never ahead of Home Assistant's clock."""
        return self._ahead_ns is not None

    @property
    def is_silent(self) -> bool:
        """True when none was heard for so long after the snapshot that ours has to do."""
        return not self.known and self._read_at_ns is not None and self.wall_ns() >= self._read_at_ns + SILENCE_NS

    def now_ns(self) -> int:
        """The time there, in nanoseconds, as far as anybody can tell."""
        if self._ahead_ns is None:
            return self.wall_ns() + max(0, self._read_ahead_ns or 0)
        return self.wall_ns() + self._ahead_ns

    def past_ns(self, margin_ns: int) -> int:
        """A time that is past there, in nanoseconds; 0 while nothing is known of it.

        What came tells it; until something did, the snapshot. A state may be from a future in which the clock was set
        back. Ours tells it, if that is right. Once the session is `margin_ns` old, one in the snapshot does no harm any
        more to what was missed before: the recorder has had that long for it.
        """
        ahead_ns = self._read_ahead_ns if self._ahead_ns is None else self._ahead_ns
        if ahead_ns is None:
            return 0
        now_ns = self.wall_ns()
        is_young = self._read_at_ns is None or now_ns < self._read_at_ns + margin_ns
        return now_ns + (min(0, ahead_ns) if is_young else ahead_ns)
