from __future__ import annotations

import gzip
import json
from functools import partial
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from influxdb_client.client.write.point import Point as Reference
from msgspec.structs import replace

from ingest.core.attributes import fitting
from ingest.core.homeiq import MEASUREMENT, NAMES, Encoder, category, homeiq, tags
from ingest.core.lineprotocol import TEXT_LIMIT
from ingest.core.point import Attributes, Facts, Kind, Point
from ingest.core.sealing import cut, line_of, resealed, unsealed
from ingest.core.state import Context, Source
from ingest.core.treatment import Treatment
from tests.core import lines

FACTS = Facts("0a1b", "d1", "attic", "diagnostic", "zha", "Acme, Inc.", 'X "1"', "2.0")
POINT = Point(
    "sensor.a",
    1795435205250001000,
    "21.5",
    FACTS,
    Attributes('{"unit_of_measurement":"°C"}', "temperature", "°C"),
    value=21.5,
    previous_state="21",
    duration=5.250001,
    kind=Kind.CHANGED,
    context=Context("01M8", "01M7", "anna"),
)
LINE = (
    "home_assistant_events,area_id=attic,device_class=temperature,device_id=d1,domain=sensor,"
    "entity_category=diagnostic,entity_id=sensor.a,event_category=climate,event_type=state_changed,platform=zha,"
    'registry_id=0a1b manufacturer="Acme, Inc.",model="X \\"1\\"",sw_version="2.0",unit="°C",'
    'attributes="{\\"unit_of_measurement\\":\\"°C\\"}",state_value="21.5",previous_state="21",value=21.5,'
    'duration_in_state_seconds=5.250001,kind="changed",context_id="01M8",context_parent_id="01M7",context_user_id="anna" '
    "1795435205250001000"
)


def line(point: Point) -> str:
    return Encoder().line(point).decode()


def fields(point: Point) -> dict[str, str]:
    return lines.read(line(point))[1]


def test_a_line() -> None:
    assert line(POINT) == LINE


def test_its_pieces_are_cut_where_any_line_is_and_a_series_is_one_object() -> None:
    encoder = Encoder()
    spaced = replace(POINT, treatment=Treatment(measurement="my power"))
    for point in (POINT, spaced):
        (series, *rest), (other, *others) = encoder.encode(point), cut(encoder.line(point))
        assert (series, b"".join(rest)) == (other, b"".join(others))
    first, kept, own = encoder.encode(POINT)
    again = encoder.encode(replace(POINT, time_ns=1, state="22"))
    assert (again[0] is first, again[1] is kept, again[2] != own) == (True, True, True)
    assert encoder.encode(replace(POINT, time_ns=1, attributes=Attributes("{}", "temperature", "°C")))[0] is first


SAID = st.text(st.sampled_from(["a", "1", ".", " ", ",", '"', "\\", "\n", "\r", "é", "\ud800"]), max_size=4)


@given(SAID, SAID, SAID.filter(bool), st.none() | st.floats(-1e9, 1e9), st.floats(0, 1e9))
@example("on", "a" * TEXT_LIMIT, "01M8", None, 0.0)
def test_the_usual_change_is_written_like_any_other(
    state: str, previous: str, context: str, value: float | None, duration: float
) -> None:
    usual = replace(
        POINT, state=state, previous_state=previous, value=value, duration=duration, context=Context(context)
    )
    assert line(replace(usual, origin=Source.SNAPSHOT)).replace(',origin="snapshot"', "") == line(usual)


def test_what_is_not_known_is_not_written() -> None:
    bare = Point("sun.sun", 1, "", Facts("sun.sun"), Attributes())
    assert line(bare) == (
        "home_assistant_events,domain=sun,entity_id=sun.sun,event_category=general,event_type=state_changed,"
        'registry_id=sun.sun attributes="{}",state_value="" 1'
    )


def test_a_removal_has_no_attributes_and_an_origin_is_a_field() -> None:
    removed = Point("sun.sun", 1, "removed", Facts("x"), Attributes(""), kind=Kind.REMOVED, origin=Source.BACKFILL)
    assert fields(removed) == {"state_value": '"removed"', "kind": '"removed"', "origin": '"backfill"'}


