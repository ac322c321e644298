"""A plain WebSocket client for the tests, over any stream: what a program of an hour's work would be."""

from __future__ import annotations

import json
from collections import deque
from typing import Any

import trio
from wsproto import ConnectionType, WSConnection
from wsproto.events import AcceptConnection, CloseConnection, Ping, Request, TextMessage

from ingest.simulator.home import Home
from ingest.simulator.serve import Peer, clock
from ingest.simulator.server import Server
from ingest.simulator.values import moment
from tests.support.marked import secret

TOKEN = secret("home-assistant")


class Caller:
    """Reads whole frames; `closed` is the close code once the server said goodbye, `frames` the lengths of arrays."""

    def __init__(self, stream: trio.abc.Stream, *, pong: bool = True) -> None:
        self.stream = stream
        self.closed: int | None = None
        self.frames: list[int] = []
        self._ws = WSConnection(ConnectionType.CLIENT)
        self._messages: deque[dict[str, Any]] = deque()
        self._text = ""
        self._id = 0
        self._pong = pong

    async def open(self) -> dict[str, Any]:
        await self.stream.send_all(self._ws.send(Request(host="home", target="/api/websocket")))
        return await self.hear()

    async def say(self, message: object) -> None:
        text = message if isinstance(message, str) else json.dumps(message)
        await self.stream.send_all(self._ws.send(TextMessage(text)))

    async def login(self, *, coalesce: bool = False) -> Caller:
        await self.open()
        await self.say({"type": "auth", "access_token": TOKEN})
        assert (await self.hear())["type"] == "auth_ok"
        if coalesce:
            await self.ask("supported_features", features={"coalesce_messages": 1})
        return self

    async def ask(self, kind: str, **fields: object) -> dict[str, Any]:
        """Send a command and return its answer; events that come before it are dropped."""
        self._id += 1
        await self.say({"id": self._id, "type": kind, **fields})
        while (answer := await self.hear()).get("id") != self._id or answer["type"] == "event":
            pass
        return answer

    async def hear(self) -> dict[str, Any]:
        """Return the next message. Raises `EndOfChannel` when there will be none."""
        while not self._messages:
            data = await self.stream.receive_some()
            if not data:
                raise trio.EndOfChannel
            self._ws.receive_data(bytes(data))
            await self._take()
        return self._messages.popleft()

    async def events(self, count: int) -> list[dict[str, Any]]:
        heard: list[dict[str, Any]] = []
        while len(heard) < count:
            message = await self.hear()
            if message["type"] == "event":
                heard.append(message["event"])
        return heard

    async def rest(self) -> list[dict[str, Any]]:
        """Return every message until the end of the connection."""
        heard = []
        try:
            while True:
                heard.append(await self.hear())
        except (trio.EndOfChannel, trio.BrokenResourceError):
            return heard

    async def _take(self) -> None:
        for event in self._ws.events():
            match event:
                case TextMessage():
                    self._text += event.data
                    if event.message_finished:
                        self._keep()
                case CloseConnection():
                    self.closed = event.code
                    await self.stream.send_all(self._ws.send(event.response()))
                    raise trio.EndOfChannel
                case Ping() if self._pong:
                    await self.stream.send_all(self._ws.send(event.response()))
                case AcceptConnection() | Ping():
                    pass

    def _keep(self) -> None:
        text, self._text = self._text, ""
        frame = json.loads(text)
        together = frame if isinstance(frame, list) else [frame]
        self.frames.append(len(together))
        self._messages.extend(together)


def server_of(home: Home, *, ahead: float = 0.0) -> Server:
    """A server whose clock stands `ahead` seconds after the home's start, and runs with trio's."""
    return Server(home, token=TOKEN, now=clock(moment(home.start + int(ahead * 1_000_000))))


async def caller(peer: Peer, *, coalesce: bool = False) -> Caller:
    """A client that is logged in."""
    return await Caller(await peer.connect()).login(coalesce=coalesce)


async def listener(peer: Peer, *, coalesce: bool = True) -> Caller:
    """A client that listens to state changes."""
    client = await caller(peer, coalesce=coalesce)
    await client.say({"id": 1000, "type": "subscribe_events", "event_type": "state_changed"})
    client._id = 1000
    while (await client.hear()).get("id") != 1000:
        pass
    return client
