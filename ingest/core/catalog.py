"""What the registries know of every entity, as one immutable value that is swapped whole.

    areas, devices ──▶ entities, a chunk at a time ──▶ Catalog ──a few entries that changed──▶ Catalog

A catalog holds the facts of every entity, complete: asking costs one look into a table. Beside them stand the other
registries, because a change of one area or device has to find the entities that it concerns. Facts that did not change
are the very same objects from one catalog to the next. Building is `core/catalog_builder.py`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from sys import intern

from attrs import field, frozen

from ingest.core.point import Facts
from ingest.core.registry_entries import Area, Device, Entity, text_of
from ingest.core.room import ENTITIES


@frozen(eq=False)
class Registries:
    """Every registry but that of the entities, by ids; of floors and labels the names."""

    areas: Mapping[str, Area] = field(factory=dict)
    devices: Mapping[str, Device] = field(factory=dict)
    floors: Mapping[str, str] = field(factory=dict)
    labels: Mapping[str, str] = field(factory=dict)

    def area_of(self, device: Device | None) -> str | None:
        """The device's own area, else that of the nearest device it belongs to (none, if they go round in a circle)."""
        seen = set()
        while device is not None and device.id not in seen:
            if device.area_id:
                return intern(device.area_id)
            seen.add(device.id)
            device = self.devices.get(device.parent_device_id or "")
        return None


@frozen
class Own:
    """What an entity has of its own where it also has it from its device and area."""

    area_id: str | None
    labels: tuple[str, ...]


class Catalog:
    """The facts of every entity, and the other registries.

    An entity that no registry knows is known by its entity_id; of those, `unregistered` are remembered. `own` has the
    entities with an area or labels of their own. `as_of_ns` says from when a catalog is that was kept in the state
    file; None: it was read by this process.
    """

    def __init__(
        self,
        facts: Mapping[str, Facts] | None = None,
        registries: Registries | None = None,
        own: Mapping[str, Own] | None = None,
        *,
        as_of_ns: int | None = None,
        unregistered: int = ENTITIES,
    ) -> None:
        self._facts = dict(facts or {})
        self._limit = unregistered
        self._unregistered: dict[str, Facts] = {}
        self._own = own or {}
        self.registries = registries or Registries()
        self.as_of_ns = as_of_ns

    @property
    def to_be_read(self) -> bool:
        """True when nothing in it was read by this process."""
        return self is NO_CATALOG or self.as_of_ns is not None

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

    def names(self) -> dict[str, str]:
        """The present names of those that are in the registry, by their ids for life; of two names the newer."""
        return {facts.registry_id: entity_id for entity_id, facts in self._facts.items()}

    def own(self, entity_id: str) -> Own | None:
        """The area and labels that the entity has by itself; None when it has neither."""
        return self._own.get(entity_id)

    def every(self) -> tuple[dict[str, Facts], dict[str, Own]]:
        """All facts, and what is their entities' own: tables of the caller's, to make the next catalog of."""
        return dict(self._facts), dict(self._own)

    def renamed(self, renames: Iterable[tuple[str, str]]) -> Catalog:
        """The catalog in which entities have a second, newer name: what they are stays known until it is read again."""
        facts, own, found = *self.every(), False
        for old, new in renames:
            if old in facts:
                found, facts[new] = True, facts[old]
                own |= {new: own[old]} if old in own else {}
        return self.followed_by(facts, self.registries, own, self.as_of_ns) if found else self

    def as_of(self, as_of_ns: int) -> Catalog:
        """The same, as it was known at a time of the past: it is to be read again."""
        return self.followed_by(self._facts, self.registries, self._own, as_of_ns)

    def followed_by(
        self,
        facts: Mapping[str, Facts],
        registries: Registries,
        own: Mapping[str, Own],
        as_of_ns: int | None = None,
    ) -> Catalog:
        """The next one. What is remembered of entities that no registry knows goes on, the same objects."""
        catalog = Catalog(facts, registries, own, as_of_ns=as_of_ns, unregistered=self._limit)
        if self is not NO_CATALOG:
            catalog._unregistered = self._unregistered
        return catalog

    def _unknown(self, entity_id: str) -> Facts:
        facts = self._unregistered.get(entity_id)
        if facts is None:
            if len(self._unregistered) >= self._limit:
                self._unregistered.clear()
            facts = self._unregistered[entity_id] = Facts(entity_id)
        return facts

    def __len__(self) -> int:
        return len(self._facts)


def facts_of(entity: Entity, registries: Registries) -> Facts:
    """An entity's facts: its own, and those of its device and its area. Texts that many share are one object."""
    device = registries.devices.get(entity.device_id or "")
    area_id = _shared(entity.area_id) or registries.area_of(device)
    area = registries.areas.get(area_id or "")
    return Facts(
        registry_id=entity.id,
        device_id=entity.device_id if device is None else device.id,
        area_id=area_id,
        entity_category=_shared(entity.entity_category),
        platform=_shared(entity.platform),
        manufacturer=None if device is None else _shared(text_of(device.manufacturer)),
        model=None if device is None else _shared(text_of(device.model)),
        sw_version=None if device is None else _shared(text_of(device.sw_version)),
        floor_id=None if area is None else _shared(area.floor_id),
        labels=_labels(entity, device, area),
        disabled=entity.disabled_by is not None,
        hidden=entity.hidden_by is not None,
    )


def entity_of(entity_id: str, facts: Facts, own: Own | None) -> Entity:
    """The entry that these facts were made of, as far as it was looked at."""
    by = "registry"
    return Entity(
        entity_id,
        facts.registry_id,
        facts.device_id,
        None if own is None else own.area_id,
        facts.entity_category,
        facts.platform,
        () if own is None else own.labels,
        by if facts.disabled else None,
        by if facts.hidden else None,
    )


def own_of(entity: Entity) -> Own | None:
    """What the entity has of its own."""
    if not (entity.area_id or entity.labels):
        return None
    return Own(_shared(entity.area_id), tuple(map(intern, entity.labels)))


def _labels(*bearers: Area | Device | Entity | None) -> tuple[str, ...]:
    """As Home Assistant targets by label: who belongs to something that bears one bears it, too."""
    return tuple(sorted({intern(label) for each in bearers if each is not None for label in each.labels}))


def _shared(text: str | None) -> str | None:
    return intern(text) if text else None


NO_CATALOG = Catalog()
"""What is known before any registry was read."""
