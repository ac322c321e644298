"""A Supervisor between an app and Home Assistant: its proxy, as supervisor/api/proxy.py of home-assistant/supervisor has it.

    app ── ws://supervisor/core/websocket, http://supervisor/core/api/… ──▶ Supervisor ── /api/… ──▶ Home Assistant

It greets by itself and looks at the app's token, says `auth_ok` before it has reached Home Assistant, logs in there with a
token of its own, and passes whole messages on. While Home Assistant is not RUNNING it answers 502 to everything.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

import h11
import trio
from attrs import define, field
from wsproto import ConnectionType, WSConnection
from wsproto.events import (
    AcceptConnection,
    CloseConnection,
    Event,
    Ping,
    Request,
    TextMessage,
)
from wsproto.utilities import LocalProtocolError

from ingest.runtime.watch import Watch

WEBSOCKET = "/core/websocket"
API = "/core/api/"


@define(eq=False)
class Leg:
    """One of the two WebSockets."""

    stream: trio.abc.Stream
    socket: WSConnection
    _events: deque[Event] = field(factory=deque)
    _turn: trio.Lock = field(factory=trio.Lock)

    async def send(self, event: Event) -> None:
        async with self._turn:
            await self.stream.send_all(self.socket.send(event))

    async def say(self, message: dict[str, Any]) -> None:
        await self.send(TextMessage(json.dumps(message)))

    async def event(self) -> Event:
        while not self._events:
            data = bytes(await self.stream.receive_some(65_536))
            if not data:
                raise trio.BrokenResourceError("it hung up")
            self.socket.receive_data(data)
            self._events.extend(self.socket.events())
        return self._events.popleft()

    async def text(self) -> str:
        """The next whole message. A ping is answered here, as each leg of the real one does."""
        parts = ""
        while True:
            event = await self.event()
            if isinstance(event, Ping):
                await self.send(event.response())
            elif isinstance(event, CloseConnection):
                raise trio.BrokenResourceError("it said goodbye")
            elif isinstance(event, TextMessage):
                parts += event.data
                if event.message_finished:
                    return parts

    async def hear(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(await self.text())
        return found

    async def close(self) -> None:
        with suppress(trio.BrokenResourceError, trio.ClosedResourceError, LocalProtocolError), trio.move_on_after(1):
            await self.send(CloseConnection(1000))
        await trio.aclose_forcefully(self.stream)


@define(eq=False)
class Supervisor:
    """`connect` opens a connection to Home Assistant, `core_token` is good there and `app_token` here.

    `running`: Home Assistant says that it is RUNNING. What came is counted: `opened` WebSockets, requests `refused` with 401 or
    `auth_invalid`, and those `unready` with 502; `asked` are the paths of REST.
    """

    connect: Callable[[], Awaitable[trio.abc.Stream]]
    app_token: str
    core_token: str
    running: Callable[[], bool] = lambda: True
    version: str = "2026.11.0"
    opened: int = 0
    refused: int = 0
    unready: int = 0
    asked: list[str] = field(factory=list)
    accepting: Watch[bool] = field(factory=lambda: Watch(True))

    async def handle(self, stream: trio.abc.Stream) -> None:
        """One connection of an app."""
        connection = h11.Connection(h11.SERVER)
        try:
            request, body = await _request(stream, connection)
            path = request.target.decode()
            if not self.running():
                self.unready += 1
                await _answer(stream, connection, 502, b"502: Bad Gateway")
            elif path == WEBSOCKET:
                await self._websocket(stream, request)
            elif path.startswith(API):
                self.asked.append(path)
                await self._rest(stream, connection, request, body)
            else:
                await _answer(stream, connection, 404, b"404: Not Found")
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            pass
        finally:
            await trio.aclose_forcefully(stream)

    async def _websocket(self, stream: trio.abc.Stream, request: h11.Request) -> None:
        socket = WSConnection(ConnectionType.SERVER)
        socket.initiate_upgrade_connection(list(request.headers), request.target.decode())
        assert [type(each) for each in socket.events()] == [Request]
        app = Leg(stream, socket)
        await app.send(AcceptConnection())
        await app.say({"type": "auth_required", "ha_version": self.version})
        said = await app.hear()
        if (said.get("api_password") or said.get("access_token")) != self.app_token:
            self.refused += 1
            await app.say({"type": "auth_invalid", "message": "Invalid access"})
            await app.close()
            return
        await app.say({"type": "auth_ok", "ha_version": self.version})
        self.opened += 1
        try:
            core = await self._to_core()
        except OSError:
            await app.close()
            return
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_pass_on, core, app, nursery.cancel_scope)
            nursery.start_soon(_pass_on, app, core, nursery.cancel_scope)
        with trio.CancelScope(shield=True):
            await core.close()
            await app.close()

    async def _to_core(self) -> Leg:
        core = Leg(await self.connect(), WSConnection(ConnectionType.CLIENT))
        await core.send(Request(host="homeassistant:8123", target="/api/websocket"))
        assert isinstance(await core.event(), AcceptConnection)
        assert (await core.hear())["type"] == "auth_required"
        await core.say({"type": "auth", "access_token": self.core_token})
        assert (await core.hear())["type"] == "auth_ok"
        return core

    async def _rest(
        self, stream: trio.abc.Stream, connection: h11.Connection, request: h11.Request, body: bytes
    ) -> None:
        given = dict(request.headers)
        if given.get(b"authorization", b"").split(b" ")[-1].decode() != self.app_token:
            self.refused += 1
            await _answer(stream, connection, 401, b"401: Unauthorized")
            return
        upstream, core = await self.connect(), h11.Connection(h11.CLIENT)
        headers = [
            ("Host", "homeassistant:8123"),
            ("Authorization", f"Bearer {self.core_token}"),
            ("Content-Type", given.get(b"content-type", b"application/octet-stream").decode()),
            ("Content-Length", str(len(body))),
        ]
        target = "/api/" + request.target.decode().removeprefix(API)
        head = core.send(h11.Request(method=request.method, target=target, headers=headers)) or b""
        data = core.send(h11.Data(data=body)) or b""
        await upstream.send_all(head + data + (core.send(h11.EndOfMessage()) or b""))
        response, answer = await _received(upstream, core)
        assert isinstance(response, h11.Response)
        await trio.aclose_forcefully(upstream)
        await _answer(stream, connection, response.status_code, answer)


async def _pass_on(source: Leg, target: Leg, both: trio.CancelScope) -> None:
    with suppress(trio.BrokenResourceError, trio.ClosedResourceError, LocalProtocolError):
        while True:
            await target.send(TextMessage(await source.text()))
    both.cancel()


async def _request(stream: trio.abc.Stream, connection: h11.Connection) -> tuple[h11.Request, bytes]:
    request, body = await _received(stream, connection)
    assert isinstance(request, h11.Request)
    return request, body


async def _received(stream: trio.abc.Stream, connection: h11.Connection) -> tuple[object, bytes]:
    """A head, and the body that follows it."""
    head, body = None, b""
    while True:
        event = connection.next_event()
        if event is h11.NEED_DATA:
            data = bytes(await stream.receive_some(65_536))
            connection.receive_data(data)
            if not data and head is None:
                raise trio.BrokenResourceError("it hung up")
        elif isinstance(event, h11.Data):
            body += bytes(event.data)
        elif isinstance(event, h11.Request | h11.Response):
            head = event
        elif isinstance(event, h11.EndOfMessage) or event is h11.PAUSED:
            return head, body


async def _answer(stream: trio.abc.Stream, connection: h11.Connection, status: int, body: bytes) -> None:
    headers = [
        ("Content-Type", "text/plain; charset=utf-8"),
        ("Content-Length", str(len(body))),
        ("Connection", "close"),
    ]
    head = connection.send(h11.Response(status_code=status, headers=headers)) or b""
    data = connection.send(h11.Data(data=body)) or b""
    await stream.send_all(head + data + (connection.send(h11.EndOfMessage()) or b""))
