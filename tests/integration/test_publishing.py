"""The whole pipeline and a data-api in memory: whatever fails on either side, data-api ends with what the home is."""

from __future__ import annotations

import json
import random
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest
import trio
from attrs import define, evolve, field
from trio.testing import MockClock

from ingest.actors import comparer
from ingest.core import reports
from ingest.core.registry_points import RegistryPoint
from ingest.core.secret import Secret
from ingest.core.store import Batch, Codec, Store, Verdict
from ingest.edge.data_api import open_data_api
from ingest.errors import Transient
from ingest.simulator import faults as f
from ingest.simulator.home import Home
from ingest.simulator.script import happen
from ingest.simulator.services import described
from tests.edge.answering import Reply
from tests.integration.house import Memory, Running, living
from tests.support.data_api import KEY, DataApi

KINDS = ("devices", "entities", "services")


def homes_devices(home: Home) -> dict[str, dict[str, Any]]:
    """What the contract says that data-api must be told of the home's devices."""
    listed = json.loads(home.registry.device_list())
    more = {"source": "home_assistant"}
    return {each["id"]: {**each, "integration": each["identifiers"][0][0], **more} for each in listed}


def homes_entities(home: Home) -> dict[str, dict[str, Any]]:
    listed = json.loads(home.registry.entry_list())
    return {each["entity_id"]: {**each, "integration": each["platform"], "source": "home_assistant"} for each in listed}


def homes_services() -> dict[tuple[str, str], dict[str, Any]]:
    bare: dict[str, Any] = {"name": None, "description": None, "fields": {}, "target": None}
    return {
        (domain, name): {**bare, **service} for domain, named in described().items() for name, service in named.items()
    }


def check_told(data_api: DataApi, home: Home, *, services: bool = True) -> None:
    """It holds exactly the home, and every request was what the contract says."""
    assert data_api.wrong == []
    assert data_api.devices == homes_devices(home)
    assert data_api.entities == homes_entities(home)
    assert data_api.services == (homes_services() if services else {})


@define
class House:
    running: Running
    data_api: DataApi

    @property
    def home(self) -> Home:
        return self.running.server.home

    async def told(self) -> None:
        """Wait until data-api has the newest reading."""
        inventory = self.running.pipeline.inventory
        assert inventory.comparer is not None
        heard = inventory.comparer
        await self.running.until(lambda: heard.heard and heard.publisher.has.value == heard.heard)

    async def reread(self) -> None:
        with trio.fail_after(600):
            await self.running.pipeline.inventory.rediscovery.now()


@asynccontextmanager
async def house(data_api: DataApi, **plan: Any) -> AsyncGenerator[House]:
    transport = data_api.transport()
    async with open_data_api("http://data-api:8006", lambda: Secret(data_api.key), transport=transport) as opened:
        given = evolve(opened, key=lambda: Secret(KEY))
        async with living(data_api=given, **plan) as running:
            yield House(running, data_api)
    assert data_api.wrong == []


async def test_a_start_tells_everything_there_is(autojump_clock: MockClock) -> None:
    async with house(DataApi()) as it:
        await it.told()
        check_told(it.data_api, it.home)
        assert it.running.reports(reports.Notice) == []
        (published,) = it.running.reports(reports.Published)
        assert published.entities == len(it.data_api.entities) > 20


async def test_an_entity_that_is_not_in_the_registry_is_not_told(autojump_clock: MockClock) -> None:
    async with house(DataApi()) as it:
        await it.told()
        stored = {point.entity_id for point in it.running.memory.encoded}
        assert stored - it.data_api.entities.keys(), "the home has entities without an entry"
        assert it.data_api.entities.keys() == homes_entities(it.home).keys()


async def test_a_change_tells_that_entry_alone(autojump_clock: MockClock) -> None:
    async with house(DataApi()) as it:
        await it.told()
        before = it.data_api.requests.total()
        moved = next(iter(it.data_api.entities))
        it.running.server.instance.move(moved, area_id="elsewhere")
        await it.running.until(lambda: it.data_api.entities[moved]["area_id"] == "elsewhere")
        await it.told()
        assert it.data_api.sizes[before:] == [("entities", 1)]
        check_told(it.data_api, it.home)


