"""The house status: `GET /api/status/house`, and the same kept up to date at `WS /ws/status`.

    filter's tap ──▶ House ──(only sections that changed)──▶ a text a section ──▶ every client, what is news to it

A client is told what is news since what it was told last, twice a second at most: a delta is a whole section, so there
is nothing to queue, and whoever reads slowly misses what was true in between. The stream under it drops a client that
does not read at all. Nothing ticks for nobody.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import Any

import msgspec
import trio
from attrs import define, field, frozen
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route, WebSocketRoute
from starlette.websockets import WebSocket

from ingest.actors.filter import STAGE, Filter
from ingest.core import reports
from ingest.core.house import House
from ingest.core.house_sections import sections
from ingest.core.judged import Judged
from ingest.core.reports import Report
from ingest.core.session import SessionState
from ingest.core.ws_messages import LARGEST, Quota
from ingest.runtime.watch import Watch
from ingest.web.seats import Seats

EVERY = 0.5
"""Seconds between two looks at what changed, for a client."""

PING = 15.0
"""Seconds between two signs of life."""

MOST, WINDOW = 60, 60.0
"""So many messages in so many seconds a client may send."""

TOO_MANY, TOO_LONG, BUG = 1008, 1009, 1011
"""The close codes."""

BROKEN = "the house status broke and is not kept up any more: look at the log, report it, restart the service"
NOT_YET = "nothing is known of the house yet: Home Assistant has not told its present states since the service started"

UNREAD = frozenset({"event", "state", "message"})
"""What cannot be read may have been a change or a state."""

_THERE = frozenset({SessionState.SUBSCRIBING, SessionState.SNAPSHOT, SessionState.LIVE})


@frozen
class Section:
    """A section as JSON. As long as what it is made of is equal, so is the text."""

    made_of: object
    text: str


@frozen
class HouseView:
    """The house at one moment: each key's value as JSON."""

    texts: Mapping[str, str]
    timestamp: str

    def whole(self) -> str:
        """Everything, as the inside of a JSON object."""
        stamped = {**self.texts, "timestamp": json.dumps(self.timestamp)}
        return ", ".join(f'"{key}": {text}' for key, text in stamped.items())

    def snapshot(self) -> str:
        """The first message: HomeIQ's callers look for the sections beside `type`, others in `data`."""
        whole = self.whole()
        return f'{{"type": "snapshot", "data": {{{whole}}}, {whole}}}'

    def deltas(self, before: HouseView) -> Iterator[str]:
        """A message for each key that has another value than before. `as_of`, which goes with time, goes with `connected`."""
        stamp = json.dumps(self.timestamp)
        for key in self.texts:
            decides = "connected" if key == "as_of" else key
            if self.texts[decides] != before.texts[decides]:
                yield f'{{"type": "delta", "section": "{key}", "data": {self.texts[key]}, "timestamp": {stamp}}}'


