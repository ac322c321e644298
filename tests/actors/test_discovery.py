from __future__ import annotations

import gc
import json
from collections import Counter
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import trio
from attrs import define, field
from trio.testing import MockClock

from ingest.actors.connection import CommandFailed
from ingest.actors.discovery import DEBOUNCE, SHARE, TOLD, Discovery, Tell
from ingest.actors.notices import Notices
from ingest.actors.registry_reading import ASIDE, RegistryReader, Whole
from ingest.actors.template_reading import Render
from ingest.core import reports
from ingest.core.catalog import NO_CATALOG, Catalog
from ingest.core.point import Facts
from ingest.core.registries import RegistryLists
from ingest.core.registry_changes import SINGLY
from ingest.core.reports import Report
from ingest.core.wire import RegistryData, RegistryUpdated
from ingest.errors import IngestError, Refused, Transient
from ingest.runtime.supervise import one_error
from ingest.runtime.watch import Watch
from tests.actors.peer import answering, connection, no, ok, playing

HOUR = 3600.0

AREAS = "config/area_registry/list"
DEVICES = "config/device_registry/list"
ENTITIES = "config/entity_registry/list"
ENTITY = "config/entity_registry/get"
FLOORS = "config/floor_registry/list"
LABELS = "config/label_registry/list"


def an_entity(entity_id: str, number: str = "r1", **more: Any) -> dict[str, Any]:
    return {"entity_id": entity_id, "id": number, "device_id": "d1", **more}


@define
class Registries:
    """A server's registries; which commands fail, and how; and when each was asked."""

    entities: Any = field(factory=lambda: [an_entity("light.a")])
    devices: Any = field(factory=lambda: [{"id": "d1", "area_id": "kitchen"}])
    areas: Any = field(factory=lambda: [{"area_id": "kitchen", "name": "Kitchen"}])
    floors: Any = field(factory=list)
    labels: Any = field(factory=list)
    failing: dict[str, str] = field(factory=dict)
    asked: dict[str, list[float]] = field(factory=dict)

    def answer(self, message: dict[str, Any]) -> list[object]:
        command = message["type"]
        self.asked.setdefault(command, []).append(trio.current_time())
        if command in self.failing:
            return [no(self.failing[command])]
        return [self.result(command, message)]

    def result(self, command: str, message: dict[str, Any]) -> object:
        lists = {
            AREAS: self.areas, DEVICES: self.devices, ENTITIES: self.entities, FLOORS: self.floors,
            LABELS: self.labels,
        }  # fmt: skip
        if command != ENTITY:
            return ok(lists[command])
        found = [each for each in self.entities if each["entity_id"] == message["entity_id"]]
        return ok(found[0] | {"aliases": []}) if found else no("not_found")

    def times(self, command: str = ENTITIES) -> list[float]:
        return self.asked.get(command, [])

    def counts(self) -> Counter[str]:
        return Counter({command: len(times) for command, times in self.asked.items()})


COMMANDS = (AREAS, DEVICES, ENTITIES, ENTITY, FLOORS, LABELS)


@define
class Running:
    catalog: Watch[Catalog]
    notices: Notices
    emitted: list[Report]
    told: list[tuple[int, int]] = field(factory=list)

    def hear(self, kind: str = "entity", **data: Any) -> None:
        self.notices.hear(RegistryUpdated(f"{kind}_registry_updated", RegistryData(**data)))

    def names(self) -> list[str]:
        return [type(each).__name__ for each in self.emitted]


@asynccontextmanager
async def discovering(
    registries: Registries,
    interval: float = HOUR,
    catalog: Catalog = NO_CATALOG,
    render: Render | None = None,
    tell: Tell | None = None,
    counts: bool = False,
    emitted: list[Report] | None = None,
    **answers: Any,
) -> AsyncGenerator[Running]:
    running = Running(Watch(catalog), Notices(), [] if emitted is None else emitted)

    def counted(lists: RegistryLists) -> None:
        running.told.append((len(lists.devices), len(lists.entities)))
        if tell is not None:
            tell(lists)

    async with (
        playing(answering(**{**dict.fromkeys(COMMANDS, registries.answer), **answers})) as peer,
        connection(peer.dial) as bulk,
        trio.open_nursery() as nursery,
    ):
        actor = Discovery(bulk, running.catalog, running.notices, running.emitted.append, interval, render=render)
        actor.tell = counted if tell is not None or counts else None
        nursery.start_soon(actor.run)
        await actor.tried.wait()
        yield running
        nursery.cancel_scope.cancel()


