"""`homeiq-ingest demo`: a simulated home and the real service, a process of its own, with the embedded store."""

from __future__ import annotations

import math
import os
import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click
from attrs import frozen

from ingest.cli.demo_board import Board
from ingest.cli.exits import FAILED, explained
from ingest.cli.own_name import own_command
from ingest.edge.lock import locked

FAVOURITE = "sensor.living_room_temperature"
"""Every simulated home has it, and its curve over a day is one that a person recognises."""

SHORTEST = 20.0
"""Seconds of a demo in which the outages have room."""

LOGS = ("", "-wal", "-shm")


@frozen
class Acts:
    """The outages, in seconds: when the first comes, how long it is calm between two, and how long each lasts.

    The service is `away` when it was stopped and killed, and so is Home Assistant, which is `starting` afterwards.
    """

    first: float = 4.0
    calm: float = 1.5
    locked: float = 2.5
    away: float = 1.5
    starting: float = 1.0

    @classmethod
    def within(cls, seconds: float) -> Acts | None:
        """Those of a demo of that length; they take half a minute, less where everything answers at once."""
        if seconds < SHORTEST:
            return None
        return cls() if seconds >= SHORTEST * 1.5 else cls(first=2.0, calm=0.5)


@frozen
class Scene:
    """What is played: into which file, for how many seconds, with how large a home, shown how, with what outages."""

    path: Path
    seconds: float
    entities: int
    seed: int
    rich: bool
    acts: Acts | None = None

    @property
    def state(self) -> Path:
        """The service's state file."""
        return self.path.with_name("demo-state.db")

    @property
    def config(self) -> Path:
        """The service's configuration file."""
        return self.path.with_name("demo.toml")


@click.command()
@click.option("--seconds", type=click.FloatRange(min=1), help="End after this many seconds (otherwise with Ctrl-C).")
@click.option("--entities", type=click.IntRange(8, 41_000), default=60, show_default=True, help="Size of the home.")
@click.option("--seed", type=int, default=1, show_default=True, help="Another number makes another home.")
@click.option("--plain", is_flag=True, help="Lines instead of a live display.")
def demo(seconds: float | None, entities: int, seed: int, *, plain: bool) -> None:
    """Watch a simulated home being stored, through four outages.

    A simulated Home Assistant plays its last 24 hours and continues in real time; the service stores it in an SQLite
    file that you can look at afterwards. On the way something else locks that file, so that nothing can be written; the
    service is stopped, then killed with SIGKILL; and Home Assistant restarts. What was missed is filled in from Home
    Assistant's history. Less than twenty `--seconds` leave no room for that.
    """
    length = math.inf if seconds is None else seconds
    acts = Acts.within(length)
    prologue(entities, acts)
    from ingest.cli.demo_stage import play  # noqa: PLC0415  something is on the screen before the imports

    rich = not plain and sys.stdout.isatty()
    board = Board()
    with explained(), _fresh_file() as path:
        play(board, Scene(path, length, entities, seed, rich, acts))
        epilogue(board, path)
    sys.exit(0 if board.agrees else FAILED)


@contextmanager
def _fresh_file() -> Iterator[Path]:
    """The file of the last demo, emptied: in the user's cache, where nobody else can have put anything."""
    path = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "homeiq-ingest" / "demo.db"
    with locked(path.with_name("demo"), remedy="Another demo is running: end it first."):
        for name in ("demo.db", "demo-state.db"):
            for log in LOGS:
                path.with_name(name + log).unlink(missing_ok=True)
        yield path


def prologue(entities: int, acts: Acts | None) -> None:
    """Print what the demo is going to show; None: it is too short for the outages."""
    click.echo(f"A simulated home of {entities:,} entities plays its last day, then continues live.")
    if acts is None:
        click.echo(f"Too short for the outages: they need at least --seconds {SHORTEST:.0f}.")
    else:
        click.echo("Four outages follow: its store is locked, the service is stopped, then killed,")
        click.echo("and Home Assistant restarts.")
    click.echo("Ctrl-C ends it.\n")


def epilogue(board: Board, path: Path) -> None:
    """Say what came in and what is stored, and what to do next."""
    click.echo(f"\n{board.verdict()}\n")
    command = own_command()
    click.echo("Look at what is stored:")
    click.echo(f"  {command} query {FAVOURITE} --since 1d --db {shlex.quote(str(path))}")
    click.echo("Store your own home:")
    click.echo(f"  {command} init")
