"""Heartbeats: a value that does not change is said again, at times that anybody can tell beforehand.

    state ──┬────────┬────────┬── state          multiples of the interval since the epoch
            ♥        ♥        ♥

A heartbeat is no news and proves nothing, so it is made only where it is known that nothing happened: in one session, up
to the time until which that session is known to have stood, or up to the next change, which proves as much. Between two
sessions there is none, nor while the value is not known. So the same home makes the same heartbeats, whoever looks.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Mapping
from typing import Final, TypeAlias

from attrs import define, field
from msgspec.structs import replace

from ingest.core.point import Point
from ingest.core.restart import PLACEHOLDERS
from ingest.core.room import ENTITIES
from ingest.core.state import Source

HEARTBEATS: Final = "heartbeats"
"""As what they are counted."""

SILENT: Final = PLACEHOLDERS | {"removed"}
"""States that are not carried forward: they say that a value is not known."""

AT_ONCE: Final = 10
"""Heartbeats of an entity that are made at once at most: more are due only when a clock jumped."""

AsNow: TypeAlias = Callable[[Point], tuple[Point, int | None]]
"""The point that stands with what is known of its entity by now, and its interval in nanoseconds; None: none any more."""


def next_after(time_ns: int, interval_ns: int) -> int:
    """The first multiple of the interval that is later, in nanoseconds since the epoch."""
    return (time_ns // interval_ns + 1) * interval_ns


@define(eq=False)
class _Standing:
    point: Point
    interval_ns: int
    due_ns: int


@define(eq=False)
class Heartbeats:
    """The values that stand, of at most `entities` entities; the one that came first is forgotten.

    Times in nanoseconds, Home Assistant's. `until_ns`: until then the session is known to have stood; None: from when is
    not known yet.
    """

    entities: int = ENTITIES
    until_ns: int | None = None
    _standing: dict[str, _Standing] = field(factory=dict)
    _confirmed: set[str] | None = None
    _lost: dict[str, int] = field(factory=dict)
    _waiting: deque[str] = field(factory=deque)

    def __bool__(self) -> bool:
        """True when some are to be taken."""
        return bool(self._waiting)

    def begin(self) -> None:
        """A session begins. What is known from before has to be seen again to go on."""
        self.until_ns, self._confirmed = None, set()
        self._waiting.clear()

    def complete(self) -> None:
        """The snapshot is through: what was not in it is gone."""
        if self._confirmed is not None:
            self._standing = {name: each for name, each in self._standing.items() if name in self._confirmed}
        self._confirmed = None

    def see(self, point: Point, interval_ns: int | None) -> list[Point]:
        """A state came; `interval_ns` is its entity's, None: it has no heartbeats. Returns those due of the one before."""
        entity_id = point.entity_id
        before = self._standing.pop(entity_id, None)
        made = [] if before is None or self.until_ns is None else _made(before, point.time_ns)
        if self._lost and self._lost.get(entity_id, point.time_ns) > point.time_ns:
            return made
        self._lost.pop(entity_id, None)
        if interval_ns is not None and point.state not in SILENT:
            if len(self._standing) >= self.entities:
                self.forget([next(iter(self._standing))])
            after_ns = point.time_ns if self.until_ns is None else max(point.time_ns, self.until_ns)
            self._standing[entity_id] = _Standing(point, interval_ns, next_after(after_ns, interval_ns))
            if self._confirmed is not None:
                self._confirmed.add(entity_id)
        return made

    def renew(self, as_now: AsNow) -> None:
        """Other intervals may hold from now on. What stands goes on, but for those that have none any more."""
        for name, each in tuple(self._standing.items()):
            self._renew(name, each, as_now)

    def confirm(self, entity_id: str, time_ns: int) -> None:
        """The snapshot has the state of that time, which is known."""
        standing = self._standing.get(entity_id)
        if standing is not None and self._confirmed is not None and standing.point.time_ns >= time_ns:
            self._confirmed.add(entity_id)

    def forget(self, entity_ids: Iterable[str]) -> None:
        """What these are now is not known."""
        for entity_id in entity_ids:
            self._standing.pop(entity_id, None)

    def lose(self, newest_ns: Mapping[str, int]) -> None:
        """Changes of these were dropped, the last at that time: what was before it stands no more, even if it comes later."""
        for entity_id, time_ns in newest_ns.items():
            self._standing.pop(entity_id, None)
            self._lost[entity_id] = max(time_ns, self._lost.get(entity_id, time_ns))
        while len(self._lost) > self.entities:
            del self._lost[next(iter(self._lost))]

    def reach(self, until_ns: int) -> None:
        """The session stood until then, and every change until then was seen. Earlier than before: a clock was set back."""
        if self.until_ns is None or until_ns < self.until_ns:
            for each in self._standing.values():
                each.due_ns = next_after(max(each.point.time_ns, until_ns), each.interval_ns)
        self.until_ns = until_ns
        self._waiting = deque(name for name, each in self._standing.items() if each.due_ns <= until_ns)

    def take(self, most: int, as_now: AsNow) -> list[Point]:
        """Heartbeats that are due, of at most so many entities, as they are made now."""
        until_ns = self.until_ns or 0
        names = [self._waiting.popleft() for _ in range(min(most, len(self._waiting)))]
        standing = [self._renew(name, self._standing[name], as_now) for name in names if name in self._standing]
        return [point for each in standing if each is not None for point in _made(each, until_ns + 1)]

    def _renew(self, name: str, standing: _Standing, as_now: AsNow) -> _Standing | None:
        """What stands as it is known by now; None, and gone, without an interval."""
        standing.point, interval_ns = as_now(standing.point)
        if interval_ns is None:
            del self._standing[name]
            return None
        if interval_ns != standing.interval_ns:
            time_ns, until_ns = standing.point.time_ns, self.until_ns
            after_ns = time_ns if until_ns is None else max(time_ns, until_ns)
            standing.interval_ns, standing.due_ns = interval_ns, next_after(after_ns, interval_ns)
        return standing


def _made(standing: _Standing, end_ns: int) -> list[Point]:
    """Those that are due before `end_ns`; more than a few at once are passed over."""
    made: list[Point] = []
    while standing.due_ns < end_ns and len(made) < AT_ONCE:
        made.append(
            replace(
                standing.point,
                time_ns=standing.due_ns,
                previous_state=None,
                duration=None,
                kind=None,
                context=None,
                origin=Source.HEARTBEAT,
            )
        )
        standing.due_ns += standing.interval_ns
    standing.due_ns = max(standing.due_ns, next_after(end_ns - 1, standing.interval_ns))
    return made
