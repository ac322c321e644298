"""An HTTP server for an ASGI application, in the caller's nursery: the one module that knows `hypercorn`.

hypercorn's own worker shields what it sends: with one client that does not read, a cancellation took 11.5 s. So its
protocol runs here per connection over a stream of our own, whose `send_all` has its own deadline and whose end comes at
once when the connection is cancelled: the socket is reset, which wakes whoever waits for it. The kernel holds little of
what is sent, so that it is soon seen who does not read.

Nothing here can end the service: an error of one connection is told, and the others go on.
"""

from __future__ import annotations

import socket
import struct
import sys
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias

import trio
from attrs import define, field, frozen

from ingest.edge.bounded import Application, Bounded
from ingest.edge.websocket_server import tame
from ingest.errors import Refused
from ingest.runtime.supervise import one_error

if TYPE_CHECKING:
    from hypercorn.config import Config
    from hypercorn.trio.worker_context import WorkerContext

LAST_WORDS = 0.5
"""Seconds to answer a client that has asked and said that it will ask no more."""

Complain: TypeAlias = Callable[[str], None]

_AT_ONCE = struct.pack("ii", 1, 0)
"""SO_LINGER: what was not sent is forgotten."""


@frozen
class Limits:
    """Seconds for one send, for a connection without a whole request, for a body, and between two pings of a WebSocket.

    `connections` at the same time; `header` and `body` are the bytes that either may have: nobody needs to send a body at
    all. `buffer`: bytes that the kernel holds for a connection (it reckons with twice as many).
    """

    send: float = 5.0
    idle: float = 15.0
    ping: float = 20.0
    connections: int = 320
    reading: float = 10.0
    header: int = 16_384
    body: int = 65_536
    buffer: int = 256 * 1024


async def listen(host: str, port: int) -> Sequence[trio.SocketListener]:
    """Open the listening sockets; port 0 takes a free one. Raises `Refused` when that cannot be done."""
    try:
        return await trio.open_tcp_listeners(port, host=host)
    except (OSError, UnicodeError) as error:
        raise Refused(
            f"cannot listen: {getattr(error, 'strerror', None) or error}",
            where=f"{host} port {port}",
            remedy="Stop what listens there, or set api.port or api.host.",
        ) from error


def url_of(listener: trio.SocketListener) -> str:
    """Where a listener can be reached."""
    host, port, *_ = listener.socket.getsockname()
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


async def serve(
    application: Application,
    listeners: Sequence[trio.SocketListener],
    complain: Complain,
    limits: Limits = Limits(),
) -> None:
    """Serve until cancelled, then close everything at once. `complain` is told of errors, a sentence each."""
    from hypercorn.trio.worker_context import WorkerContext  # noqa: PLC0415  only where it is used

    tamed = partial(_tamed, application)
    server = _Server(tamed, _config(limits, complain), WorkerContext(None), complain, limits)
    await trio.serve_listeners(server.connection, list(listeners))


async def _tamed(application: Application, scope: Any, receive: Any, send: Any) -> None:
    """The application, before which a WebSocket is made fit for it: `send` is bound to what hypercorn holds of one."""
    if scope["type"] == "websocket":
        tame(send.__self__)
    await application(scope, receive, send)


def _config(limits: Limits, complain: Complain) -> Config:
    from hypercorn.config import Config  # noqa: PLC0415  only where it is used

    config = Config()
    # It runs until the header is whole, too: a byte a second does not stop it.
    config.keep_alive_timeout = limits.idle
    config.h11_max_incomplete_size = limits.header
    config.websocket_ping_interval = limits.ping
    config.include_server_header = False
    # hypercorn makes one of `config`; its types know only its own class.
    config.logger_class = partial(_Log, complain)  # type: ignore[assignment]
    return config


@define(eq=False)
class _Log:
    """hypercorn's log: its errors are told, the rest is nobody's business."""

    complain: Complain
    config: Any

    async def access(self, *_: object) -> None:
        pass

    debug = info = access

    async def exception(self, message: str, *_: object, **__: object) -> None:
        self.complain(f"{message}: {sys.exc_info()[1]!r}")

    async def error(self, message: str, *_: object, **__: object) -> None:
        self.complain(message)

    warning = critical = error


@define(eq=False)
class _Server:
    """What the connections share."""

    application: Application
    config: Config
    context: WorkerContext
    complain: Complain
    limits: Limits
    open: int = 0

    async def connection(self, raw: trio.SocketStream) -> None:
        stream = _Stream(raw, self.limits.send)
        if self.open >= self.limits.connections:
            stream.reset()
            return
        self.open += 1
        try:
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, self.limits.buffer)
            with one_error():
                await self._converse(stream)
        except Exception as error:  # noqa: BLE001  one connection's error is not the service's
            self.complain(f"a connection to the API failed: {error!r}")
        finally:
            self.open -= 1

    async def _converse(self, stream: _Stream) -> None:
        from hypercorn.app_wrappers import ASGIWrapper  # noqa: PLC0415  only where it is used
        from hypercorn.trio.tcp_server import TCPServer  # noqa: PLC0415
        from hypercorn.typing import ConnectionState  # noqa: PLC0415

        state = ConnectionState({})
        # Typed for TLS; it only uses what a Stream has, and `socket`.
        limits = self.limits
        bounded = ASGIWrapper(Bounded(self.application, limits.header, limits.body, limits.reading, stream.reset))
        server = TCPServer(bounded, self.config, self.context, state, stream)  # type: ignore[arg-type]
        async with trio.open_nursery() as nursery:
            nursery.start_soon(stream.end, nursery.cancel_scope)
            await server.run()
            nursery.cancel_scope.cancel()


@define(eq=False)
class _Stream(trio.abc.Stream):
    """A connection whose other end must read in time."""

    raw: trio.SocketStream
    deadline: float
    socket: trio.socket.SocketType = field(init=False)
    gone: trio.Event = field(factory=trio.Event)

    def __attrs_post_init__(self) -> None:
        self.socket = self.raw.socket

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        # hypercorn tells the application that the client is gone; where that has no room for it, nobody ends the rest.
        try:
            with trio.fail_after(self.deadline):
                await self.raw.send_all(data)
        except trio.TooSlowError as error:
            self.reset()
            raise trio.BrokenResourceError("the other end does not read") from error
        except trio.BrokenResourceError:
            self.gone.set()
            raise

    async def wait_send_all_might_not_block(self) -> None:
        await self.raw.wait_send_all_might_not_block()

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        data = b""
        try:
            data = bytes(await self.raw.receive_some(max_bytes))
        finally:
            if not data:
                self.gone.set()
        return data

    async def aclose(self) -> None:
        self.gone.set()
        await self.raw.aclose()

    def reset(self) -> None:
        self.gone.set()
        if self.socket.fileno() != -1:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _AT_ONCE)
            self.socket.close()

    async def end(self, conversation: trio.CancelScope) -> None:
        """End the conversation soon after the other end has; hypercorn would wait for its idle time first."""
        try:
            await self.gone.wait()
            await trio.sleep(LAST_WORDS)
            conversation.cancel()
        finally:
            self.reset()
