"""Building the next catalog: all of it from whole registries, or a few entries of the last one.

    builder = CatalogBuilder(previous)             a whole reading: areas and devices, then entities in chunks
    builder = CatalogBuilder.of_changes(previous)  what is not taken stays: entities, areas, devices, each if it changed

A home of 41,000 entities answers with 23 MB in one frame, so entries are taken raw and in chunks, and whoever feeds the
builder lets others run between them. A registry that is not taken is that of the previous catalog: a command that
failed takes nothing away from what was known.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TypeVar

from attrs import define, evolve, field
from msgspec import Raw

from ingest.core import registry_entries as entries_of
from ingest.core.catalog import Catalog, Own, Registries, entity_of, facts_of, own_of
from ingest.core.point import Facts
from ingest.core.registry_changes import AREAS, DEVICES
from ingest.core.registry_entries import Area, Device, Entity, Reader

T = TypeVar("T")


@define
class CatalogBuilder:
    """Builds a catalog. `skipped` counts the entries that could not be read, `strangers` are new entities of unknown places.

    Facts equal to those of `previous` are its very objects, so that nothing cached for an entity is made again because
    a registry was read again.
    """

    previous: Catalog = field(factory=Catalog)
    _reader: Reader = field(factory=Reader)
    _registries: Registries = field(init=False)
    _areas: dict[str, Area] | None = None
    _devices: dict[str, Device] | None = None
    strangers: dict[str, set[str]] = field(factory=dict)
    _facts: dict[str, Facts] = field(factory=dict)
    _own: dict[str, Own] = field(factory=dict)

    def __attrs_post_init__(self) -> None:
        self._registries = self.previous.registries

    @classmethod
    def of_changes(cls, previous: Catalog) -> CatalogBuilder:
        """Begins with everything that the previous catalog knows."""
        builder = cls(previous)
        builder._facts, builder._own = previous.every()
        return builder

    @property
    def skipped(self) -> int:
        """Entries that could not be read."""
        return self._reader.skipped

    def add_areas(self, entries: Iterable[Raw]) -> None:
        """Take entries of the area registry; before the entities. The first take the place of those known before."""
        self._areas = self._areas or {}
        for area in self._reader.read(entries_of.area, entries):
            self._areas[area.area_id] = area
        self._registries = evolve(self._registries, areas=self._areas)

    def add_devices(self, entries: Iterable[Raw]) -> None:
        """Take entries of the device registry; before the entities. The first take the place of those known before."""
        self._devices = self._devices or {}
        before = self.previous.registries.devices
        for device in self._reader.read(entries_of.device, entries):
            known = before.get(device.id)
            self._devices[device.id] = known if known == device else device
        self._registries = evolve(self._registries, devices=self._devices)

    def set_floors(self, entries: Iterable[Raw]) -> None:
        """The floor registry, whole."""
        floors = {floor.floor_id: floor.name for floor in self._reader.read(entries_of.floor, entries)}
        self._registries = evolve(self._registries, floors=floors)

    def set_labels(self, entries: Iterable[Raw]) -> None:
        """The label registry, whole."""
        labels = {label.label_id: label.name for label in self._reader.read(entries_of.label, entries)}
        self._registries = evolve(self._registries, labels=labels)

    def add_entities(self, entries: Iterable[Raw]) -> None:
        """Take entries of the entity registry; those of entities that are known already replace them."""
        for entity in self._reader.read(entries_of.entity, entries):
            self._put(entity)
            if kinds := self._newly_lacking(entity):
                self.strangers[entity.entity_id] = kinds

    def drop(self, entity_ids: Iterable[str]) -> None:
        """These are in the registry no longer."""
        for entity_id in entity_ids:
            self._facts.pop(entity_id, None)
            self._own.pop(entity_id, None)

    def unheard_of(self, entries: Iterable[Raw]) -> set[str]:
        """The kinds of registries that these entities point into, at what is not known there."""
        return set().union(*map(self._lacking, Reader().read(entries_of.entity, entries)))

    def concerned(self) -> Sequence[str]:
        """The entities whose facts may be others because of the areas and devices that were taken."""
        devices, areas = self._changed_devices(), self._changed_areas()
        if not (devices or areas):
            return ()
        return [
            entity_id
            for entity_id, facts in self._facts.items()
            if facts.device_id in devices or facts.area_id in areas
        ]

    def make_again(self, entity_ids: Iterable[str]) -> None:
        """The facts of these from what is known of them and what areas and devices say by now."""
        for entity_id in entity_ids:
            self._put(entity_of(entity_id, self._facts[entity_id], self._own.get(entity_id)))

    def build(self) -> Catalog:
        """The catalog of all that was taken."""
        return self.previous.followed_by(self._facts, self._registries, self._own)

    def _put(self, entity: Entity) -> None:
        facts = facts_of(entity, self._registries)
        before = self.previous.registered(entity.entity_id)
        self._facts[entity.entity_id] = before if before is not None and before == facts else facts
        own = own_of(entity)
        if own is None:
            self._own.pop(entity.entity_id, None)
        else:
            known = self.previous.own(entity.entity_id)
            self._own[entity.entity_id] = known if known == own and known is not None else own

    def _lacking(self, entity: Entity) -> set[str]:
        kinds = {AREAS} if entity.area_id and entity.area_id not in self._registries.areas else set()
        return kinds | {DEVICES} if entity.device_id and entity.device_id not in self._registries.devices else kinds

    def _newly_lacking(self, entity: Entity) -> set[str]:
        """Without what it pointed to before: that is gone, and no reading finds it."""
        kinds = self._lacking(entity)
        before = self.previous.registered(entity.entity_id) if kinds else None
        if before is None:
            return kinds
        old = {AREAS: before.area_id == entity.area_id, DEVICES: before.device_id == entity.device_id}
        return {kind for kind in kinds if not old[kind]}

    def _changed_areas(self) -> set[str | None]:
        return _different(self.previous.registries.areas, self._registries.areas)

    def _changed_devices(self) -> set[str | None]:
        """Those that are others now, and all that stand below them."""
        now = self._registries.devices
        changed = _different(self.previous.registries.devices, now)
        below = {device.id for device in now.values() if device.parent_device_id in changed} - changed
        while below:
            changed |= below
            below = {device.id for device in now.values() if device.parent_device_id in changed} - changed
        return changed


def _different(before: Mapping[str, T], now: Mapping[str, T]) -> set[str | None]:
    """The ids of which the one says something else than the other."""
    if before is now:
        return set()
    pairs = ((each, before.get(each), now.get(each)) for each in before.keys() | now.keys())
    return {each for each, one, other in pairs if one is not other and one != other}
