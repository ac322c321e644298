"""A bad line between two programs: a TCP proxy that does on command what networks do.

    client ══▶ proxy ══▶ server        "up" is what the client says
           ◀══       ◀══               "down" is what the server answers

It runs in a thread of its own; `become` takes effect at once, on the connections that stand and on those that come.
"""

from __future__ import annotations

import queue
import socket
import struct
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal, TypeAlias, get_args

import trio
import trio.testing
from attrs import define, field

from ingest.runtime.supervise import one_error
from ingest.runtime.watch import Watch
from tests.live.lab import free_port

Weather: TypeAlias = Literal["fair", "refuse", "cut", "stall", "swallow", "trickle", "delay", "cut answer"]
"""What the line does.

fair        passes everything on
refuse      nobody listens, and who is connected is reset
cut         the next answer ends in its middle, with a reset
stall       nothing moves until the weather changes, then all of it arrives
swallow     everything disappears, and nobody hangs up: these connections are half-open for ever
trickle     a byte at a time
delay       everything comes late
cut answer  what the client says arrives, the answer does not: the connection is reset in its place
"""

WEATHERS: tuple[Weather, ...] = get_args(Weather)
CHUNK = 64 * 1024
LATE = 0.3
"""Seconds that everything comes late in `delay`."""

DRIP = 0.005
"""Seconds between two bytes in `trickle`."""

RESET = struct.pack("ii", 1, 0)
"""SO_LINGER: closing sends a reset."""


class _Reset(Exception):  # noqa: N818  how a connection ends
    pass


@define(eq=False)
class _Connection:
    client: trio.SocketStream
    server: trio.SocketStream | None = None
    half_open: bool = False
    scope: trio.CancelScope = field(factory=trio.CancelScope)


@define(eq=False)
class Proxy:
    """Before the server on `upstream`. `met` counts which weather connections have met."""

    upstream: int
    port: int = 0
    met: Counter[Weather] = field(factory=Counter)
    connections: set[_Connection] = field(factory=set)
    _weather: Watch[Weather] = field(factory=lambda: Watch[Weather]("fair"))
    _token: trio.lowlevel.TrioToken | None = None
    _end: trio.Event = field(factory=trio.Event)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def become(self, weather: Weather) -> None:
        """Change the weather. Connections that a `swallow` left half-open stay so; `reset` ends them."""
        trio.from_thread.run_sync(self._become, weather, trio_token=self._token)

    def reset(self) -> None:
        """Reset every connection that stands."""
        trio.from_thread.run_sync(self._reset, trio_token=self._token)

    def _become(self, weather: Weather) -> None:
        self._weather.set(weather)
        if weather == "refuse":
            self.met["refuse"] += 1
            self._reset()
        if weather == "swallow":
            for connection in self.connections:
                self._swallow(connection)

    def _reset(self) -> None:
        for connection in self.connections:
            connection.scope.cancel()

    def _swallow(self, connection: _Connection) -> None:
        self.met["swallow"] += not connection.half_open
        connection.half_open = True

    async def _serve(self, told: queue.Queue[Proxy]) -> None:
        self.port = free_port()
        self._token = trio.lowlevel.current_trio_token()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._listen, nursery)
            await trio.testing.wait_all_tasks_blocked()
            told.put(self)
            await self._end.wait()
            nursery.cancel_scope.cancel()

    async def _listen(self, nursery: trio.Nursery) -> None:
        while True:
            await self._weather.until(lambda weather: weather != "refuse")
            listeners = await trio.open_tcp_listeners(self.port, host="127.0.0.1")
            async with trio.open_nursery() as listening:
                listening.start_soon(self._accept, listeners, nursery)
                await self._weather.until(lambda weather: weather == "refuse")
                listening.cancel_scope.cancel()

    async def _accept(self, listeners: list[trio.SocketListener], nursery: trio.Nursery) -> None:
        await trio.serve_listeners(self._handle, listeners, handler_nursery=nursery)

    async def _handle(self, client: trio.SocketStream) -> None:
        connection = _Connection(client)
        self.connections.add(connection)
        if self._weather.value == "swallow":
            self._swallow(connection)
        try:
            with connection.scope, one_error(_Reset, OSError, trio.BrokenResourceError):
                await self._connect(connection)
        except (_Reset, OSError, trio.BrokenResourceError, trio.ClosedResourceError):
            pass
        finally:
            self.connections.discard(connection)
            with trio.CancelScope(shield=True):  # else a cancel ends this after the first of the two
                for stream in (connection.client, connection.server):
                    if stream is not None:
                        stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
                        await trio.aclose_forcefully(stream)

    async def _connect(self, connection: _Connection) -> None:
        server = connection.server = await trio.open_tcp_stream("127.0.0.1", self.upstream)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._pump, connection, connection.client, server)
            nursery.start_soon(self._pump, connection, server, connection.client)

    async def _pump(self, connection: _Connection, source: trio.SocketStream, sink: trio.SocketStream) -> None:
        while chunk := await source.receive_some(CHUNK):
            if not connection.half_open:
                await self._pass_on(connection, chunk, sink)
        if connection.half_open:
            await trio.sleep_forever()  # nobody hangs up a half-open connection
        await sink.send_eof()

    async def _pass_on(self, connection: _Connection, chunk: bytes, sink: trio.SocketStream) -> None:
        weather, down = self._weather.value, sink is connection.client
        self.met[weather] += 1
        match weather:
            case "stall":
                await self._weather.until(lambda now: now != "stall")
            case "delay":
                await trio.sleep(LATE)
            case "trickle":
                chunk = await self._trickle(chunk, sink)
            case "cut" if down:
                await sink.send_all(chunk[: len(chunk) // 2])
                raise _Reset
            case "cut answer" if down:
                raise _Reset
        if not connection.half_open:
            await sink.send_all(chunk)

    async def _trickle(self, chunk: bytes, sink: trio.SocketStream) -> bytes:
        """Send bytes one by one while the weather lasts; returns what is left."""
        for number in range(len(chunk)):
            if self._weather.value != "trickle":
                return chunk[number:]
            await sink.send_all(chunk[number : number + 1])
            await trio.sleep(DRIP)
        return b""


@contextmanager
def proxy(upstream: int) -> Iterator[Proxy]:
    """A proxy before a server on that loopback port, while the block runs."""
    told: queue.Queue[Proxy] = queue.Queue()
    made = Proxy(upstream)
    thread = threading.Thread(target=trio.run, args=(made._serve, told), daemon=True)
    thread.start()
    told.get(timeout=20)
    try:
        yield made
    finally:
        trio.from_thread.run_sync(made._end.set, trio_token=made._token)
        thread.join(timeout=20)
