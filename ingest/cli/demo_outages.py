"""The demo's outages. All are real: a lock that another connection holds, a process stopped and killed, a closed socket."""

from __future__ import annotations

import signal
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import TypeAlias

import trio
from attrs import frozen

from ingest.cli.demo import Acts
from ingest.cli.demo_board import Board
from ingest.cli.demo_service import Service
from ingest.edge.sqlite import Connection, open_writer, translated
from ingest.errors import Transient
from ingest.runtime.lane import Lane, ThreadLane

PATIENCE = 20.0
"""Seconds that the next outage waits until the last one is over."""

ATTEMPTS = 5
"""To get the lock that the service takes for every batch; each waits a second for it."""

Obstacle: TypeAlias = Callable[[], AbstractAsyncContextManager[None]]
Restart: TypeAlias = Callable[[], Awaitable[None]]


@frozen
class Outages:
    """What the acts need: the service, its store's `obstacle`, and how Home Assistant restarts."""

    acts: Acts
    board: Board
    service: Service
    obstacle: Obstacle
    restart: Restart

    async def play(self) -> None:
        """One after the other; each begins when the one before is mended."""
        await self.board.connected.until(bool)
        await trio.sleep(self.acts.first)
        await self._lock()
        await trio.sleep(self.acts.calm)
        await self._service_away("stopped, as by SIGTERM; the home goes on without it", signal.SIGTERM)
        await trio.sleep(self.acts.calm)
        await self._service_away("killed, by SIGKILL: what it holds in memory is gone", signal.SIGKILL)
        await trio.sleep(self.acts.calm)
        await self._restart()

    async def _lock(self) -> None:
        board = self.board
        try:
            async with self.obstacle():
                board.news(
                    f"The demo locks the store's file for {self.acts.locked:.2g} s: nothing can be written to it."
                )
                await trio.sleep(self.acts.locked)
                waited, met = board.waiting, bool(board.trouble)
        except Transient as problem:
            board.news("The demo could not lock the store's file:")
            board.news(problem.what)
            return
        board.news("The lock is gone.")
        if not met:
            board.news("Nothing had to wait for it.")
            return
        since = board.clock()
        if await self._caught_up():
            board.news(f"All {waited:,} changes that waited are stored, {board.clock() - since:.1f} s later.")

    async def _service_away(self, how: str, ask: signal.Signals) -> None:
        board, before = self.board, self.board.mended.value
        connected, since = board.connected.value, board.clock()
        board.news(f"The service is {how}.")
        with board.without("the service is down, the home goes on"):
            await self.service.end(ask)
            await trio.sleep(self.acts.away)
            await self.service.start()
            with trio.move_on_after(PATIENCE):
                await board.connected.until(lambda count: count > connected)
        board.news(f"It runs again and is subscribed: {board.clock() - since:.1f} s without the service.")
        await self._mended(before)

    async def _restart(self) -> None:
        board, before = self.board, self.board.mended.value
        connected, since = board.connected.value, board.clock()
        board.news("Home Assistant restarts.")
        with board.without("Home Assistant restarts"):
            await self.restart()
            with trio.move_on_after(PATIENCE):
                await board.connected.until(lambda count: count > connected)
        board.news(f"It is back, and the service is subscribed: {board.clock() - since:.1f} s without it.")
        await self._mended(before)

    async def _mended(self, before: int) -> None:
        """An outage is survived when its gap lacks nothing."""
        board, whole = self.board, self.board.whole
        with trio.move_on_after(PATIENCE):
            await board.mended.until(lambda count: count > before)
        board.survived += board.whole > whole

    async def _caught_up(self) -> bool:
        """True when all that has happened by now is stored."""
        board, target = self.board, self.board.seen.value.happened
        with trio.move_on_after(PATIENCE):
            await board.seen.until(lambda look: look.stored >= target)
            board.survived += 1
            return True
        return False


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
