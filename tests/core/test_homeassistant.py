from __future__ import annotations

import json
import lzma
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from ingest.core.attributes import SECRET_OR_VOLATILE, Drops
from ingest.core.catalog import NO_CATALOG
from ingest.core.enrich import Enricher
from ingest.core.homeassistant import Encoder, MeasurementAttr, Profile, homeassistant
from ingest.core.learnt_types import LearntTypes
from ingest.core.line_types import line_types
from ingest.core.number import number
from ingest.core.point import Attributes, Facts, Kind, Point
from ingest.core.sealing import line_of
from ingest.core.state import Change, Source
from ingest.core.treatment import Treatment
from tests.support import integration_lines as lines

FRAMES = Path(__file__).parents[1] / "frames"
FACTS = Facts("0a1b", "d1", "attic")
POINT = Point(
    "sensor.attic",
    1795435205250001000,
    "21.5",
    FACTS,
    Attributes('{"unit_of_measurement":"°C","device_class":"temperature","battery":80}', "temperature", "°C"),
    21.5,
)
LINE = '°C,domain=sensor,entity_id=attic value=21.5,device_class_str="temperature",battery=80 1795435205250001000'

_change = msgspec.json.Decoder(Change)


def point(entity_id: str, state: str, /, **attributes: Any) -> Point:
    return Point(entity_id, 1, state, FACTS, Attributes(json.dumps(attributes)), number(state))


def line(made: Point, **profile: Any) -> str | None:
    found = Encoder(Profile(**profile)).line(made)
    return None if found is None else found.decode()


def fields(made: Point, **profile: Any) -> dict[str, float | str]:
    found = line(made, **profile)
    assert found is not None
    return lines.read(found).fields


def test_a_line() -> None:
    assert line(POINT) == LINE


def test_the_home_is_a_tag_where_several_share_a_bucket() -> None:
    tagged = LINE.replace("entity_id=attic", "entity_id=attic,home=cabin")
    assert line_of(homeassistant(Profile(), home="cabin"), POINT) == tagged.encode()
    told = Profile(tags={"home": "mine", "source": "ha"})
    assert line_of(homeassistant(told, home="cabin"), POINT) == (
        LINE.replace("entity_id=attic", "entity_id=attic,home=mine,source=ha").encode()
    )


def recorded(version: str) -> Iterator[tuple[Change, str | None]]:
    """What a real Home Assistant said, and what its own integration wrote of it."""
    with lzma.open(FRAMES / version / "influx_pairs.jsonl.xz", "rt", encoding="utf-8") as file:
        for text in file:
            pair = json.loads(text)
            yield _change.decode(json.dumps(pair["event"])), pair["line"]


@pytest.mark.parametrize("version", ["2024.3.3", "2025.4.4"])
def test_it_writes_what_the_integration_wrote_point_for_point(version: str) -> None:
    enricher, encode = Enricher(Drops()), Encoder(Profile()).line
    reasons: Counter[str] = Counter()
    written = unwritten = 0
    for change, theirs in recorded(version):
        ours = encode(enricher.point(change, Source.LIVE, NO_CATALOG))
        assert (ours is None) == (not theirs)
        if ours is None or not theirs:
            unwritten += 1
            continue
        written += 1
        found = lines.differences(lines.read(ours.decode()), lines.read(theirs), SECRET_OR_VOLATILE)
        reasons.update(why if why != lines.UNEXPLAINED else f"{name} of {ours!r}" for name, why in found)
    assert (written, unwritten) == {"2024.3.3": (708, 70), "2025.4.4": (706, 70)}[version]
    assert reasons == {lines.SECRET: 5, lines.ENUM: 6, lines.NOT_FINITE: 8, lines.GLUED: 4}


@pytest.mark.parametrize("state", ["unknown", "unavailable", ""])
def test_a_state_that_says_nothing_is_not_written(state: str) -> None:
    assert line(point("sensor.a", state, unit_of_measurement="W")) is None


def test_a_removal_is_not_written_and_its_entity_forgotten() -> None:
    encoder = Encoder()
    encoder.line(POINT)
    assert (
        encoder.line(replace(POINT, state="removed", value=None, attributes=Attributes(""), kind=Kind.REMOVED)) is None
    )
    assert not encoder._parts


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        ("21.50", {"value": 21.5}),
        (" 7 ", {"value": 7.0}),
        ("1_000", {"value": 1000.0}),
        ("٣", {"value": 3.0}),
        ("on", {"state": "on", "value": 1.0}),
        ("not_home", {"state": "not_home", "value": 0.0}),
        ("heat", {"state": "heat"}),
        ("removed", {"state": "removed"}),
        # The integration writes value=nan, which no database takes.
        ("nan", {"state": "nan"}),
        ("-inf", {"state": "-inf"}),
        ("9" * 400, {"state": "9" * 400}),
    ],
)
def test_what_a_state_becomes(state: str, expected: dict[str, float | str]) -> None:
    assert fields(point("sensor.a", state)) == expected


