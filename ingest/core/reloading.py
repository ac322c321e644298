"""What reading the configuration again comes to: values that a service, a command and the log share. Pure.

wrong     nothing changes; every problem is named
good      what can be changed while the service runs is; of the rest it is said that it needs a restart
"""

from __future__ import annotations

from collections.abc import Iterable

from attrs import evolve, frozen

from ingest.core.rules import Decision
from ingest.core.words import entities

NAMED = 20
"""Entities that are named at most; the others are counted."""


@frozen
class Reload:
    """Read the configuration again."""


@frozen
class Moved:
    """So many entities are stored from now on that were not, or the reverse; the first of them by name."""

    count: int = 0
    names: tuple[str, ...] = ()

    def __str__(self) -> str:
        more = f" and {self.count - len(self.names)} more" if self.count > len(self.names) else ""
        return f"{entities(self.count)}: {', '.join(self.names)}{more}"


@frozen
class Earlier:
    """What was read `ago` seconds before somebody asked, and nobody has been told of; as a person reads it."""

    ago: float
    lines: tuple[str, ...]


@frozen
class Outcome:
    """What became of it. With `problems` nothing changed.

    `settings` are the changes, `restart` the settings that need one; `offer` is the command that brings what was left out
    of the entities that are `stored` now. `earlier` is what who asks has not been told of yet.
    """

    problems: tuple[str, ...] = ()
    settings: tuple[str, ...] = ()
    restart: tuple[str, ...] = ()
    stored: Moved = Moved()
    left_out: Moved = Moved()
    offer: str = ""
    earlier: tuple[Earlier, ...] = ()

    @property
    def nothing(self) -> bool:
        """True when it is as it was."""
        return self == Outcome()

    def lines(self) -> list[str]:
        """As a person reads it, a line each."""
        said: list[str] = []
        for each in self.earlier:
            said += f"read already, {each.ago:.0f} s ago:", *each.lines
        if said and not evolve(self, earlier=()).nothing:
            said.append("read now:")
        said += self.settings
        if self.stored.count:
            said.append(f"stored from now on: {self.stored}")
        if self.left_out.count:
            said.append(f"left out from now on: {self.left_out}")
        if self.restart:
            said.append(f"needs a restart: {', '.join(self.restart)}")
        if self.offer:
            said.append(f"what was left out of them before comes with: {self.offer}")
        return said or ["nothing changed"]


def moved(entities: Iterable[str]) -> Moved:
    """These entities, counted and some of them named."""
    names = sorted(entities)
    return Moved(len(names), tuple(names[:NAMED]))


def difference(before: Decision, after: Decision) -> int:
    """1 for an entity that is stored now and was not, -1 for the reverse, 0 for one for which nothing changed."""
    return after.passed - before.passed
