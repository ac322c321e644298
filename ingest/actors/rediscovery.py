"""Reading the registries on request: now, with the outcome as the answer.

A reading that began before a request may lack what the person just did, so it is no answer to it. Requests share a
reading (single flight): all that come while one goes on are answered by the next one.
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


@frozen(eq=False)
class _Outcome:
    """What a reading came to. `asked`: who asked by then is answered; None: everybody is, for there will be no other."""

    of: Discovered | Transient
    asked: int | None = None


@define(eq=False)
class Rediscovery:
    """Has the registries read. With a `comparer` it waits until data-api has what was read, too."""

    comparer: Comparer | None = None
    _changed: Watch[int] | None = None
    _outcome: Watch[_Outcome] = field(factory=lambda: Watch(_Outcome(NotConnected())))

    @contextmanager
    def while_connected(self, changed: Watch[int]) -> Iterator[None]:
        """A session that can be asked: its `changed` is what makes it read."""
        self._changed = changed
        try:
            yield
        finally:
            self._changed = None
            self._outcome.set(_Outcome(NotConnected()))

    def hear(self, report: Report) -> None:
        """Take a report: one that a reading ended, well or not, answers who asked before it began."""
        match report:
            case (
                reports.CatalogLoaded(lacking=reason, asked=asked) | reports.CatalogFailed(reason=reason, asked=asked)
            ) if reason:
                self._outcome.set(_Outcome(Transient(f"the registries could not be read: {reason}"), asked))
            case reports.CatalogLoaded(devices=devices, entities=entities, asked=asked):
                self._outcome.set(_Outcome(Discovered(devices, entities), asked))
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
            found = await self._read()
            if self.comparer is not None:
                doing = "the registries were read, but data-api does not have them yet (see /health)"
                await self._published(self.comparer)
            return found
        raise Transient(f"{doing} within {PATIENCE:.0f} s")

    async def _read(self) -> Discovered:
        if self._changed is None:
            raise NotConnected
        before, number = self._outcome.value, self._changed.value + 1
        self._changed.set(number)

        def answers(outcome: _Outcome) -> bool:
            return outcome is not before and (outcome.asked is None or outcome.asked >= number)

        outcome = await self._outcome.until(answers)
        if isinstance(outcome.of, Transient):
            raise outcome.of
        return outcome.of

    async def _published(self, comparer: Comparer) -> None:
        number = comparer.heard
        comparer.publisher.hurry()
        await comparer.publisher.has.until(lambda had: had >= number)
