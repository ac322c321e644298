"""How far a long command is: a bar on a terminal, a line now and then otherwise; with rate and estimate where time tells."""

from __future__ import annotations

import io
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TextIO, cast

import click
from attrs import define, frozen

LINE_EVERY = 5.0
"""Seconds between two lines of progress where there is no terminal."""

Tell = Callable[[int], None]


class _Present(io.TextIOBase):
    """Standard error as it is at the time of writing: a bar takes its place while it is shown, and stays below."""

    def write(self, text: str) -> int:
        return sys.stderr.write(text)

    def flush(self) -> None:
        sys.stderr.flush()

    def isatty(self) -> bool:
        return sys.stderr.isatty()


def above_the_bar() -> TextIO:
    """Standard error for a log that begins before a bar is shown: its lines go above it."""
    return cast("TextIO", _Present())


@contextmanager
def telling(doing: str, total: int, of: str) -> Iterator[Tell]:
    """A function to call with how many are done. `of` says what they are and how exact the total is."""
    if not sys.stderr.isatty():
        yield _Lines(f"of {of.format(f'{total:,}')}").tell
        return
    from rich.console import Console  # noqa: PLC0415  only where it is used
    from rich.progress import Progress  # noqa: PLC0415

    with Progress(console=Console(stderr=True)) as bar:
        task = bar.add_task(doing, total=total)
        yield lambda done: bar.update(task, completed=done)


@define
class _Lines:
    rest: str
    last: float = 0.0

    def tell(self, done: int) -> None:
        now = time.monotonic()
        if now - self.last >= LINE_EVERY:
            self.last = now
            click.echo(f"{done:,} {self.rest}", err=True)


@frozen
class Step:
    """How far something is: the `share` that is done, from 0 to 1, and how many `states` came. `seconds` on some clock.

    `of`: what they are, when they are no states.
    """

    share: float = 0.0
    states: int = 0
    seconds: float = 0.0
    of: str = "states"

    def rate(self, since: Step) -> float:
        """States a second between that earlier step and this one."""
        return (self.states - since.states) / max(self.seconds - since.seconds, 1e-3)

    def left(self, since: Step) -> float | None:
        """Seconds until everything is done, if it goes on like that; None when nobody can tell."""
        gained = self.share - since.share
        return (self.seconds - since.seconds) * (1 - self.share) / gained if gained > 0 else None


Show = Callable[[float, int], None]


@contextmanager
def filling(doing: str = "filling", of: str = "states") -> Iterator[Show]:
    """A function to call with the share that is done and how many states came, or what else there are `of`."""
    if not sys.stderr.isatty():
        yield _Steps(of=of).show
        return
    from rich.console import Console  # noqa: PLC0415  only where it is used
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn  # noqa: PLC0415

    columns = (TextColumn(doing), BarColumn(), TaskProgressColumn(), TextColumn("{task.description}"))
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task("", total=1.0)
        steps = _Steps(lambda share, said: bar.update(task, completed=share, description=said), 0.0, of)
        yield steps.show


def _line(share: float, said: str) -> None:
    click.echo(f"{share:.0%}, {said}", err=True)


@define
class _Steps:
    say: Callable[[float, str], None] = _line
    every: float = LINE_EVERY
    of: str = "states"
    _first: Step | None = None
    _last: float = 0.0

    def show(self, share: float, states: int) -> None:
        step = Step(share, states, time.monotonic(), self.of)
        first = self._first = self._first or step
        if step.seconds - self._last >= self.every:
            self._last = step.seconds
            self.say(share, said(step, first))


def said(step: Step, first: Step) -> str:
    """What came, its rate and the time that is left, as a person reads it."""
    left = step.left(first)
    parts = [f"{step.states:,} {step.of}"]
    parts += [f"{step.rate(first):,.0f} a second"] if step.states > first.states else []
    parts += [f"about {_time(left)} left"] if left is not None and step.share < 1 else []
    return ", ".join(parts)


def _time(seconds: float) -> str:
    return (
        f"{seconds:.0f} s"
        if seconds < 90
        else f"{seconds / 60:.0f} min"
        if seconds < 5400
        else f"{seconds / 3600:.1f} h"
    )
