"""Devices and entities as points of measurements of their own: what the registries said, and since when.

    devices,device_id=…,manufacturer=…,model=…,area_id=…             name="…",sw_version="…",entity_count=…i   when it
    entities,entity_id=…,device_id=…,domain=…,platform=…,area_id=…   unique_id="…",disabled=…                  was read

A point is written when something of it is new: once for each entry in each run of the service, and then whenever the
entry changes; and once more when something is lost of what waited for the store. What a registry does not say is left
out, tag or field. Areas are those of the entry itself.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Final

import msgspec
from attrs import define, field, frozen
from msgspec import Raw

from ingest.core.lineprotocol import quote, tag, utf8
from ingest.core.registries import readable

DEVICES: Final = "devices"
ENTITIES: Final = "entities"


@frozen
class _Device:
    id: str
    name: str | None = None
    name_by_user: str | None = None
    manufacturer: object = None
    model: object = None
    sw_version: object = None
    area_id: str | None = None


@frozen
class _Entity:
    entity_id: str
    device_id: str | None = None
    platform: str | None = None
    area_id: str | None = None
    unique_id: object = None
    disabled_by: str | None = None


_device = msgspec.json.Decoder(_Device)
_entity = msgspec.json.Decoder(_Entity)


@frozen
class RegistryPoint:
    """One entry as it was read at `time_ns`, in nanoseconds. `number` is a device's entities, `flag`: disabled."""

    time_ns: int
    measurement: str
    tags: Mapping[str, str]
    texts: Mapping[str, str]
    number: int | None = None
    flag: bool | None = None

    @property
    def end_ns(self) -> int:
        """Its time in nanoseconds: it tells of a moment, where a gap tells of a span."""
        return self.time_ns


def counted_by_device(entries: Sequence[Raw], counts: Counter[str]) -> None:
    """Add up how many entities each device has."""
    counts.update(entity.device_id for _, entity in readable(_entity, entries) if entity.device_id)


def device_points(entries: Sequence[Raw], counts: Mapping[str, int], time_ns: int) -> Iterator[RegistryPoint]:
    """Entries of the device registry; `counts` are the entities of each."""
    for _, each in readable(_device, entries):
        tags = {"device_id": each.id, "manufacturer": each.manufacturer, "model": each.model, "area_id": each.area_id}
        texts = {"name": each.name_by_user or each.name, "sw_version": each.sw_version}
        yield RegistryPoint(time_ns, DEVICES, _known(tags), _known(texts), number=counts.get(each.id, 0))


def entity_points(entries: Sequence[Raw], time_ns: int) -> Iterator[RegistryPoint]:
    """Entries of the entity registry."""
    for _, each in readable(_entity, entries):
        domain = each.entity_id.partition(".")[0]
        tags = {"entity_id": each.entity_id, "device_id": each.device_id, "domain": domain, "platform": each.platform}
        texts = _known({"unique_id": each.unique_id})
        area = {"area_id": each.area_id}
        disabled = each.disabled_by is not None
        yield RegistryPoint(time_ns, ENTITIES, _known({**tags, **area}), texts, flag=disabled)


def _known(values: Mapping[str, object]) -> dict[str, str]:
    """Integrations put numbers where texts belong; what else there may be is left out."""
    numbers = {key: str(value) for key, value in values.items() if isinstance(value, int | float)}
    texts = {key: value for key, value in values.items() if isinstance(value, str) and value}
    return {key: (numbers | texts)[key] for key in values if key in numbers or key in texts}


def registry_line(point: RegistryPoint, home: str = "") -> bytes:
    """The point in line protocol, without a line break; its texts are string fields. A `home` that is not empty is a tag."""
    texts = [f"{key}={quote(text)}" for key, text in point.texts.items()]
    return _line(point, [*texts, *_numbers(point)], home)


def registry_numbers(point: RegistryPoint, home: str = "") -> bytes:
    """The same with its numeric fields only."""
    return _line(point, _numbers(point), home)


def registry_encoder(*, numeric_only: bool, home: str) -> Callable[[RegistryPoint], bytes]:
    """What makes the lines of a database that takes texts, or numbers only."""
    return partial(registry_numbers if numeric_only else registry_line, home=home)


def _numbers(point: RegistryPoint) -> Iterator[str]:
    if point.number is not None:
        yield f"entity_count={point.number}i"
    if point.flag is not None:
        yield f"disabled={str(point.flag).lower()}"


def _line(point: RegistryPoint, fields: Iterable[str], home: str) -> bytes:
    tags = {**point.tags, "home": home} if home else point.tags
    series = "".join(f",{key}={tag(text)}" for key, text in tags.items())
    return utf8(f"{point.measurement}{series} {','.join(fields)} {point.time_ns}")


@define(eq=False)
class RegistryTelling:
    """What of the registries is to be written, a part at a time, and what was."""

    _written: dict[str, int] = field(factory=dict)
    _due: deque[RegistryPoint] = field(factory=deque)

    def __bool__(self) -> bool:
        """True when something is to be written."""
        return bool(self._due)

    def look(self, points: Iterable[RegistryPoint]) -> set[str]:
        """Compare points with what was written of their entries; returns the entries' ids."""
        seen = set()
        for point in points:
            key = next(iter(point.tags.values()))
            seen.add(key)
            content = hash((*point.tags.items(), *point.texts.items(), point.number, point.flag))
            if self._written.get(key) != content:
                self._written[key] = content
                self._due.append(point)
        return seen

    def keep(self, present: set[str]) -> None:
        """Forget the entries that are no longer there."""
        for gone in self._written.keys() - present:
            del self._written[gone]

    def forget(self) -> None:
        """Some of what was written may be lost: all that is looked at from now on is new."""
        self._written.clear()

    def take(self) -> tuple[RegistryPoint, ...]:
        """What is to be written; it counts as written."""
        due = tuple(self._due)
        self._due.clear()
        return due