@pytest.mark.parametrize(
    ("attributes", "profile", "series", "left_out"),
    [
        ({"unit_of_measurement": "µg/m³"}, {}, "µg/m³,domain=sensor,entity_id=a", "unit_of_measurement_str"),
        ({"unit_of_measurement": "a b,c=d"}, {}, "a\\ b\\,c=d,domain=sensor,entity_id=a", "unit_of_measurement_str"),
        ({"unit_of_measurement": 5}, {}, "5,domain=sensor,entity_id=a", "unit_of_measurement"),
        ({}, {}, "sensor.a,domain=sensor,entity_id=a", ""),
        ({"unit_of_measurement": ""}, {}, "sensor.a,domain=sensor,entity_id=a", ""),
        ({}, {"default_measurement": "state"}, "state,domain=sensor,entity_id=a", ""),
        ({"unit_of_measurement": "W"}, {"override_measurement": "all"}, "all,domain=sensor,entity_id=a", ""),
        # A line that begins with # is a comment to InfluxDB.
        ({"unit_of_measurement": "# of doors"}, {}, "sensor.a,domain=sensor,entity_id=a", ""),
        (
            {"unit_of_measurement": "W"},
            {"measurement_attr": MeasurementAttr.ENTITY},
            "sensor.a,domain=sensor,entity_id=a",
            "",
        ),
        (
            {"device_class": "power"},
            {"measurement_attr": MeasurementAttr.DOMAIN_AND_CLASS},
            "sensor__power,domain=sensor,entity_id=a",
            "device_class_str",
        ),
        ({}, {"measurement_attr": MeasurementAttr.DOMAIN_AND_CLASS}, "sensor,domain=sensor,entity_id=a", ""),
        ({}, {"tags": {"source": "HA", "domain": "mine"}}, "sensor.a,domain=mine,entity_id=a,source=HA", ""),
        (
            {"unit_of_measurement": "W", "friendly_name": "A b", "none": None, "flag": True},
            {"tags_attributes": frozenset({"unit_of_measurement", "friendly_name", "none", "flag", "absent"})},
            "W,domain=sensor,entity_id=a,flag=True,friendly_name=A\\ b,unit_of_measurement=W",
            "friendly_name_str",
        ),
    ],
)
def test_the_measurement_and_the_tags(
    attributes: dict[str, Any], profile: dict[str, Any], series: str, left_out: str
) -> None:
    made = point("sensor.a", "1", **attributes)
    found = line(made, **profile)
    assert found is not None
    assert found.startswith(f"{series} value=1")
    assert left_out not in lines.read(found).fields


def test_what_names_the_measurement_is_a_field_where_it_does_not() -> None:
    made = point("sensor.a", "1", unit_of_measurement="W", device_class="power")
    assert fields(made, override_measurement="all") == {
        "value": 1.0,
        "unit_of_measurement_str": "W",
        "device_class_str": "power",
    }
    by_class = fields(made, measurement_attr=MeasurementAttr.DOMAIN_AND_CLASS)
    assert by_class == {"value": 1.0, "unit_of_measurement_str": "W"}


def test_ignored_attributes_are_no_fields_but_may_be_tags() -> None:
    told = {"ignore_attributes": frozenset({"a", "b"}), "tags_attributes": frozenset({"b"})}
    found = line(point("sensor.a", "1", a="x", b="y", c="z"), **told)
    assert found == 'sensor.a,b=y,domain=sensor,entity_id=a value=1,c_str="z" 1'


@pytest.mark.parametrize(
    ("state", "attributes", "expected"),
    [
        # As in the integration: the name of a field that the point has already gets an underscore.
        ("1", {"value": 5}, {"value": 1.0, "value_": 5.0}),
        ("heat", {"value": 5}, {"state": "heat", "value": 5.0}),
        ("heat", {"state": "x"}, {"state": "heat", "state__str": "x"}),
        # Unlike in the integration: there it would be a float where others have the text `state`, or a tag's name.
        ("1", {"state": 5}, {"value": 1.0, "state_": 5.0}),
        ("1", {"domain": 5, "time": 6, "x_str": 7}, {"value": 1.0, "domain_": 5.0, "time_": 6.0, "x_str_": 7.0}),
    ],
)
def test_a_field_has_one_type_whoever_writes_it(
    state: str, attributes: dict[str, Any], expected: dict[str, float | str]
) -> None:
    assert fields(point("sensor.a", state, **attributes)) == expected


@pytest.mark.parametrize(
    ("entity_id", "attributes", "expected"),
    [
        ("light.a", {"rgb_color": [255, 99, 50]}, {"rgb_color_str": "(255, 99, 50)"}),
        ("light.a", {"rgb_color": None, "effect_list": ["a"]}, {"rgb_color_str": "None", "effect_list_str": "['a']"}),
        ("group.a", {"entity_id": ["light.a"]}, {"entity_id_str": "('light.a',)"}),
        ("light.group", {"entity_id": ["light.a"]}, {"entity_id_str": "['light.a']"}),
        (
            "automation.a",
            {"last_triggered": "2026-11-23T08:33:15.356242+00:00"},
            {"last_triggered_str": "2026-11-23 08:33:15.356242+00:00"},
        ),
        ("script.a", {"last_triggered": None}, {"last_triggered_str": "None"}),
    ],
)
def test_what_is_no_json_inside_home_assistant_is_written_as_it_is_there(
    entity_id: str, attributes: dict[str, Any], expected: dict[str, float | str]
) -> None:
    assert fields(point(entity_id, "x", **attributes)) == {"state": "x", **expected}


