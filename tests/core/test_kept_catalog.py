from __future__ import annotations

import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.core.catalog import Catalog
from ingest.core.catalog_builder import CatalogBuilder
from ingest.core.kept_catalog import packed, rebuilt, unpacked
from ingest.core.point import Facts
from ingest.core.registry_entries import Area, Device
from tests.core.changes import raw

AT = 5 * 10**18

ids = st.text("abc", min_size=1, max_size=2)
maybe_ids = st.none() | ids
label_lists = st.lists(ids, max_size=2)
odd = st.none() | st.booleans() | st.integers(0, 9) | st.just("") | ids

areas = st.fixed_dictionaries({"area_id": ids, "name": ids, "floor_id": maybe_ids, "labels": label_lists})
devices = st.fixed_dictionaries(
    {"id": ids, "area_id": maybe_ids, "parent_device_id": maybe_ids, "labels": label_lists}
    | {"manufacturer": odd, "model": odd, "sw_version": odd}
)
entities = st.fixed_dictionaries(
    {"entity_id": ids, "id": ids, "device_id": maybe_ids, "area_id": maybe_ids, "labels": label_lists}
    | {"platform": ids, "entity_category": maybe_ids, "disabled_by": maybe_ids, "hidden_by": maybe_ids}
)


def built(areas: list[object], devices: list[object], entities: list[object]) -> Catalog:
    builder = CatalogBuilder()
    builder.add_areas(map(raw, areas))
    builder.set_floors([raw({"floor_id": "f", "name": "Ground"})])
    builder.set_labels([raw({"label_id": "l", "name": "Loud"})])
    builder.add_devices(map(raw, devices))
    builder.add_entities(map(raw, entities))
    return builder.build()


def kept(catalog: Catalog) -> Catalog:
    *others, last = rebuilt(unpacked(packed(catalog)), AT, 2)
    assert set(others) <= {None}
    assert last is not None
    return last


@given(st.lists(areas, max_size=3), st.lists(devices, max_size=4), st.lists(entities, max_size=6))
def test_what_is_kept_comes_back_as_it_was(areas: list[object], devices: list[object], entities: list[object]) -> None:
    catalog = built(areas, devices, entities)
    again = kept(catalog)
    assert again.every() == catalog.every()
    for name in ("areas", "devices", "floors", "labels"):
        assert getattr(again.registries, name) == getattr(catalog.registries, name)
    assert (again.as_of_ns, again.to_be_read) == (AT, True)


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"no zlib",
        packed(Catalog())[:-3],
        zlib.compress(b"no JSON"),
        zlib.compress(b'{"areas":7}'),
    ],
    ids=["empty", "foreign", "cut off", "no JSON", "another shape"],
)
def test_what_is_not_a_kept_catalog_is_refused(payload: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        unpacked(payload)


OLDER = b"""{"areas":[{"area_id":"attic","floor_id":null,"labels":[],"name":"Attic"}],
"config_entries":[{"domain":"demo","entry_id":"c1","title":"Demo"}],
"devices":[{"area_id":"attic","config_entry_id":null,"id":"d1","labels":[],"manufacturer":null,"model":"X1","name":"Lamp",
"name_by_user":"My lamp","parent_device_id":null,"primary_config_entry":"c1","sw_version":null}],
"entities":[{"area_id":null,"device_id":"d1","disabled_by":null,"entity_category":null,"entity_id":"light.a",
"hidden_by":null,"id":"r1","labels":[],"platform":"demo"}],
"floors":[],"labels":[]}"""
"""As it was written while config entries and the names of devices were kept, too."""


def test_what_an_older_version_kept_is_read() -> None:
    *_, last = rebuilt(unpacked(zlib.compress(OLDER)), AT, 2)
    assert last is not None
    assert last.every()[0] == {"light.a": Facts("r1", "d1", "attic", platform="demo", model="X1")}
    assert last.registries.areas == {"attic": Area("attic", "Attic")}
    assert last.registries.devices == {"d1": Device("d1", "attic", model="X1")}


def test_what_a_later_version_keeps_beside_is_no_obstacle() -> None:
    assert unpacked(zlib.compress(b'{"entities":[],"news":[1]}')).areas == []
