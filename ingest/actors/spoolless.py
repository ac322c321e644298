"""How a service without a spool on disk answers commands about one: there is none, unless nothing was to be done.

Its state file may still hold what an earlier configuration left for a database. This service could not send that.
"""

from __future__ import annotations

from typing import Final, Protocol

from attrs import frozen

from ingest.core import control
from ingest.edge.control import Command, Commands, Say
from ingest.edge.spool_control import Leftover
from ingest.errors import Refused

DATABASE: Final = "influxdb"
"""The store that a spool is for."""

WITHOUT: Final = "this service stores in its embedded store and has no spool"
STOP: Final = "Stop the service, run this again, then start the service."


class Answers(Protocol):
    """Who answers the commands about a spool: with one, or without."""

    async def purge(self, asked: control.Purge, say: Say, /) -> control.Purged:
        """Remove what waits."""

    async def replay(self, asked: control.Replay, say: Say, /) -> control.Replayed:
        """Deliver what waits now."""

    async def retry(self, asked: control.Retry, say: Say, /) -> control.Retried:
        """Put dead letters back."""

    async def recover(self, asked: control.Recover, say: Say, /) -> control.Recovered:
        """Bring back what is readable in another file."""


def about_a_spool(answers: Answers) -> Commands:
    """The commands about a spool by their names, which every service knows."""
    return {
        "purge": Command(control.Purge, answers.purge),
        "replay": Command(control.Replay, answers.replay),
        "retry-letters": Command(control.Retry, answers.retry),
        "recover": Command(control.Recover, answers.recover),
    }


@frozen
class Spoolless:
    """The commands over a state file that no spool of this service is in."""

    left: Leftover

    @property
    def commands(self) -> Commands:
        """Every command by its name, as a service with a spool has them."""
        return about_a_spool(self)

    async def purge(self, _: control.Purge, __: Say) -> control.Purged:
        """Nothing is removed where nothing waits. Raises `Refused` when something does."""
        if await self.left.waits():
            raise self._without("what waits in its state file is from an earlier configuration", STOP)
        return control.Purged(0)

    async def replay(self, _: control.Replay, __: Say) -> control.Replayed:
        """Nothing is ever delivered by this service. Raises `Refused`."""
        remedy = "With influxdb.url in the service's own configuration, and a restart, it sends what waits."
        raise self._without("nothing of it goes to a database", remedy)

    async def retry(self, asked: control.Retry, _: Say) -> control.Retried:
        """Letters that no database refused stay. Raises `Refused` for one that a database did, or that is not there."""
        chosen = await self.left.chosen(asked.ids, everything=asked.everything)
        if any(letter.is_line and letter.store == DATABASE for letter in chosen):
            raise self._without("no dead letter goes back while it runs", STOP)
        return control.Retried(0, len(chosen))

    async def recover(self, _: control.Recover, __: Say) -> control.Recovered:
        """What a spool held belongs into one. Raises `Refused`."""
        raise self._without("nothing can be brought into it while it runs", STOP)

    def _without(self, then: str, remedy: str) -> Refused:
        return Refused(f"{WITHOUT}: {then}", where=str(self.left.path), remedy=remedy)
