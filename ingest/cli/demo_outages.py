"""The demo's outages. Both are real: a lock on the store's file that another connection holds, and a stopped service."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import TypeAlias

import trio

from ingest.cli.demo import Acts
from ingest.cli.demo_board import Board
from ingest.edge.sqlite import Connection, open_writer, translated
from ingest.errors import Transient
from ingest.runtime.lane import Lane, ThreadLane

PATIENCE = 15.0
"""Seconds that the next outage waits until the last one is over."""

ATTEMPTS = 5
"""To get the lock that the service takes for every batch; each waits a second for it."""

Obstacle: TypeAlias = Callable[[], AbstractAsyncContextManager[None]]


async def until_the_stop(
    acts: Acts, begun: float, board: Board, obstacle: Obstacle, settled: Callable[[], Awaitable[None]]
) -> None:
    """Let the store fail; return when the service is to be stopped, not before it has recovered.

    `settled` waits until nothing waits for the store any more.
    """
    await trio.sleep_until(begun + acts.lock)
    try:
        async with obstacle():
            board.news(f"The demo locks the store's file for {acts.locked:.2g} s: nothing can be written to it.")
            await trio.sleep(acts.locked)
    except Transient as problem:
        board.news("The demo could not lock the store's file:")
        board.news(problem.what)
    else:
        await _recovery(board, settled)
    await trio.sleep_until(begun + acts.stop)
    board.news("The service is stopped, as by SIGTERM; the home goes on without it.")
    board.restarts()


async def _recovery(board: Board, settled: Callable[[], Awaitable[None]]) -> None:
    since = trio.current_time()
    board.news("The lock is gone.")
    with trio.move_on_after(PATIENCE):
        await settled()
        took = trio.current_time() - since
        stored = f"All {board.waited:,} points that waited are stored, {took:.1f} s later."
        board.news(stored if board.waited else "Nothing had to wait for it.")


@asynccontextmanager
async def locked_file(path: Path, lane: Lane | None = None) -> AsyncGenerator[None]:
    """Hold SQLite's write lock on a file, as any other program may; readers are not disturbed. Raises `Transient`."""
    lane = lane or ThreadLane()
    connection = await lane(open_writer, path)
    try:
        await lane(_seize, connection, path)
        yield
    finally:
        with trio.CancelScope(shield=True):  # it only lets the lock go
            await lane(connection.close)


def _seize(connection: Connection, path: Path) -> None:
    for attempt in range(1, ATTEMPTS + 1):
        try:
            with translated(path):
                connection.execute("BEGIN IMMEDIATE")
        except Transient:
            if attempt == ATTEMPTS:
                raise
        else:
            return
