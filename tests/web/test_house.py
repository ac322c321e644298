"""The house status, under a virtual clock: what is answered, and what a client of `/ws/status` is told and when."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import trio
from attrs import define, field
from starlette.requests import Request
from starlette.websockets import WebSocket
from trio.testing import MockClock, wait_all_tasks_blocked

from ingest.actors.filter import STAGE, Filter
from ingest.core import reports
from ingest.core.attributes import Drops
from ingest.core.catalog import Catalog, Registries
from ingest.core.enrich import Enricher
from ingest.core.filter_settings import FilterSettings, Pattern
from ingest.core.point import Facts
from ingest.core.registry_entries import Area
from ingest.core.reports import Report
from ingest.core.rules import Rules
from ingest.core.session import SessionState
from ingest.core.state import Change, Frame, Source
from ingest.core.ws_messages import LARGEST
from ingest.runtime.watch import Watch
from ingest.web import house_paths
from ingest.web.house import BUG, EVERY, MOST, PING, TOO_LONG, TOO_MANY, WINDOW, HouseStatus
from tests.core.changes import change
from tests.core.test_house import Said, removal, said

NOON = datetime(2026, 11, 26, 12, tzinfo=UTC)
KITCHEN = Catalog({"light.a": Facts("7f", area_id="k")}, Registries(areas={"k": Area("k", "Kitchen")}))
HOME = "primary"


TYPES = {
    "object": dict,
    "array": list,
    "string": str,
    "boolean": bool,
    "integer": int,
    "number": int | float,
    "null": type(None),
}


def fits(value: Any, schema: Mapping[str, Any]) -> bool:
    """As much of JSON Schema as the description uses."""
    kinds = schema.get("type", [])
    kinds = [kinds] if isinstance(kinds, str) else kinds
    if kinds and not any(isinstance(value, TYPES[kind]) for kind in kinds):
        return False
    if isinstance(value, list):
        return all(fits(each, schema["items"]) for each in value)
    if isinstance(value, dict):
        known, more = schema.get("properties", {}), schema["additionalProperties"]
        inner = all(fits(each, known.get(key) or more) for key, each in value.items() if known.get(key) or more)
        return inner and set(schema.get("required", [])) <= set(value) and (bool(more) or set(value) <= set(known))
    return bool(value == schema.get("const", value))


@define(eq=False)
class Told:
    """The house status beside a filter that is fed by hand."""

    emitted: list[Report] = field(factory=list)
    catalog: Watch[Catalog] = field(factory=lambda: Watch(KITCHEN))
    stage: Filter = field(init=False)
    status: HouseStatus = field(init=False)

    def __attrs_post_init__(self) -> None:
        nothing = Watch(Rules(FilterSettings(patterns=(Pattern(domain="switch"),))))
        self.stage = Filter(nothing, Enricher(Drops()), self.catalog, self.emitted.append)
        self.status = HouseStatus(self.stage, lambda: NOON + timedelta(seconds=trio.current_time()))
        self.stage.tap.add(self.status.take)

    def connect(self, session: int = 1) -> None:
        self.status.hear(reports.Connected(HOME, "ws://here", "2026.11.0", session))

    def snapshot(self, *states: Said, session: int = 1) -> None:
        changes = [change(each) for each in states]
        self.stage.step(Frame(changes, 9, Source.SNAPSHOT, session, final=True))
        self.status.hear(reports.Snapshot(len(states), complete=True, temperature="°F"))

    def live(self, *changes: Change, session: int = 1) -> None:
        self.stage.step(Frame(changes, 9, Source.LIVE, session))

    def lose(self) -> None:
        self.status.hear(reports.SessionChanged(HOME, SessionState.WAITING))

    async def get(self) -> tuple[int, Any]:
        answer = await self.status.answer(Request({"type": "http"}))
        return answer.status_code, json.loads(bytes(answer.body))


@define(eq=False)
class Client:
    """The other end of an ASGI WebSocket."""

    heard: list[Any] = field(factory=list)
    closed: dict[str, Any] | None = None
    reads: trio.Event = field(factory=trio.Event)
    _say: trio.MemorySendChannel[dict[str, Any]] = field(init=False)
    _said: trio.MemoryReceiveChannel[dict[str, Any]] = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._say, self._said = trio.open_memory_channel(1000)
        self.reads.set()

    def say(self, text: str | bytes) -> None:
        self._say.send_nowait({"type": "websocket.receive", "text" if isinstance(text, str) else "bytes": text})

    def go(self) -> None:
        self._say.send_nowait({"type": "websocket.disconnect", "code": 1001})

    async def run(self, status: HouseStatus) -> None:
        first = True

        async def receive() -> dict[str, Any]:
            nonlocal first
            if first:
                first = False
                return {"type": "websocket.connect"}
            return await self._said.receive()

        async def send(message: Any) -> None:
            await self.reads.wait()
            if message["type"] == "websocket.send":
                self.heard.append(json.loads(message["text"]))
            elif message["type"] == "websocket.close":
                self.closed = message

        await status.follow(WebSocket({"type": "websocket"}, receive, send))

    def take(self) -> list[Any]:
        taken, self.heard[:] = list(self.heard), []
        return taken


@asynccontextmanager
async def following(told: Told, *clients: Client) -> AsyncGenerator[None]:
    async with trio.open_nursery() as nursery:
        for client in clients:
            nursery.start_soon(client.run, told.status)
        await wait_all_tasks_blocked()
        yield
        for client in clients:
            client.go()


def deltas(messages: Sequence[Any]) -> dict[str, Any]:
    assert all(each.keys() == {"type", "section", "data", "timestamp"} for each in messages)
    assert all(each["type"] == "delta" for each in messages)
    assert len({each["section"] for each in messages}) == len(messages)
    return {each["section"]: each["data"] for each in messages}


async def test_before_the_first_snapshot_is_through_nothing_is_claimed() -> None:
    told = Told()
    told.connect()
    told.live(change(said("light.a")))
    status, answer = await told.get()
    assert (status, answer["connected"]) == (503, False)
    assert fits(answer, house_paths.NOT_YET)


async def test_the_answer_is_what_the_home_says_whatever_is_stored(autojump_clock: MockClock) -> None:
    told = Told()
    told.connect()
    told.snapshot(
        said("light.a"), said("light.b", "unavailable"), said("switch.filtered"), said("automation.off", "off"),
        said("climate.hall", "heat", friendly_name="Hall", current_temperature=68, temperature=None),
        said("person.anna", "not_home", friendly_name="Anna"),
        said("binary_sensor.front", "off", friendly_name="Front", device_class="door"),
        said("binary_sensor.back", "unavailable", device_class="door"), said("sensor.power", "7"),
    )  # fmt: skip
    status, answer = await told.get()
    assert status == 200
    assert fits(answer, house_paths.HOUSE)
    assert answer == {
        "climate": [
            {
                "entity_id": "climate.hall",
                "friendly_name": "Hall",
                "current_temperature": 68,
                "target_temperature": None,
                "hvac_mode": "heat",
                "unit": "F",
            }
        ],
        "presence": [{"name": "Anna", "state": "not_home"}],
        "lights_by_area": [
            {"area": "Kitchen", "area_id": "k", "on_count": 1, "off_count": 0, "unavailable_count": 0},
            {"area": "unknown", "area_id": None, "on_count": 0, "off_count": 0, "unavailable_count": 1},
        ],
        "sensors": {
            "door": [
                {"name": "binary_sensor.back", "state": "unavailable", "device_class": "door"},
                {"name": "Front", "state": "closed", "device_class": "door"},
            ]
        },
        "switches_on": ["switch.filtered"],
        "active_automations": [],
        "connected": True,
        "as_of": NOON.isoformat(),
        "complete": True,
        "timestamp": NOON.isoformat(),
    }


async def test_while_nobody_is_connected_it_says_until_when_it_is_true(autojump_clock: MockClock) -> None:
    told = Told()
    told.connect()
    told.snapshot(said("light.a"), said("switch.a"))
    await trio.sleep(10)
    told.status.hear(reports.SessionChanged("another", SessionState.REFUSED))
    assert (await told.get())[1]["connected"]
    told.lose()
    lost = (NOON + timedelta(seconds=10)).isoformat()
    await trio.sleep(10)
    told.lose()
    _, away = await told.get()
    assert (away["connected"], away["as_of"], away["switches_on"]) == (False, lost, ["switch.a"])
    told.connect(2)
    told.live(change(said("light.a", "off")), session=2)
    _, before = await told.get()
    assert (before["connected"], before["as_of"]) == (False, lost)
    told.snapshot(said("light.a", "off"), session=2)
    _, back = await told.get()
    assert (back["connected"], back["as_of"], back["switches_on"]) == (True, back["timestamp"], [])


async def test_after_a_bug_nothing_is_claimed_any_more() -> None:
    told = Told()
    told.connect()
    told.snapshot(said("light.a"))
    told.status.house.automations.read = lambda _: 1 // 0  # type: ignore[assignment,return-value]  # a bug
    told.live(change(said("automation.a")))
    told.live(change(said("light.a", "off")))
    told.snapshot(session=2)
    status, answer = await told.get()
    assert (status, answer["connected"]) == (503, False)
    assert "report it" in answer["error"]
    assert [each for each in told.emitted if isinstance(each, reports.Notice)]


async def test_an_empty_home_is_one_too() -> None:
    told = Told()
    told.connect()
    told.snapshot()
    status, answer = await told.get()
    assert (status, answer["connected"], answer["sensors"]) == (200, True, {})


@pytest.mark.parametrize(
    ("report", "complete"),
    [
        (reports.Shed("intake", 1, 1, 2, ("light.a",), {"light.a": (1, 2)}), False),
        (reports.Shed("intake", 1, 1, 2, ("sensor.a",), {"sensor.a": (1, 2)}), True),
        (reports.DeadLetter(STAGE, "person.a", "{}", "no"), False),
        (reports.DeadLetter("influxdb", "person.a", "{}", "no"), True),
        (reports.MalformedMessage("event", "no", "{"), False),
        (reports.MalformedMessage("registry event", "no", "{"), True),
    ],
)
async def test_what_did_not_arrive_is_not_claimed_to_be_known(report: Report, complete: bool) -> None:
    told = Told()
    told.connect()
    told.snapshot(said("light.a"))
    told.status.hear(report)
    assert (await told.get())[1]["complete"] is complete


async def test_a_client_has_the_house_and_then_what_changes(autojump_clock: MockClock) -> None:
    told, client = Told(), Client()
    told.connect()
    lamp = said("light.a")
    told.snapshot(lamp, said("switch.a"))
    async with following(told, client):
        [first] = client.take()
        _, answer = await told.get()
        assert first == {"type": "snapshot", "data": answer, **answer}
        told.live(change(said("switch.b")), change(said("light.b", "off")), change(said("sensor.x")))
        assert client.take() == [], "what follows at once is told together"
        told.live(change(said("switch.a", "off")))
        await trio.sleep(2 * EVERY)
        assert deltas(client.take()) == {
            "switches_on": ["switch.b"],
            "lights_by_area": [
                {"area": "Kitchen", "area_id": "k", "on_count": 1, "off_count": 0, "unavailable_count": 0},
                {"area": "unknown", "area_id": None, "on_count": 0, "off_count": 1, "unavailable_count": 0},
            ],
        }
        told.live(change(said("switch.b", "off")), change(said("switch.b")), removal(lamp))
        await trio.sleep(2 * EVERY)
        assert list(deltas(client.take())) == ["lights_by_area"], "on, off and on again is no news"


async def test_a_light_that_moves_is_told(autojump_clock: MockClock) -> None:
    told, client = Told(), Client()
    told.connect()
    told.snapshot(said("light.a"))
    async with following(told, client):
        client.take()
        told.catalog.set(Catalog({"light.a": Facts("7f")}))
        told.status.hear(reports.CatalogChanged(("light.a",), (), 0.1))
        await trio.sleep(2 * EVERY)
        assert [each["area"] for each in deltas(client.take())["lights_by_area"]] == ["unknown"]


async def test_a_lost_connection_is_told_and_its_return(autojump_clock: MockClock) -> None:
    told, client = Told(), Client()
    told.connect()
    told.snapshot(said("light.a"))
    async with following(told, client):
        client.take()
        told.lose()
        await trio.sleep(2 * EVERY)
        assert deltas(client.take()) == {"connected": False, "as_of": NOON.isoformat()}
        told.connect(2)
        told.snapshot(session=2)
        await trio.sleep(2 * EVERY)
        back = client.take()
        assert deltas(back) == {"connected": True, "as_of": back[0]["timestamp"], "lights_by_area": []}


async def test_who_comes_before_home_assistant_gets_the_snapshot_when_it_is_there(autojump_clock: MockClock) -> None:
    told, client = Told(), Client()
    async with following(told, client):
        assert client.take() == []
        told.connect()
        told.snapshot(said("switch.a"))
        await trio.sleep(2 * EVERY)
        assert [each["type"] for each in client.take()] == ["snapshot"]


async def test_a_quiet_client_hears_a_ping_every_fifteen_seconds_and_nothing_else(autojump_clock: MockClock) -> None:
    told, client = Told(), Client()
    told.connect()
    told.snapshot()
    async with following(told, client):
        client.take()
        for number in range(3 * 150):
            await trio.sleep(PING / 150)
            told.live(change(said("sensor.x", str(number))))
        assert client.take() == [{"type": "ping"}] * 3


async def test_a_client_that_reads_slowly_gets_the_latest_and_holds_nobody_up(autojump_clock: MockClock) -> None:
    told, slow, quick = Told(), Client(), Client()
    told.connect()
    told.snapshot(said("switch.a"))
    async with following(told, slow, quick):
        slow.take(), quick.take()
        slow.reads = trio.Event()
        for number in range(40):
            told.live(change(said("switch.a", "on" if number % 2 else "off")), change(said(f"light.{number}")))
            await trio.sleep(EVERY)
        told.live(change(said("switch.a", "off")))
        assert len(quick.take()) > 20
        slow.reads.set()
        await trio.sleep(3 * EVERY)
        late = [each for each in slow.take() if each["type"] == "delta"]
        assert len(late) <= 4, "what was under way, and the latest"
        assert {each["section"]: each["data"] for each in late}["switches_on"] == []


async def test_a_ping_is_answered_and_whatever_else_is_said_is_not(autojump_clock: MockClock) -> None:
    told, client = Told(), Client()
    async with following(told, client):
        for text in (
            '{"type": "ping", "correlation_id": "7"}',
            b'{"type":"ping"}',
            '{"type": "ping", "correlation_id": 7}',
        ):
            client.say(text)
        for text in ("", "ping", "[]", '{"type": "subscribe"}', "{", b"\xff", "[" * 9999, "\ud800"):
            client.say(text)
        await wait_all_tasks_blocked()
        assert client.take() == [{"type": "pong", "correlation_id": "7"}, {"type": "pong"}, {"type": "pong"}]


async def test_a_client_that_says_too_much_is_closed(autojump_clock: MockClock) -> None:
    told, chatty, wordy, calm = Told(), Client(), Client(), Client()
    async with following(told, chatty, wordy, calm):
        wordy.say("x" * (LARGEST + 1))
        for _ in range(MOST + 1):
            chatty.say("{}")
        for _ in range(2):
            for _ in range(MOST):
                calm.say("{}")
            await trio.sleep(WINDOW)
        assert chatty.closed is not None
        assert (chatty.closed["code"], chatty.closed["reason"]) == (TOO_MANY, "at most 60 messages in 60 s")
        assert wordy.closed is not None
        assert wordy.closed["code"] == TOO_LONG
        assert calm.closed is None


async def test_after_a_bug_who_follows_is_closed(autojump_clock: MockClock) -> None:
    told, client = Told(), Client()
    told.connect()
    told.snapshot(said("light.a"))
    async with following(told, client):
        told.status.house.automations.read = lambda _: 1 // 0  # type: ignore[assignment,return-value]  # a bug
        told.live(change(said("automation.a")))
        await trio.sleep(PING + 1)
        assert client.closed is not None
        assert client.closed["code"] == BUG


async def test_nothing_ticks_for_nobody(autojump_clock: MockClock) -> None:
    told, client = Told(), Client()
    told.connect()
    told.snapshot()
    async with following(told, client):
        pass
    assert trio.lowlevel.current_statistics().seconds_to_next_deadline == float("inf")
