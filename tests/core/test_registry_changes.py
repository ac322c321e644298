from __future__ import annotations

import pytest

from ingest.core.catalog import Catalog
from ingest.core.point import Facts
from ingest.core.registry_changes import AREAS, DEVICES, FLOORS, LABELS, RENAMES, SINGLY, Changes
from ingest.core.wire import RegistryData, RegistryUpdated


def after(*data: RegistryData, kind: str = "entity") -> Changes:
    changes = Changes()
    for each in data:
        changes.add(RegistryUpdated(f"{kind}_registry_updated", each))
    return changes


def test_nothing_is_nothing() -> None:
    assert not Changes()


def test_of_an_entity_the_last_word_counts() -> None:
    changes = after(
        RegistryData("create", "a.1"),
        RegistryData("remove", "a.1"),
        RegistryData("remove", "a.2"),
        RegistryData("create", "a.2"),
    )
    assert changes.entities == {"a.1": False, "a.2": True}


def test_a_renamed_entity_is_gone_under_its_old_name_unless_another_took_it() -> None:
    assert after(RegistryData("update", "a.2", "a.1")).entities == {"a.1": False, "a.2": True}
    taken = after(RegistryData("update", "a.2", "a.1"), RegistryData("create", "a.1"))
    assert taken.entities == {"a.1": True, "a.2": True}


def test_the_new_names_are_known_in_a_catalog_that_was_read_before() -> None:
    changes = after(RegistryData("update", "a.2", "a.1"), RegistryData("update", "a.3", "a.2"))
    facts = Facts("r1")
    assert changes.known_in(Catalog({"a.1": facts})).facts("a.3") is facts


@pytest.mark.parametrize("kind", [AREAS, DEVICES, FLOORS, LABELS])
def test_small_registries_are_read_whole(kind: str) -> None:
    changes = after(RegistryData("update"), kind=kind)
    assert (changes.lists, changes.entities, changes.whole) == ({kind}, {}, False)


def test_a_burst_and_an_event_without_a_name_call_for_everything() -> None:
    names = [RegistryData("update", f"a.{number}") for number in range(SINGLY + 1)]
    assert not after(*names[:-1]).whole
    assert after(*names).whole
    assert after(RegistryData("update")).whole


def test_what_is_remembered_of_a_storm_is_bounded() -> None:
    changes = after(*(RegistryData("update", f"a.{number}", f"b.{number}") for number in range(3 * RENAMES)))
    assert changes.whole
    assert len(changes.entities) <= SINGLY + 2
    assert len(changes.renames) <= RENAMES + 1
    assert changes.renames[-1] == (f"b.{3 * RENAMES - 1}", f"a.{3 * RENAMES - 1}")
