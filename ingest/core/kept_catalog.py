"""A catalog as bytes, for the next start: the entries that it was made of, as far as they were looked at.

Writing takes from a catalog what does not change, so it may run in another thread. Reading goes the way of a reading of
the registries, in chunks, so that texts which many share are one object here, too.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Sequence

import msgspec
from attrs import field, frozen
from msgspec import Raw

from ingest.core.catalog import Catalog, entity_of
from ingest.core.catalog_builder import CatalogBuilder
from ingest.core.registry_entries import Area, Device, Entity, Floor, Label

LEVEL = 1
"""Of zlib: a third of the time of the usual one, for a fifth more bytes."""

LARGEST = 256 * 1024 * 1024
"""Bytes that are unpacked at most."""


@frozen
class _Written:
    areas: Sequence[Area]
    floors: Sequence[Floor]
    labels: Sequence[Label]
    devices: Sequence[Device]
    entities: Sequence[Entity]


@frozen
class Entries:
    """What was kept, as raw entries, the same lists as those of Home Assistant.

    What another version keeps beside them, as older ones the config entries, is passed over.
    """

    areas: list[Raw] = field(factory=list)
    floors: list[Raw] = field(factory=list)
    labels: list[Raw] = field(factory=list)
    devices: list[Raw] = field(factory=list)
    entities: list[Raw] = field(factory=list)


_entries = msgspec.json.Decoder(Entries)


def packed(catalog: Catalog) -> bytes:
    """The catalog as bytes."""
    registries = catalog.registries
    facts, own = catalog.every()
    written = _Written(
        list(registries.areas.values()),
        [Floor(*each) for each in registries.floors.items()],
        [Label(*each) for each in registries.labels.items()],
        list(registries.devices.values()),
        [entity_of(entity_id, each, own.get(entity_id)) for entity_id, each in facts.items()],
    )
    return zlib.compress(msgspec.json.encode(written), LEVEL)


def unpacked(payload: bytes) -> Entries:
    """The entries in it. Raises `ValueError` when it is not what `packed` makes."""
    unpacking = zlib.decompressobj()
    try:
        text = unpacking.decompress(payload, LARGEST)
    except zlib.error as problem:
        raise ValueError(str(problem)) from problem
    if unpacking.unconsumed_tail or not unpacking.eof:
        raise ValueError("it is cut off, or too large")
    try:
        return _entries.decode(text)
    except msgspec.DecodeError as problem:
        raise ValueError(str(problem)) from problem


def rebuilt(entries: Entries, as_of_ns: int, chunk: int) -> Iterator[Catalog | None]:
    """The catalog, as the last of many values: others may run whenever one comes."""
    builder = CatalogBuilder()
    builder.add_areas(entries.areas)
    builder.set_floors(entries.floors)
    builder.set_labels(entries.labels)
    for taken, take in ((entries.devices, builder.add_devices), (entries.entities, builder.add_entities)):
        for start in range(0, len(taken), chunk):
            take(taken[start : start + chunk])
            yield None
    yield builder.build().as_of(as_of_ns)
