"""The house status: whatever happened, it is what the present states add up to."""

from __future__ import annotations

import gc
from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from itertools import count
from types import FunctionType, ModuleType
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw
from msgspec.structs import replace

from ingest.core.catalog import Catalog, Registries
from ingest.core.house import LONGEST, House
from ingest.core.house_sections import NO_AREA, sections
from ingest.core.judged import Judged
from ingest.core.point import Facts
from ingest.core.registry_entries import Area
from ingest.core.state import EPOCH, Change, Source
from tests.core.changes import change, state

LIVE, SNAPSHOT = Source.LIVE, Source.SNAPSHOT
WORDS = {
    "door": ("open", "closed"), "window": ("open", "closed"), "garage_door": ("open", "closed"),
    "opening": ("open", "closed"), "motion": ("detected", "clear"), "occupancy": ("detected", "clear"),
    "lock": ("unlocked", "locked"),
}  # fmt: skip
NAMES = ("a", "b", "c")
DOMAINS = ("climate", "person", "light", "binary_sensor", "switch", "automation", "sensor", "light_group", "")
ENTITIES = tuple(f"{domain}.{name}" for domain in DOMAINS for name in NAMES)
STATES = ("on", "off", "unavailable", "unknown", "home", "heat")
ATTRIBUTES: tuple[dict[str, Any], ...] = (
    {},
    {"friendly_name": "Ä name", "device_class": "door", "current_temperature": 21.5, "temperature": 19},
    {"friendly_name": "Other", "device_class": "motion", "current_temperature": None, "temperature": "warm"},
    {"friendly_name": 7, "device_class": ["lock"], "current_temperature": True, "temperature": 1e300},
    {"friendly_name": "", "device_class": "cold", "current_temperature": -3, "temperature": {"a": []}},
)

Said = dict[str, Any]
Home = dict[str, Said]
clock = count(1)


def moment() -> str:
    return (EPOCH + timedelta(seconds=next(clock))).isoformat(timespec="microseconds")


def said(entity_id: str, value: str = "on", **attributes: Any) -> Said:
    at = moment()
    return state(entity_id, value, changed=at, updated=at, **attributes)


def removal(was: Said) -> Change:
    return change(None, was, fired=moment())


def judged(*changes: Change, source: Source = LIVE, verdict: str | None = "a rule") -> Judged:
    return Judged(source, changes, [verdict] * len(changes))


def live(house: House, *states: Said, session: int = 1) -> None:
    house.take(judged(*(change(each) for each in states)), session)


def snapshot(house: House, states: Sequence[Said], session: int = 1) -> None:
    house.take(judged(*(change(each) for each in states), source=SNAPSHOT, verdict=None), session)


def seeded(*states: Said, limit: int = 20_000) -> House:
    house = House(limit)
    snapshot(house, states)
    house.settle()
    return house


def shown(house: House, catalog: Catalog | None = None, unit: str | None = "C") -> dict[str, Any]:
    return {name: make() for name, (_, make) in sections(house, catalog or Catalog(), unit).items()}


def number(value: object) -> object:
    return value if type(value) in {int, float} and abs(value) < 1e6 else None  # type: ignore[arg-type]  # a number


