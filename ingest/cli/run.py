"""`homeiq-ingest run`: the service."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click
import trio

from ingest.actors.connector import GaveUp
from ingest.cli.exits import GAVE_UP, explained
from ingest.cli.options import configured, loaded


@click.command()
@configured
def run(config_path: Path | None, assignments: tuple[str, ...]) -> None:
    """Store every state change of a home, until told to stop.

    SIGTERM or Ctrl-C stores what is under way and ends; a second one ends at once.
    """
    with explained():
        try:
            _run(config_path, assignments)
        except GaveUp as error:
            click.echo(f"homeiq-ingest: {error}", err=True)
            sys.exit(GAVE_UP)


def _run(config_path: Path | None, assignments: tuple[str, ...]) -> None:
    from ingest.cli.service import serve_until_signalled  # noqa: PLC0415  the configuration is checked before
    from ingest.core.reports import Notice  # noqa: PLC0415
    from ingest.edge.journal import open_journal  # noqa: PLC0415
    from ingest.edge.notify import open_notify  # noqa: PLC0415
    from ingest.runtime.supervise import one_error  # noqa: PLC0415

    found = loaded(config_path, assignments, for_running=True)
    journal = open_journal(found.settings.log.level, found.settings.log.format)
    for warning in found.warnings:
        journal(Notice(warning))
    with one_error():
        trio.run(serve_until_signalled, found.settings, (journal, open_notify(os.environ)))
