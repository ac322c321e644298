"""How a home behaves over a day, apart from its people: sun, weather, temperatures, electricity, batteries, failures.

Each behaviour is an endless iterator of acts in the order of their times, driven by a random source of its own, so that
adding one changes no other.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import cos, pi, sin
from random import Random

from ingest.simulator.acts import HOUR, MINUTE, Act, Do, jitter
from ingest.simulator.rooms import AREAS, Area
from ingest.simulator.values import DAY, SECOND, Entity

CONDITIONS = ("clear-night", "sunny", "partlycloudy", "cloudy", "rainy")


def hour(at: int) -> float:
    """Return the hour of the day, 0.0 to 24.0, in UTC, which is the home's local time."""
    return at % DAY / HOUR


def elevation(at: int) -> float:
    """Return the sun's elevation in degrees, of a day that is light from 6 to 18."""
    return -45 * cos(2 * pi * hour(at) / 24)


def outside(at: int) -> float:
    """Return the temperature outside in °C: coldest at 3, warmest at 15, and a slow wave over days."""
    return 9 + 5 * sin(2 * pi * (hour(at) - 9) / 24) + 2 * sin(at / DAY)


def sun(random: Random, start: int) -> Iterator[Act]:
    """Yield the sun's state, and its position as attributes only, about every four minutes."""
    at = start
    while True:
        at = jitter(random, at + 4 * MINUTE)
        height = elevation(at)
        position = {"elevation": round(height, 2), "azimuth": round(hour(at) * 15, 2), "rising": hour(at) < 12}
        yield Act(at, "sun.sun", "above_horizon" if height > 0 else "below_horizon", position)


def weather(random: Random, start: int) -> Iterator[Act]:
    """Yield the weather every quarter of an hour, and what it feels like."""
    at = start
    while True:
        at = jitter(random, at + 15 * MINUTE, 30)
        warmth = outside(at) + random.gauss(0, 0.3)
        sky = random.choices(CONDITIONS[1:], (3, 4, 3, 1))[0] if elevation(at) > 0 else CONDITIONS[0]
        seen = {"temperature": round(warmth, 1), "humidity": 75 + random.randint(-9, 9)}
        yield Act(at, "weather.home", sky, seen)
        yield Act(jitter(random, at), "sensor.outside_feels_like", f"{warmth - 1.2:.1f}")


def _warmth(area: Area, at: int) -> float:
    if area.area_id == "garden":
        return outside(at)
    return area.warmth + 0.8 * sin(2 * pi * (hour(at) - 11) / 24)


