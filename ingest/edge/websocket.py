"""A WebSocket to Home Assistant: the one module that knows `trio-websocket`.

What replaces it must offer: text messages up to 64 MiB, a bounded queue, large reads (256 KiB cost a quarter of 4 KiB per event),
no `permessage-deflate` (it triples the latency), a stream of ours underneath. Foreign errors leave as `Transient` or `Refused`.
"""

from __future__ import annotations

import ssl
from collections import deque
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TypeAlias
from urllib.parse import urlsplit

import h11
import trio
import trio_websocket
import wsproto.utilities
from attrs import define, frozen

from ingest.core.certificates import trust
from ingest.core.gathering import Text
from ingest.core.secret import masked
from ingest.edge.gathered import Gathered, TakeTexts
from ingest.edge.reason import reach, reason
from ingest.edge.websocket_rejected import address, check, foreign, rejected
from ingest.errors import IngestError, Refused, Transient

RECEIVE_BUFFER = 256 * 1024
QUEUED_MESSAGES = 16
"""Messages, small ones joined, that trio-websocket holds; while it is full no ping is answered: never let it wait."""

CLOSING = 1.0
"""Seconds for a polite goodbye."""


@frozen
class Target:
    """Where a WebSocket leads: `ws://` or `wss://`; `tls` None for plain. For `pause` seconds what trickles in is gathered."""

    url: str
    tls: ssl.SSLContext | None = None
    max_message_size: int = 64 * 1024 * 1024
    pause: float = 0.0

    @property
    def host(self) -> str:
        """Host name or address, without brackets; empty when the URL has none."""
        return urlsplit(self.url).hostname or ""

    @property
    def port(self) -> int:
        """The port that the URL gives, else 443 for `wss` and 80 for `ws`."""
        parts = urlsplit(self.url)
        return parts.port or (443 if parts.scheme == "wss" else 80)

    @property
    def authority(self) -> str:
        """Host and port as the `Host` header names them: an IPv6 address keeps its brackets."""
        return urlsplit(self.url).netloc

    @property
    def path(self) -> str:
        """The path that is asked for; `/` when the URL has none."""
        return urlsplit(self.url).path or "/"


Dial: TypeAlias = Callable[[Target], Awaitable[trio.abc.Stream]]
Open: TypeAlias = "Callable[[trio.Nursery, Target], Awaitable[Socket]]"


async def dial(target: Target) -> trio.abc.Stream:
    """A TCP connection to the target, with TLS when it asks for it."""
    stream = await trio.open_tcp_stream(target.host, target.port)
    if target.tls is None:
        return stream
    secured = trio.SSLStream(stream, target.tls, server_hostname=target.host, https_compatible=True)
    try:
        await secured.do_handshake()
    except BaseException:
        await trio.aclose_forcefully(stream)
        raise
    return secured


class Socket(trio.abc.AsyncResource):
    """An open WebSocket: text out, text in. `where` is its address."""

    def __init__(self, connection: trio_websocket.WebSocketConnection, stream: Gathered, where: str) -> None:
        self._connection = connection
        self._stream = stream
        self._texts: deque[Text] = deque()
        self.where = where

    @property
    def heard(self) -> float:
        """When the last bytes arrived, whole message or not, in seconds of trio's clock."""
        return self._stream.last

    async def send(self, text: str) -> None:
        """Send one message. Raises `Transient` when the connection is gone."""
        self._stream.hurry()
        with _translated(self.where):
            await self._connection.send_message(text)

    async def receive(self) -> Text:
        """The next text message; a binary one is an empty text. Raises `Transient` when the connection is gone."""
        self._texts.extend(await self.receive_all())
        return self._texts.popleft()

    async def receive_all(self) -> Sequence[Text]:
        """The next text messages: those that arrived together, at least one. Raises as `receive` does."""
        if self._texts:
            return [self._texts.popleft() for _ in range(len(self._texts))]
        with _translated(self.where):
            message = await self._connection.get_message()
        return self._stream.apart(message)

    async def tell(self, told: TakeTexts) -> None:
        """Tell the texts that arrive, for ever. Raises as `receive` does, and what `told` raises."""
        with self._stream.telling(told):
            while True:
                told(await self.receive_all())

    async def aclose(self) -> None:
        """Say goodbye when the peer listens, and close."""
        self._stream.end()
        try:
            with trio.move_on_after(CLOSING):
                await self._connection.aclose()
        finally:
            await trio.aclose_forcefully(self._stream)


