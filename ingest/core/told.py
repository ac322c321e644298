"""Which states a snapshot told, as long as they are not known to be lost again: the history need not tell them, poorer."""

from __future__ import annotations

from typing import Final

from attrs import define, field

STATES: Final = 8
"""Of an entity so many are remembered, the last ones: a session tells one at most."""


@define
class Told:
    """By entity, at most `entities` of them; the one that came first is forgotten. Times in nanoseconds."""

    entities: int = 100_000
    _times: dict[str, tuple[int, ...]] = field(factory=dict)

    def add(self, registry_id: str, time_ns: int) -> None:
        """A snapshot told that state, and it is on its way to the store."""
        known = self._times.get(registry_id, ())
        if not known and len(self._times) >= self.entities:
            del self._times[next(iter(self._times))]
        self._times[registry_id] = (*known[1 - STATES :], time_ns)

    def knows(self, registry_id: str, time_ns: int) -> bool:
        """True for a state that is stored, or on its way."""
        return time_ns in self._times.get(registry_id, ())

    def lose(self, registry_id: str, time_ns: int) -> None:
        """That one was lost on its way."""
        self._keep(registry_id, tuple(each for each in self._times.get(registry_id, ()) if each != time_ns))

    def forget(self, oldest_ns: int, newest_ns: int) -> None:
        """States of that time were lost."""
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
