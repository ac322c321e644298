from __future__ import annotations

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from ingest.core.coverage import Cause, Gap, Progress
from ingest.core.evicted import Named, Owners
from ingest.core.gap_points import gap_line, gap_point
from ingest.core.homeassistant import Profile, homeassistant
from ingest.core.homeiq import Encoder, homeiq, numbers
from ingest.core.line_owners import whose
from ingest.core.point import Attributes, Facts, Point
from ingest.core.sealing import joined, line_of, seal
from ingest.core.state import Source
from tests.core.test_homeiq import points

# What a tag's value cannot say: a line break, a backslash at its end, half of a surrogate pair.
ids = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\n\r\t"), min_size=1, max_size=12).filter(
    lambda text: not text.endswith("\\")
) | st.sampled_from(["a,entity_id=b", "x\\,registry_id=y", 'a",origin="heartbeat"', "= ,", "\\ a"])


def point(name: str, time_ns: int, origin: Source | None = None, state: str = "1") -> Point:
    return Point(f"sensor.{name}", time_ns, state, Facts(name), Attributes(), 1.0, origin=origin)


@given(st.lists(st.tuples(points, ids, ids), max_size=8))
def test_a_payload_says_whose_states_it_holds(made: list[tuple[Point, str, str]]) -> None:
    given_points = [
        replace(each, entity_id=entity_id, facts=evolve(each.facts, registry_id=registry_id))
        for each, entity_id, registry_id in made
    ]
    expected = Owners()
    for each in given_points:
        if each.origin is not Source.HEARTBEAT:
            expected.add(each.facts.registry_id, each.entity_id, each.time_ns, live=each.origin is None)
    lines = [Encoder().line(each) for each in given_points]
    assert not lines or whose(seal(lines)) == expected.all


def test_several_payloads_as_one_are_read_as_one() -> None:
    parts = [seal([Encoder().line(point("a", each))]) for each in (1_000, 2_000)]
    assert whose(joined(parts)) == (Named("a", "sensor.a", 1_000, 2_000),)


def test_what_is_stored_already_is_not_missing() -> None:
    lines = [Encoder().line(point("a", each)) for each in (1_000, 2_000, 3_000)]
    told = [Encoder().line(point("b", each, Source.BACKFILL)) for each in (1_000, 2_000)]
    stored = {lines[1], told[0]}
    assert whose(seal([*lines, *told]), stored.intersection) == (
        Named("a", "sensor.a", 1_000, 1_000),
        Named("a", "sensor.a", 2_000, 2_000, stored=True),
        Named("b", "sensor.b", 2_000, 2_000, live=False),
        Named("a", "sensor.a", 3_000, 3_000),
    )


def test_heartbeats_and_gaps_are_nobodys_states() -> None:
    told = gap_point("home", Gap(1, Cause.STOPPED, 1_000, 2_000, Progress.FILLED))
    lines = [Encoder().line(point("a", 5_000, Source.HEARTBEAT)), gap_line(told)]
    assert whose(seal(lines)) == ()


def test_entries_of_registries_are_nobodys_states() -> None:
    assert (
        whose(seal([b"devices,device_id=d name=1 5", b"entities,domain=sensor,entity_id=sensor.a unique_id=1 5"])) == ()
    )


def test_the_other_schema_tells_names() -> None:
    codec = homeassistant(Profile(tags={"site": "a b"}))
    lines = [
        line_of(codec, replace(point(name, time_ns), facts=Facts("id")))
        for name, time_ns in (("a", 1_000), ("b", 2_000), ("a", 3_000))
    ]
    assert whose(seal([line for line in lines if line is not None])) == (
        Named("sensor.a", "sensor.a", 1_000, 3_000), Named("sensor.b", "sensor.b", 2_000, 2_000),
    )  # fmt: skip
    assert homeassistant(Profile()).whose is whose


def test_what_waited_in_one_schema_is_known_when_the_other_is_chosen() -> None:
    line = line_of(homeassistant(Profile()), point("b", 2_000))
    assert line is not None
    found = whose(seal([Encoder().line(point("a", 1_000)), line]))
    assert found == (Named("a", "sensor.a", 1_000, 1_000), Named("sensor.b", "sensor.b", 2_000, 2_000))


def test_numbers_alone_are_somebodys_too() -> None:
    line = numbers(point("a", 5_000))
    assert line is not None
    assert whose(seal([line])) == (Named("a", "sensor.a", 5_000, 5_000),)


def test_a_state_that_looks_like_a_field_is_none() -> None:
    states = ['x,origin="heartbeat"', "x,origin=", ',origin=\\"backfill"', ' 7,origin="heartbeat" 9']
    lines = [Encoder().line(point("a", 1_000 * place, state=state)) for place, state in enumerate(states, 1)]
    assert whose(seal(lines)) == (Named("a", "sensor.a", 1_000, 4_000),)


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"x",
        seal([b"home_assistant_events,entity_id=a v=1 1"])[:-9],
        seal([b"home_assistant_events,entity_id=a v=1 1"]),
        seal([b"home_assistant_events,entity_id=a,registry_id=b v=1 now"]),
        seal([b"W,entity_id=attic v=1 1"]),
        seal([b"home_assistant_events,entity_id=\xff,registry_id=b v=1 1"]),
        seal([b"home_assistant_events"]),
        seal([b""]),
    ],
)
def test_what_cannot_be_read_is_not_known(payload: bytes) -> None:
    assert whose(payload) is None


def test_the_schema_says_it() -> None:
    assert homeiq().whose is homeiq(numeric_only=True).whose is whose
