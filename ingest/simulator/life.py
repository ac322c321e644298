"""A whole home's life: every behaviour with a random source of its own, merged by time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from heapq import merge
from itertools import groupby
from operator import attrgetter
from random import Random

from ingest.simulator import behaviours as b
from ingest.simulator.acts import Act
from ingest.simulator.people import people
from ingest.simulator.rooms import AREAS, BATTERY, is_node
from ingest.simulator.values import Entity


def life(seed: int, day: int, start: int, entities: Sequence[Entity]) -> Iterator[Act]:
    """Yield acts for ever: the house's from `day`, a midnight, on; those of further devices from `start` on."""
    house = [entity for entity in entities if not is_node(entity)]
    further = [entity for entity in entities if is_node(entity)]
    lives: dict[str, Callable[[Random], Iterator[Act]]] = {
        "people": partial(people, start=day),
        "batteries": partial(b.batteries, start=day, cells=[entity for entity in house if entity.kind is BATTERY]),
        "failures": partial(b.failures, start=day, devices=_devices(house)),
        "nodes": partial(b.nodes, start=start, entities=further),
    }
    lives |= {area.area_id: partial(b.room_climate, start=day, area=area) for area in AREAS}
    for alone in (b.sun, b.weather, b.blinds, b.electricity, b.fridge, b.updates, b.guests):
        lives[alone.__name__] = partial(alone, start=day)
    sources = [one(Random(f"{seed}:{name}")) for name, one in lives.items()]  # noqa: S311  repeatable, not secret
    return (act for act in merge(*sources, key=attrgetter("at")) if act.at > day)


def _devices(entities: Sequence[Entity]) -> list[list[str]]:
    """Group the entities by their device."""
    owned = [entity for entity in entities if entity.device]
    by_device = groupby(sorted(owned, key=_device_key), key=_device_key)
    return [[entity.entity_id for entity in group] for _, group in by_device]


def _device_key(entity: Entity) -> str:
    return entity.device.key if entity.device else ""
