"""What the registries know of every entity, as one immutable value that is swapped whole.

    areas, devices ──▶ entities, a chunk at a time ──▶ Catalog

A home of 41,000 entities answers with 23 MB in one frame, so a `CatalogBuilder` takes the raw entries in chunks, and
whoever feeds it lets others run between them. Devices come first: an entity's facts are complete when it is read, and
share their texts with its device. An entry that cannot be read is skipped and counted; its list goes on.
Source: registries recorded from 2024.3.3, 2025.4.4 and 2026.11.0 (child devices with few keys, `parent_device_id`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from sys import intern
from typing import TypeVar

import msgspec
from attrs import define, field, frozen
from msgspec import Raw

from ingest.core.point import Facts

T = TypeVar("T")


@frozen
class Area:
    """An entry of `config/area_registry/list`. Before 2024.4 there are no floors and labels."""

    area_id: str
    name: str
    floor_id: str | None = None
    labels: tuple[str, ...] = ()


@frozen
class Device:
    """An entry of `config/device_registry/list`. Integrations put numbers where texts belong."""

    id: str
    area_id: str | None = None
    parent_device_id: str | None = None
    manufacturer: object = None
    model: object = None
    sw_version: object = None
    labels: tuple[str, ...] = ()


@frozen
class Entity:
    """An entry of `config/entity_registry/list`."""

    entity_id: str
    id: str
    device_id: str | None = None
    area_id: str | None = None
    entity_category: str | None = None
    platform: str | None = None
    labels: tuple[str, ...] = ()
    disabled_by: str | None = None
    hidden_by: str | None = None


_area = msgspec.json.Decoder(Area)
_device = msgspec.json.Decoder(Device)
_entity = msgspec.json.Decoder(Entity)


class Catalog:
    """The facts of every entity, and the names of areas by their ids.

    An entity that no registry knows is known by its entity_id; of those, `unregistered` are remembered.
    """

    def __init__(
        self,
        facts: Mapping[str, Facts] | None = None,
        areas: Mapping[str, str] | None = None,
        unregistered: int = 100_000,
    ) -> None:
        self._facts = dict(facts or {})
        self._limit = unregistered
        self._unregistered: dict[str, Facts] = {}
        self.areas: Mapping[str, str] = dict(areas or {})

    def facts(self, entity_id: str) -> Facts:
        """The entity's facts; asked again, the very same object."""
        known = self._facts.get(entity_id)
        return self._unknown(entity_id) if known is None else known

    def registered(self, entity_id: str) -> Facts | None:
        """The facts of an entity that is in the registry."""
        return self._facts.get(entity_id)

    def registered_ids(self) -> Iterator[str]:
        """The entity_ids that are in the registry."""
        return iter(self._facts)

    def renamed(self, old: str, new: str) -> Catalog:
        """The catalog in which an entity has a second, newer name: what it is stays known until it is read again."""
        facts = self._facts.get(old)
        return self if facts is None else Catalog({**self._facts, new: facts}, self.areas, self._limit)

    def _unknown(self, entity_id: str) -> Facts:
        facts = self._unregistered.get(entity_id)
        if facts is None:
            if len(self._unregistered) >= self._limit:
                self._unregistered.clear()
            facts = self._unregistered[entity_id] = Facts(entity_id)
        return facts

    def __len__(self) -> int:
        return len(self._facts)


@define
class CatalogBuilder:
    """Builds a catalog: areas and devices, then entities in chunks, then `build`.

    `skipped` counts the entries that could not be read. Facts equal to those of `previous` are its very objects, so
    that nothing cached for an entity is made again because a registry was read again.
    """

    previous: Catalog = field(factory=Catalog)
    skipped: int = 0
    _areas: dict[str, Area] = field(factory=dict)
    _devices: dict[str, Device] = field(factory=dict)
    _facts: dict[str, Facts] = field(factory=dict)

    def add_areas(self, entries: Iterable[Raw]) -> None:
        """Take entries of the area registry."""
        for area in self._read(_area, entries):
            self._areas[area.area_id] = area

    def add_devices(self, entries: Iterable[Raw]) -> None:
        """Take entries of the device registry; before the entities."""
        for device in self._read(_device, entries):
            self._devices[device.id] = device

    def add_entities(self, entries: Iterable[Raw]) -> None:
        """Take entries of the entity registry."""
        for entity in self._read(_entity, entries):
            facts = self._facts_of(entity)
            before = self.previous.registered(entity.entity_id)
            self._facts[entity.entity_id] = before if before is not None and before == facts else facts

    def _read(self, decoder: msgspec.json.Decoder[T], entries: Iterable[Raw]) -> Iterator[T]:
        for entry in entries:
            try:
                yield decoder.decode(entry)
            except (msgspec.DecodeError, RecursionError):
                self.skipped += 1

    def _facts_of(self, entity: Entity) -> Facts:
        device = self._devices.get(entity.device_id or "")
        area_id = _shared(entity.area_id) or self._area_of(device)
        area = self._areas.get(area_id or "")
        return Facts(
            registry_id=entity.id,
            device_id=entity.device_id if device is None else device.id,
            area_id=area_id,
            entity_category=_shared(entity.entity_category),
            platform=_shared(entity.platform),
            manufacturer=None if device is None else _text(device.manufacturer),
            model=None if device is None else _text(device.model),
            sw_version=None if device is None else _text(device.sw_version),
            floor_id=None if area is None else _shared(area.floor_id),
            labels=_labels(entity, device, area),
            disabled=entity.disabled_by is not None,
            hidden=entity.hidden_by is not None,
        )

    def _area_of(self, device: Device | None) -> str | None:
        """The device's own area, else that of the nearest device it belongs to (none, if they go round in a circle)."""
        seen = set()
        while device is not None and device.id not in seen:
            if device.area_id:
                return intern(device.area_id)
            seen.add(device.id)
            device = self._devices.get(device.parent_device_id or "")
        return None

    def build(self) -> Catalog:
        """The catalog of all that was taken."""
        return Catalog(self._facts, {area.area_id: area.name for area in self._areas.values()})


def _labels(*bearers: Area | Device | Entity | None) -> tuple[str, ...]:
    """As Home Assistant targets by label: who belongs to something that bears one bears it, too."""
    return tuple(sorted({intern(label) for each in bearers if each is not None for label in each.labels}))


def _shared(text: str | None) -> str | None:
    return intern(text) if text else None


def _text(value: object) -> str | None:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    return _shared(str(value))


NO_CATALOG = Catalog()
"""What is known before any registry was read."""
