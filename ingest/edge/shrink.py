"""A state file gives back what a drained backlog leaves empty in it: in small steps, each a short piece in the lane."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import trio

from ingest.edge.sqlite import pragma, translated
from ingest.edge.state import State
from ingest.errors import Transient

SPARE: Final = 4 * 1024 * 1024
"""Bytes that stay free inside the file: what comes next will use them."""

STEP: Final = 256
"""Pages given back at once."""

PAUSE: Final = 0.05
"""Seconds between two steps, for puts and claims."""


async def shrink(state: State, sound: Callable[[], bool]) -> None:
    """Give back what is free and not `SPARE`, while the file is `sound`. Raises what `translated` says."""
    try:
        freed = 0
        while sound() and (given := await state.lane(give_back, state)):
            freed += given
            await trio.sleep(PAUSE)
        if freed:
            await state.lane(_cut, state)
    except trio.BrokenResourceError as error:
        raise Transient("the service is stopping", where=str(state.path)) from error


def give_back(state: State) -> int:
    """One step; returns how many pages the file has less. Raises `Transient`, `Refused` or `Damaged`."""
    connection = state.connection
    with translated(state.path):
        before = int(pragma(connection, "freelist_count"))
        excess = before - SPARE // int(pragma(connection, "page_size"))
        if excess <= 0:
            return 0
        # A script, because it runs a statement to its end: `execute` would free one page and stop.
        connection.executescript(f"PRAGMA incremental_vacuum({min(STEP, excess)})")
        return before - int(pragma(connection, "freelist_count"))


def _cut(state: State) -> None:
    """The file itself becomes smaller when its log is written back."""
    with translated(state.path):
        state.connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
