"""`/ws`: live events for whoever subscribes, and an answer to every message.

A client has two tasks: one hears what it says and answers at once, one sends what waits for it. A client that does not
read its answers is not heard any more; after 5 s of one send (`edge/http_server.py`) its connection is reset.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final
from uuid import uuid4

import trio
from attrs import define, field
from starlette.routing import BaseRoute, WebSocketRoute
from starlette.websockets import WebSocket

from ingest import __version__
from ingest.config.service import Api
from ingest.core.ws_messages import Conversation, Quota
from ingest.edge.http_server import Limits
from ingest.runtime.supervise import one_error
from ingest.web.audience import Audience
from ingest.web.listeners import REASONS, Client
from ingest.web.seats import Seats

POLICY, BUG = 1008, 1011
"""The close codes: of whoever reads too slowly, and of everybody after a bug of ours."""

CALM: Final = 0.1
"""Seconds before the next message of a client that says too much is heard: it waits in that client's own socket."""


@define(eq=False)
class Live:
    """The endpoint. `complain` is told of clients that are dropped, a sentence each."""

    audience: Audience
    api: Api
    complain: Callable[[str], None]
    limits: Limits = field(factory=Limits)
    seats: Seats = field(factory=Seats)

    def routes(self) -> list[BaseRoute]:
        """What is answered, by path."""
        return [WebSocketRoute("/ws", self.seats.within(self.answer))]

    async def answer(self, websocket: WebSocket) -> None:
        """One client, until it goes or must go."""
        client = self.audience.enter()
        try:
            await websocket.accept()
            await self._converse(websocket, client)
            if client.dropped is not None:
                self.complain(f"a client of /ws was dropped: {REASONS[client.dropped]}")
                await websocket.close(BUG if client.dropped == "broken" else POLICY, REASONS[client.dropped])
        finally:
            self.audience.leave(client)

    async def _converse(self, websocket: WebSocket, client: Client) -> None:
        """Until it has gone, or is dropped."""
        with one_error():
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._listen, websocket, client, nursery.cancel_scope)
                while (text := await self.audience.next(client)) is not None:
                    await self._say(websocket, client, text)
                nursery.cancel_scope.cancel()

    async def _listen(self, websocket: WebSocket, client: Client, both: trio.CancelScope) -> None:
        quota = Quota(self.api.rate_limit_messages, self.api.rate_limit_window)
        conversation = Conversation(quota, lambda: str(uuid4()))
        await self._say(websocket, client, conversation.greeting(self.audience.now(), __version__))
        while True:
            message = await websocket.receive()
            if message["type"] != "websocket.receive":
                both.cancel()
                return
            answer = conversation.hear(message.get("text"), trio.current_time(), self.audience.now())
            # What the answer promises holds when it is heard; frames are sent in order, and none is made in between.
            self.audience.choose(client, conversation.channels)
            await self._say(websocket, client, answer)
            if conversation.had_too_many:
                await trio.sleep(CALM)

    async def _say(self, websocket: WebSocket, client: Client, text: str) -> None:
        begun = trio.current_time()
        try:
            await websocket.send_text(text)
        finally:  # cancelled, where more was said to us than hypercorn holds: it cannot tell us that the client is gone
            if trio.current_time() - begun >= self.limits.send:
                self.audience.drop(client, "stalled")
