"""How far a long command is: a bar on a terminal, a line now and then otherwise."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import click
from attrs import define

LINE_EVERY = 5.0
"""Seconds between two lines of progress where there is no terminal."""

Tell = Callable[[int], None]


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