async def test_the_registries_are_read_at_once(autojump_clock: MockClock) -> None:
    registries = Registries(floors=[{"floor_id": "f", "name": "Ground"}], labels=[{"label_id": "l", "name": "Loud"}])
    async with discovering(registries, counts=True) as running:
        catalog = running.catalog.value
        await trio.sleep(1)
    facts = catalog.facts("light.a")
    assert (facts.registry_id, facts.area_id, facts.device_id) == ("r1", "kitchen", "d1")
    assert (catalog.registries.floors, catalog.registries.labels) == ({"f": "Ground"}, {"l": "Loud"})
    assert registries.counts() == dict.fromkeys((AREAS, FLOORS, LABELS, DEVICES, ENTITIES), 1)
    (loaded,) = running.emitted
    assert isinstance(loaded, reports.CatalogLoaded)
    assert (loaded.entities, loaded.devices, loaded.areas, loaded.skipped) == (1, 1, 1, 0)
    assert (loaded.floors, loaded.labels, loaded.source) == (1, 1, "registries")
    assert running.told == [(1, 1)]


async def test_they_are_read_again_now_and_then(autojump_clock: MockClock) -> None:
    registries = Registries()
    async with discovering(registries, interval=100):
        await trio.sleep(450)
    assert len(registries.times()) == 5


async def test_one_changed_entity_is_fetched_alone_within_two_seconds(autojump_clock: MockClock) -> None:
    registries = Registries([an_entity("light.a"), an_entity("light.b", "r2")])
    async with discovering(registries) as running:
        await trio.sleep(10)
        before = running.catalog.value
        asked = registries.counts()
        registries.entities = [an_entity("light.a", area_id="attic"), an_entity("light.b", "r2")]
        registries.areas = [*registries.areas, {"area_id": "attic", "name": "Attic"}]
        running.hear(action="update", entity_id="light.a")
        with trio.fail_after(2):
            catalog = await running.catalog.until(lambda value: value.facts("light.a").area_id == "attic")
    # Its new area is one that nobody had heard of: so areas are read, and nothing else.
    assert registries.counts() - asked == {ENTITY: 1, AREAS: 1}
    assert catalog.facts("light.b") is before.facts("light.b")
    assert catalog.registries.areas.keys() == {"kitchen", "attic"}
    changed = running.emitted[-1]
    assert isinstance(changed, reports.CatalogChanged)
    assert (changed.entities, changed.lists) == (("light.a",), ())


async def test_a_truth_is_known_within_two_seconds_although_the_events_go_on(autojump_clock: MockClock) -> None:
    registries = Registries()
    async with discovering(registries) as running:
        await trio.sleep(10)
        registries.entities = [an_entity("light.a", area_id="kitchen", entity_category="config")]
        with trio.fail_after(2):
            while running.catalog.value.facts("light.a").entity_category is None:
                running.hear(action="update", entity_id="light.a")
                await trio.sleep(0.1)
    assert len(registries.times()) == 1


async def test_a_removed_entity_is_not_asked_for(autojump_clock: MockClock) -> None:
    registries = Registries([an_entity("light.a"), an_entity("light.b", "r2")])
    async with discovering(registries) as running:
        await trio.sleep(5)
        asked = registries.counts()
        running.hear(action="remove", entity_id="light.a")
        await trio.sleep(2)
    assert not registries.counts() - asked
    assert running.catalog.value.registered("light.a") is None
    assert running.catalog.value.registered("light.b") is not None


async def test_a_renamed_entity_is_fetched_by_its_new_name_and_the_old_one_is_gone(autojump_clock: MockClock) -> None:
    registries = Registries()
    async with discovering(registries) as running:
        await trio.sleep(5)
        registries.entities = [an_entity("light.new")]
        running.hear(action="update", entity_id="light.new", old_entity_id="light.a")
        await trio.sleep(2)
    catalog = running.catalog.value
    assert catalog.facts("light.new").registry_id == "r1"
    assert catalog.registered("light.a") is None