@pytest.mark.parametrize(
    ("domain", "device_class", "expected"),
    [
        ("alarm_control_panel", None, "security"),
        ("lock", None, "security"),
        ("binary_sensor", "motion", "security"),
        ("climate", None, "climate"),
        ("sensor", "humidity", "climate"),
        ("light", None, "lighting"),
        ("binary_sensor", "light", "lighting"),
        ("vacuum", None, "appliance"),
        ("sensor", "energy", "appliance"),
        ("sensor", "battery", "monitoring"),
        ("sensor", None, "monitoring"),
        ("binary_sensor", "battery", "general"),
        ("climate", "door", "security"),
    ],
)
def test_event_categories_are_homeiqs(domain: str, device_class: str | None, expected: str) -> None:
    assert category(domain, device_class) == expected


def test_tags_are_sorted() -> None:
    assert list(tags("a.b", FACTS, None)) == sorted(tags("a.b", FACTS, None))


# ---- agreement with influxdb-client --------------------------------------------------------------------------------

words = st.text(max_size=8) | st.sampled_from(
    ["a b", "a,b", "a=b", "a\\", 'a"b', "a\nb", "\t", "\r", "°C", "東京", "#"]
)
maybe = st.none() | words
finite = st.none() | st.floats(allow_nan=False, allow_infinity=False)
facts = st.builds(Facts, words, maybe, maybe, maybe, maybe, maybe, maybe, maybe)
attributes = st.builds(Attributes, st.just("") | words.map(lambda word: json.dumps({word: word})), maybe, maybe)
points = st.builds(
    Point,
    words.map(lambda word: f"sensor.{word}"),
    st.integers(-(2**63), 2**63 - 1),
    words,
    facts,
    attributes,
    finite,
    maybe,
    finite,
    st.none() | st.sampled_from(Kind),
    st.none() | st.builds(Context, maybe, maybe, maybe),
    st.none() | st.sampled_from(Source),
)


def reference(point: Point) -> str:
    """The line that influxdb-client makes, its line breaks escaped as ours are."""
    made: Any = Reference(MEASUREMENT)  # type: ignore[no-untyped-call]  # influxdb-client has no types
    made.time(point.time_ns)
    for key, value in tags(point.entity_id, point.facts, point.attributes.device_class).items():
        made.tag(key, value)
    for key, known in known_fields(point).items():
        made.field(key, known)
    return str(made.to_line_protocol()).replace("\n", "\\n").replace("\r", "\\r")


def known_fields(point: Point) -> dict[str, Any]:
    context = point.context or Context()
    never_empty = {
        "attributes": point.attributes.json,
        "unit": point.attributes.unit,
        "manufacturer": point.facts.manufacturer,
        "model": point.facts.model,
        "sw_version": point.facts.sw_version,
        "context_id": context.id,
        "context_parent_id": context.parent_id,
        "context_user_id": context.user_id,
    }
    return {
        "state_value": point.state,
        "previous_state": point.previous_state,
        "value": point.value,
        "duration_in_state_seconds": point.duration,
        "kind": point.kind and point.kind.value,
        "origin": point.origin and point.origin.value,
    } | {key: value or None for key, value in never_empty.items()}


@given(points)
@example(Point("sensor.\\ ", 1, "x", Facts("1"), Attributes()))
@example(Point("sensor.\\", 1, "x", Facts("1"), Attributes()))
def test_a_line_says_what_influxdb_clients_point_says(point: Point) -> None:
    assert lines.read(line(point)) == lines.read(reference(point))


@given(st.lists(points, max_size=6), st.lists(st.integers(0, 5), max_size=12))
def test_what_is_remembered_of_an_entity_never_changes_a_line(made: list[Point], order: list[int]) -> None:
    encoder = Encoder(entities=2)
    for number in order:
        if number < len(made):
            assert encoder.line(made[number]) == Encoder().line(made[number])


