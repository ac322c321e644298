"""`homeiq-ingest spool recover`: from a state file that was set aside into the present one."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import click

from ingest.cli.exits import explained
from ingest.cli.held import held, state_path
from ingest.cli.options import configured
from ingest.edge.bring import Brought, bring
from ingest.edge.letter_file import Letters
from ingest.edge.salvage import open_salvage
from ingest.errors import Refused


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
        with closing(open_salvage(file)) as salvage, held(path, new=True) as connection:
            brought = bring(salvage, Letters(connection, path))
    _tell(brought, salvage.unreadable, file)


def _tell(brought: Brought, unreadable: int, file: Path) -> None:
    click.echo(
        f"{brought.points:,} points in {brought.batches:,} batches and {brought.letters:,} dead letters came back."
    )
    if brought.known:
        click.echo(f"{brought.known:,} batches were there already.")
    if unreadable:
        click.echo(f"{unreadable:,} rows cannot be read.", err=True)
    click.echo(f"They go out when the service runs, or with `spool replay`; then {file} may be deleted.")
