"""Servers that say back what they were told, the token most of all: who prints their words prints that."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import msgspec
import trio
import trio_websocket
from attrs import define, field

from tests.edge.answering import Reply, Request

WAYS = ("refused", "page", "elsewhere", "moved", "lines", "broken", "hung")
"""How a server may say it back; the last one hangs up."""


@define
class Echo:
    """A script for `answering`: always one of `WAYS`. `heard` are the headers that the token came in."""

    way: str
    heard: list[str] = field(factory=list)

    def __call__(self, request: Request) -> Reply | None:
        said = request.headers.get("authorization", "")
        self.heard.append(said)
        reply: Reply | None = getattr(self, f"_{self.way}")(said)
        return reply

    def _refused(self, said: str) -> Reply:
        words = f"nobody knows {said}, {said.partition(' ')[2]!r} or {said.upper()}"
        return Reply.json(401, {"code": "unauthorized", "message": words, "detail": words})

    def _page(self, said: str) -> Reply:
        return Reply(403, f"{'.' * 250}{said}".encode(), {"Content-Type": "text/plain", "X-Given": said})

    def _elsewhere(self, said: str) -> Reply:
        token = said.partition(" ")[2]
        return Reply(307, b"", {"Location": f"http://me:{token}@127.0.0.1:9/{token}?token={token}"})

    def _moved(self, said: str) -> Reply:
        return Reply(301, b"", {"Location": f"http://[{said}"})

    def _lines(self, said: str) -> Reply:
        words = f"partial write: field type conflict: {said} dropped=1"
        return Reply.json(422, {"code": "unprocessable entity", "message": words, "detail": words})

    def _broken(self, said: str) -> Reply:
        return Reply(503, said.encode(), {"Retry-After": said})

    def _hung(self, said: str) -> None:
        return None


@contextmanager
def echoing_home(say: str) -> Iterator[tuple[str, list[str]]]:
    """A Home Assistant that says the token back: `refuse`, `close` or `nonsense`. Its address, and what it was told."""
    told: queue.Queue[Any] = queue.Queue()
    heard: list[str] = []

    async def converse(request: trio_websocket.WebSocketRequest) -> None:
        socket = await request.accept()
        try:
            await socket.send_message('{"type": "auth_required", "ha_version": "2025.4.4"}')
            token = msgspec.json.decode(await socket.get_message())["access_token"]
            heard.append(token)
            match say:
                case "refuse":
                    await socket.send_message(f'{{"type": "auth_invalid", "message": "not {token}"}}')
                case "close":
                    await socket.aclose(1008, f"not {token}")
                case _:
                    await socket.send_message(f'{{"type": "auth_ok"}} {token}')
            await socket.get_message()
        except trio_websocket.ConnectionClosed:
            pass

    async def serve() -> None:
        async with trio.open_nursery() as nursery:
            server = await nursery.start(trio_websocket.serve_websocket, converse, "127.0.0.1", 0, None)
            told.put((server.port, trio.lowlevel.current_trio_token(), nursery.cancel_scope))

    thread = threading.Thread(target=trio.run, args=(serve,), daemon=True)
    thread.start()
    port, token, scope = told.get(timeout=20)
    try:
        yield f"http://127.0.0.1:{port}", heard
    finally:
        token.run_sync_soon(scope.cancel)
        thread.join(20)
