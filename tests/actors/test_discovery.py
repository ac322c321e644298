from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import trio
from attrs import define, field
from trio.testing import MockClock

from ingest.actors.discovery import DEBOUNCE, Discovery
from ingest.core import reports
from ingest.core.catalog import NO_CATALOG, Catalog
from ingest.core.registries import RegistryLists
from ingest.core.reports import Report
from ingest.errors import IngestError, Transient
from ingest.runtime.supervise import one_error
from ingest.runtime.watch import Watch
from tests.actors.peer import answering, connection, no, ok, playing

HOUR = 3600.0


@define
class Registries:
    """A server's registries, and how often each was asked for."""

    entities: list[Any] = field(factory=lambda: [{"entity_id": "light.a", "id": "r1", "device_id": "d1"}])
    failing: str = ""
    asked: list[float] = field(factory=list)

    def answers(self) -> dict[str, Any]:
        return {
            "config/area_registry/list": [ok([{"area_id": "kitchen", "name": "Kitchen"}])],
            "config/device_registry/list": [ok([{"id": "d1", "area_id": "kitchen"}])],
            "config/entity_registry/list": self.entity_list,
        }

    def entity_list(self, _message: dict[str, Any]) -> list[object]:
        self.asked.append(trio.current_time())
        return [no(self.failing) if self.failing else ok(self.entities)]


@define
class Running:
    catalog: Watch[Catalog]
    changed: Watch[int]
    emitted: list[Report]


@asynccontextmanager
async def discovering(registries: Registries, interval: float = HOUR) -> AsyncGenerator[Running]:
    running = Running(Watch(NO_CATALOG), Watch(0), [])
    async with (
        playing(answering(**registries.answers())) as peer,
        connection(peer.dial) as bulk,
        trio.open_nursery() as nursery,
    ):
        actor = Discovery(bulk, running.catalog, running.changed, running.emitted.append, interval)
        nursery.start_soon(actor.run)
        yield running
        nursery.cancel_scope.cancel()


async def test_the_registries_are_read_at_once(autojump_clock: MockClock) -> None:
    async with discovering(Registries()) as running:
        catalog = await running.catalog.until(lambda value: value is not NO_CATALOG)
        await trio.sleep(1)
    facts = catalog.facts("light.a")
    assert (facts.registry_id, facts.area_id, facts.device_id) == ("r1", "kitchen", "d1")
    (loaded,) = running.emitted
    assert isinstance(loaded, reports.CatalogLoaded)
    assert (loaded.entities, loaded.devices, loaded.areas, loaded.skipped) == (1, 1, 1, 0)


async def test_they_are_read_again_now_and_then(autojump_clock: MockClock) -> None:
    registries = Registries()
    async with discovering(registries, interval=100):
        await trio.sleep(450)
    assert len(registries.asked) == 5


async def test_many_registry_events_are_one_reading_after_a_silence(autojump_clock: MockClock) -> None:
    registries = Registries()
    async with discovering(registries) as running:
        await trio.sleep(10)
        registries.entities = [{"entity_id": "light.b", "id": "r2"}]
        for count in range(1, 9):
            running.changed.set(count)
            await trio.sleep(DEBOUNCE / 2)
        last = trio.current_time() - DEBOUNCE / 2
        await trio.sleep(10)
    assert len(registries.asked) == 2
    assert registries.asked[1] == pytest.approx(last + DEBOUNCE)
    assert running.catalog.value.registered("light.b") is not None
    assert running.catalog.value.registered("light.a") is None


async def test_a_registry_that_never_rests_is_read_all_the_same(autojump_clock: MockClock) -> None:
    registries = Registries()
    async with discovering(registries) as running:
        for count in range(1, 600):
            running.changed.set(count)
            await trio.sleep(DEBOUNCE / 2)
    assert len(registries.asked) >= 5