async def test_a_new_name_is_told_and_the_old_one_stays(autojump_clock: MockClock) -> None:
    """The contract knows no removal."""
    async with house(DataApi()) as it:
        await it.told()
        old = next(key for key in it.data_api.entities if key.startswith("light."))
        it.running.server.instance.rename(old, f"{old}_renamed")
        await it.running.until(lambda: f"{old}_renamed" in it.data_api.entities)
        assert it.data_api.entities.keys() - homes_entities(it.home).keys() == {old}


async def test_a_new_session_tells_nothing_anew(autojump_clock: MockClock) -> None:
    async with house(DataApi()) as it:
        await it.told()
        before = it.data_api.requests.total()
        for times in (2, 3):
            await happen(it.running.server, f.Drop())
            await it.running.live(times)
            await it.reread()
        assert it.data_api.requests.total() == before


@pytest.mark.parametrize("command", ["config/device_registry/list", "config/entity_registry/list"])
async def test_a_registry_that_fails_half_way_tells_nothing_of_it(autojump_clock: MockClock, command: str) -> None:
    async with house(DataApi()) as it, trio.open_nursery() as nursery:
        nursery.start_soon(happen, it.running.server, f.AnswerError(command, 200.0, "unknown_error", "no"))
        await it.running.live()
        with pytest.raises(Transient, match="could not be read"):
            await it.reread()
        await trio.sleep(100)
        assert it.data_api.requests.total() == 0
        await trio.sleep(200)
        await it.told()
        check_told(it.data_api, it.home)


async def test_a_registry_that_fails_later_takes_nothing_back(autojump_clock: MockClock) -> None:
    async with house(DataApi()) as it, trio.open_nursery() as nursery:
        await it.told()
        before = it.data_api.requests.total()
        nursery.start_soon(happen, it.running.server, f.AnswerError("config/entity_registry/list", 30.0, "x", "no"))
        await trio.sleep(1)
        moved = next(iter(it.data_api.entities))
        it.running.server.instance.move(moved, area_id="elsewhere")
        await trio.sleep(20)
        assert it.data_api.requests.total() == before
        await it.running.until(lambda: it.data_api.entities[moved]["area_id"] == "elsewhere")
        check_told(it.data_api, it.home)


async def test_a_release_without_config_entries_and_services_is_told_of_the_rest(autojump_clock: MockClock) -> None:
    async with house(DataApi()) as it, trio.open_nursery() as nursery:
        for command in ("config_entries/get", "get_services"):
            nursery.start_soon(happen, it.running.server, f.AnswerError(command, 100.0))
        await it.told()
        check_told(it.data_api, it.home, services=False)
        await trio.sleep(100)
        await it.reread()
        check_told(it.data_api, it.home)
        assert len(it.running.reports(reports.Notice)) == 2


async def test_a_data_api_that_was_away_is_told_of_the_home_as_it_is_then(autojump_clock: MockClock) -> None:
    async with house(DataApi(away=True)) as it:
        await it.running.live()
        for number in range(20):
            await trio.sleep(100)
            it.running.server.instance.move(next(iter(it.home.registry.entities)), area_id=f"area_{number}")
        it.data_api.away = False
        await it.told()
        check_told(it.data_api, it.home)
        assert all(size <= 1000 for _, size in it.data_api.sizes)


