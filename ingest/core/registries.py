"""One complete reading of the registries, raw: what discovery hands on to whoever wants more of it than the catalog.

The entries are views into frames of many megabytes. Who is handed them takes from them what they need, in parts, and
lets them go.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TypeVar

import msgspec
from attrs import frozen
from msgspec import Raw

T = TypeVar("T")

PART = 250
"""Entries worked on between two checkpoints: a few milliseconds, in which no change of the home is looked at."""


@frozen
class RegistryLists:
    """The answers of `config/device_registry/list` and `config/entity_registry/list`, read together."""

    devices: Sequence[Raw]
    entities: Sequence[Raw]


def parts(entries: Sequence[Raw]) -> Iterator[Sequence[Raw]]:
    """The entries, so many at a time that others may run in between."""
    for start in range(0, len(entries), PART):
        yield entries[start : start + PART]


def readable(decoder: msgspec.json.Decoder[T], entries: Sequence[Raw]) -> Iterator[tuple[Raw, T]]:
    """Each entry that can be read, raw and read. The others are left out: discovery has counted and told of them."""
    for entry in entries:
        try:
            yield entry, decoder.decode(entry)
        except (msgspec.DecodeError, RecursionError):
            continue
