"""`homeiq-ingest spool`: what waits for the database, on disk."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Mapping
from itertools import islice
from pathlib import Path
from typing import Any, NoReturn, TypeAlias

import click
import msgspec

from ingest.cli.asking import ask
from ingest.cli.database import DATABASE
from ingest.cli.exits import explained
from ingest.cli.held import Runs, held, room_in
from ingest.cli.moments import iso, shown
from ingest.cli.options import ROW_ID, configured, loaded
from ingest.cli.own_file import SECTIONS, OwnFile, looking, own_state, state_of
from ingest.cli.spool_recover import recover
from ingest.cli.spool_replay import replay
from ingest.cli.tables import terminal
from ingest.core import control
from ingest.core.plot import table
from ingest.core.sealing import unsealed
from ingest.core.words import LAYOUT, printable
from ingest.edge.aside import kept_aside
from ingest.edge.database_file import is_there
from ingest.edge.spool_purge import purge_all
from ingest.edge.spool_rows import Key
from ingest.edge.sqlite import Connection, translated
from ingest.edge.state_read import Absent, Waiting, batches, payload, waiting
from ingest.edge.totals_file import accounts
from ingest.errors import Refused

MIB = 2**20

NO_SPOOL = """Nothing waits.

No database is configured (influxdb.url): each batch goes straight into the embedded store, without a spool."""

Rates: TypeAlias = Mapping[Key, float]


@click.group()
def spool() -> None:
    """See, send or remove what waits for the database."""


@spool.command()
@click.option("--json", "as_json", is_flag=True, help="One JSON object, times in UTC.")
@configured
def status(*, as_json: bool, config_path: Path | None, assignments: tuple[str, ...]) -> None:
    """Show what waits, since when, and for how long there is room. The service may run."""
    with explained():
        configuration = loaded(config_path, assignments, sections=SECTIONS)
        own, size = state_of(configuration), configuration.settings.spool.size
        spools = configuration.settings.store_kind == "influxdb"
        path = own.path
        try:
            with looking(own) as connection:
                found, rates = waiting(connection), rates_of(connection)
                limit = room_in(configuration.settings.spool, connection).disk
                if not found:
                    own.look_elsewhere()
        except Absent:
            found, rates, limit = [], {}, size
        aside = kept_aside(path)
    if as_json:
        click.echo(msgspec.json.encode(_as_json(path, found, rates, limit, aside)))
    elif found or rates or spools:
        _tell(path, found, rates, limit, aside)
    else:
        click.echo(NO_SPOOL)
        _tell_aside(aside)


def _tell(path: Path, found: list[Waiting], rates: Rates, limit: int, aside: Iterable[Path]) -> None:
    rows = [
        (
            each.key.home,
            each.key.store,
            f"{each.points:,}",
            f"{each.size / MIB:,.1f}",
            shown(each.oldest_ns),
            shown(each.newest_ns),
            _days(room_left(each, rates, limit)),
        )
        for each in found
    ]
    head = ("home", "store", "points", "MiB", "oldest", "newest", "room left")
    click.echo("\n".join(table(head, rows, right=(2, 3))) if rows else "Nothing waits.")
    click.echo(f"\nThe spool may take {limit / MIB:,.0f} MiB in {path}.")
    for key, rate in rates.items():
        click.echo(f"That is {_days(_lasts(limit, rate))} at the last known rate of {key.home} ({key.store}).")
    _tell_aside(aside)


def _tell_aside(aside: Iterable[Path]) -> None:
    for each in aside:
        click.echo(f"Set aside: {each} ({each.stat().st_size / MIB:,.1f} MiB); homeiq-ingest spool recover {each}")


def rates_of(connection: Connection) -> Rates:
    """How fast bytes go into the spool, by home, as the service last wrote it down; it spools for the database only."""
    return {
        key: rate
        for key, account in accounts(connection).items()
        if key.store == DATABASE and (rate := account.bytes_per_second)
    }


def room_left(found: Waiting, rates: Rates, limit: int) -> float | None:
    """Days until the spool is full; None when that is not known.

    At the present rate, or at the one at which what waits came in.
    """
    rate = rates.get(found.key, found.rate)
    return _lasts(max(0, limit - found.size), rate) if rate else None


def _lasts(size: int, rate: float) -> float:
    return size / rate / 86_400


def _days(days: float | None) -> str:
    return "not known yet" if days is None else f"{days:,.1f} days"


def _as_json(path: Path, found: list[Waiting], rates: Rates, limit: int, aside: Iterable[Path]) -> Mapping[str, Any]:
    return {
        "path": str(path),
        "limit_bytes": limit,
        "waiting": [
            {
                "home": each.key.home,
                "store": each.key.store,
                "batches": each.batches,
                "points": each.points,
                "bytes": each.size,
                "oldest": iso(each.oldest_ns),
                "newest": iso(each.newest_ns),
                "days_left": room_left(each, rates, limit),
            }
            for each in found
        ],
        "rates": [
            {"home": key.home, "store": key.store, "bytes_per_second": rate, "days": _lasts(limit, rate)}
            for key, rate in rates.items()
        ],
        "set_aside": [str(each) for each in aside],
    }


@spool.command("list")
@click.option("-n", "--limit", type=click.IntRange(min=1), default=50, show_default=True, help="How many at most.")
@configured
def list_(*, limit: int, config_path: Path | None, assignments: tuple[str, ...]) -> None:
    """List the batches that wait, the oldest first. The service may run."""
    with explained(), looking(own := own_state(config_path, assignments)) as connection:
        rows = [
            (str(row.id), key.home, key.store, shown(row.put_ns, "seconds"), f"{row.count:,}", f"{row.size:,}")
            for key, row in batches(connection, limit)
        ]
        if not rows:
            own.look_elsewhere()
    head = ("id", "home", "store", "since", "points", "bytes")
    click.echo("\n".join(table(head, rows, right=(0, 4, 5))) if rows else "Nothing waits.")


@spool.command()
@click.argument("batch_id", metavar="ID", type=ROW_ID)
@click.option("-n", "--lines", type=click.IntRange(min=1), default=10, show_default=True, help="How many at most.")
@configured
def show(*, batch_id: int, lines: int, config_path: Path | None, assignments: tuple[str, ...]) -> None:
    """Print the lines of a batch as they will be sent. The service may run."""
    with explained(), looking(own_state(config_path, assignments)) as connection:
        sealed = payload(connection, batch_id)
        if sealed is None:
            remedy = "It may be delivered by now; `homeiq-ingest spool list` shows what waits."
            raise Refused(f"there is no batch {batch_id}", remedy=remedy)
        try:
            found = unsealed(sealed)
        except (OSError, EOFError, zlib.error):
            remedy = "Of a damaged state file `homeiq-ingest spool recover` reads what is left."
            raise Refused(f"batch {batch_id} is damaged: its lines cannot be read", remedy=remedy) from None
    seen = terminal() is not None
    for line in islice(found, lines):
        click.echo(printable(line.decode(errors="replace"), LAYOUT) if seen else line)
    if len(found) > lines:
        click.echo(f"and {len(found) - lines:,} more", err=True)


@spool.command()
@click.option("--yes", is_flag=True, help="Do it; the points are gone for good.")
@configured
def purge(*, yes: bool, config_path: Path | None, assignments: tuple[str, ...]) -> None:
    """Remove everything that waits. When the service runs, not what it is delivering right now.

    What is gone is a gap in the ledger: `homeiq-ingest gaps list`.
    """
    with explained():
        own = own_state(config_path, assignments)
        try:
            points = _purge(own, sure=yes)
        except Runs as service:
            if not yes:
                with looking(own) as reading:
                    _sure(reading, own)
            points = ask(service, "purge", control.Purge(), control.Purged, doing="removing").points
        if not points:
            own.look_elsewhere()
    click.echo(f"{points:,} points removed.")


def _purge(own: OwnFile, *, sure: bool) -> int:
    if not is_there(own.path):
        own.look_elsewhere()
    with held(own.path) as connection, translated(own.path):
        if not sure:
            _sure(connection, own)
        return purge_all(connection, own.path)


def _sure(connection: Connection, own: OwnFile) -> NoReturn:
    points = sum(each.points for each in waiting(connection))
    if not points:
        own.look_elsewhere()
    remedy = "Add --yes to delete them for good."
    raise Refused(f"{points:,} points wait and have not been stored", where=str(own.path), remedy=remedy)


spool.add_command(replay)
spool.add_command(recover)
