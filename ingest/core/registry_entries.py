"""Entries of Home Assistant's registries, as far as anybody here needs them.

Source: registries recorded from 2024.3.3, 2025.4.4 and 2026.11.0 (child devices with few keys, `parent_device_id`).
What an entry has beyond these keys is not looked at, and what it lacks is not known.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TypeVar

import msgspec
from attrs import define, frozen
from msgspec import Raw

T = TypeVar("T")


@frozen
class Area:
    """An entry of `config/area_registry/list`. Before 2024.4 there are no floors and labels."""

    area_id: str
    name: str = ""
    floor_id: str | None = None
    labels: tuple[str, ...] = ()


@frozen
class Floor:
    """An entry of `config/floor_registry/list`."""

    floor_id: str
    name: str = ""


@frozen
class Label:
    """An entry of `config/label_registry/list`."""

    label_id: str
    name: str = ""


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
    """An entry of `config/entity_registry/list`, or the answer to `config/entity_registry/get`."""

    entity_id: str
    id: str
    device_id: str | None = None
    area_id: str | None = None
    entity_category: str | None = None
    platform: str | None = None
    labels: tuple[str, ...] = ()
    disabled_by: str | None = None
    hidden_by: str | None = None


area = msgspec.json.Decoder(Area)
floor = msgspec.json.Decoder(Floor)
label = msgspec.json.Decoder(Label)
device = msgspec.json.Decoder(Device)
entity = msgspec.json.Decoder(Entity)


@define
class Reader:
    """Reads entries one by one: one that cannot be read is skipped and counted, and its list goes on."""

    skipped: int = 0

    def read(self, decoder: msgspec.json.Decoder[T], entries: Iterable[Raw]) -> Iterator[T]:
        """Those of the entries that are what they should be."""
        for entry in entries:
            try:
                yield decoder.decode(entry)
            except (msgspec.DecodeError, RecursionError):
                self.skipped += 1


def text_of(value: object) -> str | None:
    """What an integration said, as text; None for what says nothing, or is none."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    return str(value) or None
