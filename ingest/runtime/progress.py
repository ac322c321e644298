"""What moves and what is stuck: the witnesses of a watchdog, looked at now and then and never told anything.

A station is something that takes one step after another: a lane with its pieces of work, a delivery, the reader of a
link. It says at which step it is, or that it is at rest, that is, waiting for input, for a peer, or for a time. It may
stay at rest for years. It may stay within one step for `allowance` seconds; each look adds the time that has passed
since the one before:

    look ── step 7 ── look ── step 7 ── look ── step 8 ── look ── at rest ──
             │          + 15 s           + 15 s             0                0

So nothing is recorded when a step happens, and a step costs nothing. While a machine was suspended, or a debugger held
the process, nobody looked: such a time counts as one look, not as hours.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final, Generic, NamedTuple, TypeAlias, TypeVar

from attrs import define, field, frozen

ALLOWANCE: Final = 600.0
"""Seconds that one step may take. A write is not abandoned while the service runs, and over a line of 56 kbit/s the largest
batch, 4 MiB before it is compressed, takes a minute or two; a name server that is away and several addresses add
minutes. Whoever comes back after that has cost a restart, which loses nothing; who does not had to be restarted."""

Given = TypeVar("Given")
Found = TypeVar("Found")


class Move(NamedTuple):
    """At which step a station is, and how much of it is done, in whatever only grows."""

    step: int
    done: float = 0.0


Moves: TypeAlias = Callable[[], Move | None]
"""Where a station is; None: at rest."""


@frozen
class Stuck:
    """A station that has been at one place for so many seconds."""

    station: str
    seconds: float


@define(eq=False)
class Counted(Generic[Given, Found]):
    """An async function that is a station, called once at a time. What `more` counts is part of a step that goes on, too."""

    work: Callable[[Given], Awaitable[Found]]
    more: Callable[[], int] = lambda: 0
    begun: int = 0
    _running: bool = False

    async def __call__(self, given: Given) -> Found:
        """Call the function."""
        self.begun += 1
        self._running = True
        try:
            return await self.work(given)
        finally:
            self._running = False

    def moves(self) -> Move | None:
        """Which call is under way, and how much of it is done; None between two calls."""
        return Move(self.begun + self.more()) if self._running else None


@define(eq=False)
class _Watched:
    moves: Moves
    move: Move | None = None
    still: float = 0.0


@define(eq=False)
class Progress:
    """Stations, in the order in which they may wait for one another: one that waits for nobody comes first.

    While one is in the middle of a step, those after it may be waiting for it: their time stands still. So of a chain that
    is stuck only the station is named that holds up the others. `allowance`: the seconds that one step may take.
    """

    allowance: float = ALLOWANCE
    _watched: dict[str, _Watched] = field(factory=dict)
    _looked: float | None = None

    def watch(self, station: str, moves: Moves) -> None:
        """Look at that one from now on, after those that are there."""
        self._watched[station] = _Watched(moves)

    def look(self, now: float, longest: float) -> tuple[Stuck, ...]:
        """What is stuck, at `now` of a clock that never goes back. What passed between two looks counts up to `longest`."""
        passed = 0.0 if self._looked is None else min(now - self._looked, longest)
        self._looked = now
        held = False
        for each in self._watched.values():
            before, each.move = each.move, each.moves()
            within = before is not None and each.move is not None and before.step == each.move.step
            if not within or before != each.move:
                each.still = 0.0
            elif not held:
                each.still += passed
            held = held or within
        return tuple(Stuck(name, each.still) for name, each in self._watched.items() if each.still > self.allowance)
