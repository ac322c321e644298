from __future__ import annotations

from typing import Any

from msgspec import Raw

from ingest.core.catalog import Catalog
from ingest.core.catalog_builder import CatalogBuilder
from ingest.core.point import Facts
from tests.core.changes import raw


def entity(entity_id: str, **more: Any) -> Raw:
    return raw({"entity_id": entity_id, "id": f"id-{entity_id}", "platform": "demo", "labels": []} | more)


def built(entities: list[Raw], devices: list[dict[str, Any]] | None = None) -> Catalog:
    builder = CatalogBuilder()
    builder.add_devices(raw(device) for device in devices or [])
    builder.add_entities(entities)
    return builder.build()


def test_an_entity_has_the_facts_of_its_device() -> None:
    device = {"id": "d1", "area_id": "attic", "manufacturer": "Acme", "model": "X1", "sw_version": "2.0"}
    catalog = built([entity("light.a", device_id="d1", entity_category="config")], [device])
    assert catalog.facts("light.a") == Facts(
        "id-light.a", "d1", "attic", "config", "demo", manufacturer="Acme", model="X1", sw_version="2.0"
    )
    assert len(catalog) == 1


def test_an_area_is_the_entitys_own_else_its_devices_else_that_of_the_device_above() -> None:
    devices = [{"id": "up", "area_id": "attic"}, {"id": "down", "parent_device_id": "up"}, {"id": "free"}]
    entities = [entity(f"light.{name}", device_id=name) for name in ("up", "down", "free")]
    catalog = built([*entities, entity("light.own", device_id="up", area_id="cellar")], devices)
    areas = {name: catalog.facts(f"light.{name}").area_id for name in ("up", "down", "free", "own")}
    assert areas == {"up": "attic", "down": "attic", "free": None, "own": "cellar"}


def test_devices_that_belong_to_each_other_end_without_an_area() -> None:
    devices = [{"id": "a", "parent_device_id": "b"}, {"id": "b", "parent_device_id": "a"}]
    assert built([entity("light.a", device_id="a")], devices).facts("light.a").area_id is None


def test_a_device_that_is_not_listed_is_still_named() -> None:
    assert built([entity("light.a", device_id="gone")]).facts("light.a").device_id == "gone"


def test_an_unknown_entity_is_known_by_its_entity_id_and_is_the_same_object_when_asked_again() -> None:
    catalog = Catalog()
    assert catalog.facts("sun.sun") == Facts("sun.sun")
    assert catalog.facts("sun.sun") is catalog.facts("sun.sun")
    assert catalog.registered("sun.sun") is None


def test_unknown_entities_do_not_fill_the_memory() -> None:
    catalog = Catalog(unregistered=2)
    first = catalog.facts("sensor.0")
    for number in range(1, 3):
        catalog.facts(f"sensor.{number}")
    assert catalog.facts("sensor.0") is not first
    assert catalog.facts("sensor.0") == first


def test_an_entry_that_cannot_be_read_costs_only_itself() -> None:
    builder = CatalogBuilder()
    builder.add_areas([raw({"area_id": "attic", "name": "Attic"}), raw({"area_id": 5}), raw(None)])
    builder.add_devices([Raw(b"{"), raw({"id": "d1", "manufacturer": "Acme"})])
    builder.add_entities([raw([]), raw({"entity_id": "light.b"}), entity("light.a", device_id="d1")])
    catalog = builder.build()
    assert builder.skipped == 5
    assert [area.name for area in catalog.registries.areas.values()] == ["Attic"]
    assert catalog.facts("light.a").manufacturer == "Acme"


def test_numbers_where_texts_belong_become_texts_and_nonsense_is_left_out() -> None:
    device = {"id": "d1", "sw_version": 7, "model": True, "manufacturer": {"name": "Acme"}}
    facts = built([entity("light.a", device_id="d1")], [device]).facts("light.a")
    assert (facts.sw_version, facts.model, facts.manufacturer) == ("7", None, None)


def test_empty_texts_are_not_known() -> None:
    facts = built([entity("light.a", device_id="d1", area_id="")], [{"id": "d1", "model": "", "area_id": ""}])
    assert facts.facts("light.a") == Facts("id-light.a", "d1", None, None, "demo")


def test_facts_that_did_not_change_are_the_very_objects_of_the_catalog_before() -> None:
    before = built([entity("light.a"), entity("light.b")])
    builder = CatalogBuilder(previous=before)
    builder.add_entities([entity("light.a"), entity("light.b", area_id="attic")])
    after = builder.build()
    assert after.facts("light.a") is before.facts("light.a")
    assert after.facts("light.b") == Facts("id-light.b", area_id="attic", platform="demo")


def test_entities_of_one_device_share_its_texts() -> None:
    devices = [{"id": "d1", "manufacturer": "Acme Industries", "area_id": "attic"}]
    catalog = built([entity("light.a", device_id="d1"), entity("light.b", device_id="d1")], devices)
    one, other = catalog.facts("light.a"), catalog.facts("light.b")
    assert one.manufacturer is other.manufacturer
    assert one.area_id is other.area_id
    assert one.device_id is other.device_id


def test_a_renamed_entity_stays_who_it_is() -> None:
    catalog = built([entity("light.old")])
    renamed = catalog.renamed([("light.old", "light.new")])
    assert renamed.facts("light.new") is renamed.facts("light.old") is catalog.facts("light.old")
    assert catalog.renamed([("light.unheard_of", "light.new")]) is catalog


def test_floor_and_labels_come_with_the_area_and_the_device() -> None:
    builder = CatalogBuilder()
    builder.add_areas([raw({"area_id": "attic", "name": "Attic", "floor_id": "top", "labels": ["warm"]})])
    builder.add_areas([raw({"area_id": "cellar", "name": "Cellar", "picture": None})])
    builder.add_devices([raw({"id": "d1", "area_id": "attic", "labels": ["solar", "export"]})])
    builder.add_entities(
        [
            entity("sensor.a", device_id="d1", labels=["export", "own"]),
            entity("sensor.b", area_id="cellar", disabled_by="user", hidden_by="integration"),
        ]
    )
    catalog = builder.build()
    first, second = catalog.facts("sensor.a"), catalog.facts("sensor.b")
    assert (first.floor_id, first.labels) == ("top", ("export", "own", "solar", "warm"))
    assert (first.disabled, first.hidden) == (False, False)
    assert (second.floor_id, second.labels, second.disabled, second.hidden) == (None, (), True, True)
    assert [area.name for area in catalog.registries.areas.values()] == ["Attic", "Cellar"]


def test_what_no_registry_knows_is_the_same_object_in_the_next_catalog() -> None:
    before = built([entity("light.a")])
    builder = CatalogBuilder.of_changes(before)
    builder.drop(["light.a"])
    after = builder.build().renamed([("light.a", "light.b")])
    assert after.facts("sun.sun") is before.facts("sun.sun")
    assert after.registered("light.a") is None
