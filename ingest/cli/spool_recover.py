"""`homeiq-ingest spool recover`: from a state file that was set aside into the present one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import closing
from itertools import islice
from pathlib import Path
from typing import TypeAlias

import click
from attrs import define

from ingest.cli.exits import explained
from ingest.cli.held import held, state_path
from ingest.cli.options import configured
from ingest.edge.letter_file import Letters
from ingest.edge.salvage import Found, open_salvage
from ingest.edge.spool_file import insert
from ingest.edge.sqlite import Connection, transaction, translated
from ingest.errors import Refused

TOGETHER = 200
"""Batches in one transaction."""

Known: TypeAlias = set[tuple[str, str, int, int, int, int]]


@define
class Brought:
    """What came back, and what was there already."""

    batches: int = 0
    points: int = 0
    known: int = 0
    letters: int = 0


@click.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False, exists=True))
@configured
def recover(*, file: Path, config_path: Path | None, assignments: tuple[str, ...]) -> None:
    """Bring what is readable in a state file that was set aside, damaged ones included, into the present one.

    FILE stays as it is. What is there already is not brought a second time. The service must not run.
    """
    with explained():
        path = state_path(config_path, assignments)
        if path.exists() and file.samefile(path):
            raise Refused("that is the state file itself", where=str(path), remedy="Name one that was set aside.")
        with closing(open_salvage(file)) as salvage, held(path, new=True) as connection, translated(path):
            brought = Brought()
            _bring(salvage.batches(), connection, brought)
            letters = list(salvage.letters())
            Letters(connection, path).add(letters)
            brought.letters = len(letters)
    _tell(brought, salvage.unreadable, file)


def _bring(found: Iterator[Found], connection: Connection, brought: Brought) -> None:
    known: Known = set(
        connection.execute("SELECT home, store, put_ns, oldest_ns, newest_ns, count FROM batch").fetchall()
    )
    while part := list(islice(found, TOGETHER)):
        with transaction(connection):
            _add(part, known, connection, brought)


def _add(found: Iterable[Found], known: Known, connection: Connection, brought: Brought) -> None:
    for each in found:
        batch = each.batch
        signs = (each.key.home, each.key.store, each.put_ns, batch.oldest_ns, batch.newest_ns, batch.count)
        if signs in known:
            brought.known += 1
            continue
        known.add(signs)
        insert(connection, each.key, batch, each.put_ns)
        brought.batches += 1
        brought.points += batch.count


def _tell(brought: Brought, unreadable: int, file: Path) -> None:
    click.echo(
        f"{brought.points:,} points in {brought.batches:,} batches and {brought.letters:,} dead letters came back."
    )
    if brought.known:
        click.echo(f"{brought.known:,} batches were there already.")
    if unreadable:
        click.echo(f"{unreadable:,} rows cannot be read.", err=True)
    click.echo(f"They go out when the service runs, or with `spool replay`; then {file} may be deleted.")
