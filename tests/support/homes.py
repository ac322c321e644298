"""A simulated home on real sockets, in a thread of its own: for tests that call the commands as a person would."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import TypeVar

import trio
from attrs import frozen

from ingest.simulator.home import Home
from ingest.simulator.serve import LOOPBACK, listen
from ingest.simulator.server import Server
from tests.support.marked import secret

TOKEN = secret("home-assistant")
OTHER_TOKEN = secret("another-home-assistant")


T = TypeVar("T")


@frozen
class Running:
    """A home that listens on a loopback port."""

    port: int
    server: Server
    token: trio.lowlevel.TrioToken
    scope: trio.CancelScope

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def do(self, work: Callable[[], T]) -> T:
        """Do something in the home's own thread."""
        return trio.from_thread.run_sync(work, trio_token=self.token)

    def change(self, keys: Sequence[str], state: str) -> set[tuple[str, int]]:
        """Set the state of each key, all in one turn; the keys and their times in nanoseconds."""

        def work() -> set[tuple[str, int]]:
            made = [self.server.home.set(key, state, {}, force=True) for key in keys]
            changes = [change for change in made if change]
            self.server.emit(changes)
            return {(change.entity_id, change.fired * 1000) for change in changes}

        return self.do(work)


@contextmanager
def running_home(
    entities: int = 12,
    past: timedelta = timedelta(minutes=30),
    speed: float = 1.0,
    *,
    remember: bool = False,
    ahead: timedelta = timedelta(0),
) -> Iterator[Running]:
    """Serve a home while the block runs; its past is replayed to the first listener, then its time runs on.

    Its clock is `ahead` of ours.
    """
    told: queue.Queue[Running] = queue.Queue()
    home = Home(1, entities, datetime.now(UTC) - past + ahead, remember=remember)
    thread = threading.Thread(target=trio.run, args=(_serve, home, speed, told, ahead), daemon=True)
    thread.start()
    running = told.get(timeout=20)
    try:
        yield running
    finally:
        running.token.run_sync_soon(running.scope.cancel)
        thread.join(timeout=20)


async def _serve(home: Home, speed: float, told: queue.Queue[Running], ahead: timedelta) -> None:
    server = Server(home, token=TOKEN, now=lambda: datetime.now(UTC) + ahead, speed=speed)
    async with trio.open_nursery() as nursery:
        port = await nursery.start(listen, server, LOOPBACK, 0)
        nursery.start_soon(server.run)
        told.put(Running(port, server, trio.lowlevel.current_trio_token(), nursery.cancel_scope))
