"""What the history need not tell, poorer: which states a snapshot told. And what it has to, whatever came live since.

Who was gone and is back counts as told from there on, for nobody knew until when the history would be asked about it. What
came then and was lost again is told by nobody else.
"""

from __future__ import annotations

from typing import Final

from attrs import define, field

from ingest.core.room import ENTITIES, make_room

STATES: Final = 8
"""Of an entity so many are remembered, the last ones: a session tells one at most."""


TIMES: Final = 100
"""Times of losses that are remembered; of more, the oldest two become one."""

NEAR_NS: Final = 60 * 10**9
"""Losses with no more between them are one."""


@define
class SnapshotStates:
    """By entity, at most `entities` of them; the one that came first is forgotten. Times in nanoseconds."""

    entities: int = ENTITIES
    _times: dict[str, tuple[int, ...]] = field(factory=dict)
    _lost: list[tuple[int, int]] = field(factory=list)

    def is_lost(self, time_ns: int) -> bool:
        """True when states of that time were lost."""
        return any(first <= time_ns <= last for first, last in self._lost)

    def add(self, registry_id: str, time_ns: int) -> None:
        """A snapshot told that state, and it is on its way to the store."""
        known = self._times.get(registry_id, ())
        if not known:
            make_room(self._times, self.entities)
        self._times[registry_id] = (*known[1 - STATES :], time_ns)

    def knows(self, registry_id: str, time_ns: int) -> bool:
        """True for a state that is stored, or on its way."""
        return time_ns in self._times.get(registry_id, ())

    def miss(self, oldest_ns: int, newest_ns: int) -> None:
        """States of that time are lost."""
        if self._lost and oldest_ns <= self._lost[-1][1] + NEAR_NS and self._lost[-1][0] <= newest_ns + NEAR_NS:
            before = self._lost.pop()
            oldest_ns, newest_ns = min(before[0], oldest_ns), max(before[1], newest_ns)
        self._lost.append((oldest_ns, newest_ns))
        if len(self._lost) > TIMES:
            first, second = sorted(self._lost)[:2]
            self._lost = [(first[0], max(first[1], second[1])), *sorted(self._lost)[2:]]

    def lose(self, registry_id: str, time_ns: int) -> None:
        """That one was lost on its way."""
        self._keep(registry_id, tuple(each for each in self._times.get(registry_id, ()) if each != time_ns))

    def forget(self, oldest_ns: int, newest_ns: int) -> None:
        """States of that time were lost, those that were told among them."""
        self.miss(oldest_ns, newest_ns)
        for registry_id, times in tuple(self._times.items()):
            if any(oldest_ns <= each <= newest_ns for each in times):
                self._keep(registry_id, tuple(each for each in times if not oldest_ns <= each <= newest_ns))

    def clear(self) -> None:
        """The history is to tell everything anew: somebody says that the store lost it."""
        self._times.clear()

    def _keep(self, registry_id: str, times: tuple[int, ...]) -> None:
        if times:
            self._times[registry_id] = times
        else:
            self._times.pop(registry_id, None)
