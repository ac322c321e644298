"""`homeiq-ingest spool replay`: deliver what waits, now, without the service."""

from __future__ import annotations

import random
from pathlib import Path

import click
import trio
from attrs import define, evolve, field

from ingest.actors.writer import Writer
from ingest.cli.exits import explained
from ingest.cli.held import stopped_service
from ingest.cli.options import configured, loaded
from ingest.cli.progress import Tell, telling
from ingest.cli.service import opened
from ingest.config.settings import Settings
from ingest.core import reports
from ingest.core.reports import Report
from ingest.errors import IngestError, Refused, Transient
from ingest.runtime.supervise import one_error

ATTEMPTS = 8
"""Failed attempts in a row after which somebody should look."""


@define
class _Watch:
    """What the writer says: progress is told, and an answer that will not change soon ends it."""

    scope: trio.CancelScope = field(factory=trio.CancelScope)
    tell: Tell = lambda _: None
    stored: int = 0
    refused: int = 0
    failures: int = 0
    problem: IngestError | None = None

    def hear(self, report: Report) -> None:
        match report:
            case reports.Stored(count=count):
                self.failures = 0
                self.stored += count
                self.tell(self.stored + self.refused)
            case reports.Rejected(rejections=rejections):
                self.refused += len(rejections)
            case reports.StoreWaiting():
                self._waits(report)
            case reports.Notice() | reports.SpoolFailing() | reports.LettersFailing() | reports.LettersDropped():
                click.echo(report.text(), err=True)
            case _:
                pass

    def _waits(self, report: reports.StoreWaiting) -> None:
        self.failures += 1
        if report.remedy:
            self.problem = Refused(report.reason, remedy=report.remedy)
        elif self.failures >= ATTEMPTS:
            self.problem = Transient(report.reason, remedy="What is not stored waits; run this again later.")
        else:
            click.echo(report.text(), err=True)
        if self.problem is not None:
            self.scope.cancel()


@click.command()
@configured
def replay(*, config_path: Path | None, assignments: tuple[str, ...]) -> None:
    """Deliver what waits to the configured database, now. The service must not run.

    Cut off, it loses nothing: what is not stored still waits.
    """
    with explained(), stopped_service(), one_error():
        settings = loaded(config_path, assignments).settings
        if not settings.influxdb.url:
            raise Refused("no database is configured", remedy="Set influxdb.url and influxdb.token, or run init.")
        if not settings.spool.path.exists():
            click.echo("Nothing waits.")
            return
        chosen = evolve(settings, store=evolve(settings.store, kind="influxdb"))
        trio.run(_replay, chosen)


async def _replay(settings: Settings) -> None:
    watch = _Watch()
    async with opened(settings, watch.hear) as destination:
        spool, letters = destination.spool, destination.letters
        if spool is None or letters is None:
            raise Refused("the state file cannot be used", where=str(settings.spool.path), remedy="See above.")
        writer = Writer(destination.store, spool, watch.hear, random.random, patient=True, bury=letters.bury)
        spool.close()
        with telling("delivering", spool.held.events, "{} points") as watch.tell, watch.scope:
            await writer.run()
        await letters.end()
        if destination.lasting is not None:
            await destination.lasting.write(lambda: {"stored": watch.stored, "rejected": watch.refused})
        left = spool.held.events
    click.echo(
        f"{watch.stored:,} points stored in {destination.where}, {watch.refused:,} refused, {left:,} still wait."
    )
    if watch.refused:
        click.echo("What was refused: homeiq-ingest dead-letters list", err=True)
    if watch.problem is not None:
        raise watch.problem
