"""The house status over a real port, beside a simulated home: what is answered is what the home is.

A client of `/ws/status` that applies the deltas to its snapshot knows at every moment what `GET /api/status/house` says,
and both say what the simulator's own states and registries add up to.
"""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from socket import SO_RCVBUF, SOL_SOCKET
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
import trio
import trio_websocket
from attrs import define, field

from ingest.config.service import Api
from ingest.core.house_sections import NO_AREA
from ingest.core.secret import Secret
from ingest.simulator.rooms import AREAS
from ingest.simulator.server import Server
from tests.core.test_house import expected
from tests.web.test_site import CALM, beside, listening, until

ENTITIES = 60
UPGRADE = {
    "Connection": "Upgrade",
    "Upgrade": "websocket",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
}
SECTIONS = ("climate", "presence", "lights_by_area", "sensors", "switches_on", "active_automations")


def truth(server: Server) -> dict[str, Any]:
    """What the home's states and registries add up to."""
    home, names = server.home, {area.area_id: area.name for area in AREAS}
    areas: dict[str, tuple[str, str | None]] = {}
    for entity_id, entity in home.registry.entities.items():
        own = home.registry.entry(entity)["area_id"]
        area_id = own or (entity.device.area_id if entity.device else None)
        areas[entity_id] = (names[area_id], area_id) if area_id in names else (NO_AREA, None)
    states = {
        key: {"state": known.state, "attributes": json.loads(known.attributes)} for key, known in home.states.items()
    }
    return expected(states, areas)


async def drained(stream: trio.SocketStream) -> None:
    """Read to the end; raises `BrokenResourceError` when the other end was reset."""
    while await stream.receive_some():
        pass


@define(eq=False)
class Follower:
    """A client of `/ws/status`, and what it knows."""

    knows: dict[str, Any] = field(factory=dict)
    kinds: list[str] = field(factory=list)

    async def run(self, socket: trio_websocket.WebSocketConnection) -> None:
        while True:
            message = json.loads(await socket.get_message())
            self.kinds.append(message["type"])
            if message["type"] == "snapshot":
                self.knows = message["data"]
            elif message["type"] == "delta":
                self.knows[message["section"]] = message["data"]


@define(eq=False)
class Seen:
    server: Server
    client: httpx.AsyncClient
    follower: Follower
    socket: trio_websocket.WebSocketConnection

    async def house(self) -> dict[str, Any]:
        answer = await self.client.get("/api/status/house")
        while answer.status_code == 503:
            assert not answer.json()["connected"]
            await trio.sleep(0.02)
            answer = await self.client.get("/api/status/house")
        assert answer.status_code == 200
        found: dict[str, Any] = answer.json()
        return found

    async def agree(self) -> dict[str, Any]:
        """Wait until the home, the answer and the follower say the same; the answer."""
        house: dict[str, Any] = {}
        with trio.move_on_after(8):
            while True:
                house = await self.house()
                known = all(house[key] == self.follower.knows.get(key) for key in (*SECTIONS, "connected", "complete"))
                if known and house["connected"] and {key: house[key] for key in SECTIONS} == truth(self.server):
                    return house
                await trio.sleep(0.05)
        assert {key: house[key] for key in SECTIONS} == truth(self.server)
        assert {key: self.follower.knows.get(key) for key in SECTIONS} == truth(self.server)
        raise AssertionError("it came too late, or a key beside the sections differs")


@asynccontextmanager
async def connected(url: str, *headers: tuple[bytes, bytes]) -> AsyncGenerator[trio_websocket.WebSocketConnection]:
    """A WebSocket to `/ws/status`. trio-websocket leaves its socket open where the other end closes, so it is ours."""
    where = urlsplit(url)
    assert where.hostname is not None
    assert where.port is not None
    async with await trio.open_tcp_stream(where.hostname, where.port) as stream, trio.open_nursery() as nursery:
        yield await trio_websocket.wrap_client_stream(
            nursery, stream, where.netloc, "/ws/status", extra_headers=list(headers)
        )
        nursery.cancel_scope.cancel()


@asynccontextmanager
async def seen() -> AsyncGenerator[Seen]:
    async with beside(Api(port=0), entities=ENTITIES) as (_, emitted, _, server):
        await until(lambda: listening(emitted))
        url = listening(emitted)
        async with (
            httpx.AsyncClient(base_url=url, **CALM) as client,
            connected(url) as socket,
            trio.open_nursery() as nursery,
        ):
            follower = Follower()
            nursery.start_soon(follower.run, socket)
            yield Seen(server, client, follower, socket)
            nursery.cancel_scope.cancel()