async def test_an_entity_that_is_gone_when_it_is_asked_for_is_gone(autojump_clock: MockClock) -> None:
    registries = Registries()
    async with discovering(registries) as running:
        await trio.sleep(5)
        registries.entities = []
        running.hear(action="update", entity_id="light.a")
        await trio.sleep(2)
    assert running.catalog.value.registered("light.a") is None
    assert "RegistryFailed" not in running.names()


async def test_a_device_that_moved_takes_its_entities_along_without_any_being_asked_for(
    autojump_clock: MockClock,
) -> None:
    registries = Registries(
        [
            an_entity("light.a"),
            an_entity("light.own", "r2", area_id="attic"),
            an_entity("light.c", "r3", device_id="d2"),
        ]
    )
    registries.devices = [{"id": "d1", "area_id": "kitchen"}, {"id": "d2", "parent_device_id": "d1"}]
    async with discovering(registries) as running:
        await trio.sleep(5)
        asked, before = registries.counts(), running.catalog.value
        registries.devices = [{"id": "d1", "area_id": "cellar"}, {"id": "d2", "parent_device_id": "d1"}]
        running.hear("device", action="update")
        await trio.sleep(2)
    assert registries.counts() - asked == {DEVICES: 1}
    areas = {name: running.catalog.value.facts(f"light.{name}").area_id for name in ("a", "own", "c")}
    assert areas == {"a": "cellar", "own": "attic", "c": "cellar"}
    assert running.catalog.value.facts("light.own") is before.facts("light.own")


async def test_a_swapped_device_keeps_who_the_entity_is(autojump_clock: MockClock) -> None:
    registries = Registries()
    async with discovering(registries) as running:
        await trio.sleep(5)
        registries.devices = [{"id": "d9", "area_id": "kitchen", "manufacturer": "New"}]
        registries.entities = [an_entity("light.a", device_id="d9")]
        running.hear("device", action="create")
        running.hear(action="update", entity_id="light.a")
        running.hear("device", action="remove")
        await trio.sleep(2)
    facts = running.catalog.value.facts("light.a")
    assert (facts.registry_id, facts.device_id, facts.manufacturer) == ("r1", "d9", "New")


@pytest.mark.parametrize(("kind", "command"), [("area", AREAS), ("floor", FLOORS), ("label", LABELS)])
async def test_a_small_registry_is_read_when_it_changed(autojump_clock: MockClock, kind: str, command: str) -> None:
    registries = Registries()
    async with discovering(registries) as running:
        await trio.sleep(5)
        asked = registries.counts()
        running.hear(kind, action="create")
        await trio.sleep(2)
    assert registries.counts() - asked == {command: 1}


async def test_a_burst_is_one_reading_of_everything_after_a_silence(autojump_clock: MockClock) -> None:
    registries = Registries()
    async with discovering(registries) as running:
        await trio.sleep(10)
        registries.entities = [an_entity("light.b", "r2")]
        for number in range(SINGLY + 1):
            running.hear(action="create", entity_id=f"light.x{number}")
            await trio.sleep(0.01)
        last = trio.current_time() - 0.01
        await trio.sleep(10)
    assert len(registries.times()) == 2
    assert registries.times()[1] == pytest.approx(last + DEBOUNCE)
    assert not registries.times(ENTITY)
    assert running.catalog.value.registered("light.b") is not None
    assert running.catalog.value.registered("light.a") is None


@pytest.mark.parametrize("data", [{}, {"action": "update"}])
async def test_an_event_that_names_nothing_has_everything_read(autojump_clock: MockClock, data: Any) -> None:
    registries = Registries()
    async with discovering(registries) as running:
        await trio.sleep(10)
        running.hear(**data)
        await trio.sleep(10)
    assert len(registries.times()) == 2


async def test_somebody_may_ask_for_everything(autojump_clock: MockClock) -> None:
    registries = Registries()
    async with discovering(registries, counts=True) as running:
        await trio.sleep(10)
        running.hear(action="update", entity_id="light.a")
        running.notices.count.set(running.notices.count.value + 1)
        await trio.sleep(10)
    assert len(registries.times()) == 2
    assert running.told == [(1, 1), (1, 1)]