def room_climate(random: Random, start: int, area: Area) -> Iterator[Act]:
    """Yield a room's temperature, humidity, illuminance and thermostat every few minutes."""
    at, key = start, area.area_id
    while True:
        at = jitter(random, at + 4 * MINUTE, 120)
        warmth = round(_warmth(area, at) + random.gauss(0, 0.08), 1)
        yield Act(at, f"sensor.{key}_temperature", str(warmth))
        yield Act(
            jitter(random, at, 0.2), f"sensor.{key}_humidity", f"{48 - (warmth - 20) * 2 + random.gauss(0, 0.6):.0f}"
        )
        light = max(0.0, elevation(at)) * (900 if key == "garden" else 11)
        yield Act(at + SECOND // 2, f"sensor.{key}_illuminance", f"{light + random.random() * 4:.0f}")
        target = 20.5 if 6 <= hour(at) < 22 else 17.0
        acting = {
            "current_temperature": warmth,
            "temperature": target,
            "hvac_action": "heating" if warmth < target else "idle",
        }
        yield Act(at + SECOND, f"climate.{key}", "heat", acting)


def blinds(random: Random, start: int) -> Iterator[Act]:
    """Yield the blinds, opening after sunrise and closing after sunset."""
    day = start - start % DAY
    while True:
        for clock, moving, resting, position in ((6.6, "opening", "open", 100), (18.4, "closing", "closed", 0)):
            at = jitter(random, day + int(clock * HOUR), 600)
            covers = [f"cover.{area.area_id}_blind" for area in AREAS if area.furnished]
            yield from (Act(at + i * SECOND, cover, moving, {"current_position": 50}) for i, cover in enumerate(covers))
            done = jitter(random, at + 25 * SECOND)
            yield from (
                Act(done + i * SECOND, cover, resting, {"current_position": position}) for i, cover in enumerate(covers)
            )
        day += DAY


def electricity(random: Random, start: int) -> Iterator[Act]:
    """Yield powers twice a minute and the energies they add up to once a minute: energy only ever rises."""
    at, used, made, tick = start, 8123.412, 2210.105, 0
    while True:
        at, tick = jitter(random, at + 29 * SECOND, 2), tick + 1
        busy = 1.0 if 6.5 <= hour(at) < 9 or 17 <= hour(at) < 22.5 else 0.2
        house = 180 + 900 * busy * random.random() + (1900 if random.random() < 0.04 * busy else 0)
        roof = max(0.0, elevation(at)) * 55 * random.uniform(0.6, 1)
        used, made = used + house * 30 / 3.6e6, made + roof * 30 / 3.6e6
        yield Act(at, "sensor.house_power", f"{house:.0f}")
        yield Act(at + 1_000, "sensor.solar_power", f"{roof:.0f}")
        if tick % 2 == 0:
            yield Act(at + 2_000, "sensor.house_energy", f"{used:.3f}")
            yield Act(at + 3_000, "sensor.solar_energy", f"{made:.3f}")


def fridge(random: Random, start: int) -> Iterator[Act]:
    """Yield the compressor's power: on for a quarter of an hour, off for half of one."""
    at = start
    while True:
        for watts, minutes in ((82, 15), (2, 30)):
            yield Act(at := jitter(random, at, 60), "sensor.fridge_power", str(watts + random.randint(0, 3)))
            at += minutes * MINUTE


def batteries(random: Random, start: int, cells: Sequence[Entity]) -> Iterator[Act]:
    """Yield a percent less every few hours, and a new battery at five percent."""
    levels = {cell.entity_id: int(cell.state) for cell in cells}
    at = start
    while levels:
        at = jitter(random, at + 20 * MINUTE, 1200)
        cell = random.choice(tuple(levels))
        levels[cell] = levels[cell] - 1 if levels[cell] > 5 else 100
        yield Act(at, cell, str(levels[cell]))


def updates(random: Random, start: int) -> Iterator[Act]:
    """Yield a new version every night and its installation in the evening."""
    day, number = start - start % DAY, 0
    while True:
        number += 1
        seen = {"installed_version": f"1.{number - 1}", "latest_version": f"1.{number}"}
        yield Act(jitter(random, day + 3 * HOUR, 900), "update.core", "on", seen)
        done = {"installed_version": f"1.{number}", "latest_version": f"1.{number}"}
        yield Act(jitter(random, day + 20 * HOUR, 900), "update.core", "off", done)
        day += DAY


def failures(random: Random, start: int, devices: Sequence[Sequence[str]]) -> Iterator[Act]:
    """Yield devices that drop off the network for a few minutes, all their entities at once."""
    at = start
    while devices:
        at = jitter(random, at + HOUR, 3600)
        lost = random.choice(devices)
        back = jitter(random, at + 2 * MINUTE, 900)
        yield from (Act(at + i * 150, entity_id, do=Do.LOSE) for i, entity_id in enumerate(lost))
        yield from (Act(back + i * 150, entity_id, do=Do.FIND) for i, entity_id in enumerate(lost))
        at = back


def guests(random: Random, start: int) -> Iterator[Act]:
    """Yield a guest's phone that comes and goes: an entity removed, and made again hours later."""
    at = start
    while True:
        at = jitter(random, at + 2 * HOUR, 3600)
        yield Act(at, "sensor.guest_phone_battery", do=Do.REMOVE)
        at = jitter(random, at + HOUR, 3600)
        yield Act(at, "sensor.guest_phone_battery", str(random.randint(20, 99)))


def nodes(random: Random, start: int, entities: Sequence[Entity]) -> Iterator[Act]:
    """Yield the life of the further devices: about 20 changes a day each, at most 200,000 in total."""
    at = start
    pause = DAY / min(20 * len(entities), 200_000) if entities else 0
    while entities:
        at += max(1, int(random.expovariate(1 / pause)))
        entity = random.choice(entities)
        yield Act(at, entity.entity_id, _reading(random, at, entity, start))


def _reading(random: Random, at: int, entity: Entity, start: int) -> str:
    match entity.kind.attributes.get("device_class"):
        case "energy":
            return f"{50 + (at - start) / DAY * 3:.3f}"
        case "temperature":
            return f"{_warmth(AREAS[area_index(entity)], at) + random.gauss(0, 0.4):.1f}"
        case "battery" | "power":
            return str(random.randint(2, 100))
    return random.choice(("on", "off"))


def area_index(entity: Entity) -> int:
    """Return a place in `AREAS` that depends on the entity alone."""
    return len(entity.name) % len(AREAS)
