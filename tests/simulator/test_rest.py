"""REST, over connections in memory, with h11 for the client."""

from __future__ import annotations

import json
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import quote

import h11
import pytest
import trio
from trio.testing import MockClock

from ingest.core.template_facts import ENTITY_IDS, ROWS
from ingest.simulator.home import Home
from ingest.simulator.serve import Peer
from ingest.simulator.values import moment
from tests.simulator.caller import TOKEN, listener


class Browser:
    """One connection that is kept alive."""

    def __init__(self, stream: trio.abc.Stream, token: str = TOKEN) -> None:
        self.stream = stream
        self._http = h11.Connection(h11.CLIENT)
        self._token = token

    async def do(self, method: str, target: str, body: object = None) -> tuple[int, Any]:
        data = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        headers = [("Host", "home"), ("Content-Length", str(len(data))), ("Authorization", f"Bearer {self._token}")]
        request = self._http.send(h11.Request(method=method, target=target, headers=headers)) or b""
        await self.stream.send_all(request + (self._http.send(h11.Data(data=data)) or b""))
        await self.stream.send_all(self._http.send(h11.EndOfMessage()) or b"")
        return await self._answer()

    async def _answer(self) -> tuple[int, Any]:
        status, body = 0, b""
        while not isinstance(event := self._http.next_event(), h11.EndOfMessage):
            match event:
                case h11.Response():
                    status = event.status_code
                case h11.Data():
                    body += event.data
                case _:
                    self._http.receive_data(bytes(await self.stream.receive_some()))
        self._http.start_next_cycle()
        return status, json.loads(body) if body[:1] in {b"{", b"["} else body.decode()


@pytest.fixture
async def web(peer: Peer) -> Browser:
    return Browser(await peer.connect())


async def test_without_the_token_nothing(autojump_clock: MockClock, peer: Peer) -> None:
    stranger = Browser(await peer.connect(), token="wrong")
    assert await stranger.do("GET", "/api/states") == (401, "401: Unauthorized")


async def test_reading(autojump_clock: MockClock, web: Browser, home: Home) -> None:
    assert await web.do("GET", "/api/") == (200, {"message": "API running."})
    status, config = await web.do("GET", "/api/config")
    assert (status, config["state"]) == (200, "RUNNING")
    status, states = await web.do("GET", "/api/states")
    assert {state["entity_id"] for state in states} == set(home.states)
    assert (await web.do("GET", "/api/states/sun.sun"))[1]["entity_id"] == "sun.sun"
    assert await web.do("GET", "/api/states/sun.absent") == (404, {"message": "Entity not found."})
    assert {one["domain"] for one in (await web.do("GET", "/api/services"))[1]} == {"light", "switch", "homeassistant"}


@pytest.mark.parametrize("target", ["/", "/api/nowhere", "/api/config/x"])
async def test_nowhere(autojump_clock: MockClock, web: Browser, target: str) -> None:
    assert (await web.do("GET", target))[0] == 404


async def test_setting_and_removing(autojump_clock: MockClock, peer: Peer, web: Browser) -> None:
    client = await listener(peer)
    path = "/api/states/sensor.mine"
    status, made = await web.do("POST", path, {"state": "21.5", "attributes": {"friendly_name": "Außen 🌡"}})
    assert (status, made["state"], made["attributes"]) == (201, "21.5", {"friendly_name": "Außen 🌡"})
    for state, expected in ((21.5, "21.5"), (True, "True"), ("", "")):
        status, changed = await web.do("POST", path, {"state": state})
        assert (status, changed["state"]) == (200, expected)
    _, again = await web.do("POST", path, {"state": ""})
    assert again == changed
    _, forced = await web.do("POST", path, {"state": "", "force_update": True})
    assert forced["last_changed"] > changed["last_changed"]
    assert await web.do("DELETE", path) == (200, {"message": "Entity removed."})
    assert await web.do("DELETE", path) == (404, {"message": "Entity not found."})
    heard = [one["data"]["new_state"] for one in await client.events(6) if one["data"]["entity_id"] == "sensor.mine"]
    assert [state and state["state"] for state in heard] == ["21.5", "21.5", "True", "", "", None]


@pytest.mark.parametrize(
    ("path", "body", "message"),
    [
        ("/api/states/Bad%20Entity", {"state": "1"}, "Invalid entity ID specified."),
        ("/api/states/sensor.x", {"nostate": "1"}, "No state specified."),
        ("/api/states/sensor.x", [], "No state specified."),
        ("/api/states/sensor.x", {"state": None}, "No state specified."),
        ("/api/states/sensor.x", {"state": "x" * 256}, "Invalid state specified."),
        ("/api/states/sensor.x", b"{", "Invalid JSON specified."),
        ("/api/services/light/turn_on", b"{", "Data should be valid JSON."),
        ("/api/services/light/turn_on", [], "Data should be valid JSON."),
        ("/api/services/light/nope", {}, "Service light.nope not found."),
    ],
)
async def test_what_is_wrong_is_said(
    autojump_clock: MockClock, web: Browser, path: str, body: object, message: str
) -> None:
    assert await web.do("POST", path, body) == (400, {"message": message})