def expected(home: Home, areas: Mapping[str, tuple[str, str | None]]) -> dict[str, Any]:
    """The sections, computed from nothing but the present states, as the contract says; `areas`: each entity's, name and id."""

    def of(domain: str) -> Iterator[tuple[str, str, dict[str, Any], str]]:
        for entity_id, each in sorted(home.items()):
            if entity_id.partition(".")[0] == domain:
                name = each["attributes"].get("friendly_name")
                yield (
                    entity_id,
                    each["state"],
                    each["attributes"],
                    (name if isinstance(name, str) and name else entity_id),
                )

    lights: dict[tuple[str, str | None], list[int]] = {}
    for entity_id, value, _, _ in of("light"):
        counts = lights.setdefault(areas.get(entity_id, (NO_AREA, None)), [0, 0, 0])
        counts[0 if value == "on" else 1 if value == "off" else 2] += 1
    sensors: dict[str, list[dict[str, Any]]] = {}
    for _, value, attributes, name in of("binary_sensor"):
        given_class = attributes.get("device_class")
        kind = given_class if isinstance(given_class, str) else ""
        word = dict(zip(("on", "off"), WORDS.get(kind, ("on", "off")), strict=True)).get(value, value)
        sensors.setdefault(kind, []).append({"name": name, "state": word, "device_class": kind})
    return {
        "climate": [
            {
                "entity_id": entity_id,
                "friendly_name": name,
                "current_temperature": number(attributes.get("current_temperature")),
                "target_temperature": number(attributes.get("temperature")),
                "hvac_mode": value,
                "unit": "C",
            }
            for entity_id, value, attributes, name in of("climate")
        ],
        "presence": [{"name": name, "state": value} for _, value, _, name in of("person")],
        "lights_by_area": [
            {"area": name, "area_id": area_id, "on_count": on, "off_count": off, "unavailable_count": other}
            for (name, area_id), (on, off, other) in sorted(lights.items(), key=lambda each: each[0][0])
        ],
        "sensors": dict(sorted(sensors.items())),
        "switches_on": [entity_id for entity_id, value, _, _ in of("switch") if value == "on"],
        "active_automations": [entity_id for entity_id, value, _, _ in of("automation") if value == "on"],
    }


acts = st.tuples(st.sampled_from(ENTITIES), st.none() | st.tuples(st.sampled_from(STATES), st.sampled_from(ATTRIBUTES)))
some = st.lists(acts, max_size=12)


def happen(home: Home, events: Sequence[Any]) -> list[Change]:
    """Let these happen in the home; the changes that are said of them."""
    told = []
    for entity_id, act in events:
        was = home.get(entity_id)
        if act is not None:
            home[entity_id] = said(entity_id, act[0], **act[1])
            told.append(change(home[entity_id], was))
        elif was is not None:
            told.append(removal(home.pop(entity_id)))
    return told


@given(
    st.lists(st.tuples(some, some, some, some, some), min_size=1, max_size=4),
    st.dictionaries(st.sampled_from(ENTITIES), st.sampled_from(["kitchen", "attic", "gone"])),
    st.integers(1, 5),
)
def test_after_any_history_it_is_what_the_present_states_add_up_to(
    sessions: list[Any], placed: dict[str, str], chunk: int
) -> None:
    """In each session: what nobody heard, what came before get_states, after it, between its parts, and afterwards."""
    house, home = House(), Home()
    for session, (unheard, before, after, between, at_last) in enumerate(sessions, 1):
        happen(home, unheard)
        house.take(judged(*happen(home, before)), session)
        states = list(home.values())
        house.take(judged(*happen(home, after)), session)
        for start in range(0, len(states), chunk):
            snapshot(house, states[start : start + chunk], session)
            house.take(judged(*happen(home, between[start : start + 1])), session)
        house.settle()
        house.take(judged(*happen(home, at_last)), session)
    facts = {entity_id: Facts(entity_id, area_id=area) for entity_id, area in placed.items()}
    named = {"kitchen": Area("kitchen", "Küche"), "attic": Area("attic", "Attic")}
    areas = {entity_id: (named[area].name, area) for entity_id, area in placed.items() if area in named}
    assert shown(house, Catalog(facts, Registries(areas=named))) == expected(home, areas)
    assert house.complete


@given(some, some)
def test_the_version_of_a_section_is_another_one_whenever_what_it_shows_is(first: list[Any], then: list[Any]) -> None:
    house, home, catalog = House(), Home(), Catalog()
    house.take(judged(*happen(home, first)), 1)
    made = {name: (made_of, make()) for name, (made_of, make) in sections(house, catalog, "C").items()}
    changes = house.changes
    house.take(judged(*happen(home, then)), 1)
    for name, (made_of, make) in sections(house, catalog, "C").items():
        assert made_of != made[name][0] or make() == made[name][1]
        assert house.changes != changes or make() == made[name][1]


def test_what_says_nothing_new_is_no_news() -> None:
    house = seeded(said("light.a", brightness=1), said("binary_sensor.a"))
    before = house.changes
    live(house, said("light.a", brightness=200), said("binary_sensor.a", x=3), said("sensor.a"), said("sensor.b", "7"))
    assert house.changes == before


