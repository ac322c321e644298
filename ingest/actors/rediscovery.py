"""Reading the registries because somebody asks: now, and with the answer what came of it.

Single flight: whoever asks while a reading is waited for waits for the same one.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import trio
from attrs import define, field, frozen

from ingest.actors.comparer import Comparer
from ingest.core import reports
from ingest.core.reports import Report
from ingest.errors import Transient
from ingest.runtime.watch import Watch

PATIENCE = 120.0
"""Seconds for all of it."""


class NotConnected(Transient):
    """There is no session with Home Assistant that could be asked."""

    def __init__(self) -> None:
        super().__init__("there is no connection to Home Assistant")


@frozen
class Discovered:
    """What the registries hold."""

    devices: int
    entities: int


@define(eq=False)
class Rediscovery:
    """Has the registries read. With a `comparer` it waits until data-api has what was read, too."""

    comparer: Comparer | None = None
    _changed: Watch[int] | None = None
    _outcome: Watch[Discovered | Transient | None] = field(factory=lambda: Watch(None))
    _waiting: int = 0

    @contextmanager
    def while_connected(self, changed: Watch[int]) -> Iterator[None]:
        """A session that can be asked: its `changed` is what makes it read."""
        self._changed = changed
        try:
            yield
        finally:
            self._changed = None
            self._outcome.set(NotConnected())

    def hear(self, report: Report) -> None:
        """A reading ended."""
        match report:
            case reports.CatalogLoaded(lacking=reason) | reports.CatalogFailed(reason=reason) if reason:
                self._outcome.set(Transient(f"the registries could not be read: {reason}"))
            case reports.CatalogLoaded(devices=devices, entities=entities):
                self._outcome.set(Discovered(devices, entities))
            case _:
                pass

    async def now(self, *, everything: bool = False) -> Discovered:
        """Have them read. `everything`: data-api is told all of it again, not only what changed.

        Raises `NotConnected`, or `Transient` when they cannot be read or data-api does not have them.
        """
        doing = "Home Assistant has not answered"
        with trio.move_on_after(PATIENCE):
            if everything and self.comparer is not None:
                self.comparer.publisher.told.forget()
            found = await self._read(alone=everything)
            if self.comparer is not None:
                doing = "the registries were read, but data-api does not have them yet (see /health)"
                await self._published(self.comparer)
            return found
        raise Transient(f"{doing} within {PATIENCE:.0f} s")

    async def _read(self, *, alone: bool) -> Discovered:
        if self._changed is None:
            raise NotConnected
        if alone or not self._waiting:
            self._changed.set(self._changed.value + 1)
        self._waiting += 1
        try:
            outcome = await self._outcome.changed()
        finally:
            self._waiting -= 1
        if isinstance(outcome, Discovered):
            return outcome
        assert outcome is not None  # noqa: S101  a reading has one of the two
        raise outcome

    async def _published(self, comparer: Comparer) -> None:
        number = comparer.heard
        comparer.publisher.hurry()
        await comparer.publisher.has.until(lambda had: had >= number)
