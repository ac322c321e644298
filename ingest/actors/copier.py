"""From one store into another, a page at a time; what is delivered is noted at once, so that it can be cut off anywhere.

The same points make the same lines, and a line that is there already changes nothing: what is sent again after a cut is
never stored twice.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

from attrs import evolve, frozen

from ingest.actors.bringing import Bringer
from ingest.core.point import Point
from ingest.core.store import Batch, Delivered, Keep, Rejection, Store
from ingest.runtime.lane import Lane

REMEDY = "Run the command again later: it goes on where it stopped"

Position = TypeVar("Position")
Pages = Iterator[tuple[Position, Sequence[Point]]]


@frozen
class Copied:
    """How far it is: points read, and of them those the schema does not write, and those the store refused."""

    points: int = 0
    declined: int = 0
    rejected: tuple[Rejection, ...] = ()
    refused: int = 0


@frozen
class Copier:
    """`reached` notes a position, `tell` shows progress, `waiting` says why there is none. `chance` is in [0, 1)."""

    store: Store[Any, Any]
    lane: Lane
    tell: Callable[[Copied], None]
    waiting: Callable[[Keep, float], None]
    chance: Callable[[], float]

    @property
    def _bringer(self) -> Bringer[Any, Any]:
        return Bringer(self.store, self.waiting, self.chance, REMEDY)

    async def run(self, pages: Pages[Position], reached: Callable[[Position], None]) -> Copied:
        """Copy everything. Raises Refused when a person must act, Transient after too many failures in a row."""
        copied = Copied()
        while (page := await self.lane(next, pages, None)) is not None:
            position, points = page
            copied = await self._copy(points, copied)
            await self.lane(reached, position)
            self.tell(copied)
        return copied

    async def _copy(self, points: Sequence[Point], copied: Copied) -> Copied:
        items = [item for point in points if (item := self.store.codec.encode(point)) is not None]
        verdict = await self._bringer.bring(self._batch(points, items)) if items else Delivered()
        return evolve(
            copied,
            points=copied.points + len(points),
            declined=copied.declined + len(points) - len(items),
            rejected=(copied.rejected + verdict.rejected)[:3],
            refused=copied.refused + len(verdict.rejected),
        )

    def _batch(self, points: Sequence[Point], items: Sequence[Any]) -> Batch[Any]:
        codec = self.store.codec
        return Batch(codec.seal(items), len(items), codec.size(items), points[0].time_ns, points[-1].time_ns)
