"""The figures as a person reads them: medians with their spread, wide enough to be pasted."""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from statistics import median
from typing import TypeAlias

import click
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Column, Table

MIB = 1024 * 1024

Piece: TypeAlias = Table | str

WIDTH = 130


def simple(title: str, *columns: Column) -> Table:
    """A table with a line under its heading."""
    return Table(*columns, title=title or None, title_justify="left", title_style="bold", box=SIMPLE_HEAD)


def figures(title: str, *headings: str) -> Table:
    """A table of rows that have a name and then figures."""
    columns = (Column(heading, justify="right", no_wrap=True) for heading in headings)
    return simple(title, Column(no_wrap=True), *columns)


def spread(values: Sequence[float], form: str) -> str:
    """The median, and the least and the most when there are several."""
    if len(values) == 1:
        return f"{values[0]:{form}}"
    return f"{median(values):{form}}  ({min(values):{form}} – {max(values):{form}})"


def machine() -> str:
    """Where the figures come from, and how busy it was with other things."""
    load = " ".join(f"{value:.1f}" for value in os.getloadavg())
    return f"Python {platform.python_version()} on {os.cpu_count()} processors, load average {load}"


def show(*pieces: Piece) -> None:
    """Print them, without the blanks that fill a table's lines."""
    console = Console(width=WIDTH, highlight=False)
    with console.capture() as shown:
        for piece in pieces:
            console.print(piece)
    print("\n".join(line.rstrip() for line in shown.get().splitlines()), flush=True)


def say(what: str) -> None:
    """Tell on standard error what is being done."""
    click.echo(f"bench: {what} …", err=True)


def took(table: str, seconds: float) -> None:
    """Tell on standard error how long a table was made."""
    click.echo(f"bench: {table} took {seconds / 60:.1f} min", err=True)
