"""`homeiq-ingest run`: the service, from the configuration to its exit code."""

from __future__ import annotations

import faulthandler
import os
import shlex
import sys
from contextlib import suppress
from functools import partial
from pathlib import Path

import click
import trio

from ingest.actors.connector import GaveUp
from ingest.cli.exits import GAVE_UP, complain, explained
from ingest.cli.options import configured, loaded
from ingest.cli.own_name import own_command


@click.command()
@configured
def run(config_path: Path | None, assignments: tuple[str, ...]) -> None:
    """Store every state change of a home, until told to stop.

    SIGTERM or Ctrl-C stores what is under way and ends; a second one ends at once. SIGHUP has the configuration read again,
    as `homeiq-ingest reload` does.
    """
    with explained():
        try:
            _run(config_path, assignments)
        except GaveUp as error:
            complain(str(error))
            sys.exit(GAVE_UP)


def _run(config_path: Path | None, assignments: tuple[str, ...]) -> None:
    from ingest.cli.reloading import Reloading  # noqa: PLC0415  the configuration is checked before
    from ingest.cli.service import serve_until_signalled  # noqa: PLC0415
    from ingest.cli.watchdog import Watchdog  # noqa: PLC0415
    from ingest.core.reports import Notice  # noqa: PLC0415
    from ingest.edge.accepting import accepting  # noqa: PLC0415
    from ingest.edge.journal import open_journal  # noqa: PLC0415
    from ingest.edge.notify import manager  # noqa: PLC0415
    from ingest.runtime.garbage import look_seldom  # noqa: PLC0415
    from ingest.runtime.lane import ThreadLane  # noqa: PLC0415
    from ingest.runtime.supervise import one_error  # noqa: PLC0415

    read = partial(loaded, config_path, assignments, for_running=True)
    found = read()
    journal = open_journal(found.settings.log.level, found.settings.log.format)
    for warning in found.warnings:
        journal(Notice(warning))
    # A watchdog ends the process with SIGABRT: the stacks of all threads then say what hung.
    with suppress(OSError, RuntimeError):  # where there is no standard error
        faulthandler.enable()
    with one_error(), accepting(journal):
        reloading = Reloading(read, found, journal.set_level, ThreadLane(abandon=True), _backfill(config_path))
        watchdog = Watchdog(manager(os.environ, api=found.settings.api.enabled))
        look_seldom()
        trio.run(serve_until_signalled, reloading, (journal,), watchdog)


def _backfill(config_path: Path | None) -> str:
    """How a person calls `backfill` for this service."""
    config = "" if config_path is None else f" --config {shlex.quote(str(config_path.absolute()))}"
    return f"{own_command()} backfill{config}"
