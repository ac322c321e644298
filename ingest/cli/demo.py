"""`homeiq-ingest demo`: a simulated home and the real service, over real sockets, with the embedded store."""

from __future__ import annotations

import math
import os
import shlex
import sys
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import click
from attrs import define, field, frozen

from ingest.cli.exits import explained
from ingest.cli.own_name import own_command
from ingest.core.point import Point
from ingest.core.reports import Report, Snapshot
from ingest.core.tally import Tally
from ingest.edge.lock import locked

LATEST = 8
"""Changes shown at once."""

FAVOURITE = "sensor.living_room_temperature"
"""Every simulated home has it, and its curve over a day is one that a person recognises."""


@frozen
class Glimpse:
    """One stored change, as it is shown."""

    moment: datetime
    entity_id: str
    state: str
    unit: str

    @classmethod
    def of(cls, point: Point) -> Glimpse:
        """The part of a point that fits on a line."""
        moment = datetime.fromtimestamp(point.time_ns // 1_000_000_000, UTC)
        return cls(moment, point.entity_id, point.state[:24], point.attributes.unit or "")


@frozen
class Scene:
    """What is played: into which file, for how many seconds, with how large a home, shown how."""

    path: Path
    seconds: float
    entities: int
    seed: int
    rich: bool


@define
class Board:
    """What the demo knows: the books, and the latest changes."""

    tally: Tally = field(factory=Tally)
    latest: deque[Glimpse] = field(factory=lambda: deque(maxlen=LATEST))
    entities: int = 0

    def add(self, report: Report) -> None:
        """Listen to the service."""
        self.tally.add(report)
        if isinstance(report, Snapshot):
            self.entities = report.entities

    def see(self, point: Point) -> None:
        """Look at a point on its way into the store."""
        self.latest.append(Glimpse.of(point))

    @property
    def received(self) -> int:
        """Changes that came in; the states of a snapshot that were stored already are not changes."""
        return self.tally.received - self.tally.repeated

    @property
    def agrees(self) -> bool:
        """True when every change received is stored."""
        return self.received == self.tally.stored > 0


@click.command()
@click.option("--seconds", type=click.FloatRange(min=1), help="End after so many seconds (else with Ctrl-C).")
@click.option("--entities", type=click.IntRange(8, 41_000), default=60, show_default=True, help="Size of the home.")
@click.option("--seed", type=int, default=1, show_default=True, help="Another number is another home.")
@click.option("--plain", is_flag=True, help="Lines instead of a live display.")
def demo(seconds: float | None, entities: int, seed: int, *, plain: bool) -> None:
    """Watch a simulated home being stored.

    A simulated Home Assistant plays its last 24 hours and goes on in real time; the service stores it in an SQLite
    file that you can look at afterwards.
    """
    click.echo(
        f"A simulated home of {entities:,} entities plays its last day, then goes on in real time. Ctrl-C ends it."
    )
    from ingest.cli.demo_stage import play  # noqa: PLC0415  something is on the screen before the imports

    rich = not plain and sys.stdout.isatty()
    board = Board()
    with explained(), _fresh_file() as path:
        play(board, Scene(path, math.inf if seconds is None else seconds, entities, seed, rich))
        epilogue(board, path)
    sys.exit(0 if board.agrees else 1)


@contextmanager
def _fresh_file() -> Iterator[Path]:
    """The file of the last demo, emptied: in the user's cache, where nobody else can have put anything."""
    path = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "homeiq-ingest" / "demo.db"
    with locked(path.with_name("demo"), remedy="Another demo is running: end it first."):
        for old in (each for name in (path, state_of(path)) for each in path.parent.glob(f"{name.name}*")):
            old.unlink(missing_ok=True)
        yield path


def state_of(path: Path) -> Path:
    """The demo's own state file."""
    return path.with_name("demo-state.db")


def epilogue(board: Board, path: Path) -> None:
    """Say what came in and what is stored, and what to do next."""
    verdict = "every one is stored" if board.agrees else "THEY DO NOT AGREE"
    click.echo(f"\nreceived {board.received:,} changes · stored {board.tally.stored:,} · {verdict}\n")
    command = own_command()
    click.echo("Look at what is stored:")
    click.echo(f"  {command} query {FAVOURITE} --since 1d --db {shlex.quote(str(path))}")
    click.echo("Store your own home:")
    click.echo(f"  {command} init")
