"""The state file as commands use it: read beside the service, or changed while no service holds it.

A command that finds it held by a running service has that service do the work: `Runs` says where to ask.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import click

from ingest.config.destination import Spool
from ingest.edge.bring import Room
from ingest.edge.database_file import is_there
from ingest.edge.free_space import floor_at
from ingest.edge.lock import COMMAND, LOOK, Held, holder, locked
from ingest.edge.spool_bound import read_bound
from ingest.edge.sqlite import Connection
from ingest.edge.state import room
from ingest.edge.state_file import open_state
from ingest.edge.state_read import Absent
from ingest.errors import Refused, Transient


def room_in(chosen: Spool, connection: Connection | None = None) -> Room:
    """What the state file takes of what is put back, as the service last reckoned it. Raises `Transient`."""
    path, written = chosen.path, None if connection is None else read_bound(connection)
    try:
        return Room(path, written or room(path, chosen.size), floor_at(path, chosen.min_free))
    except OSError as error:
        raise Transient(f"the disk cannot be asked: {error.strerror}", where=str(path)) from error


def sent_when(kind: str) -> str:
    """How what is put back while no service runs gets to its database; `kind` is that of the configured store."""
    if kind == "influxdb":
        return "what is there goes out when the service runs, or with `spool replay`"
    return "what is there waits until a database is configured (influxdb.url)"


class Runs(Refused):
    """A service holds the file. `socket` is where it takes commands; None where it does not, or not yet."""

    socket: Path | None = None

    def wait(self, seconds: float) -> None:
        """Give a service that is only starting so long until it takes commands. Raises `Transient` when it ends instead."""
        end = time.monotonic() + seconds
        while self.socket is None and time.monotonic() < end:
            time.sleep(LOOK)
            if (word := holder(Path(self.where))) is None:
                raise Transient("the service has ended", where=self.where, remedy="Run this again.")
            self.socket = _socket(word)


def _socket(word: str) -> Path | None:
    return Path(word) if word.startswith("/") else None


@contextmanager
def stopped_service() -> Iterator[None]:
    """Say what to do when another process holds the file. Raises `Runs` or `Transient` for `Held`."""
    try:
        yield
    except Held as error:
        if error.by_service:
            remedy = "Stop the service, run this again, then start the service."
            runs = Runs("a running service holds the state file", where=error.where, remedy=remedy)
            runs.socket = _socket(error.word)
            raise runs from error
        who = "another command" if error.word == COMMAND.word else "another process"
        remedy = "Run this again when it has ended."
        raise Transient(f"{who} holds the state file", where=error.where, remedy=remedy) from error


@contextmanager
def held(path: Path, *, new: bool = False) -> Iterator[Connection]:
    """A writing connection, and the lock. A missing file is made only when it may be `new`.

    Raises `Absent`, or `Runs` when a service holds it, or `Transient` or `Refused` when it cannot be used now.
    """
    if not new and not is_there(path):
        raise Absent("there is no state file", where=str(path), remedy="Nothing waits and nothing was refused.")
    with stopped_service(), locked(path, remedy="", by=COMMAND):
        connection, aside = open_state(path, time.time_ns)
        if aside is not None:
            click.echo(aside.report().text(), err=True)
        with closing(connection):
            yield connection
