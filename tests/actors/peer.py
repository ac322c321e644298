"""A small peer in memory for tests of single actors: it says what a test tells it to say."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import Any, TypeAlias

import trio
import trio.testing
import trio_websocket
from attrs import define, field

from ingest.actors.connection import Connection, Deadlines, connected
from ingest.core.conversation import Received
from ingest.edge.websocket import Dial, Socket, Target, open_socket
from ingest.errors import IngestError
from ingest.runtime.supervise import one_error
from tests.support.marked import secret

TARGET = Target("ws://home.test:8123/api/websocket")
TOKEN = secret("home-assistant")
VERSION = "2025.4.4"
DEADLINES = Deadlines()


@define(eq=False)
class Side:
    """The server's side of one connection; `heard` is every message the client sent on it."""

    socket: trio_websocket.WebSocketConnection
    heard: list[dict[str, Any]] = field(factory=list)

    async def say(self, *messages: object) -> None:
        """Send messages: a text as it is, anything else as JSON."""
        for message in messages:
            await self.socket.send_message(message if isinstance(message, str) else json.dumps(message))

    async def hear(self) -> dict[str, Any]:
        self.heard.append(json.loads(await self.socket.get_message()))
        return self.heard[-1]

    async def accept(self) -> None:
        """Authenticate whoever comes."""
        await self.say({"type": "auth_required", "ha_version": VERSION})
        await self.hear()
        await self.say({"type": "auth_ok", "ha_version": VERSION})

    async def answer(self, answers: Mapping[str, Reply]) -> None:
        """Answer commands for ever, by type; what is not named succeeds with null."""
        while True:
            message = await self.hear()
            reply = answers.get(message["type"], [ok()])
            for part in reply(message) if callable(reply) else reply:
                await self.say({**part, "id": message["id"]} if isinstance(part, dict) else part)


Reply: TypeAlias = Sequence[object] | Callable[[dict[str, Any]], Sequence[object]]
Act: TypeAlias = Callable[[Side], Awaitable[None]]


def ok(result: object = None) -> dict[str, object]:
    return {"type": "result", "success": True, "result": result}


def no(code: str) -> dict[str, object]:
    return {"type": "result", "success": False, "error": {"code": code, "message": f"no: {code}"}}


def answering(**answers: Reply) -> Act:
    """A peer that accepts and answers."""

    async def act(side: Side) -> None:
        await side.accept()
        await side.answer({"ping": [{"type": "pong"}], **answers})

    return act


@define(eq=False)
class Peer:
    """Every connection gets the next act, the last one again and again."""

    acts: Iterator[Act]
    nursery: trio.Nursery
    sides: list[Side] = field(factory=list)

    async def dial(self, _target: Target) -> trio.abc.Stream:
        await trio.lowlevel.checkpoint()
        mine, theirs = trio.testing.memory_stream_pair()
        self.nursery.start_soon(self._serve, theirs, next(self.acts))
        return mine

    async def open(self, nursery: trio.Nursery, target: Target) -> Socket:
        return await open_socket(nursery, target, self.dial)

    async def _serve(self, stream: trio.abc.Stream, act: Act) -> None:
        async with trio.open_nursery() as nursery:
            with suppress(trio_websocket.ConnectionClosed):
                request = await trio_websocket.wrap_server_stream(nursery, stream)
                side = Side(await request.accept())
                self.sides.append(side)
                await act(side)
                await side.socket.aclose()
            nursery.cancel_scope.cancel()


@asynccontextmanager
async def playing(*acts: Act) -> AsyncGenerator[Peer]:
    with one_error():
        async with trio.open_nursery() as nursery:
            yield Peer(_repeated(acts), nursery)
            nursery.cancel_scope.cancel()


def _repeated(acts: Sequence[Act]) -> Iterator[Act]:
    yield from acts
    while True:
        yield acts[-1]


@asynccontextmanager
async def connection(
    dialer: Dial,
    deliver: Callable[[Received], None] = lambda _: None,
    deadlines: Deadlines = DEADLINES,
    target: Target = TARGET,
) -> AsyncGenerator[Connection]:
    """A connection whose first error is the block's; what its tasks meet while it is left does not matter."""
    left = False
    try:
        with one_error():
            async with (
                trio.open_nursery() as nursery,
                connected(
                    nursery,
                    target,
                    TOKEN,
                    deliver,
                    deadlines=deadlines,
                    opener=partial(open_socket, dialer=dialer),
                    opened=lambda: None,
                ) as opened,
            ):
                yield opened
                left = True
                nursery.cancel_scope.cancel()
    except IngestError:
        if not left:
            raise
