"""`homeiq-ingest reload`: have the running service read its configuration again."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from ingest.cli.asking import ask
from ingest.cli.exits import REFUSED, explained
from ingest.cli.filling import check_no_service
from ingest.cli.held import Runs
from ingest.cli.options import configured, loaded
from ingest.cli.own_file import SECTIONS, state_of
from ingest.core.reloading import Outcome, Reload
from ingest.edge.journald import marked
from ingest.errors import Refused


@click.command()
@configured
def reload(*, config_path: Path | None, assignments: tuple[str, ...]) -> None:
    """Have the running service read its configuration again, and say what that changes.

    The filter, the attributes that are dropped and the level of the log change at once; of other settings it says which
    need a restart. When anything is wrong nothing changes: every problem is named, and the exit code is 2. The service reads
    what it was started with: here --config and --set only say which service. It also does this on SIGHUP, and by itself when a
    file of the configuration has changed: what came of that within the last two minutes is shown, too.
    """
    with explained():
        # No secret is needed to find the service: under systemd this command may not have it.
        own = state_of(loaded(config_path, assignments, sections={"spool"}))
        try:
            check_no_service(own.path)
        except Runs as service:
            outcome = ask(service, "reload", Reload(), Outcome, doing="reading", of="{} settings")
        else:
            state_of(loaded(config_path, assignments, sections=SECTIONS)).look_elsewhere()
            remedy = "`homeiq-ingest config check` says whether the configuration is good; the next start reads it."
            raise Refused("no service runs with this state file", where=str(own.path), remedy=remedy)
    for problem in outcome.problems:
        click.echo(marked(f"error: {problem}", "error"), err=True)
    if outcome.problems:
        click.echo(marked("Nothing was changed: the service goes on with what it read before.", "error"), err=True)
        sys.exit(REFUSED)
    click.echo("\n".join(outcome.lines()))
