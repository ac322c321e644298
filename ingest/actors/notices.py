"""What has to be read anew, passed on by the task that hears of it to the task that reads it."""

from __future__ import annotations

import trio
from attrs import define, field

from ingest.core.catalog import Catalog
from ingest.core.registry_changes import Changes
from ingest.core.wire import RegistryUpdated
from ingest.runtime.watch import Watch


@define(eq=False)
class Notices:
    """Gathers what changed until it is taken.

    `count` counts the registry events. Somebody else who raises it wants everything to be read. `complaints` are what
    was said of commands that fail: nothing is said twice.
    """

    count: Watch[int] = field(factory=lambda: Watch(0))
    complaints: dict[str, str] = field(factory=dict)
    _changes: Changes = field(factory=Changes)
    _heard: int = 0

    def hear(self, event: RegistryUpdated) -> None:
        """Note what a registry event says has changed, and wake who waits for `some`."""
        self._changes.add(event)
        self._heard += 1
        self.count.set(self.count.value + 1)

    @property
    def waiting(self) -> bool:
        """True when there is something to take."""
        return bool(self._changes) or self.count.value != self._heard

    def take(self) -> Changes:
        """What changed since the last time."""
        changes, self._changes = self._changes, Changes()
        changes.whole = changes.whole or self.count.value != self._heard
        self._heard = self.count.value
        return changes

    def give_back(self, changes: Changes) -> None:
        """These were taken, and are to be taken again."""
        changes.join(self._changes)
        self._changes = changes

    async def some(self) -> None:
        """Wait until there is something to take."""
        await self.count.until(lambda _: self.waiting)

    async def settle(self, silence: float, longest: float) -> bool:
        """Wait until nothing was heard for `silence` seconds, or `longest` have passed: then False."""
        with trio.move_on_after(longest):
            while True:
                with trio.move_on_after(silence) as quiet:
                    await self.count.changed()
                if quiet.cancelled_caught:
                    return True
        return False

    def known_in(self, catalog: Catalog) -> Catalog:
        """The catalog with what is known of changes that were not taken yet: the new names of entities."""
        return self._changes.known_in(catalog)

    def is_news(self, command: str, problem: str) -> bool:
        """True the first time that this is said of a command."""
        news = self.complaints.get(command) != problem
        self.complaints[command] = problem
        return news

    def works(self, command: str) -> bool:
        """What was complained of works; False when nothing was."""
        return self.complaints.pop(command, None) is not None