def test_only_so_many_entities_are_remembered_and_no_removed_one() -> None:
    encoder = Encoder(entities=2)
    made = [Point(f"sensor.{name}", 1, "x", Facts("1"), Attributes()) for name in "abc"]
    for point in made:
        encoder.line(point)
    assert list(encoder._parts) == ["sensor.b", "sensor.c"]
    encoder.line(Point("sensor.b", 2, "removed", Facts("1"), Attributes(""), kind=Kind.REMOVED))
    assert list(encoder._parts) == ["sensor.c"]


def test_an_entitys_line_follows_its_facts_and_attributes() -> None:
    encoder = Encoder()
    shown = []
    for facts_, attributes_ in [
        (Facts("1"), Attributes("{}", "power", "W")),
        (Facts("1"), Attributes('{"a":1}', "power", "W")),
        (Facts("2"), Attributes('{"a":1}', "power", "W")),
        (Facts("2"), Attributes('{"a":1}', "power", "kW")),
        (Facts("2"), Attributes('{"a":1}', "energy", "kW")),
    ]:
        point = Point("sensor.a", 1, "x", facts_, attributes_)
        assert encoder.line(point) == Encoder().line(point)
        shown.append(encoder.line(point))
    assert len(set(shown)) == 5


# ---- what a line may hold ------------------------------------------------------------------------------------------


@given(points)
def test_a_line_is_one_line_of_utf8(point: Point) -> None:
    assert len(line(point).split("\n")) == 1
    assert "\r" not in line(point)


def test_half_a_surrogate_pair_does_not_break_a_line() -> None:
    odd = Point("sensor.a", 1, "\ud83d", Facts("\ud83d", model="\ud83d"), Attributes("\ud83d", "\ud83d"))
    assert line(odd).count("\ufffd") == 5


def test_a_very_long_state_is_cut() -> None:
    state = lines.text(fields(Point("sensor.a", 1, "é" * 40_000, Facts("x"), Attributes()))["state_value"])
    assert (len(state.encode()), state[-2:]) == (TEXT_LIMIT, "é…")


def test_very_long_attributes_lose_their_longest_members_and_stay_json() -> None:
    long = {"a": 1, "list": list(range(20_000)), "text": "é" * 40_000, "b": [2]}
    point = Point("sensor.a", 1, "x", Facts("x"), Attributes(json.dumps(long, ensure_ascii=False)))
    assert json.loads(lines.text(fields(point)["attributes"])) == {"a": 1, "b": [2]}


def test_attributes_that_just_fit_are_left_alone() -> None:
    whole = json.dumps({"a": "é" * 20_000}, ensure_ascii=False)
    assert fitting(whole) is whole
    assert json.loads(fitting(whole, limit=40_000)) == {}


# ---- the payload ---------------------------------------------------------------------------------------------------


def test_a_payload_is_its_lines_compressed_and_always_the_same_bytes() -> None:
    codec = homeiq()
    item = codec.encode(POINT)
    assert item is not None
    assert codec.size([item]) == len(LINE.encode())
    payload = codec.seal([item, cut(b"x")])
    assert gzip.decompress(payload) == LINE.encode() + b"\nx\n"
    assert payload == codec.seal([item, cut(b"x")])
    assert payload[4:8] == bytes(4)


def test_numbers_only_for_a_database_without_texts() -> None:
    encode = partial(line_of, homeiq(numeric_only=True))
    series = LINE.partition(" ")[0]
    assert encode(POINT) == f"{series} value=21.5,duration_in_state_seconds=5.250001 {POINT.time_ns}".encode()
    assert encode(Point("sensor.a", 1, "x", FACTS, Attributes())) is None


def test_the_home_is_a_tag_where_several_share_a_bucket() -> None:
    tagged = LINE.replace(",platform=", ",home=cabin,platform=")
    assert Encoder(home="cabin").line(POINT).decode() == tagged
    assert line_of(homeiq(home="cabin"), POINT) == tagged.encode()
    numbers = line_of(homeiq(numeric_only=True, home="cabin"), POINT)
    assert numbers is not None
    assert numbers.partition(b" ")[0].decode() == tagged.partition(" ")[0]