async def test_registries_that_never_rest_are_read_all_the_same(autojump_clock: MockClock) -> None:
    registries = Registries()
    async with discovering(registries) as running:
        for _ in range(600):
            running.hear()
            await trio.sleep(DEBOUNCE / 2)
    assert len(registries.times()) >= 5


async def test_a_change_while_the_registries_are_read_is_not_missed(autojump_clock: MockClock) -> None:
    registries = Registries()
    notices = Notices()

    def during(message: dict[str, Any]) -> list[object]:
        said = registries.answer(message)
        if len(registries.times()) == 1:
            registries.entities = [an_entity("light.b")]
            notices.hear(RegistryUpdated("entity_registry_updated", RegistryData("update", "light.b", "light.a")))
        return said

    answers = {**dict.fromkeys(COMMANDS, registries.answer), ENTITIES: during}
    catalog, emitted = Watch(NO_CATALOG), list[Report]()
    async with playing(answering(**answers)) as peer, connection(peer.dial) as bulk, trio.open_nursery() as nursery:
        actor = Discovery(bulk, catalog, notices, emitted.append, HOUR)
        nursery.start_soon(actor.run)
        await actor.tried.wait()
        # The list that was read has the old name; the new one is known all the same.
        assert catalog.value.facts("light.b").registry_id == "r1"
        await trio.sleep(10)
        nursery.cancel_scope.cancel()
    assert len(registries.times(ENTITY)) == 1


def slowly(monkeypatch: pytest.MonkeyPatch, seconds: float) -> list[float]:
    """A large home: what was read of it is known so many seconds later. When each reading of all of it began."""
    whole, began = RegistryReader.whole, list[float]()

    async def slow(reader: RegistryReader, previous: Catalog) -> Whole:
        began.append(trio.current_time())
        found = await whole(reader, previous)
        await trio.sleep(seconds)
        return found

    monkeypatch.setattr(RegistryReader, "whole", slow)
    return began