def test_an_entity_that_went_while_nobody_listened_is_not_there_after_the_next_snapshot() -> None:
    house = seeded(said("light.a"), said("light.b"))
    snapshot(house, [said("light.b")], session=2)
    assert len(house.lights.entities) == 2, "until all of it is through it may still be named"
    house.settle()
    assert list(house.lights.entities) == ["light.b"]


def test_a_renamed_entity_is_there_once() -> None:
    lamp = said("light.a")
    house = seeded(lamp)
    house.take(judged(removal(lamp), change(said("light.z"))), 1)
    catalog = Catalog({"light.a": Facts("7f", area_id="k")}, Registries(areas={"k": Area("k", "Kitchen")}))
    renamed = catalog.renamed([("light.a", "light.z")])
    assert shown(house, renamed)["lights_by_area"] == [
        {"area": "Kitchen", "area_id": "k", "on_count": 1, "off_count": 0, "unavailable_count": 0}
    ]


def test_a_light_follows_its_area_and_the_areas_name() -> None:
    house = seeded(said("light.a"), said("light.b", "off"))

    def areas(placed: str, *named: Area) -> list[str]:
        catalog = Catalog(
            {"light.a": Facts("7f", area_id=placed)}, Registries(areas={each.area_id: each for each in named})
        )
        return [each["area"] for each in shown(house, catalog)["lights_by_area"]]

    assert areas("k", Area("k", "Kitchen")) == ["Kitchen", NO_AREA]
    assert areas("k", Area("k", "Küche")) == ["Küche", NO_AREA]
    assert areas("h", Area("k", "Küche"), Area("h", "Hall")) == ["Hall", NO_AREA]
    assert areas("h") == [NO_AREA]


def test_no_more_entities_than_the_limit_are_kept_and_it_is_said() -> None:
    house = seeded(*(said(f"light.{number}") for number in range(3)), limit=3)
    live(house, said("switch.new"))
    assert not house.complete
    assert shown(house)["switches_on"] == []
    house.take(judged(removal(said("light.0"))), 1)
    live(house, said("switch.new"))
    assert shown(house)["switches_on"] == ["switch.new"]
    snapshot(house, [said("switch.new")], session=2)
    house.settle()
    assert house.complete


def test_as_many_that_went_are_remembered_and_the_first_is_forgotten() -> None:
    house, gone = House(2), [said(f"light.{number}") for number in range(3)]
    house.take(judged(*map(removal, gone)), 1)
    snapshot(house, gone)
    assert list(house.lights.entities) == ["light.0"]


@pytest.mark.parametrize(
    ("entities", "complete"), [(["sensor.a"], True), (["sensor.a", "light.a"], False), (None, False)]
)
def test_what_did_not_reach_us_makes_it_incomplete_until_the_next_session(entities: Any, complete: bool) -> None:
    house = seeded()
    house.miss(1, entities)
    assert house.complete is complete
    snapshot(house, [], session=2)
    house.settle()
    assert house.complete


@pytest.mark.parametrize("attributes", [b"[]", b"7", b"{", b'{"friendly_name": ' + b"[" * 100_000])
def test_attributes_that_are_none_break_nothing(attributes: bytes) -> None:
    house, told = House(), change(said("person.a", "home"))
    assert told.data.new_state is not None
    told = replace(told, data=replace(told.data, new_state=replace(told.data.new_state, attributes=Raw(attributes))))
    house.take(judged(told), 1)
    assert shown(house)["presence"] == [{"name": "person.a", "state": "home"}]


def test_nothing_that_is_kept_keeps_a_frame_alive_or_is_long() -> None:
    house = House()
    live(house, said("person.a", "x" * 999, friendly_name="n" * 999), said("climate.a"), said("binary_sensor.a"))
    assert shown(house)["presence"] == [{"name": "n" * LONGEST, "state": "x" * LONGEST}]
    todo, seen = [cast("object", house)], set[int]()
    while todo:
        each = todo.pop()
        assert not isinstance(each, Raw | Change)
        if id(each) not in seen and not isinstance(each, type | FunctionType | ModuleType):
            seen.add(id(each))
            todo += gc.get_referents(each)
    assert 20 < len(seen) < 100
