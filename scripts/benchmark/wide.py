"""Events whose attributes are as large as one likes: Home Assistant's recorder keeps attributes up to 16 KiB."""

from __future__ import annotations

from ingest.simulator.values import Change, State, change_json, encode, micros
from scripts.benchmark.traffic import START, Event

ENTITIES = 200

STEP = 1_000
"""Microseconds from event to event."""

CONTEXT = "01ABCDEFGHJKMNPQRSTVWXYZ00"

WORDS = "Lorem ipsum dolor sit amet, consectetur adipiscing elit, sed do"
"""The value of an attribute among many: as long as a sentence, and as easily compressed."""


def wide(count: int, size: int, *, changing: bool) -> list[Event]:
    """So many events of sensors whose attributes are about `size` bytes of JSON; `changing`: a number in them always does."""
    first = micros(START)
    states: dict[str, State] = {}
    made = []
    for number in range(count):
        at, key = first + (number + 1) * STEP, f"sensor.wide_{number % ENTITIES:03}"
        old = states.get(key)
        attributes = old.attributes if old and not changing else attributes_of(key, size, number)
        new = states[key] = State(key, f"{number % 997 / 10}", attributes, at, at, CONTEXT)
        made.append(Event(change_json(Change(key, old, new, at, CONTEXT)), at * 1000))
    return made


def attributes_of(key: str, size: int, number: int) -> bytes:
    """Attributes as a sensor has them, and sentences until they are as large as they should be."""
    known: dict[str, object] = {"unit_of_measurement": "W", "friendly_name": key, "number": number}
    for each in range(max(0, size - len(encode(known))) // (len(WORDS) + 16)):
        known[f"sentence_{each}"] = WORDS
    return encode(known)