async def test_what_changes_while_a_large_home_is_read_is_known_in_two_seconds_and_stays_so(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    began, registries, areas = slowly(monkeypatch, 30), Registries(), list[str | None]()
    async with discovering(registries, interval=60) as running:

        async def look() -> None:
            while True:
                areas.append(running.catalog.value.facts("light.a").area_id)
                await running.catalog.changed()

        await trio.sleep(60 + 1)
        assert len(began) == 2
        async with trio.open_nursery() as nursery:
            nursery.start_soon(look)
            for area in ("attic", "cellar"):
                registries.entities = [an_entity("light.a", area_id=area)]
                running.hear(action="update", entity_id="light.a")
                await trio.sleep(2)
                assert running.catalog.value.facts("light.a").area_id == area
            registries.areas = [*registries.areas, {"area_id": "cellar", "floor_id": "below"}]
            running.hear("area", action="update")
            await trio.sleep(2)
            assert running.catalog.value.facts("light.a").floor_id == "below"
            await trio.sleep(30)
            nursery.cancel_scope.cancel()
    assert running.names() == ["CatalogLoaded", *["CatalogChanged"] * 3, "CatalogLoaded"]
    assert areas[0] == "kitchen"
    assert areas[areas.index("cellar") :] == ["cellar"] * (len(areas) - areas.index("cellar")), (
        "never what it was before"
    )
    assert running.catalog.value.facts("light.a").floor_id == "below"
    assert len(began) == 2


async def test_a_burst_while_a_large_home_is_read_has_it_read_once_more(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    began, registries = slowly(monkeypatch, 30), Registries()
    async with discovering(registries, interval=60) as running:
        await trio.sleep(61)
        registries.entities = [an_entity(f"light.{number}", f"r{number}") for number in range(SINGLY + 1)]
        for number in range(SINGLY + 1):
            running.hear(action="create", entity_id=f"light.{number}")
        await trio.sleep(70)
    assert running.catalog.value.facts("light.7").registry_id == "r7"
    assert len(began) == 3
    assert registries.times(ENTITY) == []


async def test_what_cannot_be_fetched_while_a_large_home_is_read_is_not_forgotten(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    began, registries = slowly(monkeypatch, 30), Registries()
    async with discovering(registries, interval=60) as running:
        await trio.sleep(61)
        registries.failing = {ENTITY: "unknown_command"}
        registries.entities = [an_entity("light.a", area_id="attic")]
        running.hear(action="update", entity_id="light.a")
        await trio.sleep(70)
    assert running.catalog.value.facts("light.a").area_id == "attic"
    assert running.names() == ["CatalogLoaded", "RegistryFailed", "CatalogLoaded", "CatalogLoaded"]
    assert len(began) == 3


async def test_what_changed_while_everything_was_read_in_vain_has_it_read_again(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    began, registries = slowly(monkeypatch, 30), Registries()
    async with discovering(registries, interval=60) as running:
        await trio.sleep(61)
        slow = RegistryReader.whole

        async def broken(reader: RegistryReader, previous: Catalog) -> Whole:
            monkeypatch.setattr(RegistryReader, "whole", slow)
            await trio.sleep(2.5)
            raise CommandFailed("all of it", "unknown_error", "no", where="here")

        monkeypatch.setattr(RegistryReader, "whole", broken)
        await trio.sleep(30 + 60)
        registries.entities = [an_entity("light.a", area_id="attic")]
        running.hear(action="update", entity_id="light.a")
        await trio.sleep(2)
        assert running.catalog.value.facts("light.a").area_id == "attic"
        await trio.sleep(35)
    assert running.names()[-3:] == ["CatalogChanged", "CatalogFailed", "CatalogLoaded"]
    assert running.catalog.value.facts("light.a").area_id == "attic"
    assert len(began) == 3


@pytest.mark.parametrize("known", [True, False])
async def test_what_is_made_between_two_lists_is_known_whole(autojump_clock: MockClock, *, known: bool) -> None:
    """An entity, its device and its area, after the areas and devices were read: never with half of its tags."""
    registries, seen = Registries(), list[Facts]()

    def between(message: dict[str, Any]) -> list[object]:
        if len(registries.times(DEVICES)) == 2 - (not known):
            registries.areas = [*registries.areas, {"area_id": "attic", "name": "Attic"}]
            registries.devices = [*registries.devices, {"id": "d2", "area_id": "attic", "manufacturer": "ACME"}]
            registries.entities = [*registries.entities, an_entity("light.b", "r2", device_id="d2", area_id="attic")]
        return registries.answer(message)

    answers: dict[str, Any] = {ENTITIES: between}
    async with discovering(registries, interval=60, counts=True, **answers) as running:
        await trio.sleep(60 + 5 if known else 5)
        seen.append(running.catalog.value.facts("light.b"))
        await trio.sleep(600)
    (facts,) = seen
    assert (facts.area_id, facts.device_id, facts.manufacturer) == ("attic", "d2", "ACME")
    assert running.told[-1] == (2, 2)
    readings = running.names().count("CatalogLoaded")
    assert (len(registries.times(DEVICES)), len(registries.times(AREAS))) == (readings + 1, readings + 1)


async def test_a_device_that_is_gone_is_not_looked_for_in_every_reading(autojump_clock: MockClock) -> None:
    registries = Registries(entities=[an_entity("light.a", device_id="gone", area_id="lost")])
    async with discovering(registries, interval=60):
        await trio.sleep(601)
    assert len(registries.times(DEVICES)) == len(registries.times()) + 1
    assert len(registries.times(AREAS)) == len(registries.times()) + 1


async def test_a_failed_reading_leaves_the_last_catalog_serving(autojump_clock: MockClock) -> None:
    registries = Registries()
    async with discovering(registries) as running:
        await trio.sleep(5)
        before = running.catalog.value
        registries.failing = {ENTITIES: "unknown_error"}
        running.hear()
        await trio.sleep(5)
        assert running.catalog.value is before
        registries.failing = {}
        running.hear()
        await trio.sleep(5)
    assert running.catalog.value is not before
    assert running.names() == ["CatalogLoaded", "CatalogFailed", "CatalogLoaded"]


async def test_readings_in_vain_leave_nothing_behind(autojump_clock: MockClock, looking_seldom: None) -> None:
    """Each had read a part of the registries, megabytes in a large home."""
    registries = Registries()
    async with discovering(registries):
        registries.failing[ENTITIES] = "unknown_error"
        gc.collect()
        for _ in range(10):
            await trio.sleep(HOUR)
        assert len(registries.times()) > 10
        assert sum(isinstance(each, CommandFailed) for each in gc.get_objects()) <= 1


@pytest.mark.parametrize("command", [AREAS, DEVICES, FLOORS, LABELS])
async def test_a_command_that_fails_takes_nothing_from_what_was_known_and_is_named_once(
    autojump_clock: MockClock, command: str
) -> None:
    registries = Registries(floors=[{"floor_id": "f", "name": "Ground"}], labels=[{"label_id": "l"}])
    async with discovering(registries, interval=100, counts=True) as running:
        await trio.sleep(5)
        before = running.catalog.value
        registries.failing = {command: "unknown_error"}
        await trio.sleep(500)
        after = running.catalog.value
        registries.failing = {}
        await trio.sleep(500)
        registries.failing = {command: "unknown_error"}
        await trio.sleep(500)
    assert after.facts("light.a") is before.facts("light.a")
    # Whoever makes more of the raw entries is not handed half of them.
    assert set(running.told) == {(1, 1)}
    assert (len(running.told) < len(registries.times())) is (command == DEVICES)
    for kind in ("areas", "devices", "floors", "labels"):
        assert getattr(after.registries, kind) == getattr(before.registries, kind)
    said = [each for each in running.emitted if isinstance(each, reports.RegistryFailed)]
    assert [each.command for each in said] == [command, command]


@pytest.mark.parametrize("command", [FLOORS, LABELS])
async def test_a_release_without_floors_or_labels_is_no_failure(autojump_clock: MockClock, command: str) -> None:
    registries = Registries(failing={command: "unknown_command"})
    async with discovering(registries) as running:
        await trio.sleep(5)
    assert running.names() == ["CatalogLoaded"]


@pytest.mark.parametrize("command", [AREAS, DEVICES, ENTITIES])
async def test_what_tags_are_made_of_must_be_there_the_first_time(autojump_clock: MockClock, command: str) -> None:
    registries = Registries(failing={command: "unknown_error"})
    async with discovering(registries) as running:
        await trio.sleep(5)
        assert running.catalog.value is NO_CATALOG
        registries.failing = {}
        await trio.sleep(100)
    assert running.catalog.value.facts("light.a").area_id == "kitchen"


async def test_an_entity_that_cannot_be_fetched_has_everything_read(autojump_clock: MockClock) -> None:
    registries = Registries(failing={ENTITY: "unknown_command"})
    async with discovering(registries) as running:
        await trio.sleep(5)
        registries.entities = [an_entity("light.a", area_id="attic")]
        running.hear(action="update", entity_id="light.a")
        await trio.sleep(5)
    assert running.catalog.value.facts("light.a").area_id == "attic"
    assert running.names() == ["CatalogLoaded", "RegistryFailed", "CatalogLoaded"]


async def test_labels_that_are_never_answered_are_done_without(autojump_clock: MockClock) -> None:
    silent: dict[str, Any] = {LABELS: []}
    async with discovering(Registries(), **silent) as running:
        assert trio.current_time() <= ASIDE + 1
        assert running.catalog.value.facts("light.a").area_id == "kitchen"
    assert [each.command for each in running.emitted if isinstance(each, reports.RegistryFailed)] == [LABELS]


@pytest.mark.parametrize("answer", [{}, {"light": 5}, None])
async def test_labels_of_another_shape_are_left_out(autojump_clock: MockClock, answer: object) -> None:
    answers: dict[str, Any] = {LABELS: [ok(answer)]}
    async with discovering(Registries(), **answers) as running:
        await trio.sleep(5)
    assert running.names() == ["RegistryFailed", "CatalogLoaded"]


async def test_each_complete_reading_is_handed_on_before_it_is_reported_and_no_other(autojump_clock: MockClock) -> None:
    registries, told, emitted = Registries(), list[tuple[int, int, int]](), list[Report]()

    def tell(lists: RegistryLists) -> None:
        told.append((len(lists.devices), len(lists.entities), len(emitted)))

    async with discovering(registries, tell=tell, emitted=emitted) as running:
        await trio.sleep(5)
        registries.failing = {ENTITIES: "unknown_error"}
        running.hear()
        await trio.sleep(5)
        registries.failing, registries.entities = {}, []
        running.hear()
        await trio.sleep(5)
    assert told == [(1, 1, 0), (1, 0, 2)]
    assert len(emitted) == 3


async def test_who_takes_complete_readings_has_one_soon_after_what_changed_was_read(autojump_clock: MockClock) -> None:
    registries, told = Registries(), list[RegistryLists]()
    async with discovering(registries, tell=told.append) as running:
        await trio.sleep(60)
        for area in ("attic", "cellar"):
            registries.entities = [an_entity("light.a", area_id=area)]
            running.hear(action="update", entity_id="light.a")
            await trio.sleep(2)
            assert running.catalog.value.facts("light.a").area_id == area
        assert len(told) == 1, "changes are read by themselves first"
        await trio.sleep(TOLD)
        assert len(told) == 2
        await trio.sleep(600)
    assert len(told) == 2, "nothing else changed"
    assert b"cellar" in bytes(told[-1].entities[0])


async def test_a_large_home_that_changes_all_the_time_is_not_read_all_the_time(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    registries, told, whole = Registries(), list[RegistryLists](), RegistryReader.whole

    async def slow(reader: RegistryReader, previous: Catalog) -> Whole:
        await trio.sleep(3)
        return await whole(reader, previous)

    monkeypatch.setattr(RegistryReader, "whole", slow)
    async with discovering(registries, tell=told.append) as running:
        for number in range(60):
            registries.entities = [an_entity("light.a", area_id=str(number))]
            running.hear(action="update", entity_id="light.a")
            await trio.sleep(10)
        assert running.catalog.value.facts("light.a").area_id == "59"
    assert 600 / (3 * SHARE + 13) - 1 <= len(told) <= 600 / (3 * SHARE) + 1


async def test_a_list_that_is_none_is_a_failed_reading(autojump_clock: MockClock) -> None:
    async with discovering(Registries(entities="no list")) as running:
        await trio.sleep(5)
    assert running.names() == ["CatalogFailed"]
    assert running.catalog.value is NO_CATALOG


async def test_an_entry_that_cannot_be_read_is_skipped_and_counted(autojump_clock: MockClock) -> None:
    registries = Registries([7, an_entity("light.a")])
    async with discovering(registries) as running:
        await trio.sleep(5)
    (loaded,) = running.emitted
    assert isinstance(loaded, reports.CatalogLoaded)
    assert (loaded.entities, loaded.skipped) == (1, 1)


async def test_a_server_that_never_answers_ends_the_session(autojump_clock: MockClock) -> None:
    with pytest.raises(IngestError) as caught, one_error():
        async with playing(answering(**{AREAS: []})) as peer, connection(peer.dial) as bulk:
            await Discovery(bulk, Watch(NO_CATALOG), Notices(), lambda _: None, HOUR).run()
    assert type(caught.value) is Transient
    assert trio.current_time() >= 100


@pytest.mark.parametrize(("code", "readings"), [("unknown_error", 10), ("unknown_command", 1)])
async def test_a_failed_reading_is_tried_again_soon_but_not_of_a_server_that_has_none(
    autojump_clock: MockClock, code: str, readings: int
) -> None:
    registries = Registries(failing={ENTITIES: code})
    async with discovering(registries) as running:
        await trio.sleep(9 * (60 + DEBOUNCE) + 30)
    assert len(registries.times()) == readings
    # It is said aloud once.
    levels = [each.level for each in running.emitted if isinstance(each, reports.CatalogFailed)]
    assert levels == ["warning", *["debug"] * (readings - 1)]


@define
class Templates:
    """Home Assistant's templates: they tell of these rows, a question at a time."""

    rows: list[dict[str, Any]]
    refused: str = ""
    asked: list[dict[str, Any]] = field(factory=list)

    async def render(self, body: bytes) -> bytes:
        await trio.lowlevel.checkpoint()
        if self.refused:
            raise Refused(self.refused, remedy="Do something.")
        self.asked.append(json.loads(body))
        wanted = self.asked[-1]["variables"].get("entity_ids")
        if wanted is None:
            return json.dumps([row["entity_id"] for row in self.rows]).encode()
        return json.dumps([row for row in self.rows if row["entity_id"] in wanted]).encode()


ROWS: list[dict[str, Any]] = [
    {
        "entity_id": "light.a",
        "device_id": "d1",
        "area_id": "attic",
        "manufacturer": "Acme",
        "model": "",
        "hidden": True,
    },
    {"entity_id": "light.new", "area_id": "hall", "floor_id": "f", "labels": ["x", "a", "x"]},
    {"entity_id": "light.odd", "labels": 7},
]


async def test_a_server_without_registries_is_asked_by_template_and_what_was_known_keeps_its_id(
    autojump_clock: MockClock,
) -> None:
    known = Catalog({"light.a": Facts("r1", platform="demo", labels=("old",)), "light.off": Facts("r2", disabled=True)})
    templates = Templates(ROWS)
    async with discovering(
        Registries(failing={ENTITIES: "unknown_command"}), catalog=known, render=templates.render
    ) as running:
        await trio.sleep(5)
    catalog = running.catalog.value
    assert catalog.facts("light.a") == Facts("r1", "d1", "attic", None, "demo", "Acme", labels=("old",), hidden=True)
    assert catalog.facts("light.new") == Facts("light.new", None, "hall", floor_id="f", labels=("a", "x"))
    assert catalog.facts("light.off") is known.facts("light.off")
    assert running.names() == ["CatalogFailed", "CatalogLoaded"]
    loaded = running.emitted[-1]
    assert isinstance(loaded, reports.CatalogLoaded)
    assert (loaded.source, loaded.skipped) == ("templates", 1)
    assert len(templates.asked) == 2


async def test_templates_that_are_refused_leave_what_was_known_and_that_is_said_once(autojump_clock: MockClock) -> None:
    known = Catalog({"light.a": Facts("r1", area_id="attic")})
    templates = Templates([], refused="not for this token")
    async with discovering(
        Registries(failing={ENTITIES: "unknown_command"}), 100, known, render=templates.render
    ) as running:
        await trio.sleep(500)
        assert running.catalog.value is known
    said = [each for each in running.emitted if isinstance(each, reports.RegistryFailed)]
    assert [each.reason for each in said] == ["not for this token. Do something."]


async def test_where_the_registries_can_be_read_again_nobody_complains_of_the_templates(
    autojump_clock: MockClock,
) -> None:
    registries = Registries(failing={ENTITIES: "unknown_command"})
    async with discovering(registries, render=Templates([], refused="not for this token").render) as running:
        await trio.sleep(5)
        registries.failing = {}
        running.hear()
        await trio.sleep(5)
        registries.failing = {ENTITIES: "unknown_command"}
        running.hear()
        await trio.sleep(5)
    assert running.names() == [
        "CatalogFailed", "RegistryFailed", "RegistryWorks", "CatalogLoaded", "CatalogFailed", "RegistryFailed",
    ]  # fmt: skip


async def test_templates_that_make_no_sense_are_said(autojump_clock: MockClock) -> None:
    async def render(_: bytes) -> bytes:
        await trio.lowlevel.checkpoint()
        return b"None"

    async with discovering(Registries(failing={ENTITIES: "unknown_command"}), render=render) as running:
        await trio.sleep(5)
    assert running.names() == ["CatalogFailed", "RegistryFailed"]


async def test_a_failure_that_may_pass_does_not_ask_templates_when_something_is_known(
    autojump_clock: MockClock,
) -> None:
    registries, templates = Registries(), Templates(ROWS)
    async with discovering(registries, render=templates.render) as running:
        await trio.sleep(5)
        registries.failing = {ENTITIES: "unknown_error"}
        running.hear()
        await trio.sleep(5)
    assert not templates.asked


async def test_an_error_without_an_id_ends_the_command_at_once(autojump_clock: MockClock) -> None:
    answers: dict[str, Any] = {AREAS: [json.dumps({"type": "error", "message": "no such thing"})]}
    templates = Templates(ROWS)
    async with discovering(Registries(), render=templates.render, **answers) as running:
        await trio.sleep(1)
        assert trio.current_time() < 5
    assert running.names() == ["CatalogFailed", "CatalogLoaded"]
    assert running.catalog.value.facts("light.a").area_id == "attic"
