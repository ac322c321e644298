"""Having gaps filled and showing how far that is: by the service when it runs, else by the pipeline, in this process.

service runs    it is told over its socket; this process only looks into the ledger, and may be ended
none runs       the pipeline runs here as in the service, live changes are stored meanwhile; it ends when all is filled
"""

from __future__ import annotations

import random
import time
from collections.abc import Awaitable, Callable, Collection, Sequence
from itertools import count
from pathlib import Path
from typing import Final

import click
import trio
from attrs import define, field, frozen

from ingest.actors.importing import Importing
from ingest.cli.exits import FAILED
from ingest.cli.held import Runs, stopped_service
from ingest.cli.hopeless import Hopes
from ingest.cli.progress import Show, above_the_bar, filling
from ingest.cli.remembering import Relay
from ingest.cli.service import LATEST, make_plan, opened
from ingest.config.settings import Settings
from ingest.core.coverage import Cause, Gap, Progress
from ingest.core.ledger import LEFT
from ingest.core.words import counted
from ingest.edge.journal import open_journal
from ingest.edge.ledger_file import listed
from ingest.edge.ledger_import import how_far
from ingest.edge.lock import COMMAND, locked
from ingest.edge.spool_rows import Key
from ingest.edge.sqlite import translated
from ingest.edge.state_read import state_read
from ingest.errors import Refused, Transient
from ingest.pipeline import Pipeline
from ingest.runtime.signals import at_the_latest, on_stop
from ingest.runtime.supervise import one_error

LOOK: Final = 0.5
"""Seconds between two looks at how far it is."""

LOOKS: Final = 10
"""Looks between two at whether the service still runs."""

READY: Final = 300.0
"""Seconds for Home Assistant to answer, to have started, and to have told all its states."""

Begin = Callable[[Importing], Awaitable[bool]]
"""Has something filled; False when there is nothing to fill."""


@frozen
class Watched:
    """The gaps of these causes: they are what a command waits for."""

    causes: Collection[Cause]

    def left(self, gaps: Sequence[Gap]) -> list[int]:
        """Those that are not filled yet."""
        return [gap.id for gap in gaps if gap.cause in self.causes and gap.progress in LEFT]


def check_no_service(path: Path) -> None:
    """Raises `Runs` when a service holds the state file at `path`, with where it takes commands."""
    with stopped_service(), locked(path, remedy="", by=COMMAND):
        pass


def follow(path: Path, key: Key, watched: Watched) -> list[Gap]:
    """Show how far the service is until all is filled; the gaps as they are then. Ctrl-C ends only the looking.

    Raises `Transient` when the service ends before.
    """
    gaps, ids = list[Gap](), set[int]()
    try:
        with filling() as show:
            for number in count(1):
                with state_read(path) as connection, translated(path):
                    gaps = [gap for whose, gap in listed(connection) if whose == key]
                    left = watched.left(gaps)
                    ids.update(left)
                    far = how_far(connection, ids, time.time_ns())
                show(far.share, far.states)
                if not left:
                    break
                if number % LOOKS == 0:
                    _check_service(path)
                time.sleep(LOOK)
    except KeyboardInterrupt:
        click.echo("\nThe service goes on; `homeiq-ingest gaps list` shows how far it is.", err=True)
    return [gap for gap in gaps if gap.id in ids]


def _check_service(path: Path) -> None:
    try:
        check_no_service(path)
    except Runs:
        return
    raise Transient("the service has ended", remedy="Start it again: it goes on where it was. Or run this again.")


def alone(settings: Settings, begin: Begin, watched: Watched) -> Sequence[Gap]:
    """Run the pipeline until all is filled; the gaps as they are then. Raises as the service does."""
    with stopped_service(), one_error():
        return trio.run(_alone, settings, begin, watched)


async def _alone(settings: Settings, begin: Begin, watched: Watched) -> Sequence[Gap]:
    addresses = [each.name for each in settings.home_assistant.candidates()]
    hopes = Hopes(addresses, open_journal("warning", settings.log.format, above_the_bar()))
    listeners = (hopes.hear,)
    relay, stop = Relay(listeners), trio.Event()
    with at_the_latest(LATEST, _too_late, FAILED) as begin_to_end:

        def first() -> None:
            begin_to_end()
            stop.set()
            click.echo("\nStopping; what is not filled yet is in the ledger. Run this again to go on.", err=True)

        async with trio.open_nursery() as nursery, opened(settings, relay) as destination:
            nursery.start_soon(on_stop, first, nursery.cancel_scope.cancel, name="signals")
            pipeline = Pipeline(make_plan(settings, destination), listeners, random.random)
            if (importing := pipeline.importing) is None or not importing.ledger.loaded:
                remedy = "Give the service a spool.path that it can write, and that no other service uses."
                raise Refused("the state file cannot be used, so nobody knows what is stored", remedy=remedy)
            relay.hand_over(pipeline.emit)
            work = _Work(importing, begin, watched, hopes)
            async with trio.open_nursery() as inner:
                inner.start_soon(work.fill, stop)
                await pipeline.run(stop)
                inner.cancel_scope.cancel()
            nursery.cancel_scope.cancel()
    _say_what_waits(pipeline)
    return work.ended


@define(eq=False)
class _Work:
    """What is done beside the pipeline. `ended` becomes the gaps as they are when all is filled."""

    importing: Importing
    begin: Begin
    watched: Watched
    hopes: Hopes
    ended: Sequence[Gap] = ()
    _ids: set[int] = field(factory=set)

    async def fill(self, stop: trio.Event) -> None:
        """Have it filled, then have the pipeline stop."""
        click.echo("Reading Home Assistant's current states …", err=True)
        await self._ready()
        if await self.begin(self.importing):
            with filling() as show:
                while await self._look(show):  # noqa: ASYNC110  what is on disk is no event
                    await trio.sleep(LOOK)
        stop.set()

    async def _ready(self) -> None:
        with trio.move_on_after(READY):
            while not self.importing.ready:
                self.hopes.check()
                await trio.sleep(LOOK / 5)
            return
        raise Transient(f"Home Assistant did not tell its states within {READY:.0f} s", remedy="See above why.")

    async def _look(self, show: Show) -> bool:
        ledger = self.importing.ledger
        left = self.watched.left(ledger.gaps)
        self._ids.update(left)
        far = await ledger.lane(ledger.file.how_far, self._ids, time.time_ns())
        show(far.share, far.states)
        self.ended = [gap for gap in ledger.gaps if gap.id in self._ids]
        return bool(left)


def _say_what_waits(pipeline: Pipeline) -> None:
    if waiting := pipeline.spool.held.events - pipeline.spool.volatile.events:
        click.echo(f"{waiting:,} points wait for the database; the service sends them when it runs.", err=True)


def tell(gaps: Sequence[Gap]) -> None:
    """Print what became of each gap: filled, in part with the reason, or still open."""
    for gap in gaps:
        came = f"{counted(gap.filled, 'state')} came from Home Assistant's history"
        match gap.progress:
            case Progress.FILLED:
                click.echo(f"Gap {gap.id} is filled: {came}.")
            case Progress.PARTLY | Progress.UNFILLABLE:
                click.echo(f"Gap {gap.id}: {came}, and that is all there is: {gap.why}.")
                click.echo(f"Of which entities: homeiq-ingest gaps show {gap.id}", err=True)
            case _:
                click.echo(f"Gap {gap.id} is not filled yet; {came} until now.")


def _too_late() -> None:
    click.echo("homeiq-ingest: something hangs, the process ends without it; what is on disk is safe", err=True)
