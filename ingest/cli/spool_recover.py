"""`homeiq-ingest spool recover`: from a state file that was set aside into the present one."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import click

from ingest.cli.asking import ask
from ingest.cli.exits import explained
from ingest.cli.held import Runs, held, room_in, sent_when
from ingest.cli.options import configured, loaded
from ingest.cli.own_file import SECTIONS
from ingest.config.destination import Spool
from ingest.core import control
from ingest.core.words import counted
from ingest.edge.bring import bring, open_regular
from ingest.edge.first_page import readable
from ingest.edge.letter_file import Letters


@click.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False, exists=True))
@configured
def recover(*, file: Path, config_path: Path | None, assignments: tuple[str, ...]) -> None:
    """Bring what is readable in a state file that was set aside, damaged ones included, into the present one.

    FILE stays as it is. What is there already is not brought a second time. The service may run, and must be able to
    read FILE then.
    """
    with explained():
        settings = loaded(config_path, assignments, sections=SECTIONS).settings
        with readable(file) as found:
            try:
                done, then = _recover(found, settings.spool), sent_when(settings.store_kind).capitalize()
            except Runs as service:
                asked = control.Recover(str(found.absolute()))
                done = ask(service, "recover", asked, control.Recovered, doing="recovering")
                then = "The service sends them"
    kept = (
        f"keep {file}, of which sqlite3's .recover may find more."
        if done.unreadable
        else f"then {file} may be deleted."
    )
    _tell(done, f"{then}; {kept}")


def _recover(file: Path, chosen: Spool) -> control.Recovered:
    path = chosen.path
    with closing(open_regular(file, path)) as salvage, held(path, new=True) as connection:
        brought = bring(salvage, Letters(connection, path), room_in(chosen, connection))
    return control.Recovered(brought.batches, brought.points, brought.known, brought.letters, salvage.unreadable)


def _tell(done: control.Recovered, then: str) -> None:
    click.echo(f"{done.points:,} points in {done.batches:,} batches and {done.letters:,} dead letters came back.")
    if done.known:
        click.echo(f"{done.known:,} batches were there already.")
    if done.unreadable:
        click.echo(f"At least {counted(done.unreadable, 'row')} cannot be read.", err=True)
    click.echo(then)