@define(eq=False)
class HouseStatus:
    """The house as the filter hears of it. `hear` is told every report; `now` is the wall clock, in UTC."""

    stage: Filter
    now: Callable[[], datetime]
    house: House = field(factory=House)
    mark: Watch[int] = field(factory=lambda: Watch(0))
    seats: Seats = field(factory=Seats)
    _heard: bool = True
    """False for good after a bug in here: then nothing is heard any more, and what was is not answered as if it were."""
    _snapshots: int = 0
    _unit: str | None = None
    _candidate: str = ""
    _session: int | None = None
    _lost: datetime | None = None
    _made: dict[str, Section] = field(factory=dict)

    def routes(self) -> list[BaseRoute]:
        """What is answered, by path."""
        return [Route("/api/status/house", self.answer), WebSocketRoute("/ws/status", self.seats.within(self.follow))]

    def take(self, judged: Judged) -> None:
        """What came through the filter together."""
        before, heard, self._heard = self.house.changes, self._heard, False
        self.house.take(judged, self.stage.reconciler.session)
        self._settle()
        self._heard = heard
        if self.house.changes != before:
            self._touch()

    def hear(self, report: Report) -> None:
        """Who is connected, what was lost, and what the registries say."""
        heard, self._heard = self._heard, False
        self._fold(report)
        self._heard = heard

    def _fold(self, report: Report) -> None:
        match report:
            case reports.Connected(candidate=name, attempts=session):
                self._candidate, self._session = name, session
            case reports.SessionChanged(candidate=self._candidate, state=state) if state not in _THERE:
                self._lost = self.now() if self.is_connected else self._lost
                self._session = None
            case reports.Snapshot(temperature=unit):
                self._unit = unit.removeprefix("°") if unit else None
            case reports.Shed(entities=entities):
                self.house.miss(self._session or 0, entities)
            case reports.DeadLetter(store=store, entity_id=entity_id) if store == STAGE:
                self.house.miss(self._session or 0, [entity_id])
            case reports.MalformedMessage(kind=kind) if kind in UNREAD:
                self.house.miss(self._session or 0)
            case reports.CatalogLoaded() | reports.CatalogChanged():
                pass  # a light may be in another area now
            case _:
                return
        self._touch()

    @property
    def is_connected(self) -> bool:
        """True while every change reaches us, after the session's snapshot did."""
        return self._session is not None and self._session == self.house.seeded

    def look(self) -> HouseView | None:
        """The house now; None before the first snapshot is through, or when nothing is heard any more."""
        self.house.enter(self.stage.reconciler.session)
        self._settle()
        if not (self.house.seeded and self._heard):
            return None
        made = sections(self.house, self.stage.catalog.value, self._unit)
        texts = {name: self._text(name, made_of, make) for name, (made_of, make) in made.items()}
        moment, connected = self.now(), self.is_connected
        as_of = moment if connected or self._lost is None else self._lost
        beside = {"connected": connected, "as_of": as_of.isoformat(), "complete": self.house.complete}
        texts |= {key: json.dumps(value) for key, value in beside.items()}
        return HouseView(texts, moment.isoformat())

    async def answer(self, _: Request) -> Response:
        """The house as it is; 503 before that is known."""
        told = self.look()
        if told is None:
            error = NOT_YET if self._heard else BROKEN
            return JSONResponse({"error": error, "connected": False, "timestamp": self.now().isoformat()}, 503)
        return Response(f"{{{told.whole()}}}", media_type="application/json")

    async def follow(self, websocket: WebSocket) -> None:
        """The house, and what changes, until the client goes."""
        await websocket.accept()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._tell, websocket)
            refusal = await _listen(websocket)
            nursery.cancel_scope.cancel()
        if refusal is not None:
            await websocket.close(*refusal)

    async def _tell(self, websocket: WebSocket) -> None:
        told: HouseView | None = None
        ping_at = trio.current_time() + PING
        while True:
            mark = self.mark.value
            if not self._heard:
                return await websocket.close(BUG, BROKEN)
            if (now := self.look()) is not None:
                for text in [now.snapshot()] if told is None else now.deltas(told):
                    await websocket.send_text(text)
                told = now
            with trio.move_on_at(ping_at) as scope:
                await self._changed_since(mark)
            if scope.cancelled_caught:
                await websocket.send_text('{"type": "ping"}')
                ping_at = trio.current_time() + PING

    async def _changed_since(self, mark: int) -> None:
        """All clients look at the same moments, so that what is news is made once."""
        await self.mark.until(lambda latest: latest != mark)
        await trio.sleep_until((math.floor(trio.current_time() / EVERY) + 1) * EVERY)

    def _settle(self) -> None:
        if self._snapshots != self.stage.snapshots.value:
            self._snapshots = self.stage.snapshots.value
            self.house.settle()

    def _touch(self) -> None:
        self.mark.set(self.mark.value + 1)

    def _text(self, name: str, made_of: object, make: Callable[[], Any]) -> str:
        known = self._made.get(name)
        if known is None or known.made_of != made_of:
            known = self._made[name] = Section(made_of, msgspec.json.encode(make()).decode())
        return known.text


async def _listen(websocket: WebSocket) -> tuple[int, str] | None:
    """Answer pings until the client goes, or breaks a bound: then with which code and words it is to be closed."""
    quota = Quota(MOST, WINDOW)
    while True:
        message = await websocket.receive()
        if message["type"] == "websocket.disconnect":
            return None
        text = message.get("text") or message.get("bytes") or ""
        if len(text) > LARGEST:
            return TOO_LONG, f"at most {LARGEST:,} characters a message"
        if quota.wait(trio.current_time()):
            return TOO_MANY, f"at most {MOST} messages in {WINDOW:.0f} s"
        if (pong := _pong(text)) is not None:
            await websocket.send_text(pong)


def _pong(text: str | bytes) -> str | None:
    """The answer to a ping; whatever else a client says is its own affair."""
    try:
        said = msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError, UnicodeEncodeError):
        return None
    if not isinstance(said, dict) or said.get("type") != "ping":
        return None
    name = said.get("correlation_id")
    return json.dumps({"type": "pong", **({"correlation_id": name} if isinstance(name, str) else {})})
