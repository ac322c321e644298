"""Home Assistant, played by the simulator, whose events were written beforehand.

The simulator answers everything (authentication, registries, states, pings); only the events go past it, as finished
WebSocket frames, so that sending one costs next to nothing and the other processor is never the bottleneck.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from datetime import UTC, datetime
from functools import partial

import trio

from ingest.runtime.watch import Watch
from ingest.simulator.home import Home
from ingest.simulator.instance import HomeAssistant, Send
from ingest.simulator.server import Server
from scripts.benchmark.account import Account, Failed
from scripts.benchmark.traffic import Chunk

TOKEN = "0123456789abcdef" * 8
"""Of the form of the supervisor's tokens."""


LOOPBACK = "127.0.0.1"

LARGE = 1024 * 1024
"""Bytes from which a frame is worth mentioning: no client of a library with defaults would take it."""


class Turns(trio.abc.Stream):
    """A stream that two tasks may send on, each whole piece in its turn. `sizes` are those of its largest pieces."""

    def __init__(self, stream: trio.SocketStream) -> None:
        self._stream = stream
        self._turn = trio.Lock()
        self.sizes: list[int] = []

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        """Send the piece when it is its turn; nothing of another comes in between."""
        if len(data) > LARGE:
            self.sizes.append(len(data))
        async with self._turn:
            await self._stream.send_all(data)

    async def wait_send_all_might_not_block(self) -> None:
        """Wait for the socket, or for its sender."""
        async with self._turn:
            await self._stream.wait_send_all_might_not_block()

    async def receive_some(self, max_bytes: int | None = None) -> bytes | bytearray:
        """Receive what there is, as the socket below does."""
        return await self._stream.receive_some(max_bytes)

    async def aclose(self) -> None:
        """Close the socket below."""
        await self._stream.aclose()


class Listened(HomeAssistant):
    """Remembers under which id somebody last subscribed to state changes; 0 for nobody."""

    def __init__(self, home: Home) -> None:
        super().__init__(home, TOKEN)
        self.subscription = Watch(0)

    def listen(self, event_type: str | None, key: tuple[int, int], send: Send) -> None:
        """Take a subscription, and remember its id."""
        super().listen(event_type, key, send)
        if event_type == "state_changed":
            self.subscription.set(key[1])


class Peer:
    """Serves the home on a loopback port. It stands still: nothing happens in it but what is sent."""

    def __init__(self, home: Home) -> None:
        self._server = Server(home, token=TOKEN, now=lambda: datetime.now(UTC))
        self._instance = self._server.instance = Listened(home)
        self._lines: list[Turns] = []

    async def serve(self, nursery: trio.Nursery) -> int:
        """Listen on a free port of loopback; return the port."""
        listeners = await nursery.start(partial(trio.serve_tcp, self._handle, 0, host=LOOPBACK))
        port: int = listeners[0].socket.getsockname()[1]
        return port

    async def _handle(self, stream: trio.SocketStream) -> None:
        line = Turns(stream)
        self._lines.append(line)
        await self._server.handle(line)

    @property
    def states(self) -> int:
        """How many states a snapshot holds."""
        return len(self._instance.home.states)

    @property
    def largest(self) -> list[int]:
        """The sizes of the large frames that were sent, in bytes, the largest first."""
        return sorted((size for line in self._lines for size in line.sizes), reverse=True)

    async def subscribed(self) -> int:
        """Wait for a client that listens to state changes; return its subscription's id."""
        return await self._instance.subscription.until(bool)

    async def send(self, chunks: Iterable[Chunk], account: Account) -> None:
        """Send the events to that client as fast as the account's window allows. Raises `Failed` when it goes away."""
        for chunk in chunks:
            await account.room()
            await self._send(chunk)
            account.sent += chunk.events

    async def pace(self, chunks: Iterable[Chunk], account: Account, rate: float) -> None:
        """Send the events to that client, so many a second. Raises `Failed` when it goes away.

        Each is late from when it was due: a client that holds the sender up would else hide what waits behind.
        """
        begun, before = time.perf_counter(), account.sent
        for chunk in chunks:
            due = begun + (account.sent - before) / rate
            await trio.sleep(max(0.0, due - time.perf_counter()))
            account.send(chunk.events, due)
            await self._send(chunk)

    async def _send(self, chunk: Chunk) -> None:
        (client,) = self._server.clients("live")
        try:
            await client.line.stream.send_all(chunk.data)
        except (trio.BrokenResourceError, trio.ClosedResourceError) as error:
            raise Failed("the service broke the connection") from error
