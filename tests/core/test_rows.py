from __future__ import annotations

from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from ingest.core.point import Attributes, Facts, Kind, Point
from ingest.core.rows import CODEC, KINDS, ORIGINS, TAGS, row_of, size_of, without_surrogates
from ingest.core.state import Context, Source
from ingest.core.treatment import Treatment
from tests.core.points import point_of

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
MAYBE = st.none() | TEXT
NUMBER = st.none() | st.floats(allow_nan=False, allow_infinity=False)
POINTS = st.builds(
    Point,
    entity_id=TEXT,
    time_ns=st.integers(-(2**63), 2**63 - 1),
    state=TEXT,
    facts=st.builds(Facts, TEXT, MAYBE, MAYBE, MAYBE, MAYBE, MAYBE, MAYBE, MAYBE),
    attributes=st.builds(Attributes, TEXT, MAYBE, MAYBE, MAYBE, st.booleans()),
    value=NUMBER,
    previous_state=MAYBE,
    duration=NUMBER,
    kind=st.none() | st.sampled_from(Kind),
    context=st.none() | st.builds(Context, TEXT, MAYBE, MAYBE),
    origin=st.none() | st.sampled_from([Source.SNAPSHOT, Source.BACKFILL]),
)
PLAIN = Point("sensor.a", 1, "22.5", Facts("r1"), Attributes('{"unit":"°C"}'), 22.5)


@given(POINTS)
def test_a_row_is_the_point_and_back(point: Point) -> None:
    assert point_of(row_of(point)) == point


def test_the_tables_of_numbers_know_every_kind_and_source() -> None:
    assert set(KINDS) == set(Kind)
    assert set(ORIGINS) == set(Source) - {Source.LIVE, Source.HEARTBEAT}
    assert len(row_of(PLAIN).tags) == len(TAGS)


def test_tags_are_in_the_order_of_their_names() -> None:
    others = {"floor_id", "labels", "disabled", "hidden"}  # no column of the embedded store
    names: dict[str, Any] = {field.name: field.name for field in attrs.fields(Facts) if field.name not in others}
    facts = Facts(**names)
    attributes = Attributes("{}", "device_class", "unit", "friendly_name", restored=True)
    assert row_of(Point("entity_id", 1, "on", facts, attributes)).tags == (*TAGS[:-1], True)


@pytest.mark.parametrize("number", [float("nan"), float("inf"), float("-inf")])
def test_what_is_no_number_is_left_out_and_its_text_kept(number: float) -> None:
    row = row_of(replace(PLAIN, state=str(number), value=number, duration=number))
    assert (row.state, row.value, row.duration) == (str(number), None, None)


def test_a_live_origin_said_aloud_is_live() -> None:
    assert row_of(replace(PLAIN, origin=Source.LIVE)).origin is None


@pytest.mark.parametrize("time_ns", [2**63, -(2**63) - 1])
def test_a_time_that_cannot_be_stored_is_one_points_error(time_ns: int) -> None:
    with pytest.raises(ValueError, match=r"sensor\.a"):
        row_of(replace(PLAIN, time_ns=time_ns))


def test_lone_surrogates_become_question_marks_everywhere() -> None:
    bad = replace(
        PLAIN,
        state="a\ud800b",
        previous_state="\udfff",
        facts=Facts("r1", model="\ud8ab°"),
        attributes=Attributes("\ud800"),
    )
    row = without_surrogates(row_of(bad))
    assert (row.state, row.previous_state, row.attributes) == ("a?b", "?", "?")
    assert row.tags[TAGS.index("model")] == "?°"
    assert point_of(row).facts == Facts("r1", model="?°")


def test_size_follows_the_text_and_a_payload_is_frozen() -> None:
    row = row_of(PLAIN)
    assert size_of([row_of(replace(PLAIN, state="x" * 1000))]) - size_of([row]) == 1000 - len("22.5")
    assert CODEC.seal([row, row]) == (row, row)


@pytest.mark.parametrize(
    ("treatment", "kept"),
    [
        (Treatment(), '{"a":"x","b":5}'),
        (Treatment("all"), '{"a":"x","b":5}'),
        (Treatment("none"), "{}"),
        (Treatment(("b", "c")), '{"b":5}'),
        (Treatment(ignore=("b",)), '{"a":"x"}'),
        (Treatment(("a", "b"), ignore=("b",)), '{"a":"x"}'),
    ],
)
def test_what_a_rule_leaves_of_the_attributes(treatment: Treatment, kept: str) -> None:
    point = Point("sensor.a", 1, "1", Facts("r"), Attributes('{"a":"x","b":5}'), treatment=treatment)
    assert row_of(point).attributes == kept
    assert row_of(replace(point, attributes=Attributes(""))).attributes == ""
