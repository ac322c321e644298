"""An ASGI application before another: what a client sends is read whole first, and there are bounds to it.

The other one never waits for a client that sends slowly, and never holds more of it than is allowed. It speaks HTTP/1 only:
in HTTP/2 a client says itself how much it takes, so whoever takes nothing would hold a connection for as long as it likes.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeAlias

import trio
from attrs import frozen

Message: TypeAlias = Mapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Any]]
Send: TypeAlias = Callable[[Any], Awaitable[None]]

Application: TypeAlias = Callable[..., Awaitable[None]]
"""An ASGI application."""

LONG_HEADER = b'{"error":"the header of the request is too large"}'
TOO_LARGE = b'{"error":"the body of the request is too large: no endpoint needs one"}'
TOO_SLOW = b'{"error":"the body of the request did not come in time"}'


class _Gone(Exception):  # noqa: N818  no error: who asked does not want to know any more
    """The client has gone before its request was whole."""


class _TooLarge(Exception):  # noqa: N818  never seen outside
    """The body has more bytes than are allowed."""


@frozen
class Bounded:
    """Of one connection. `header` and `body` in bytes, `reading` in seconds; `reset` ends the connection at once.

    Whoever reads the connection bounds only a header that is not whole yet: one that comes in one piece may be much larger.
    """

    app: Application
    header: int
    body: int
    reading: float
    reset: Callable[[], None]

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Answer 431, 413 or 408, or let the other one answer."""
        if not scope["http_version"].startswith("1"):
            self.reset()
        elif _header(scope) > self.header:
            await _refuse(send, 431, LONG_HEADER, "http" if scope["type"] == "http" else "websocket.http")
        elif scope["type"] == "http":
            await self._http(scope, receive, send)
        else:
            await self.app(scope, receive, send)

    async def _http(self, scope: Message, receive: Receive, send: Send) -> None:
        try:
            with trio.fail_after(self.reading):
                body = await self._read(scope, receive)
        except _TooLarge:
            await _refuse(send, 413, TOO_LARGE)
        except trio.TooSlowError:
            await _refuse(send, 408, TOO_SLOW)
        except _Gone:
            pass
        else:
            await self.app(scope, _replayed(body, receive), send)

    async def _read(self, scope: Message, receive: Receive) -> bytes:
        if _length(scope) > self.body:
            raise _TooLarge
        body = bytearray()
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise _Gone
            body += message.get("body", b"")
            if len(body) > self.body:
                raise _TooLarge
            if not message.get("more_body", False):
                return bytes(body)


def _header(scope: Message) -> int:
    """Bytes of the address and of every field, with what separates them."""
    fields = sum(len(name) + len(value) + 4 for name, value in scope["headers"])
    return len(scope["raw_path"]) + len(scope["query_string"]) + fields


def _length(scope: Message) -> int:
    """What the header promises; 0 when it promises nothing that could be understood."""
    for name, value in scope["headers"]:
        if name.lower() == b"content-length" and value.isdigit():
            return int(value)
    return 0


def _replayed(body: bytes, receive: Receive) -> Receive:
    """What was read already, then what comes."""
    told = False

    async def again() -> Any:
        nonlocal told
        if told:
            return await receive()
        told = True
        return {"type": "http.request", "body": body, "more_body": False}

    return again


async def _refuse(send: Send, status: int, body: bytes, way: str = "http") -> None:
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", b"%d" % len(body)),
        (b"connection", b"close"),
    ]
    await send({"type": f"{way}.response.start", "status": status, "headers": headers})
    await send({"type": f"{way}.response.body", "body": body})
