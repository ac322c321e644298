"""People: when they get up, which rooms they are in, when they are away; and what follows them.

A day is planned at once. First the visits of everybody to every room, then, per room, the spells in which somebody is
there; lights, motion and music follow the spells, doors and trackers the people.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from random import Random
from typing import NamedTuple

from ingest.simulator.acts import HOUR, MINUTE, Act, in_order, jitter
from ingest.simulator.ids import hex_id
from ingest.simulator.rooms import COORDINATES, LIGHT_OFF, PEOPLE
from ingest.simulator.values import DAY, SECOND

SONGS = (
    ("Für Elise", "Ludwig van Beethoven"),
    ("上を向いて歩こう", "坂本九"),
    ("Águas de Março", "Elis & Tom"),
    ("Sweet Dreams", "Eurythmics"),
)


class Visit(NamedTuple):
    """Somebody in a room; times in microseconds."""

    room: str
    enter: int
    leave: int


class Routine(NamedTuple):
    """One person's day: where they are at home, and when they are away."""

    person: str
    visits: tuple[Visit, ...]
    leave: int
    back: int


MORNING = (("bathroom", 20), ("kitchen", 25), ("hallway", 3))
EVENING = (("hallway", 3), ("kitchen", 40), ("living_room", 65), ("buro", 30), ("living_room", 45), ("bathroom", 12))


def _walk(random: Random, at: int, rooms: Iterable[tuple[str, int]]) -> list[Visit]:
    visits = []
    for room, minutes in rooms:
        leave = jitter(random, at + minutes * MINUTE // 2, minutes * 60)
        visits.append(Visit(room, at, leave))
        at = leave + 2 * SECOND
    return visits


def routine(random: Random, person: str, day: int) -> Routine:
    """Plan one person's day, which starts at `day`."""
    up = jitter(random, day + 6 * HOUR, 5400)
    morning = _walk(random, up, MORNING)
    back = jitter(random, day + 16 * HOUR, 5400)
    evening = _walk(random, back, EVENING)
    night = Visit(
        "bedroom" if person != PEOPLE[-1][0] else "kinderzimmer", evening[-1].leave, evening[-1].leave + 8 * MINUTE
    )
    return Routine(person, (*morning, *evening, night), morning[-1].leave, back)


def spells(visits: Iterable[Visit]) -> list[Visit]:
    """Merge visits to the same room that overlap or lie less than four minutes apart, in the order of their times."""
    merged: dict[str, list[Visit]] = defaultdict(list)
    for visit in sorted(visits, key=lambda visit: visit.enter):
        known = merged[visit.room]
        if known and visit.enter - known[-1].leave < 4 * MINUTE:
            known[-1] = known[-1]._replace(leave=max(known[-1].leave, visit.leave))
        else:
            known.append(visit)
    return [spell for room in merged.values() for spell in room]


def _in_room(random: Random, spell: Visit) -> Iterator[Act]:
    motion, light = f"binary_sensor.{spell.room}_motion", f"light.{spell.room}"
    at = spell.enter
    while at < spell.leave:
        yield Act(jitter(random, at), motion, "on")
        still = jitter(random, at + 60 * SECOND, 120)
        yield Act(still, motion, "off")
        at = jitter(random, still, 400)
    bright = {"color_mode": "brightness", "brightness": random.randrange(90, 255)}
    yield Act(jitter(random, spell.enter + SECOND), light, "on", bright)
    if spell.leave - spell.enter > 10 * MINUTE:
        yield Act(jitter(random, spell.enter + 6 * MINUTE, 120), light, "on", {"brightness": random.randrange(40, 89)})
    yield Act(jitter(random, spell.leave + 3 * MINUTE), light, "off", LIGHT_OFF)


def _music(random: Random, spell: Visit) -> Iterator[Act]:
    player, at = "media_player.living_room", jitter(random, spell.enter, 60)
    while at < spell.leave:
        title, artist = random.choice(SONGS)
        picture = (
            f"/api/media_player_proxy/{player}?token={hex_id('token', player)}&cache={random.getrandbits(64):016x}"
        )
        song = {"media_title": title, "media_artist": artist, "media_duration": 214, "entity_picture": picture}
        yield Act(at, player, "playing", song)
        at = jitter(random, at + 200 * SECOND, 40)
    yield Act(at, player, "off", {"media_title": None, "media_artist": None})


def _room(random: Random, plan: list[Visit]) -> Iterator[Act]:
    for spell in spells(plan):
        yield from _in_room(random, spell)
        if spell.room == "living_room":
            yield from _music(random, spell)
        if spell.room == "kitchen":
            yield Act(jitter(random, spell.enter + 5 * MINUTE, 60), "binary_sensor.kitchen_window", "on")
            yield Act(jitter(random, spell.leave), "binary_sensor.kitchen_window", "off")


def _where(random: Random, at: int, person: str, place: str, away: float) -> Iterator[Act]:
    tracker = f"device_tracker.{person}_phone"
    spot = {
        "latitude": round(COORDINATES["latitude"] + away * random.random(), 7),
        "longitude": round(COORDINATES["longitude"] + away * random.random(), 7),
        "gps_accuracy": random.randrange(5, 60),
    }
    yield Act(at, tracker, place, spot)
    yield Act(at + 300, f"person.{person}", place, {**spot, "source": tracker})


def _journey(random: Random, day: Routine) -> Iterator[Act]:
    at = day.leave + MINUTE
    while at < day.back:
        yield from _where(random, at, day.person, "not_home", 0.08)
        at = jitter(random, at + 8 * MINUTE, 300)
    yield from _where(random, day.back, day.person, "home", 0.0)
    for moment in (day.leave, day.back - 20 * SECOND):
        yield Act(jitter(random, moment), "binary_sensor.front_door", "on")
        yield Act(jitter(random, moment + 8 * SECOND), "binary_sensor.front_door", "off")


def _headcount(days: list[Routine]) -> Iterator[Act]:
    moves = sorted(
        [(day.leave + MINUTE, day.person, False) for day in days] + [(day.back, day.person, True) for day in days]
    )
    present = {day.person for day in days}
    for at, person, home in moves:
        present = present | {person} if home else present - {person}
        persons = [f"person.{key}" for key, _ in PEOPLE if key in present]
        yield Act(at + 900, "zone.home", str(len(persons)), {"persons": persons})


def people(random: Random, start: int) -> Iterator[Act]:
    """Yield what people do, day after day. A day's last acts lie before the next day's first."""
    day = start - start % DAY
    while True:
        days = [routine(random, person, day) for person, _ in PEOPLE]
        acts = [act for plan in days for act in _journey(random, plan)]
        acts += _room(random, [visit for plan in days for visit in plan.visits])
        acts += _headcount(days)
        yield from in_order(acts)
        day += DAY
