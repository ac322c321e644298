"""A simulated home on real sockets, in a thread of its own: for tests that call the commands as a person would."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial

import trio
from attrs import frozen

from ingest.simulator.home import Home
from ingest.simulator.serve import serve

TOKEN = "0123456789abcdef" * 4
OTHER_TOKEN = "fedcba9876543210" * 4


@frozen
class Running:
    """A home that listens on a loopback port."""

    port: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


@contextmanager
def running_home(entities: int = 12, past: timedelta = timedelta(minutes=30), speed: float = 1.0) -> Iterator[Running]:
    """Serve a home while the block runs; its past is replayed to the first listener, then its time runs on."""
    told: queue.Queue[tuple[int, trio.lowlevel.TrioToken, trio.CancelScope]] = queue.Queue()
    thread = threading.Thread(target=trio.run, args=(_serve, entities, past, speed, told), daemon=True)
    thread.start()
    port, token, scope = told.get(timeout=20)
    try:
        yield Running(port)
    finally:
        token.run_sync_soon(scope.cancel)
        thread.join(timeout=20)


async def _serve(
    entities: int,
    past: timedelta,
    speed: float,
    told: queue.Queue[tuple[int, trio.lowlevel.TrioToken, trio.CancelScope]],
) -> None:
    home = Home(1, entities, datetime.now(UTC) - past)
    async with trio.open_nursery() as nursery:
        port = await nursery.start(partial(serve, home, token=TOKEN, now=partial(datetime.now, UTC), speed=speed))
        told.put((port, trio.lowlevel.current_trio_token(), nursery.cancel_scope))
