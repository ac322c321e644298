"""Putting a server on real sockets, or in memory."""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import datetime, timedelta

import trio

from ingest.simulator.faults import Script
from ingest.simulator.home import Home
from ingest.simulator.memory import WINDOW, MemoryStream, pair
from ingest.simulator.script import perform
from ingest.simulator.server import Server

LOOPBACK = "127.0.0.1"


class Peer:
    """A server in memory. `connect` is what opening a TCP connection would be."""

    def __init__(self, server: Server, nursery: trio.Nursery, *, window: int = WINDOW) -> None:
        self.server = server
        self._nursery = nursery
        self._window = window

    async def connect(self) -> MemoryStream:
        """Return the client's end of a new connection. Raises `ConnectionRefusedError` while the server is down."""
        await trio.lowlevel.checkpoint()
        if not self.server.accepting.value:
            raise ConnectionRefusedError("[simulated] connection refused")
        ours, theirs = pair(self._window)
        self._nursery.start_soon(self.server.handle, ours)
        return theirs


def clock(start: datetime) -> Callable[[], datetime]:
    """Return a wall clock that starts at `start` and runs with trio's clock, hence with a virtual one too."""
    begun = trio.current_time()
    return lambda: start + timedelta(seconds=trio.current_time() - begun)


async def serve(
    home: Home,
    *,
    token: str,
    now: Callable[[], datetime],
    port: int = 0,
    host: str = LOOPBACK,
    script: Script = (),
    speed: float = 1.0,
    pace: float = math.inf,
    task_status: trio.TaskStatus[int] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Serve a home on a port, 0 for any free one, until cancelled; reports the port when it listens.

    `speed`: how many times as fast as ours its time goes. `pace`: how many changes a second it plays of its past at most.
    """
    server = Server(home, token=token, now=now, speed=speed, pace=pace)
    async with trio.open_nursery() as nursery:
        port = await nursery.start(listen, server, host, port)
        nursery.start_soon(server.run)
        nursery.start_soon(perform, server, script)
        task_status.started(port)


async def listen(
    server: Server, host: str, port: int, task_status: trio.TaskStatus[int] = trio.TASK_STATUS_IGNORED
) -> None:
    """Listen whenever the server accepts; while it does not, nobody listens and the kernel refuses."""
    async with trio.open_nursery() as connections:
        while True:
            await server.accepting.until(bool)
            listeners = await trio.open_tcp_listeners(port, host=host)
            port = listeners[0].socket.getsockname()[1]
            task_status.started(port)
            task_status = trio.TASK_STATUS_IGNORED
            async with trio.open_nursery() as nursery:
                nursery.start_soon(_accept, server, listeners, connections)
                await server.accepting.until(lambda accepting: not accepting)
                nursery.cancel_scope.cancel()


async def _accept(server: Server, listeners: list[trio.SocketListener], connections: trio.Nursery) -> None:
    await trio.serve_listeners(server.handle, listeners, handler_nursery=connections)
