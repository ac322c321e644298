"""`homeiq-ingest dead-letters`: what a store refused or no schema could write, and what to do about it."""

from __future__ import annotations

import time
from pathlib import Path

import click
import msgspec

from ingest.cli.asking import ask
from ingest.cli.database import DATABASE
from ingest.cli.exits import explained
from ingest.cli.held import Runs, held, room_in, sent_when
from ingest.cli.moments import iso, shown
from ingest.cli.options import ROW_ID, configured, loaded
from ingest.cli.output import written
from ingest.cli.own_file import SECTIONS, OwnFile, looking, own_state, state_of
from ingest.config.settings import Settings
from ingest.core import control
from ingest.core.plot import table
from ingest.core.words import LAYOUT, counted, cut, entity_of, printable
from ingest.edge.bring import size_in
from ingest.edge.database_file import is_there
from ingest.edge.letter_file import Letter, Letters
from ingest.edge.letter_retry import named, returning
from ingest.edge.spool_rows import Key
from ingest.errors import Refused

HEAD = ("id", "refused", "store", "entity", "reason", "line")

SHOWN = 60
"""Characters of a reason, and of a line, in the list."""


@click.group("dead-letters")
def dead_letters() -> None:
    """See what a store refused, with its own words, and try it again."""


@dead_letters.command("list")
@click.option("--store", help="Only those of this store, or of the stage `filter`.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a letter.")
@configured
def list_(*, store: str | None, as_json: bool, config_path: Path | None, assignments: tuple[str, ...]) -> None:
    """List the dead letters, the oldest first. The service may run."""
    with explained(), looking(own := own_state(config_path, assignments)) as connection:
        letters = list(Letters(connection, own.path).listed(store))
        if not letters and store is None:
            own.look_elsewhere()
        if as_json:
            click.echo(b"".join(map(_json, letters)), nl=False)
        elif not letters:
            click.echo("There are no dead letters.")
        else:
            click.echo("\n".join(table(HEAD, list(map(_row, letters)), right=(0,))))


def _row(letter: Letter) -> tuple[str, ...]:
    at, entity = shown(letter.at_ns), entity_of(letter.line)
    return str(letter.id), at, letter.store, entity, cut(letter.summary, SHOWN), cut(letter.line, SHOWN)


@dead_letters.command()
@click.argument("letter_id", metavar="ID", type=ROW_ID)
@configured
def show(*, letter_id: int, config_path: Path | None, assignments: tuple[str, ...]) -> None:
    """Show one dead letter whole. The service may run."""
    with explained(), looking(own := own_state(config_path, assignments)) as connection:
        (letter,) = named(Letters(connection, own.path), [letter_id])
        said = f"{letter.home}, {letter.store}, {shown(letter.at_ns, 'seconds')}\n\n{letter.reason}\n\n{letter.line}"
        click.echo(printable(said, LAYOUT))


@dead_letters.command()
@click.argument("ids", metavar="[ID]...", type=ROW_ID, nargs=-1)
@click.option("--all", "everything", is_flag=True, help="Every line that can be sent again.")
@configured
def retry(*, ids: tuple[int, ...], everything: bool, config_path: Path | None, assignments: tuple[str, ...]) -> None:
    """Put refused lines back into the spool, once the cause is fixed. The service may run."""
    if everything == bool(ids):
        raise click.UsageError("Name the letters, or add --all.")
    with explained():
        found = loaded(config_path, assignments, sections=SECTIONS)
        asked = control.Retry(ids, everything, found.settings.home)
        own = state_of(found)
        try:
            done, then = _retry(own, found.settings, asked), sent_when(found.settings.store_kind)
        except Runs as service:
            done = ask(service, "retry-letters", asked, control.Retried, doing="putting back", of="{} letters")
            then = "the service sends what is there"
        if not done.moved and not done.stay:
            own.look_elsewhere()
    are = "is" if done.moved == 1 else "are"
    click.echo(
        f"{counted(done.moved, 'point')} {are} back in the spool; {then}." if done.moved else "Nothing was put back."
    )
    if done.stay:
        stay = f"{counted(done.stay, 'letter')} {'stays' if done.stay == 1 else 'stay'}"
        click.echo(
            f"{stay}: only lines of home {found.settings.home} that a database refused can be sent again.", err=True
        )


def _retry(own: OwnFile, settings: Settings, asked: control.Retry) -> control.Retried:
    if not is_there(own.path):
        own.look_elsewhere()
    with held(own.path) as connection:
        letters, room = Letters(connection, own.path), room_in(settings.spool, connection)
        chosen = list(letters.listed()) if asked.everything else named(letters, asked.ids)
        moved, key = 0, Key(settings.home, DATABASE)
        for part in returning(chosen, key):
            room.check(size_in(connection), sum(each.size for each in part))
            letters.put_back(key, part, time.time_ns())
            moved += len(part)
    return control.Retried(moved, len(chosen) - moved)


@dead_letters.command()
@click.argument("file", metavar="FILE", type=click.Path(path_type=Path, dir_okay=False, allow_dash=True))
@click.option("--force", is_flag=True, help="Replace FILE when it is there.")
@configured
def export(*, file: Path, force: bool, config_path: Path | None, assignments: tuple[str, ...]) -> None:
    """Write all dead letters to FILE as JSON lines; `-` is standard output. The service may run."""
    with explained(), looking(own := own_state(config_path, assignments)) as connection:
        count, target = 0, None if str(file) == "-" else file
        if target is not None and target.is_file() and not force:
            raise Refused("the file is there already", where=str(file), remedy="Add --force to replace it.")
        with written(target, own.used) as out:
            for letter in Letters(connection, own.path).listed():
                out.write(_json(letter))
                count += 1
            out.flush()
    click.echo(counted(count, "dead letter") + (f" in {file}" if target else ""), err=True)


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
