"""What is shown of the demo: a live picture on a terminal, a line a second anywhere else; news above or between."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING

import trio

from ingest.cli.demo_board import WIDTH, Board, Glimpse
from ingest.core.words import cut

if TYPE_CHECKING:
    from rich.console import RenderableType

LOOK = 0.25
"""Seconds between two looks of the live display."""


async def live_display(board: Board) -> None:
    """Draw the latest changes until cancelled."""
    with _screen(board) as update:
        while True:
            update(_picture(board))
            await trio.sleep(LOOK)


@contextmanager
def _screen(board: Board) -> Iterator[Callable[[RenderableType], None]]:
    from rich.live import Live  # noqa: PLC0415  heavy

    tell = board.tell
    with Live(auto_refresh=False) as live:
        board.tell = partial(live.console.print, highlight=False, markup=False)  # above the picture
        try:
            yield partial(live.update, refresh=True)
        finally:
            board.tell = tell


def _picture(board: Board) -> RenderableType:
    from rich.console import Group  # noqa: PLC0415  heavy
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    table = Table.grid(padding=(0, 2))
    for overflow in ("crop", "ellipsis", "ellipsis"):
        table.add_column(no_wrap=True, overflow=overflow)
    for glimpse in board.seen.value.latest:
        table.add_row(f"{_local(glimpse):%a %H:%M:%S}", glimpse.entity_id, glimpse.value)
    status = f"{_headline(board)}{_apart(board.condition)}"
    return Group(Text(status, style="bold", no_wrap=True, overflow="ellipsis"), table)


async def plain_lines(board: Board) -> None:
    """Say how things are every second in which they changed, until cancelled."""
    last = ""
    while True:
        await trio.sleep(4 * LOOK)
        now = line(board)
        if now != last:
            board.tell(now)
        last = now


def line(board: Board) -> str:
    """How things are, in `WIDTH` columns."""
    head = _headline(board)
    latest = board.seen.value.latest
    if board.condition or not latest:
        return cut(f"{head}{_apart(board.condition)}", WIDTH)
    last = latest[-1]
    head = f"{head}   {_local(last):%H:%M:%S}  "
    value = f"  {last.value}"
    return cut(head + cut(last.entity_id, WIDTH - len(head) - len(value)) + value, WIDTH)


def _headline(board: Board) -> str:
    return f"happened {board.seen.value.happened:>7,} · stored {board.seen.value.stored:>7,}"


def _apart(condition: str) -> str:
    return condition and f" · {condition}"


def _local(glimpse: Glimpse) -> datetime:
    return glimpse.moment.astimezone()
