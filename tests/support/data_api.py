"""HomeIQ's data-api as it is promised to us: a real implementation that keeps what it is told, and fails on demand.

It checks what every request must be, so that whoever uses it in a test checks it, too.
"""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, TypeAlias

import httpx
import trio
from attrs import define, field

from tests.edge.answering import Peer, Reply, Request, answering
from tests.support.marked import secret

KEY = secret("data-api")
PATHS = {f"/internal/{kind}/bulk_upsert": kind for kind in ("devices", "entities", "services")}
SERVICE_KEYS = {"name", "description", "fields", "target"}

Failing: TypeAlias = Callable[[str, Any], Reply | None]
"""What it answers instead, by kind and body; None: nothing special."""


def failing_never(_: str, __: object) -> Reply | None:
    return None


@define
class DataApi:
    """`devices`, `entities` and `services` are its tables; `requests` counts by kind and status, `sizes` lists entries."""

    key: str = KEY
    failing: Failing = failing_never
    keeps_services: bool = True
    seconds: float = 0.0
    """How long it takes in memory, and whether it is `away`."""
    away: bool = False
    devices: dict[str, dict[str, Any]] = field(factory=dict)
    entities: dict[str, dict[str, Any]] = field(factory=dict)
    services: dict[tuple[str, str], dict[str, Any]] = field(factory=dict)
    requests: Counter[tuple[str, int]] = field(factory=Counter)
    sizes: list[tuple[str, int]] = field(factory=list)
    wrong: list[str] = field(factory=list)
    hanging: threading.Event = field(factory=threading.Event)
    released: threading.Event = field(factory=threading.Event)
    """On a real port: while `hanging` it says nothing, until it is `released`."""
    _turn: threading.Lock = field(factory=threading.Lock)

    def restart_empty(self) -> None:
        """It lost its database."""
        for table in (self.devices, self.entities, self.services):
            table.clear()

    def answer(self, request: Request) -> Reply | None:
        """None hangs up; so does who hung for too long, when the request is given up."""
        if self.hanging.is_set():
            self.released.wait(30)
            return None
        with self._turn:
            kind = PATHS.get(request.path, "")
            reply = self._answer(request, kind)
            self.requests[kind, reply.status] += 1
            return reply

    def _answer(self, request: Request, kind: str) -> Reply:
        self._check(request, kind)
        if request.headers.get("authorization") != f"Bearer {self.key}":
            return Reply.json(401, {"detail": "Invalid API key"})
        body = json.loads(request.body)
        self.sizes.append((kind, len(body)))
        if (reply := self.failing(kind, body)) is not None:
            return reply
        if kind == "services" and not self.keeps_services:
            return Reply.json(404, {"detail": "Not Found"})
        upserted = getattr(self, f"_upsert_{kind}")(body)
        told = {"success": True, "upserted": upserted, "timestamp": datetime.now(UTC).isoformat()}
        return Reply.json(200, told)

    def _check(self, request: Request, kind: str) -> None:
        """What the contract says of a request."""
        if request.method != "POST" or not kind or request.query:
            self.wrong.append(f"{request.method} {request.path} {request.query}")
        if request.headers.get("content-type") != "application/json":
            self.wrong.append(f"content-type {request.headers.get('content-type')}")
        if kind in {"devices", "entities"} and not 0 < len(json.loads(request.body)) <= 1000:
            self.wrong.append(f"{len(json.loads(request.body))} {kind} at once")

    def _upsert_devices(self, body: list[dict[str, Any]]) -> int:
        self.devices |= {each["id"]: each for each in body}
        return len(body)

    def _upsert_entities(self, body: list[dict[str, Any]]) -> int:
        for each in body:
            if not {"unique_id", "platform"} <= each.keys():
                self.wrong.append(f"no registry metadata: {each}")
        self.entities |= {each["entity_id"]: each for each in body}
        return len(body)

    def _upsert_services(self, body: dict[str, dict[str, dict[str, Any]]]) -> int:
        every = {(domain, name): each for domain, named in body.items() for name, each in named.items()}
        self.wrong += [f"service {key}: {each}" for key, each in every.items() if each.keys() != SERVICE_KEYS]
        self.services |= every
        return len(every)

    # ---- two ways to reach it

    @contextmanager
    def serving(self, port: int = 0) -> Iterator[Peer]:
        """On a real port of loopback, in threads; 0 takes a free one."""
        with answering(self.answer, port=port) as peer:
            yield peer
            peer.script = lambda _: None  # connections that are kept do not outlive a process

    def transport(self) -> httpx.MockTransport:
        """In memory, under a virtual clock."""

        async def handle(request: httpx.Request) -> httpx.Response:
            await trio.sleep(self.seconds)
            if self.away:
                raise httpx.ConnectError("refused", request=request)
            headers = {name.lower(): value for name, value in request.headers.items()}
            asked = Request(
                request.method, request.url.path, dict(request.url.params), headers, request.content, ("here", 1)
            )
            reply = self.answer(asked)
            assert reply is not None, "in memory `seconds` makes it hang"
            return httpx.Response(reply.status, headers=dict(reply.headers), stream=httpx.ByteStream(reply.body))

        return httpx.MockTransport(handle)