async def open_socket(nursery: trio.Nursery, target: Target, dialer: Dial = dial) -> Socket:
    """Connect; the socket's reading task lives in the caller's nursery, and the caller sets the deadline.

    Raises `Transient` or `Refused`.
    """
    with _translated(target.url):
        stream = Gathered(await dialer(target), target.max_message_size, target.pause)
        try:
            connection = await _handshake(nursery, stream, target)
        except BaseException:
            await trio.aclose_forcefully(stream)
            raise
    return Socket(connection, stream, target.url)


async def _handshake(
    nursery: trio.Nursery, stream: trio.abc.Stream, target: Target
) -> trio_websocket.WebSocketConnection:
    with trio.CancelScope() as opening:
        reading = _Reading(nursery, target.url, opening)
        return await trio_websocket.wrap_client_stream(
            reading,  # type: ignore[arg-type]  # of a nursery it uses only `start_soon`
            stream,  # type: ignore[arg-type]  # annotated as a socket's, written for any stream
            target.authority,
            target.path,
            message_queue_size=QUEUED_MESSAGES,
            max_message_size=target.max_message_size,
            receive_buffer_size=RECEIVE_BUFFER,
        )
    remedy = f"If it stays so: {address(target.url)}."
    raise reading.error or Transient("the connection was closed before it was open", where=target.url, remedy=remedy)


@define(eq=False)
class _Reading:
    """Stands in for the caller's nursery, where trio-websocket's reading task lives.

    That task raises what it meets (an HTTP status, bytes that are no HTTP) where nobody could tell whose it is, and
    says nothing when the connection ends before it is open: then the opener waits for ever. So it is watched: before
    the connection is open, whatever ends the task is the opener's.
    """

    nursery: trio.Nursery
    where: str
    opening: trio.CancelScope
    error: IngestError | None = None

    def start_soon(self, task: Callable[[], Awaitable[None]]) -> None:
        self.nursery.start_soon(self._run, task, name=f"socket {self.where}")

    async def _run(self, task: Callable[[], Awaitable[None]]) -> None:
        try:
            with _translated(self.where):
                await task()
        except IngestError as error:
            self.error = error
        self.opening.cancel()


@contextmanager
def _translated(where: str) -> Iterator[None]:
    try:
        yield
    except trio_websocket.ConnectionRejected as error:
        raise rejected(error.status_code, dict(error.headers or ()), where) from error
    except trio_websocket.ConnectionClosed as error:
        raise _closed(error.reason, where) from error
    except (ssl.SSLError, trio.BrokenResourceError) as error:
        raise _tls_failed(error, where) from error
    except (h11.ProtocolError, wsproto.utilities.ProtocolError) as error:
        raise foreign(where) from error
    except UnicodeError as error:
        raise Refused("no host can have this name", where=where, remedy=check(where)) from error
    except OSError as error:
        raise Transient(f"the address cannot be reached: {reason(error)}", where=where, remedy=reach(error)) from error
    except (trio.ClosedResourceError, trio_websocket.HandshakeError) as error:
        raise Transient(reason(error), where=where) from error


def _closed(reason: trio_websocket.CloseReason | None, where: str) -> Transient:
    if reason is None or reason.code == 1006:
        return Transient("the connection broke", where=where)
    if reason.code == 1009:
        return Transient("a message was too large for us", where=where, remedy="Raise home_assistant.max_message_size.")
    said = f"{reason.code} {masked(reason.reason or reason.name)}"
    return Transient(f"the connection was closed by Home Assistant ({said})", where=where)


def _tls_failed(error: Exception, where: str) -> Refused | Transient:
    cause = error if isinstance(error, ssl.SSLError) else error.__cause__
    if isinstance(cause, ssl.SSLCertVerificationError):
        remedy = trust(cause.verify_message, "home_assistant")
        return Refused(f"the TLS certificate is not trusted: {cause.verify_message}", where=where, remedy=remedy)
    remedy = "Does the server speak TLS on this port? If not, write http:// or ws:// in the address."
    if isinstance(cause, ssl.SSLEOFError | ssl.SSLZeroReturnError):  # which one depends on the version of Python
        return Transient("the connection broke before TLS was agreed", where=where, remedy=remedy)
    if isinstance(cause, ssl.SSLError):
        return Refused(f"TLS failed: {cause.reason or cause}", where=where, remedy=remedy)
    return Transient("the connection broke", where=where)
