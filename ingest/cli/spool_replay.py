"""`homeiq-ingest spool replay`: deliver what waits, now; by the service when it runs."""

from __future__ import annotations

import random
from pathlib import Path

import click
import trio
from attrs import evolve

from ingest.actors.replay import Replaying
from ingest.actors.writer import Writer
from ingest.cli.asking import ask
from ingest.cli.database import DATABASE_SECTIONS
from ingest.cli.exits import explained
from ingest.cli.held import Runs, stopped_service
from ingest.cli.options import configured, loaded
from ingest.cli.own_file import SECTIONS, state_of
from ingest.cli.progress import Tell, telling
from ingest.cli.service import opened_spool
from ingest.config.settings import Settings
from ingest.core import control
from ingest.core.reports import Report
from ingest.core.tally import Tally
from ingest.core.words import counted
from ingest.edge.database_file import is_there
from ingest.edge.dead_letters import DeadLetters
from ingest.edge.disk_spool import DiskSpool
from ingest.edge.lasting import AT_THE_STOP
from ingest.edge.lock import COMMAND
from ingest.errors import Refused
from ingest.plan import Destination
from ingest.runtime.ending import freed_after
from ingest.runtime.supervise import one_error


@click.command()
@configured
def replay(*, config_path: Path | None, assignments: tuple[str, ...]) -> None:
    """Deliver what waits to the configured database, now. When the service runs, it does the work.

    If interrupted, it loses nothing: what is not stored still waits.
    """
    with explained(), one_error():
        settings = (found := loaded(config_path, assignments, sections=SECTIONS | DATABASE_SECTIONS)).settings
        if not settings.influxdb.url:
            raise Refused("no database is configured", remedy="Set influxdb.url and influxdb.token, or run init.")
        own = state_of(found)
        if not is_there(own.path):
            own.look_elsewhere()
            click.echo("Nothing waits.")
            return
        try:
            with stopped_service(), one_error():
                done = trio.run(_replay, evolve(settings, store=evolve(settings.store, kind="influxdb")))
        except Runs as service:
            done = ask(service, "replay", control.Replay(), control.Replayed, doing="delivering")
        if not (done.stored or done.refused or done.left or done.problem):
            own.look_elsewhere()
        _tell(done)


def _tell(done: control.Replayed) -> None:
    wait = "waits" if done.left == 1 else "wait"
    click.echo(
        f"{counted(done.stored, 'point')} stored in {done.where}, {done.refused:,} refused, {done.left:,} still {wait}."
    )
    if done.refused:
        click.echo("What was refused: homeiq-ingest dead-letters list", err=True)
    if done.problem is not None:
        raise done.problem.error()


async def _replay(settings: Settings) -> control.Replayed:
    watch, scope, tally = Replaying(lambda said: click.echo(said, err=True)), trio.CancelScope(), Tally()
    tell: Tell | None = None

    def hear(report: Report) -> None:
        watch.hear(report)
        tally.add(report)
        if tell is not None:
            tell(watch.done)
        if watch.problem is not None:
            scope.cancel()

    async with opened_spool(settings, hear, COMMAND) as spooled:
        destination, spool, letters = spooled.destination, spooled.spool, spooled.letters
        await spool.load()
        writer = Writer(destination.store, spool, hear, random.random, patient=True, bury=letters.bury)
        spool.close()
        try:
            with telling("delivering", spool.held.events, "{} points") as tell, scope:
                await writer.run()
        finally:
            async with freed_after(AT_THE_STOP, destination.give_up):
                await _keep(destination, letters, spool, tally)
        left = spool.held.events
    problem = None if watch.problem is None else control.failure(watch.problem)
    return control.Replayed(destination.where, watch.stored, watch.refused, left, problem)


async def _keep(destination: Destination, letters: DeadLetters, spool: DiskSpool, tally: Tally) -> None:
    """What is kept at the end, also when a person ends it."""
    await spool.flush()
    await letters.end()
    if destination.lasting is not None:
        await destination.lasting.write(lambda: tally.books(spooled=spool.held.events, in_flight=0))