async def test_the_house_is_seeded_though_nobody_looked_when_it_was_told() -> None:
    async with seen() as each:
        house = await each.agree()
        assert len(house["climate"]) >= 2
        assert [person["name"] for person in house["presence"]] == ["Anna", "José", "美玲"]
        assert {light["area"] for light in house["lights_by_area"]} >= {"Living room", "Kitchen"}
        assert {"motion", "door", "window"} <= set(house["sensors"])
        assert (house["climate"][0]["unit"], house["complete"]) == ("C", True)
        assert each.follower.kinds[0] == "snapshot"


@pytest.mark.slow
async def test_who_follows_knows_what_is_answered_whatever_is_done_in_the_home() -> None:
    async with seen() as each:
        server, home = each.server, each.server.home
        await each.agree()
        switched = home.act("light.kitchen", "on"), home.act("switch.fridge", "off"), home.act("person.anna", "Work")
        server.emit(change for change in switched if change)
        house = await each.agree()
        assert house["switches_on"] == []
        gone = home.remove("binary_sensor.front_door")
        assert gone is not None
        server.emit([gone])
        await each.agree()
        server.instance.rename("light.kitchen", "light.moved")
        await each.agree()
        server.instance.move("light.moved", area_id="kinderzimmer")
        house = await each.agree()
        moved = {
            "area": "Kinderzimmer 🧸",
            "area_id": "kinderzimmer",
            "on_count": 1,
            "off_count": 0,
            "unavailable_count": 0,
        }
        assert moved in house["lights_by_area"]
        await server.burst(3000, entities=50)
        await each.agree()
        assert each.follower.kinds.count("delta") < 40


@pytest.mark.slow
async def test_after_a_restart_of_home_assistant_the_house_is_what_it_has_become() -> None:
    async with seen() as each:
        before = await each.agree()
        away: list[Any] = []

        async def look() -> None:
            while not away:
                house = await each.house()
                away.extend([house] if not house["connected"] else [])
                await trio.sleep(0.02)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(look)
            await each.server.restart(down=0.6, starting=0.6)
            gone = each.server.home.remove("climate.living_room")
            assert gone is not None, "nobody listens yet"
        house = await each.agree()
        assert away[0]["as_of"] < away[0]["timestamp"] < house["as_of"] == house["timestamp"]
        assert [away[0][key] for key in ("climate", "presence")] == [before[key] for key in ("climate", "presence")]
        assert "climate.living_room" not in [each["entity_id"] for each in house["climate"]]


async def test_a_client_may_ping_and_one_that_says_too_much_is_closed() -> None:
    async with seen() as each:
        await each.socket.send_message('{"type": "ping", "correlation_id": "1"}')
        await until(lambda: "pong" in each.follower.kinds)
        async with connected(str(each.client.base_url)) as other:
            for _ in range(61):
                await other.send_message("{}")
            with suppress(trio_websocket.ConnectionClosed):
                while True:
                    await other.get_message()
            assert other.closed is not None
            assert (other.closed.code, other.closed.reason) == (1008, "at most 60 messages in 60 s")


@pytest.mark.slow
async def test_a_client_that_never_reads_is_dropped_and_the_others_know_what_happens() -> None:
    async with seen() as each:
        await each.agree()
        where = each.client.base_url
        small = trio.socket.socket()
        small.setsockopt(SOL_SOCKET, SO_RCVBUF, 4096)
        await small.connect((where.host, where.port))
        async with trio.SocketStream(small) as deaf:
            asks = [f"{name}: {value}" for name, value in {"Host": "localhost", **UPGRADE}.items()]
            await deaf.send_all("\r\n".join(["GET /ws/status HTTP/1.1", *asks, "", ""]).encode())
            for number in range(14):
                attributes = {"device_class": "door", "friendly_name": "A door with a long name " * 8}
                doors = (f"binary_sensor.door_{door}" for door in range(200))
                state = "off" if number % 2 else "on"
                changes = [each.server.home.set(door, state, attributes) for door in doors]
                each.server.emit([change for change in changes if change])
                await trio.sleep(0.6)
            with pytest.raises(trio.BrokenResourceError):
                await drained(deaf)
        await each.agree()


async def test_names_are_told_to_nobody_without_the_token() -> None:
    token = "a-long-secret-token-0123456789"
    async with beside(Api(port=0, token=Secret(token)), entities=ENTITIES) as (_, emitted, _, _server):
        await until(lambda: listening(emitted))
        async with httpx.AsyncClient(base_url=listening(emitted), **CALM) as client:
            assert (await client.get("/api/status/house")).status_code == 401
            assert (await client.get("/ws/status", headers=UPGRADE)).status_code == 401
        async with connected(listening(emitted), (b"Authorization", f"Bearer {token}".encode())) as let_in:
            assert json.loads(await let_in.get_message())["type"] == "snapshot"
