"""`homeiq-ingest backfill`: what Home Assistant remembers of the time before everything that is stored."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import click

from ingest.actors.importing import Importing
from ingest.cli.asking import ask
from ingest.cli.exits import explained
from ingest.cli.filling import Watched, alone, check_no_service, follow, tell
from ingest.cli.held import Runs
from ingest.cli.moments import parse_moment, shown
from ingest.cli.options import configured, loaded
from ingest.cli.own_file import state_of
from ingest.cli.two_series import tell_of_two_series
from ingest.config.settings import Settings
from ingest.core import control
from ingest.core.coverage import Cause
from ingest.core.state import nanoseconds
from ingest.core.words import entities
from ingest.edge.spool_rows import Key
from ingest.errors import Refused

NOTHING = (
    "Everything since then is stored, or Home Assistant did not have it (`homeiq-ingest gaps fill` asks for that again;"
    " --again reads everything)."
)
WRITTEN_OVER = (
    "What is stored is known from the state file. If an earlier one (lost, damaged, in another place) was used with this"
    " database, states that were stored while it was are written over, and lose their context."
)
IMPORTS = Watched((Cause.IMPORTED,))


@click.command()
@click.option("--since", required=True, metavar="TIME", help="Since when: `10d`, `2026-11-20T08:00`.")
@click.option("--entities", multiple=True, metavar="GLOB", help="Only these, such as `sensor.*`; may be repeated.")
@click.option("--dry-run", is_flag=True, help="Show how much it would be; write nothing.")
@click.option(
    "--again",
    is_flag=True,
    help=(
        "Read everything since TIME, even if it is stored. The history knows less of a state than was seen live (no context, "
        "fewer attributes): what is stored richer is written over. Of an entity that was moved to another area since, InfluxDB "
        "keeps both, as two series."
    ),
)
@configured
def backfill(
    *,
    since: str,
    entities: tuple[str, ...],
    dry_run: bool,
    again: bool,
    config_path: Path | None,
    assignments: tuple[str, ...],
) -> None:
    """Store what Home Assistant remembers since TIME and the store does not know.

    Home Assistant keeps ten days unless it is configured otherwise. Nothing that is stored is written over or stored
    twice, as far as the state file knows of it: with a new one beside an old InfluxDB database, give a TIME before which
    nothing was stored, or richer live states are written over. Live changes are stored meanwhile. When the service runs, it
    does the work, and Ctrl-C ends only this display; otherwise the work is done here. If it is interrupted, even killed, it
    resumes when the service runs or this is run again.
    """
    now = datetime.now(UTC)
    moment = parse_moment(since, now)
    if moment >= now:
        raise click.BadParameter(f"{since!r} is not in the past", param_hint="--since")
    with explained():
        found = loaded(config_path, assignments, for_running=True)
        settings = found.settings
        asked = control.Import(nanoseconds(moment), entities, again, settings.home)
        if settings.store_kind == "stdout":
            raise Refused("standard output keeps nothing", remedy="Choose a store: influxdb.url, or none of it.")
        if settings.store_kind == "influxdb":
            click.echo(WRITTEN_OVER, err=True)
        if again:
            tell_of_two_series(settings)
        if dry_run:
            _estimate(settings, asked)
            state_of(found).tell_of_another()
        else:
            state_of(found).check_same()
            _backfill(settings, asked)


def _estimate(settings: Settings, asked: control.Import) -> None:
    from ingest.cli.estimate import estimate  # noqa: PLC0415  only where it is used

    click.echo(str(estimate(settings, asked)))


def _backfill(settings: Settings, asked: control.Import) -> None:
    path = settings.spool.path
    try:
        check_no_service(path)
    except Runs as service:
        begun = ask(service, "backfill", asked, control.Imported, doing="looking", of="{} entities")
        if _announce(begun):
            click.echo("The service fills it. Ctrl-C ends only this display.", err=True)
            tell(follow(path, Key(settings.home, settings.store_kind), IMPORTS))
        return

    async def begin(importing: Importing) -> bool:
        return _announce(await importing.begin(asked))

    tell(alone(settings, begin, IMPORTS))


def _announce(begun: control.Imported) -> bool:
    """Say what will be filled; False when that is nothing."""
    if begun.entities:
        whole = f"from {shown(begun.from_ns, 'seconds')} to {shown(begun.to_ns, 'seconds')}"
        click.echo(f"Gap {begun.gap_id}, {whole}, of {entities(begun.entities)} is open.", err=True)
    elif begun.pending:
        click.echo("Everything since then is asked for already; that goes on.", err=True)
    else:
        click.echo(NOTHING)
    return bool(begun.entities or begun.pending)