async def test_a_change_while_the_registries_are_read_is_not_missed(autojump_clock: MockClock) -> None:
    registries = Registries()

    def during(message: dict[str, Any]) -> list[object]:
        if not registries.asked:
            running.changed.set(running.changed.value + 1)
        return Registries.entity_list(registries, message)

    answers = {**registries.answers(), "config/entity_registry/list": during}
    running = Running(Watch(NO_CATALOG), Watch(0), [])
    async with playing(answering(**answers)) as peer, connection(peer.dial) as bulk, trio.open_nursery() as nursery:
        nursery.start_soon(Discovery(bulk, running.catalog, running.changed, running.emitted.append, HOUR).run)
        await trio.sleep(10)
        nursery.cancel_scope.cancel()
    assert len(registries.asked) == 2


async def test_a_failed_reading_leaves_the_last_catalog_serving(autojump_clock: MockClock) -> None:
    registries = Registries()
    async with discovering(registries) as running:
        await trio.sleep(5)
        before = running.catalog.value
        registries.failing = "unknown_error"
        running.changed.set(1)
        await trio.sleep(5)
        assert running.catalog.value is before
        registries.failing = ""
        running.changed.set(2)
        await trio.sleep(5)
    assert running.catalog.value is not before
    assert [type(each).__name__ for each in running.emitted] == ["CatalogLoaded", "CatalogFailed", "CatalogLoaded"]


async def test_each_complete_reading_is_handed_on_before_it_is_reported_and_no_other(autojump_clock: MockClock) -> None:
    registries, told = Registries(), list[tuple[int, int, int]]()
    running = Running(Watch(NO_CATALOG), Watch(0), [])

    def tell(lists: RegistryLists) -> None:
        told.append((len(lists.devices), len(lists.entities), len(running.emitted)))

    async with (
        playing(answering(**registries.answers())) as peer,
        connection(peer.dial) as bulk,
        trio.open_nursery() as nursery,
    ):
        reader = Discovery(bulk, running.catalog, running.changed, running.emitted.append, HOUR, tell)
        nursery.start_soon(reader.run)
        await trio.sleep(5)
        registries.failing = "unknown_error"
        running.changed.set(1)
        await trio.sleep(5)
        registries.failing, registries.entities = "", []
        running.changed.set(2)
        await trio.sleep(5)
        nursery.cancel_scope.cancel()
    assert told == [(1, 1, 0), (1, 0, 2)]
    assert len(running.emitted) == 3


async def test_a_list_that_is_none_is_a_failed_reading(autojump_clock: MockClock) -> None:
    registries = Registries(entities="no list")  # type: ignore[arg-type]  # what a foreign server might send
    async with discovering(registries) as running:
        await trio.sleep(5)
    assert [type(each).__name__ for each in running.emitted] == ["CatalogFailed"]
    assert running.catalog.value is NO_CATALOG


async def test_an_entry_that_cannot_be_read_is_skipped_and_counted(autojump_clock: MockClock) -> None:
    registries = Registries(entities=[7, {"entity_id": "light.a", "id": "r1"}])
    async with discovering(registries) as running:
        await trio.sleep(5)
    (loaded,) = running.emitted
    assert isinstance(loaded, reports.CatalogLoaded)
    assert (loaded.entities, loaded.skipped) == (1, 1)


async def test_a_server_that_never_answers_ends_the_session(autojump_clock: MockClock) -> None:
    with pytest.raises(IngestError) as caught, one_error():
        async with playing(answering(**{"config/area_registry/list": []})) as peer, connection(peer.dial) as bulk:
            await Discovery(bulk, Watch(NO_CATALOG), Watch(0), lambda _: None, HOUR).run()
    assert type(caught.value) is Transient
    assert trio.current_time() >= 100


@pytest.mark.parametrize(("code", "readings"), [("unknown_error", 10), ("unknown_command", 1)])
async def test_a_failed_reading_is_tried_again_soon_but_not_of_a_server_that_has_none(
    autojump_clock: MockClock, code: str, readings: int
) -> None:
    registries = Registries(failing=code)
    async with discovering(registries):
        await trio.sleep(9 * (60 + DEBOUNCE) + 30)
    assert len(registries.asked) == readings
