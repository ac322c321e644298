"""`homeiq-ingest dead-letters`: what a store refused or no schema could write, and what to do about it."""

from __future__ import annotations

import time
from pathlib import Path

import click
import msgspec

from ingest.cli.asking import ask
from ingest.cli.database import DATABASE
from ingest.cli.exits import explained
from ingest.cli.held import Runs, held, room_in, state_path
from ingest.cli.moments import iso, shown
from ingest.cli.options import configured, loaded
from ingest.cli.output import written
from ingest.config.destination import Spool
from ingest.core import control
from ingest.core.plot import table
from ingest.edge.bring import size_in
from ingest.edge.letter_file import Letter, Letters
from ingest.edge.letter_retry import named, returning
from ingest.edge.state_read import state_read


@click.group("dead-letters")
def dead_letters() -> None:
    """See what a store refused, with its own words, and try it again."""


@dead_letters.command("list")
@click.option("--store", help="Only those of this store, or of the stage `filter`.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a letter.")
@configured
def list_(*, store: str | None, as_json: bool, config_path: Path | None, assignments: tuple[str, ...]) -> None:
    """List the dead letters, the oldest first. The service may run."""
    with explained(), state_read(path := state_path(config_path, assignments)) as connection:
        letters = list(Letters(connection, path).listed(store))
        if as_json:
            click.echo(b"".join(map(_json, letters)), nl=False)
        elif not letters:
            click.echo("There are no dead letters.")
        else:
            rows = [
                (str(each.id), shown(each.at_ns), each.store, each.summary[:60], each.line[:60]) for each in letters
            ]
            click.echo("\n".join(table(("id", "refused", "store", "reason", "line"), rows, right=(0,))))


@dead_letters.command()
@click.argument("letter_id", metavar="ID", type=int)
@configured
def show(*, letter_id: int, config_path: Path | None, assignments: tuple[str, ...]) -> None:
    """Show one dead letter whole. The service may run."""
    with explained(), state_read(path := state_path(config_path, assignments)) as connection:
        (letter,) = named(Letters(connection, path), [letter_id])
        click.echo(
            f"{letter.home}, {letter.store}, {shown(letter.at_ns, 'seconds')}\n\n{letter.reason}\n\n{letter.line}"
        )


@dead_letters.command()
@click.argument("ids", metavar="[ID]...", type=int, nargs=-1)
@click.option("--all", "everything", is_flag=True, help="Every line that can be sent again.")
@configured
def retry(*, ids: tuple[int, ...], everything: bool, config_path: Path | None, assignments: tuple[str, ...]) -> None:
    """Put refused lines back into the spool, once what they were refused for is mended. The service may run."""
    if everything == bool(ids):
        raise click.UsageError("Name the letters, or say --all.")
    asked = control.Retry(ids, everything)
    with explained():
        chosen = loaded(config_path, assignments).settings.spool
        try:
            done, then = _retry(chosen, asked), "they go out when the service runs, or with `spool replay`"
        except Runs as service:
            done = ask(service, "retry-letters", asked, control.Retried, doing="putting back", of="{} letters")
            then = "the service sends them"
    click.echo(f"{done.moved} points are back in the spool; {then}.")
    if done.stay:
        click.echo(f"{done.stay} letters stay: they are not lines that a database could take.", err=True)


def _retry(spool: Spool, asked: control.Retry) -> control.Retried:
    with held(spool.path) as connection:
        letters, room = Letters(connection, spool.path), room_in(spool)
        chosen = list(letters.listed()) if asked.everything else named(letters, asked.ids)
        moved = 0
        for key, part in returning(chosen, DATABASE):
            room.check(size_in(connection), sum(each.size for each in part))
            letters.put_back(key, part, time.time_ns())
            moved += len(part)
    return control.Retried(moved, len(chosen) - moved)


@dead_letters.command()
@click.argument("file", metavar="FILE", type=click.Path(path_type=Path, dir_okay=False, allow_dash=True))
@configured
def export(*, file: Path, config_path: Path | None, assignments: tuple[str, ...]) -> None:
    """Write all dead letters to FILE as JSON lines; `-` is standard output. The service may run."""
    with explained(), state_read(path := state_path(config_path, assignments)) as connection:
        count = 0
        with written(None if str(file) == "-" else file) as out:
            for letter in Letters(connection, path).listed():
                out.write(_json(letter))
                count += 1
            out.flush()
    click.echo(f"{count} dead letters in {file}", err=True)


def _json(letter: Letter) -> bytes:
    fields = {
        "id": letter.id,
        "home": letter.home,
        "store": letter.store,
        "refused": iso(letter.at_ns),
        "reason": letter.reason,
        "line": letter.line,
    }
    return msgspec.json.encode(fields) + b"\n"
