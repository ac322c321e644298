"""A client of `/ws` for the tests, over a real socket: every frame may be as wrong as a test wants it."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any

import trio
from attrs import define, field
from wsproto import ConnectionType, WSConnection
from wsproto.connection import ConnectionState
from wsproto.events import (
    AcceptConnection,
    BytesMessage,
    CloseConnection,
    Message,
    Ping,
    RejectConnection,
    RejectData,
    Request,
    TextMessage,
)
from wsproto.extensions import Extension


@define(eq=False)
class Talker:
    """`closed` is the code and the reason of the close frame, `refused` the status and the body of a refusal."""

    stream: trio.SocketStream
    closed: tuple[int, str | None] | None = None
    refused: tuple[int, bytes] | None = None
    extensions: Sequence[Extension] = ()
    pings: int = 0
    _ws: WSConnection = field(factory=lambda: WSConnection(ConnectionType.CLIENT))
    _texts: deque[str] = field(factory=deque)
    _part: str = ""
    _ended: bool = False

    async def open(self, host: str = "localhost", path: str = "/ws", **headers: str) -> Talker:
        extra = [(name.encode(), value.encode()) for name, value in headers.items()]
        asked = Request(host, path, extensions=list(self.extensions), extra_headers=extra)
        await self.stream.send_all(self._ws.send(asked))
        while self._ws.state is ConnectionState.CONNECTING and not self._ended:
            await self._read()
        return self

    async def say(self, message: object) -> None:
        """A text as it is, bytes as a binary message, anything else as JSON."""
        match message:
            case bytes():
                await self.stream.send_all(self._ws.send(BytesMessage(message)))
            case str():
                await self.stream.send_all(self._ws.send(TextMessage(message)))
            case _:
                await self.stream.send_all(self._ws.send(TextMessage(json.dumps(message))))

    async def say_in_parts(self, *parts: str) -> None:
        for number, part in enumerate(parts, 1):
            await self.stream.send_all(self._ws.send(TextMessage(part, message_finished=number == len(parts))))

    async def hear(self) -> dict[str, Any]:
        """The next message. Raises `EndOfChannel` when there will be none."""
        while not self._texts:
            if self._ended:
                raise trio.EndOfChannel
            await self._read()
        heard: dict[str, Any] = json.loads(self._texts.popleft())
        return heard

    async def ask(self, message: object) -> dict[str, Any]:
        """Say it, and hear the answer; events that come before it are dropped."""
        await self.say(message)
        while (answer := await self.hear())["type"] == "events":
            pass
        return answer

    async def events(self, count: int) -> list[dict[str, Any]]:
        """At least so many events."""
        heard: list[dict[str, Any]] = []
        while len(heard) < count:
            frame = await self.hear()
            assert frame["type"] == "events"
            heard += frame["events"]
        return heard

    async def end(self) -> None:
        """Read until the connection ends."""
        with suppress(trio.EndOfChannel, trio.BrokenResourceError):
            while True:
                await self.hear()

    async def _read(self) -> None:
        data = await self.stream.receive_some()
        if not data:
            self._ended = True
            return
        self._ws.receive_data(bytes(data))
        for event in self._ws.events():
            await self._take(event)

    async def _take(self, event: object) -> None:
        match event:
            case Message():
                self._part += event.data
                if event.message_finished:
                    self._texts.append(self._part)
                    self._part = ""
            case CloseConnection(code=code, reason=reason):
                self.closed = code, reason
            case Ping():
                self.pings += 1
                await self.stream.send_all(self._ws.send(event.response()))
            case RejectConnection(status_code=status):
                self.refused = status, b""
            case RejectData(data=data) if self.refused is not None:
                self.refused = self.refused[0], self.refused[1] + bytes(data)
                self._ended = event.body_finished
            case AcceptConnection(extensions=accepted):
                assert not accepted


@asynccontextmanager
async def talking(port: int, **headers: str) -> AsyncGenerator[Talker]:
    """A client that has been greeted."""
    stream = await trio.open_tcp_stream("127.0.0.1", port)
    async with stream:
        talker = await Talker(stream).open(**headers)
        assert (await talker.hear())["type"] == "connection"
        yield talker
