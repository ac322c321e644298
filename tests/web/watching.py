"""Changes for those who look on, and `/ws` on a real port without a pipeline behind it."""

from __future__ import annotations

import math
import socket
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import trio
from attrs import define, field
from msgspec import Raw

from ingest.config.service import Api
from ingest.core.catalog import Catalog
from ingest.core.judged import Judged
from ingest.core.point import Attributes, Facts, Kind, Point
from ingest.core.state import Change, Previous, Source, State, StateData, nanoseconds
from ingest.edge import http_server
from ingest.edge.http_server import Limits
from ingest.runtime.tap import Tap
from ingest.runtime.watch import Watch
from ingest.web.app import application
from ingest.web.audience import Audience
from ingest.web.listeners import Bounds
from ingest.web.live import Live
from ingest.web.seats import Seats
from tests.core.changes import together
from tests.support.spent import Spent
from tests.web.talking import Talker

NOON = datetime(2026, 11, 26, 12, tzinfo=UTC)
LOOSE = Api(rate_limit_messages=1_000_000)


def change(entity_id: str, state: str | None = "on", old: str | None = None, attributes: bytes = b"{}") -> Change:
    """`state` None: removed."""
    raw = Raw(attributes)
    new = None if state is None else State(entity_id, state, NOON, NOON, raw)
    return Change(StateData(entity_id, None if old is None else Previous(old, NOON, raw), new), NOON)


def judged(entity_id: str, state: str = "on", verdict: str | None = "", name: str | None = None) -> Judged:
    """A change that is stored, or left out by the rule `verdict`, or stored already (None)."""
    attributes = Attributes("{}", friendly_name=name)
    point = Point(entity_id, nanoseconds(NOON), state, Facts(entity_id), attributes, kind=Kind.CHANGED)
    return Judged(Source.LIVE, [change(entity_id, state)], [point if verdict == "" else verdict])


def at() -> str:
    """The virtual time of day."""
    seconds = trio.current_time()
    return (NOON + timedelta(seconds=seconds % 86_400 if math.isfinite(seconds) else 0)).isoformat()


def audience_of(bounds: Bounds = Bounds()) -> Audience:  # noqa: B008  frozen
    """Its tap raises what goes wrong."""
    return Audience(Tap(_broken), Watch(Catalog()), at, bounds)


def _broken(error: Exception) -> None:
    raise error


@define(eq=False)
class Served:
    port: int
    audience: Audience
    seats: Seats
    told: list[str] = field(factory=list)
    talkers: list[Talker] = field(factory=list)

    async def talker(self, buffer: int = 0, **headers: str) -> Talker:
        """A client that may have been refused; `buffer`: bytes that the kernel holds for it, about."""
        sock = trio.socket.socket()
        if buffer:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
        await sock.connect(("127.0.0.1", self.port))
        self.talkers.append(Talker(trio.SocketStream(sock)))
        return await self.talkers[-1].open(**headers)

    async def sleeper(self) -> Talker:
        """A client that subscribes to everything and never reads."""
        made = await self.talker(buffer=4096)
        await made.say({"type": "subscribe", "channels": ["*"]})
        await self.until(lambda: sum(each.group is not None for each in self.audience.clients) >= len(self.talkers))
        return made

    def tell(self, *events: Judged) -> None:
        self.audience.tap.tell(together(*events))

    async def until(self, met: Callable[[], Any]) -> None:
        with trio.fail_after(10):
            while not met():  # noqa: ASYNC110  a condition over everything has no event
                await trio.sleep(0.01)


@asynccontextmanager
async def serving(
    api: Api = LOOSE,
    bounds: Bounds = Bounds(every=0.01),  # noqa: B008  frozen
    limits: Limits = Limits(),  # noqa: B008  frozen
    seats: Seats | None = None,
) -> AsyncGenerator[Served]:
    """`/ws` on a free port, on the real clock."""
    listeners: Sequence[trio.SocketListener] = await http_server.listen("127.0.0.1", 0)
    served = Served(listeners[0].socket.getsockname()[1], audience_of(bounds), seats or Seats())
    live = Live(served.audience, api, served.told.append, limits, served.seats)
    try:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(served.audience.run)
            nursery.start_soon(
                http_server.serve, application(live.routes(), api), listeners, served.told.append, limits
            )
            with trio.fail_after(60):
                yield served
            spent = Spent.begin()
            nursery.cancel_scope.cancel()
        assert spent.end() < 2
    finally:
        for each in (*listeners, *(talker.stream for talker in served.talkers)):
            await trio.aclose_forcefully(each)
