from __future__ import annotations

import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import trio
from attrs import define, field
from msgspec import Raw
from trio.testing import MockClock

from ingest.actors.comparer import ANSWER, EVERYTHING, Comparer
from ingest.actors.connection import Deadlines
from ingest.actors.publisher import Publisher
from ingest.core import reports, wire
from ingest.core.registries import RegistryLists
from ingest.core.reports import Report
from ingest.core.secret import Secret
from ingest.edge.data_api import open_data_api
from tests.actors.peer import answering, connection, no, ok, playing
from tests.support.data_api import KEY, DataApi

SERVICES: dict[str, Any] = {"light": {"turn_on": {"name": "On", "description": "", "fields": {}, "target": None}}}
CONFIG_ENTRIES = [{"entry_id": "c1", "domain": "hue", "title": "Hue"}]


def lists(devices: list[Any], entities: list[Any]) -> RegistryLists:
    raw = [wire.raw_list(Raw(json.dumps(each).encode())) for each in (devices, entities)]
    return RegistryLists(*raw)


def lamp(name: str = "Lamp") -> dict[str, Any]:
    return {"id": "d1", "name": name, "config_entries": ["c1"]}


def light(entity_id: str = "light.a", **more: Any) -> dict[str, Any]:
    return {"entity_id": entity_id, "unique_id": "u", "platform": "hue", **more}


@define
class Running:
    data_api: DataApi
    comparer: Comparer
    answers: dict[str, Any]
    emitted: list[Report] = field(factory=list)

    async def told(self, devices: list[Any], entities: list[Any]) -> tuple[int, int, int]:
        """A reading, until data-api has it; how many of each kind were new."""
        self.comparer.hear(lists(devices, entities))
        number = self.comparer.heard
        await self.comparer.publisher.has.until(lambda had: had >= number)
        found = [each for each in self.emitted if isinstance(each, reports.ToPublish)][-1]
        return found.devices, found.entities, found.services


@asynccontextmanager
async def comparing(**answers: Any) -> AsyncGenerator[Running]:
    """A session that goes on for as long as the block does."""
    data_api, emitted = DataApi(), list[Report]()
    known: dict[str, Any] = {"config_entries/get": [ok(CONFIG_ENTRIES)], "get_services": [ok(SERVICES)], **answers}
    replies: dict[str, Any] = {name: lambda message: known[message["type"]] for name in known}
    async with (
        playing(answering(**replies)) as peer,
        connection(peer.dial, deadlines=Deadlines(ping_interval=2 * EVERYTHING)) as bulk,
        open_data_api("http://data-api", lambda: Secret(KEY), transport=data_api.transport()) as opened,
        trio.open_nursery() as nursery,
    ):
        publisher = Publisher(opened, emitted.append, lambda: 0.5)
        comparer = Comparer(publisher, emitted.append)
        nursery.start_soon(publisher.run)
        nursery.start_soon(comparer.run, bulk)
        yield Running(data_api, comparer, known, emitted)
        nursery.cancel_scope.cancel()
    assert data_api.wrong == []


async def test_only_what_changed_is_told(autojump_clock: MockClock) -> None:
    async with comparing() as it:
        assert await it.told([lamp()], [light(), light("light.b")]) == (1, 2, 1)
        assert it.data_api.devices["d1"] == {**lamp(), "integration": "hue", "source": "home_assistant"}
        assert it.data_api.services.keys() == {("light", "turn_on")}
        before = it.data_api.requests.total()
        assert await it.told([lamp()], [light(), light("light.b")]) == (0, 0, 0)
        assert it.data_api.requests.total() == before
        assert await it.told([lamp("Lämp")], [light(), light("light.b", area_id="attic")]) == (1, 1, 0)
        assert it.data_api.devices["d1"]["name"] == "Lämp"
        it.answers["get_services"] = [ok({**SERVICES, "fan": {}})]
        assert await it.told([lamp("Lämp")], [light(), light("light.b", area_id="attic")]) == (0, 0, 1)


async def test_what_is_gone_is_told_again_when_it_comes_back(autojump_clock: MockClock) -> None:
    async with comparing() as it:
        await it.told([lamp()], [light()])
        assert await it.told([], []) == (0, 0, 0)
        assert it.data_api.entities.keys() == {"light.a"}
        assert await it.told([lamp()], [light()]) == (1, 1, 0)