@pytest.mark.parametrize("home", ["", "cabin"])
def test_no_field_is_called_as_the_tag_of_the_home_whether_points_have_it_or_not(home: str) -> None:
    """InfluxDB 3 takes no tag with the name of a field: who switches it on later would store nothing more."""
    point = Point("sensor.a", 1, "x", Facts("r"), Attributes('{"home":5}'), treatment=Treatment(("home",)))
    line = Encoder(home=home).line(point).decode()
    assert "home_=5" in line
    assert ("home=cabin" in line) == bool(home)
    assert "home=5" not in line


def test_lines_that_go_back_weigh_what_is_kept_of_them() -> None:
    batch = resealed([b"m v=1 7", b"m v=2 5", b"m v=3 6"])
    assert (batch.count, batch.size, batch.oldest_ns, batch.newest_ns) == (3, len(batch.payload), 5, 7)
    assert unsealed(batch.payload) == (b"m v=1 7", b"m v=2 5", b"m v=3 6")


@pytest.mark.parametrize(
    ("treatment", "kept"),
    [
        (Treatment(attributes="all"), 'attributes="{\\"a\\":\\"x\\",\\"b\\":5,\\"value\\":\\"7 days\\"}",'),
        (Treatment(attributes="none"), ""),
        (Treatment(attributes=("c",)), ""),
        (Treatment(attributes=("a",), ignore=("a",)), ""),
        (Treatment(attributes=("b", "a", "c")), 'a_str="x",b=5,'),
        (Treatment(attributes=("value",)), 'value_str="7 days",'),
        (Treatment(ignore=("a", "value")), 'attributes="{\\"b\\":5}",'),
        (Treatment(attributes=("a", "b"), ignore=("b",)), 'a_str="x",'),
    ],
)
def test_the_attributes_that_a_rule_keeps(treatment: Treatment, kept: str) -> None:
    made = Point("sensor.a", 1, "1", Facts("r"), Attributes('{"a":"x","b":5,"value":"7 days"}'), 1.0)
    encoder = Encoder()
    usual = encoder.line(made)
    found = encoder.line(replace(made, treatment=treatment)).decode()
    assert found.partition(" ")[2] == f'{kept}state_value="1",value=1 1'
    assert encoder.line(made) == usual


def test_an_attributes_number_never_has_the_name_of_something_else() -> None:
    numbers = dict.fromkeys(NAMES, 5)
    made = Point("sensor.a", 1, "x", Facts("r"), Attributes(json.dumps(numbers)), treatment=Treatment(tuple(NAMES)))
    assert set(fields(made)) == {"state_value", *(f"{name}_" for name in NAMES)}


def test_an_attribute_that_is_not_stored_is_in_no_removal_either() -> None:
    removed = Point(
        "sensor.a", 1, "removed", Facts("x"), Attributes(""), kind=Kind.REMOVED, treatment=Treatment(("a",))
    )
    assert fields(removed) == {"state_value": '"removed"', "kind": '"removed"'}
    assert line_of(homeiq(numeric_only=True), removed) is None


def test_a_rule_may_send_points_to_a_measurement_of_its_own() -> None:
    made = replace(POINT, treatment=Treatment(measurement="my power"))
    assert line(made) == LINE.replace("home_assistant_events", "my\\ power")


def test_numbers_alone_have_the_numbers_among_the_chosen_attributes() -> None:
    encode = partial(line_of, homeiq(numeric_only=True))
    made = Point("sensor.a", 1, "x", Facts("r"), Attributes('{"a":"x","b":5}'), treatment=Treatment(("a", "b")))
    series = "home_assistant_events,domain=sensor,entity_id=sensor.a,event_category=monitoring,event_type=state_changed"
    assert encode(made) == f"{series},registry_id=r b=5 1".encode()
    assert encode(replace(made, value=2.0)) == f"{series},registry_id=r value=2,b=5 1".encode()
