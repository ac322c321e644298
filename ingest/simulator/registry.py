"""The registries: what exists, where it stands and who provides it, in the shapes of 2025.4.4.

Entries are written when they are asked for: forty-one thousand of them are 24 MB, and kept by nobody.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from attrs import evolve

from ingest.simulator.ids import base32, hex_id
from ingest.simulator.rooms import AREAS, FLOORS, LABELS
from ingest.simulator.values import SECOND, Device, Entity, encode


class Registry:
    """The registries of one home. What a person changed in an entry lies over what the entity says of itself."""

    def __init__(self, seed: int, start: int, entities: Iterable[Entity]) -> None:
        self.entities = {entity.entity_id: entity for entity in entities}
        self._seed = seed
        self._made = start / SECOND
        self._changes: dict[str, dict[str, Any]] = {}
        self._names: dict[str, str] = {}
        self._entries: dict[str, str] = {}

    def known_as(self, entity_id: str) -> Entity | None:
        """Return the entity that had this id at first, whatever it is called now."""
        return self.entities.get(self._names.get(entity_id, entity_id))

    def rename(self, old: str, new: str) -> Entity:
        """Give an entity a new id and return it. Raises `KeyError` when there is no such entity."""
        first = next((key for key, name in self._names.items() if name == old), old)
        entity = evolve(self.entities.pop(old), entity_id=new)
        self._names[first] = new
        self.entities[new] = entity
        # Its id and its unique id outlive the name.
        self._changes[new] = {"unique_id": self._changes.get(old, {}).get("unique_id", _was(entity, old))}
        self._changes[new] |= self._changes.pop(old, {})
        return entity

    def update(self, entity_id: str, **fields: object) -> dict[str, Any]:
        """Change fields of an entry (`area_id`, `name`, `labels`, …) and return their old values, as the event has them."""
        entry = self.entry(self.entities[entity_id])
        self._changes.setdefault(entity_id, {}).update(fields)
        return {key: entry[key] for key in sorted(fields)}

    def config_entry(self, platform: str) -> str:
        """Return the id of a platform's config entry: a ULID."""
        if platform not in self._entries:
            number = int(hex_id(self._seed, platform)[:20], 16)
            self._entries[platform] = base32(int(self._made * 1000), 5) + base32(number, 8)
        return self._entries[platform]

    def device_id(self, device: Device) -> str:
        """Return the device's id: 32 hexadecimal digits, the same for the same home and seed."""
        return hex_id(self._seed, "device", device.key)

    def entry(self, entity: Entity) -> dict[str, Any]:
        """Return an entity's entry as the list has it."""
        kind, device = entity.kind, entity.device
        changed = self._changes.get(entity.entity_id, {})
        unique_id = changed.get("unique_id", entity.unique_id)
        return {
            "area_id": None,
            "categories": {},
            "config_entry_id": self.config_entry(kind.platform) if device else None,
            "config_subentry_id": None,
            "created_at": self._made,
            "device_id": self.device_id(device) if device else None,
            "disabled_by": None,
            "entity_category": kind.category,
            "entity_id": entity.entity_id,
            "has_entity_name": device is not None,
            "hidden_by": None,
            "icon": None,
            "id": hex_id(self._seed, "entity", unique_id),
            "labels": [],
            "modified_at": self._made,
            "name": None,
            "options": {"conversation": {"should_expose": False}},
            "original_name": entity.name,
            "platform": kind.platform,
            "translation_key": None,
            "unique_id": unique_id,
            **changed,
        }

    def extended(self, entity: Entity) -> dict[str, Any]:
        """Return an entity's entry as `config/entity_registry/get` has it."""
        more = {"capabilities": dict(entity.kind.capabilities) or None, "device_class": None}
        original = {"original_device_class": entity.kind.attributes.get("device_class"), "original_icon": None}
        return {**self.entry(entity), "aliases": [], **more, **original}

    def entry_list(self) -> bytes:
        """Write every entry; entities without a unique id have none."""
        entries = (encode(self.entry(entity)) for entity in self.entities.values() if entity.kind.registered)
        return b"[%b]" % b",".join(entries)

    def device_list(self) -> bytes:
        """Write the answer to `config/device_registry/list`, every device, as JSON."""
        return b"[%b]" % b",".join(encode(self.device(device)) for device in self._devices())

    def device(self, device: Device) -> dict[str, Any]:
        """Return a device's entry as the device registry of Home Assistant shows it."""
        entry = self.config_entry(device.platform)
        return {
            "area_id": device.area_id,
            "configuration_url": None,
            "config_entries": [entry],
            "config_entries_subentries": {entry: [None]},
            "connections": [],
            "created_at": self._made,
            "disabled_by": None,
            "entry_type": None,
            "hw_version": None,
            "id": self.device_id(device),
            "identifiers": [[device.platform, device.key]],
            "labels": [],
            "manufacturer": device.manufacturer,
            "model": device.model,
            "model_id": None,
            "modified_at": self._made,
            "name_by_user": None,
            "name": device.name,
            "primary_config_entry": entry,
            "serial_number": None,
            "sw_version": device.sw_version,
            "via_device_id": None,
        }

    def areas(self) -> list[dict[str, Any]]:
        """Return the areas as the answer to `config/area_registry/list`."""
        return [
            {
                "aliases": [],
                "area_id": area.area_id,
                "floor_id": area.floor_id,
                "humidity_entity_id": None,
                "icon": None,
                "labels": [],
                "name": area.name,
                "picture": None,
                "temperature_entity_id": None,
                **self._times(),
            }
            for area in AREAS
        ]

    def floors(self) -> list[dict[str, Any]]:
        """Return the floors as the answer to `config/floor_registry/list`."""
        made = self._times()
        return [
            {
                "aliases": [],
                "created_at": made["created_at"],
                "floor_id": floor.floor_id,
                "icon": None,
                "level": floor.level,
                "name": floor.name,
                "modified_at": made["modified_at"],
            }
            for floor in FLOORS
        ]

    def labels(self) -> list[dict[str, Any]]:
        """Return the labels as the answer to `config/label_registry/list`."""
        made = self._times()
        return [
            {
                "color": label.color,
                "created_at": made["created_at"],
                "description": None,
                "icon": None,
                "label_id": label.label_id,
                "name": label.name,
                "modified_at": made["modified_at"],
            }
            for label in LABELS
        ]

    def config_entries(self) -> list[dict[str, Any]]:
        """Return a config entry for every platform that has devices."""
        return [self._config_entry(platform) for platform in dict.fromkeys(d.platform for d in self._devices())]

    def sources(self) -> dict[str, dict[str, str]]:
        """Return which platform provides each entity."""
        return {key: {"domain": entity.kind.platform} for key, entity in self.entities.items()}

    def _config_entry(self, platform: str) -> dict[str, Any]:
        return {
            "created_at": self._made,
            "entry_id": self.config_entry(platform),
            "domain": platform,
            "modified_at": self._made,
            "title": platform.replace("_", " ").title(),
            "source": "user",
            "state": "loaded",
            "supports_options": True,
            "supports_remove_device": False,
            "supports_unload": True,
            "supports_reconfigure": False,
            "supported_subentry_types": {},
            "pref_disable_new_entities": False,
            "pref_disable_polling": False,
            "disabled_by": None,
            "reason": None,
            "error_reason_translation_key": None,
            "error_reason_translation_placeholders": None,
            "num_subentries": 0,
        }

    def _times(self) -> Mapping[str, float]:
        return {"created_at": self._made, "modified_at": self._made}

    def _devices(self) -> Iterator[Device]:
        owned = (entity.device for entity in self.entities.values() if entity.device)
        yield from {device.key: device for device in owned}.values()


def _was(entity: Entity, old: str) -> str:
    return evolve(entity, entity_id=old).unique_id