async def test_one_that_lost_everything_is_whole_a_while_later(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(comparer, "EVERYTHING", 500.0)
    async with house(DataApi(), refresh_interval=100.0) as it:
        await it.told()
        it.data_api.restart_empty()
        await trio.sleep(700)
        check_told(it.data_api, it.home)


async def test_whoever_asks_is_answered_when_data_api_has_it(autojump_clock: MockClock) -> None:
    async with house(DataApi(seconds=5)) as it:
        await it.told()
        it.running.server.instance.move(next(iter(it.home.registry.entities)), area_id="elsewhere")
        found = await it.running.pipeline.inventory.rediscovery.now()
        check_told(it.data_api, it.home)
        assert (found.devices, found.entities) == (len(it.data_api.devices), len(it.data_api.entities))


@pytest.mark.parametrize("seed", range(3))
async def test_through_any_failures_it_ends_with_the_home(autojump_clock: MockClock, seed: int) -> None:
    chance = random.Random(seed)
    replies = [Reply(503, b"", {"Retry-After": "20"}), Reply(429), Reply(401), Reply(502), Reply(504), Reply(404)]
    ending = trio.Event()

    def failing(_: str, body: list[object]) -> Reply | None:
        if ending.is_set():
            return None
        if chance.random() < 0.05:
            return Reply.json(500, {"detail": "database is locked"})
        if len(body) > 1 and chance.random() < 0.2:
            return Reply(413)
        return chance.choice(replies) if chance.random() < 0.4 else None

    data_api = DataApi(failing=failing)
    async with house(data_api) as it:
        for _ in range(30):
            match chance.randrange(3):
                case 0:
                    data_api.away = not data_api.away
                case 1:
                    data_api.seconds = chance.choice([0, 1, 50, 90])
                case 2:
                    await happen(it.running.server, f.Drop())
                case 3:
                    data_api.keeps_services = not data_api.keeps_services
                case _:
                    moved = chance.choice(sorted(it.home.registry.entities))
                    it.running.server.instance.move(moved, area_id=f"area_{chance.randrange(9)}")
            await trio.sleep(chance.random() * 100)
        ending.set()
        data_api.away, data_api.seconds, data_api.keeps_services = False, 0, True
        await trio.sleep(2000)  # past the next reading
        await it.told()
        assert it.running.reports(reports.EntryRefused) == []
        check_told(data_api, it.home)


@define(eq=False)
class Registered(Memory):
    """A store that takes devices and entities, too, and keeps them apart."""

    entries: list[RegistryPoint] = field(factory=list)

    def store(self) -> Store[Any, Any]:
        codec: Codec[Any, Any] = Codec(self.encode, lambda items: 200 * len(items), tuple, registry=lambda point: point)
        return Store("memory", codec, self.deliver)

    async def deliver(self, batch: Batch[Any]) -> Verdict:
        verdict = await super().deliver(batch)
        if not self.down:
            taken = self.batches.pop()
            self.entries += _of(taken.payload)
            self.batches.append(evolve(taken, payload=tuple(each for each in taken.payload if not _of([each]))))
        return verdict


def _of(payload: Sequence[object]) -> list[RegistryPoint]:
    return [each for each in payload if isinstance(each, RegistryPoint)]


async def test_devices_and_entities_are_written_once_for_each_change_and_are_in_the_books(
    autojump_clock: MockClock,
) -> None:
    memory = Registered()
    async with living(memory=memory) as running:
        await running.live()
        await running.settled()
        home = running.server.home
        devices, entities = homes_devices(home), homes_entities(home)
        written = {next(iter(each.tags.values())) for each in memory.entries}
        assert written == devices.keys() | entities.keys()
        assert len(memory.entries) == len(written) == running.books["made"]
        moved = next(iter(entities))
        running.server.instance.move(moved, area_id="elsewhere")
        await trio.sleep(10)
        await running.settled()
        (changed,) = memory.entries[len(written) :]
        assert (changed.tags["entity_id"], changed.tags["area_id"]) == (moved, "elsewhere")
        assert changed.time_ns > memory.entries[0].time_ns
    assert running.books["made"] == len(memory.entries)


async def test_devices_and_entities_wait_for_a_database_that_is_away(autojump_clock: MockClock) -> None:
    memory = Registered(down=True)
    async with living(memory=memory) as running:
        await running.live()
        await trio.sleep(300)
        assert memory.entries == []
        memory.down = False
        await running.settled()
        assert len(memory.entries) == running.books["made"] > 20


async def test_devices_and_entities_that_were_evicted_are_written_with_a_later_reading(
    autojump_clock: MockClock,
) -> None:
    memory = Registered(down=True)
    async with living(memory=memory, spool_memory=400, refresh_interval=100.0) as running:
        await running.live()
        await running.server.burst(60, 10, 20)
        await trio.sleep(300)
        home = running.server.home
        entries = homes_devices(home).keys() | homes_entities(home).keys()
        assert running.books["evicted"] >= len(entries)
        memory.down = False
        await running.settled()
        assert memory.entries == []
        await trio.sleep(300)
        assert sorted(next(iter(each.tags.values())) for each in memory.entries) == sorted(entries)