async def test_a_day_tells_everything_again(autojump_clock: MockClock) -> None:
    async with comparing() as it:
        await it.told([lamp()], [light()])
        it.data_api.restart_empty()
        await trio.sleep(EVERYTHING / 2)
        assert await it.told([lamp()], [light()]) == (0, 0, 0)
        await trio.sleep(EVERYTHING / 2)
        assert await it.told([lamp()], [light()]) == (1, 1, 1)
        assert it.data_api.entities.keys() == {"light.a"}


async def test_a_release_without_config_entries_or_services_is_told_of_the_rest(autojump_clock: MockClock) -> None:
    unknown = [no("unknown_command")]
    async with comparing(**{"config_entries/get": unknown, "get_services": unknown}) as it:
        device = {**lamp(), "identifiers": [["hue", "1"]]}
        assert await it.told([device], [light()]) == (1, 1, 0)
        assert it.data_api.devices["d1"]["integration"] == "hue"
        await it.told([device], [light()])
    said = [each.sentence for each in it.emitted if isinstance(each, reports.Notice)]
    assert len(said) == 2
    assert "config_entries/get" in said[0]


async def test_config_entries_that_fail_for_a_while_leave_the_known_integrations(autojump_clock: MockClock) -> None:
    async with comparing() as it:
        await it.told([lamp()], [])
        it.answers["config_entries/get"] = [no("unknown_error")]
        it.answers["get_services"] = [no("unknown_error")]
        assert await it.told([lamp(), {**lamp(), "id": "d2"}], []) == (1, 0, 0)
        assert {each["integration"] for each in it.data_api.devices.values()} == {"hue"}
        it.answers["config_entries/get"] = [ok(CONFIG_ENTRIES)]
        await it.told([], [])
        it.answers["config_entries/get"] = [ok(None)]
        await it.told([lamp()], [])
        assert it.data_api.devices["d1"]["integration"] == "hue"
    assert len([each for each in it.emitted if isinstance(each, reports.Notice)]) == 3


async def test_answers_that_never_come_do_not_hold_it_up_for_ever(autojump_clock: MockClock) -> None:
    async with comparing(**{"config_entries/get": [], "get_services": [ok(7)]}) as it:
        assert await it.told([lamp()], [light()]) == (1, 1, 0)
        assert trio.current_time() < ANSWER + 1
    said = [each.sentence for each in it.emitted if isinstance(each, reports.Notice)]
    assert "no answer within 120 s" in said[0]
    assert "cannot be read" in said[1]


async def test_a_reading_that_comes_meanwhile_is_the_one_that_counts(autojump_clock: MockClock) -> None:
    async with comparing(**{"config_entries/get": []}) as it:
        it.comparer.hear(lists([lamp("old")], []))
        await trio.sleep(1)
        assert await it.told([lamp("new")], []) == (1, 0, 1)
        assert it.data_api.sizes == [("devices", 1), ("services", 1)]
        assert it.data_api.devices["d1"]["name"] == "new"


async def test_what_was_heard_in_a_session_is_not_kept_for_the_next(autojump_clock: MockClock) -> None:
    emitted = list[Report]()
    silent, speaking = list[Any](), [ok(CONFIG_ENTRIES)]
    async with open_data_api("http://data-api", lambda: None) as opened:
        comparer = Comparer(Publisher(opened, emitted.append, lambda: 0.5), emitted.append)
        comparer.hear(lists([lamp()], []))
        for entries in (silent, speaking):
            answers = {"config_entries/get": entries, "get_services": [ok(SERVICES)]}
            async with playing(answering(**answers)) as peer, connection(peer.dial) as bulk:
                with trio.move_on_after(1):
                    await comparer.run(bulk)
    assert [each for each in emitted if isinstance(each, reports.ToPublish)] == []


async def test_of_many_entries_others_run_in_between(autojump_clock: MockClock) -> None:
    turns = 0

    async def others() -> None:
        nonlocal turns
        while True:
            await trio.lowlevel.checkpoint()
            turns += 1

    entities = [light(f"light.n{number}") for number in range(20_000)]
    async with comparing() as it, trio.open_nursery() as nursery:
        nursery.start_soon(others)
        assert await it.told([], entities) == (0, 20_000, 1)
        nursery.cancel_scope.cancel()
    assert turns >= 20
    assert len(it.data_api.entities) == 20_000