async def test_services(autojump_clock: MockClock, web: Browser) -> None:
    status, changed = await web.do("POST", "/api/services/light/turn_on", {"entity_id": "light.living_room"})
    assert (status, [state["state"] for state in changed]) == (200, ["on"])
    assert await web.do("POST", "/api/services/light/turn_on") == (200, [])


async def test_history(autojump_clock: MockClock, web: Browser, home: Home) -> None:
    await trio.sleep(3600)
    start = moment(home.start).isoformat()
    path = f"/api/history/period/{quote(start)}"
    assert await web.do("GET", path) == (400, {"message": "filter_entity_id is missing"})
    asked = f"{path}?filter_entity_id=sensor.house_power,sensor.absent"
    status, (rows,) = await web.do("GET", asked)
    assert status == 200
    assert rows[0]["last_updated"] == start
    _, (later,) = await web.do("GET", f"{asked}&skip_initial_state&end_time={quote(moment(home.now).isoformat())}")
    assert later[0]["last_updated"] > start
    _, (brief,) = await web.do("GET", f"{asked}&minimal_response&no_attributes&significant_changes_only=0")
    assert list(brief[1]) == ["state", "last_changed"]
    assert (await web.do("GET", "/api/history/period?filter_entity_id=sun.sun"))[0] == 200
    assert await web.do("GET", "/api/history/period/nonsense?filter_entity_id=sun.sun") == (
        400,
        {"message": "Invalid datetime"},
    )
    assert await web.do("GET", f"{asked}&end_time=nonsense") == (400, {"message": "Invalid datetime"})
    assert await web.do("GET", "/api/history/period/2090-01-01T00:00:00Z?filter_entity_id=sun.sun") == (200, [])


async def test_the_websocket_wants_an_upgrade(autojump_clock: MockClock, peer: Peer, web: Browser) -> None:
    assert (await web.do("GET", "/api/websocket"))[0] == 400


@pytest.mark.parametrize(
    "data",
    [
        b"nonsense\r\n\r\n",
        b"POST /api/states/a.b HTTP/1.1\r\nHost: x\r\nContent-Length: 2000000\r\n\r\n" + b"x" * 1_100_000,
        b"GET /api/ HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
    ],
    ids=["nonsense", "huge", "close"],
)
async def test_what_ends_a_connection(autojump_clock: MockClock, peer: Peer, data: bytes) -> None:
    stream = await peer.connect()
    try:
        await stream.send_all(data)
        while await stream.receive_some():
            pass
    except trio.BrokenResourceError:
        pass
    assert not peer.server._clients


async def test_templates_that_a_client_of_ours_asks(autojump_clock: MockClock, web: Browser, home: Home) -> None:
    status, known = await web.do("POST", "/api/template", {"template": ENTITY_IDS})
    assert (status, known) == (200, list(home.states))
    status, rows = await web.do("POST", "/api/template", {"template": ROWS, "variables": {"entity_ids": known}})
    assert status == 200
    entry = next(each for each in home.registry.entities.values() if each.device and each.device.area_id)
    row = next(each for each in rows if each["entity_id"] == entry.entity_id)
    assert entry.device is not None
    assert (row["area_id"], row["manufacturer"]) == (entry.device.area_id, entry.device.manufacturer)
    assert [row["entity_id"] for row in rows] == known


@pytest.mark.parametrize("body", [b"{", [], {"template": "{{ now() }}"}])
async def test_templates_that_nobody_knows(autojump_clock: MockClock, web: Browser, body: object) -> None:
    status, _ = await web.do("POST", "/api/template", body)
    assert status == 400


@pytest.mark.parametrize(("code", "status"), [("unauthorized", 401), ("unknown_command", 404)])
async def test_templates_that_are_refused(
    autojump_clock: MockClock, web: Browser, peer: Peer, code: str, status: int
) -> None:
    peer.server.instance.mood.errors["api/*"] = (code, "")
    assert (await web.do("POST", "/api/template", {"template": ENTITY_IDS}))[0] == status


async def test_what_only_an_administrator_may(autojump_clock: MockClock, peer: Peer, web: Browser) -> None:
    peer.server.instance.admin = False
    assert await web.do("POST", "/api/template", {"template": ENTITY_IDS}) == (401, "401: Unauthorized")


async def test_every_answer_has_the_date_of_the_homes_clock(autojump_clock: MockClock, peer: Peer) -> None:
    stream = await peer.connect()
    await stream.send_all(b"GET /api/ HTTP/1.1\r\nHost: home\r\n\r\n")
    head = bytes(await stream.receive_some()).decode()
    told = next(line.partition(": ")[2] for line in head.split("\r\n") if line.startswith("Date: "))
    assert parsedate_to_datetime(told) == peer.server.home.wall().replace(microsecond=0)
    assert Home(1, 5, moment(0)).wall() == moment(0)
