"""What data-api is told: registry entries as Home Assistant sent them, each with its integration and its source.

data-api overwrites what it has with what it gets, so an entry is posted whole or not at all, and only entries that stand
in a registry are. A device's integration is the domain of its config entry, else what its identifiers begin with. What
Zigbee2MQTT announces through MQTT is `zigbee2mqtt`, as HomeIQ's pages ask for it.
Source: HomeIQ's discovery and data-api's `bulk_upsert`; registries recorded from 2024.3.3, 2025.4.4 and 2026.11.0.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from enum import Enum
from hashlib import blake2b

import msgspec
from attrs import field, frozen
from msgspec import Raw

from ingest.core.registries import readable

HOME_ASSISTANT = "home_assistant"
ZIGBEE2MQTT = "zigbee2mqtt"


class Kind(Enum):
    """What is posted, in this order: entities name devices."""

    DEVICES = "devices"
    ENTITIES = "entities"
    SERVICES = "services"

    @property
    def path(self) -> str:
        """Where it is posted to, below data-api's address."""
        return f"/internal/{self.value}/bulk_upsert"


@frozen
class Entry:
    """One entry as it is posted. `hash` is of its JSON."""

    id: str
    json: bytes
    hash: int


@frozen
class _Device:
    id: str
    primary_config_entry: str | None = None
    config_entry_id: str | None = None
    config_entries: tuple[str, ...] = ()
    identifiers: tuple[object, ...] = ()


@frozen
class _Entity:
    entity_id: str
    platform: str | None = None


@frozen
class _ConfigEntry:
    entry_id: str
    domain: str


@frozen
class _Service:
    name: object = None
    description: object = None
    fields: object = field(factory=dict)
    target: object = None


_device = msgspec.json.Decoder(_Device)
_entity = msgspec.json.Decoder(_Entity)
_config_entry = msgspec.json.Decoder(_ConfigEntry)
_whole = msgspec.json.Decoder(dict[str, Raw])
_services = msgspec.json.Decoder(dict[str, dict[str, _Service]])


def domains(entries: Sequence[Raw]) -> Mapping[str, str]:
    """The integration of each config entry, of the answer of `config_entries/get`."""
    return {found.entry_id: found.domain for _, found in readable(_config_entry, entries)}


def devices(entries: Sequence[Raw], by_config_entry: Mapping[str, str]) -> Iterator[Entry]:
    """Entries of the device registry, with the integrations of `domains`."""
    for raw, device in readable(_device, entries):
        zigbee = any(_is_zigbee2mqtt(each) for each in device.identifiers)
        integration = ZIGBEE2MQTT if zigbee else _integration(device, by_config_entry)
        yield _entry(device.id, raw, integration, ZIGBEE2MQTT if zigbee else HOME_ASSISTANT)


def entities(entries: Sequence[Raw]) -> Iterator[Entry]:
    """Entries of the entity registry."""
    for raw, entity in readable(_entity, entries):
        yield _entry(entity.entity_id, raw, entity.platform, HOME_ASSISTANT)


def services(answer: Raw) -> Iterator[Entry]:
    """The domains of the answer of `get_services`; an `Entry` is one member of the object that is posted.

    Raises `msgspec.DecodeError`.
    """
    for domain, described in _services.decode(answer).items():
        name, body = msgspec.json.encode(domain), msgspec.json.encode(described, order="deterministic")
        yield _hashed(domain, name + b":" + body)


def _integration(device: _Device, by_config_entry: Mapping[str, str]) -> str | None:
    for each in (device.primary_config_entry, device.config_entry_id, *device.config_entries):
        if (domain := by_config_entry.get(each or "")) is not None:
            return domain
    return next((str(each[0]) for each in device.identifiers if isinstance(each, list) and each), None)


def _is_zigbee2mqtt(identifier: object) -> bool:
    return (
        isinstance(identifier, list)
        and identifier[:1] == ["mqtt"]
        and str(identifier[-1]).startswith(f"{ZIGBEE2MQTT}_")
    )


def _entry(key: str, raw: Raw, integration: str | None, source: str) -> Entry:
    whole: dict[str, object] = {**_whole.decode(raw), "integration": integration, "source": source}
    return _hashed(key, msgspec.json.encode(whole))


def _hashed(key: str, json: bytes) -> Entry:
    return Entry(key, json, int.from_bytes(blake2b(json, digest_size=8).digest()))
