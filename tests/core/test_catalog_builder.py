"""The catalog of a few changes is that of a whole reading, and shares with the last one what did not change."""

from __future__ import annotations

from typing import Any

import pytest
from attrs import define
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw, json

from ingest.core import wire
from ingest.core.catalog import Catalog
from ingest.core.catalog_builder import CatalogBuilder
from ingest.core.registry_changes import AREAS, DEVICES
from tests.core.changes import raw
from tests.core.test_kept_catalog import areas, devices, entities
from tests.golden.replay import recorded, result

Entry = dict[str, Any]


@define
class Home:
    """What the registries list, by ids."""

    areas: dict[str, Entry]
    devices: dict[str, Entry]
    entities: dict[str, Entry]

    def whole(self, previous: Catalog | None = None) -> Catalog:
        builder = CatalogBuilder(previous or Catalog())
        builder.add_areas(map(raw, self.areas.values()))
        builder.add_devices(map(raw, self.devices.values()))
        builder.add_entities(map(raw, self.entities.values()))
        assert builder.skipped == 0
        return builder.build()

    def changed(self, before: Home, previous: Catalog) -> Catalog:
        """Only what is different from the home before."""
        builder = CatalogBuilder.of_changes(previous)
        if self.areas != before.areas:
            builder.add_areas(map(raw, self.areas.values()))
        if self.devices != before.devices:
            builder.add_devices(map(raw, self.devices.values()))
        builder.drop(before.entities.keys() - self.entities.keys())
        builder.add_entities(raw(each) for key, each in self.entities.items() if before.entities.get(key) != each)
        builder.make_again(builder.concerned())
        return builder.build()


def by(key: str, entries: list[Entry]) -> dict[str, Entry]:
    return {entry[key]: entry for entry in entries}


homes = st.builds(
    Home,
    st.lists(areas, max_size=3).map(lambda each: by("area_id", each)),
    st.lists(devices, max_size=4).map(lambda each: by("id", each)),
    st.lists(entities, max_size=6).map(lambda each: by("entity_id", each)),
)


@given(homes, homes, st.sets(st.sampled_from(["areas", "devices", "entities"])))
def test_a_few_changes_lead_to_what_a_whole_reading_would(before: Home, after: Home, same: set[str]) -> None:
    for kind in same:
        setattr(after, kind, getattr(before, kind))
    previous = before.whole()
    changed, whole = after.changed(before, previous), after.whole(previous)
    assert changed.every() == whole.every()
    assert changed.registries.areas == whole.registries.areas
    for entity_id, facts in changed.every()[0].items():
        known = previous.registered(entity_id)
        assert (facts is known) is (facts == known)


def of_2026() -> Home:
    """The home that was recorded from 2026.11.0, where outlets are devices below their strip."""
    lists = [json.decode(result(frame), type=list[Entry]) for frame in recorded("2026.11.0", "registries")]
    return Home(by("area_id", lists[0]), by("id", lists[1]), by("entity_id", lists[2]))


def test_a_device_below_another_stands_where_that_one_does() -> None:
    home = of_2026()
    catalog = home.whole()
    below = {key: each for key, each in home.devices.items() if each.get("parent_device_id")}
    assert len(below) == 4
    of_them = [each for each in home.entities.values() if each["device_id"] in below and not each["area_id"]]
    assert of_them
    for entry in of_them:
        facts, device = catalog.facts(entry["entity_id"]), below[entry["device_id"]]
        assert device["area_id"] is None
        assert facts.device_id == entry["device_id"]
        assert facts.area_id == home.devices[device["parent_device_id"]]["area_id"]


def test_moving_the_device_above_moves_all_below_it() -> None:
    before, after = of_2026(), of_2026()
    parent = next(each["parent_device_id"] for each in after.devices.values() if each.get("parent_device_id"))
    after.devices[parent] = {**after.devices[parent], "area_id": "kuche_bad"}
    previous = before.whole()
    changed = after.changed(before, previous)
    assert changed.every() == after.whole().every()
    outlets = [key for key, each in after.devices.items() if each.get("parent_device_id") == parent]
    moved = [facts for facts in changed.every()[0].values() if facts.device_id in outlets]
    assert {facts.area_id for facts in moved} == {"kuche_bad"}


def test_devices_that_are_split_get_other_ids_and_their_entities_stay_who_they_are() -> None:
    """As 2026.8 does with a device that several config entries share: each gets one of its own, with a new id."""
    before, after = of_2026(), of_2026()
    for entity in after.entities.values():
        device = after.devices.get(entity["device_id"] or "")
        if device is not None:
            split = f"{device['id']}-{entity['platform']}"
            after.devices[split] = {**device, "id": split}
            entity["device_id"] = split
    after.devices = {key: each for key, each in after.devices.items() if key not in before.devices}
    previous = before.whole()
    changed = after.changed(before, previous)
    assert changed.every() == after.whole().every()
    for entity_id, facts in changed.every()[0].items():
        known = previous.facts(entity_id)
        assert (facts.registry_id, facts.platform) == (known.registry_id, known.platform)
        assert (facts.device_id != known.device_id) is (known.device_id is not None)
        assert facts.manufacturer == known.manufacturer


@pytest.mark.parametrize(
    ("fields", "kinds"),
    [
        ({}, set()),
        ({"area_id": "kuche_bad"}, set()),
        ({"area_id": "nowhere"}, {AREAS}),
        ({"device_id": "new"}, {DEVICES}),
        ({"device_id": "new", "area_id": "nowhere"}, {AREAS, DEVICES}),
    ],
)
def test_what_an_entity_points_at_and_nobody_knows_is_to_be_asked_for(fields: Entry, kinds: set[str]) -> None:
    builder = CatalogBuilder.of_changes(of_2026().whole())
    entry = {"entity_id": "light.a", "id": "r", **fields}
    assert builder.unheard_of([raw(entry), Raw(b"7")]) == kinds


@pytest.mark.parametrize("version", ["2024.3.3", "2025.4.4", "2026.11.0"])
def test_every_entry_that_was_recorded_can_be_read(version: str) -> None:
    lists = [wire.raw_list(result(frame)) for frame in recorded(version, "registries")]
    builder = CatalogBuilder()
    for entries, take in zip(lists, (builder.add_areas, builder.add_devices, builder.add_entities), strict=True):
        take(entries)
    assert builder.skipped == 0
    assert len(builder.build()) == len(lists[2])
