"""`homeiq-ingest copy`: from the embedded store into a database, through the schema and the writer of the service."""

from __future__ import annotations

import random
from functools import partial
from pathlib import Path

import click
import trio
from attrs import evolve

from ingest.actors.copier import Copied, Copier
from ingest.cli.database import DATABASE_SECTIONS, opened_database
from ingest.cli.exits import explained
from ingest.cli.moments import shown, window
from ingest.cli.options import configured, loaded
from ingest.cli.own_file import SECTIONS, OwnFile, store_of
from ingest.cli.progress import Tell, telling
from ingest.cli.stored import db_option, since_option
from ingest.config.settings import Settings
from ingest.core.store import Keep
from ingest.core.words import printable
from ingest.edge.database_file import is_there
from ingest.edge.embedded_export import Points, Position
from ingest.edge.embedded_progress import Mark, open_progress
from ingest.edge.embedded_read import open_store
from ingest.errors import Refused
from ingest.plan import Destination
from ingest.runtime.lane import ThreadLane
from ingest.runtime.supervise import one_error

FOR_EVER_NS = 1 << 62


@click.command()
@click.option(
    "--to", type=click.Choice(["influxdb"]), required=True, expose_value=False, help="Where to; as configured."
)
@click.option("--again", is_flag=True, help="From the beginning (or --since), not from where the last copy stopped.")
@since_option
@db_option
@configured
def copy(
    *,
    again: bool,
    since: str | None,
    db: Path | None,
    config_path: Path | None,
    assignments: tuple[str, ...],
) -> None:
    """Copy the embedded store into a database. The file may be in use.

    Killed or interrupted, it resumes where it stopped when it is run again; nothing is lost or stored twice. What was stored
    later of a time before, as of a gap that was filled or by `backfill`, needs --again, which doubles nothing, either.
    """
    start_ns, _ = window(since, None)
    with explained(), one_error():
        settings = (found := loaded(config_path, assignments, sections=SECTIONS | DATABASE_SECTIONS)).settings
        if not settings.influxdb.url:
            raise Refused("no database is configured", remedy="Set influxdb.url and influxdb.token, or run init")
        chosen = evolve(settings, store=evolve(settings.store, kind="influxdb"))
        own = store_of(found) if db is None else OwnFile("store", db)
        if not is_there(own.path):
            own.look_elsewhere()
        own.tell_of_another()
        trio.run(_copy, chosen, own.path, start_ns, again)


async def _copy(settings: Settings, path: Path, start_ns: int, again: bool) -> None:
    with open_store(path) as reader:
        usage = reader.usage()
        async with opened_database(settings) as destination:
            key = f"{destination.where} {settings.influxdb.org} {settings.influxdb.bucket}"
            with open_progress(path, key) as progress:
                after, began_ns = _beginning(progress.read(), start_ns, again)
                pages = Points(reader.connection).pages(after, FOR_EVER_NS)
                with telling("copying", usage.changes if usage else 0, "about {} changes") as tell:
                    copied = await _copier(destination, tell).run(pages, partial(progress.reached, began_ns=began_ns))
    _sum_up(copied, destination)


def _beginning(mark: Mark | None, start_ns: int, again: bool) -> tuple[Position, int]:
    """After which change to go on, and from when on all is there up to it."""
    start = (start_ns - 1, FOR_EVER_NS)
    if mark is None or mark.position < start:
        return start, start_ns
    # Without a beginning that is known there may be a hole before the mark: once more costs time alone.
    if mark.began_ns is None or start_ns < mark.began_ns:
        began = "may not have begun" if mark.began_ns is None else "did not begin"
        click.echo(f"starting over: the copy that got to {shown(mark.position[0])} {began} so early", err=True)
        return start, start_ns
    if again:
        return start, mark.began_ns
    click.echo(
        f"going on after {shown(mark.position[0])}, where the last copy stopped; what was stored since of a time before (a"
        " filled gap, a backfill) needs --again, which doubles nothing",
        err=True,
    )
    return mark.position, mark.began_ns


def _copier(destination: Destination, tell: Tell) -> Copier:
    def waiting(verdict: Keep, delay: float) -> None:
        click.echo(f"waiting {delay:.0f} s: {verdict.reason}", err=True)

    return Copier(destination.store, ThreadLane(), lambda copied: tell(copied.points), waiting, random.random)


def _sum_up(copied: Copied, destination: Destination) -> None:
    for rejection in copied.rejected:
        click.echo(printable(f"refused: {rejection.reason}: {rejection.line[:200]}"), err=True)
    parts = [f"{copied.points - copied.declined - copied.refused:,} changes copied to {destination.where}"]
    parts += [f"{copied.declined:,} that its schema does not write"] if copied.declined else []
    parts += [f"{copied.refused:,} refused"] if copied.refused else []
    click.echo(", ".join(parts))