@pytest.mark.parametrize(
    ("treatment", "expected"),
    [
        (
            Treatment(measurement="mine"),
            'mine,domain=sensor,entity_id=a value=1,unit_of_measurement_str="W",a_str="x",b=5 1',
        ),
        (Treatment(ignore=("b", "c")), 'W,domain=sensor,entity_id=a value=1,a_str="x" 1'),
        (Treatment(attributes=("b", "c")), "W,domain=sensor,entity_id=a value=1,b=5 1"),
        (Treatment(attributes="none"), "W,domain=sensor,entity_id=a value=1 1"),
        (Treatment(attributes="all"), 'W,domain=sensor,entity_id=a value=1,a_str="x",b=5 1'),
        (Treatment(attributes=("a", "b"), ignore=("b",)), 'W,domain=sensor,entity_id=a value=1,a_str="x" 1'),
    ],
)
def test_what_a_rule_says_of_an_entity(treatment: Treatment, expected: str) -> None:
    made = point("sensor.a", "1", unit_of_measurement="W", a="x", b=5)
    encoder = Encoder()
    usual = encoder.line(made)
    found = encoder.line(replace(made, treatment=treatment))
    assert found is not None
    assert found.decode() == expected
    assert encoder.line(made) == usual


def test_a_rules_measurement_comes_before_the_one_for_everything() -> None:
    made = replace(point("sensor.a", "1"), treatment=Treatment(measurement="mine"))
    assert line(made, override_measurement="all") == "mine,domain=sensor,entity_id=a value=1 1"


def test_numbers_alone() -> None:
    encode = Encoder(Profile(), numeric_only=True).line
    assert (
        encode(point("light.a", "on", brightness=5, effect="x"))
        == b"light.a,domain=light,entity_id=a value=1,brightness=5 1"
    )
    assert (
        encode(point("climate.a", "heat", temperature=20.5))
        == b"climate.a,domain=climate,entity_id=a temperature=20.5 1"
    )
    assert encode(point("climate.a", "heat", mode="x")) is None


def test_what_is_kept_of_an_entity_never_shows_in_another_point() -> None:
    encoder = Encoder(entities=2)
    on, other = point("light.a", "on", value=3), point("light.a", "dim", brightness=5)
    made = [
        on,
        replace(on, time_ns=2),
        replace(on, state="dim", value=None),
        other,
        point("light.b", "1"),
        point("light.c", "2"),
        on,
    ]
    assert [encoder.line(each) for each in made] == [Encoder().line(each) for each in made]
    assert len(encoder._parts) == 2


def test_the_same_attributes_are_written_once() -> None:
    encoder = Encoder()
    encoder.line(POINT)
    kept = encoder._parts["sensor.attic"]
    encoder.line(replace(POINT, state="22", value=22.0, time_ns=2))
    assert encoder._parts["sensor.attic"] is kept


def test_gaps_are_written_beside_when_they_are_wanted() -> None:
    assert homeassistant(Profile()).gap is None
    assert homeassistant(Profile(), gaps=True).gap is not None


NAMES = st.sampled_from(["value", "state", "time", "x", "x_", "x_str", "domain", "unit_of_measurement", "device_class"])
VALUES = st.sampled_from([None, True, 5, 2.5, "5", "text", "nan", "20.5 °C", "2026-11-23", [1, 2], {"a": 12}])


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["light.a", "sensor.b"]),
            st.sampled_from(["on", "1", "heat", "nan", "unknown"]),
            st.dictionaries(NAMES, VALUES),
        )
    )
)
def test_every_line_can_be_read_and_no_field_changes_its_type(said: list[tuple[str, str, dict[str, Any]]]) -> None:
    encoder = Encoder()
    for entity_id, state, attributes in said:
        found = encoder.line(point(entity_id, state, **attributes))
        assert (found is None) == (state == "unknown")
        if found is not None:
            read = line_types(found)
            assert read is not None
            for name, kind in read.fields.items():
                assert kind == ("string" if name == b"state" or name.endswith(b"_str") else "float")


def test_a_conflict_is_learnt_for_its_measurement_alone() -> None:
    """A unit is a measurement, whatever letters are in it, and the others keep what they have."""
    encode, learnt = Encoder(Profile()).line, LearntTypes()
    made = [encode(point("sensor.a", "1", unit_of_measurement=unit, size=5)) for unit in ("in H2O, cold", "°C")]
    both = [each for each in made if each is not None]
    words = 'input field "size" on measurement "in H2O, cold" is type float, already exists as type string'
    assert learnt.learn(words, both) == (b"in H2O, cold", b"size", "float")
    assert [(part.lines, part.suspected) for part in learnt.split(both)] == [((both[1],), False), ((both[0],), True)]
