"""The house's sections, in the shapes that HomeIQ's callers know.

| section              | from            | each                                                                       |
|----------------------|-----------------|----------------------------------------------------------------------------|
| `climate`            | `climate`       | `entity_id`, `friendly_name`, `current_temperature`, `target_temperature`, `hvac_mode`, `unit` |
| `presence`           | `person`        | `name`, `state`                                                            |
| `lights_by_area`     | `light`         | `area`, `area_id`, `on_count`, `off_count`, `unavailable_count`            |
| `sensors`            | `binary_sensor` | by device class: `name`, `state`, `device_class`                           |
| `switches_on`        | `switch`        | the entity_id                                                              |
| `active_automations` | `automation`    | the entity_id                                                              |
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from ingest.core.catalog import Catalog
from ingest.core.house import House, Named, Table, Thermostat

NO_AREA = "unknown"
"""HomeIQ's name for the area of a light that has none."""

_OPEN, _DETECTED = ("open", "closed"), ("detected", "clear")
WORDS: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "door": _OPEN,
        "window": _OPEN,
        "garage_door": _OPEN,
        "opening": _OPEN,
        "motion": _DETECTED,
        "occupancy": _DETECTED,
        "lock": ("unlocked", "locked"),
    }
)
"""HomeIQ's words for `on` and `off` of a binary sensor, by device class; of the other classes they stay `on` and `off`."""


def thermostats(climate: Table[Thermostat], unit: str | None) -> list[dict[str, Any]]:
    """`climate`; `unit` is that of the temperatures, "C" or "F"."""
    return [
        {
            "entity_id": entity_id,
            "friendly_name": shown.name,
            "current_temperature": shown.current,
            "target_temperature": shown.target,
            "hvac_mode": shown.mode,
            "unit": unit,
        }
        for entity_id, shown in climate.shown()
    ]


def presence(people: Table[Named]) -> list[dict[str, Any]]:
    """`presence`: where everybody is: home, not_home, the name of a zone."""
    return [{"name": shown.name, "state": shown.state} for _, shown in people.shown()]


def lights_by_area(lights: Table[str], catalog: Catalog) -> list[dict[str, Any]]:
    """`lights_by_area`: how many are on and off; one that is neither is counted as unavailable, not as off."""
    areas: defaultdict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    for entity_id, state in lights.shown():
        areas[area_of(entity_id, catalog)][state if state in {"on", "off"} else "other"] += 1
    return [
        {
            "area": name,
            "area_id": area_id or None,
            "on_count": count["on"],
            "off_count": count["off"],
            "unavailable_count": count["other"],
        }
        for (name, area_id), count in sorted(areas.items())
    ]


def area_of(entity_id: str, catalog: Catalog) -> tuple[str, str]:
    """The name and the id of the area that the registries put the entity into; without one the id is empty."""
    facts = catalog.registered(entity_id)
    area = None if facts is None else catalog.registries.areas.get(facts.area_id or "")
    return (NO_AREA, "") if area is None else (area.name, area.area_id)


def by_class(sensors: Table[Named]) -> dict[str, list[dict[str, Any]]]:
    """`sensors`: every binary sensor, by its device class ("": it has none)."""
    found: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)
    for _, shown in sensors.shown():
        state = in_words(shown.device_class, shown.state)
        found[shown.device_class].append({"name": shown.name, "state": state, "device_class": shown.device_class})
    return dict(sorted(found.items()))


def in_words(device_class: str, state: str) -> str:
    """What a person says for the state; what is neither on nor off (`unavailable`) is said as it is."""
    words = WORDS.get(device_class)
    return state if words is None else {"on": words[0], "off": words[1]}.get(state, state)


def that_are_on(table: Table[str]) -> list[str]:
    """`switches_on` and `active_automations`."""
    return [entity_id for entity_id, state in table.shown() if state == "on"]


def sections(house: House, catalog: Catalog, unit: str | None) -> dict[str, tuple[object, Callable[[], Any]]]:
    """Of each section what it is made of, which is equal as long as it is the same, and how it is made."""
    return {
        "climate": ((house.climate.version, unit), lambda: thermostats(house.climate, unit)),
        "presence": (house.people.version, lambda: presence(house.people)),
        "lights_by_area": ((house.lights.version, catalog), lambda: lights_by_area(house.lights, catalog)),
        "sensors": (house.sensors.version, lambda: by_class(house.sensors)),
        "switches_on": (house.switches.version, lambda: that_are_on(house.switches)),
        "active_automations": (house.automations.version, lambda: that_are_on(house.automations)),
    }
