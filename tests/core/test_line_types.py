from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from influxdb_client.client.write.point import Point as Reference

from ingest.core.homeiq import MEASUREMENT, Encoder
from ingest.core.line_types import LineTypes, line_types, series
from ingest.core.point import Attributes, Facts, Kind, Point
from ingest.core.state import Context

TEXT = st.text(max_size=12)
NAME = st.text(st.characters(exclude_categories=["C", "Zl", "Zp"], exclude_characters="\\"), min_size=1, max_size=8)
"""A backslash in a name is written as it is by every client, and then means what follows it: no name of ours has one."""

VALUES = {
    "string": TEXT.map(lambda text: text.replace("\n", " ").replace("\r", " ")),
    "float": st.floats(allow_nan=False, allow_infinity=False),
    "integer": st.integers(-(2**63), 2**63 - 1),
    "boolean": st.booleans(),
}
FIELDS = st.dictionaries(NAME, st.sampled_from(sorted(VALUES)).flatmap(lambda t: VALUES[t].map(lambda v: (t, v))), min_size=1, max_size=5)  # fmt: skip


@pytest.mark.parametrize(
    ("line", "fields"),
    [
        (b"m v=1 5", {b"v": "float"}),
        (b"m v=1i", {b"v": "integer"}),
        (b'm v=-1e3,w=1u,x=T,y=false,z="1i" -5', {b"v": "float", b"w": "unsigned", b"x": "boolean", b"y": "boolean", b"z": "string"}),
        (rb'm,a=b\ c,d=\=\, a\ b="\"\\",c\=d="x=1,y=2i 7" 5', {b"a b": "string", b"c=d": "string"}),
        (rb"m,a=ends\\ ,b=c v=1 5", {b"v": "float"}),
    ],
)  # fmt: skip
def test_each_field_has_its_type(line: bytes, fields: dict[bytes, str]) -> None:
    assert line_types(line) == LineTypes(b"m", fields)


@pytest.mark.parametrize(
    "line",
    [b"", b"m", b"m ", b"m 5", b"m v= 5", b"m =1 5", b"m v=1, 5", b"m v=1,w 5", b'm v="a 5', b'm v="a"b 5', b"m v=1 now",
     b"m v=1 5 6", b"m v=1  5", b'm v=1 "', b"m v=1 5\nm v=2 6"],
)  # fmt: skip
def test_a_malformed_line_has_none(line: bytes) -> None:
    assert line_types(line) is None


@given(NAME.filter(lambda name: name[0] != "#"), st.dictionaries(NAME, NAME, max_size=3), FIELDS)
def test_what_influxdbs_client_writes_reads_back(
    name: str, tags: dict[str, str], fields: dict[str, tuple[str, object]]
) -> None:
    point: Any = Reference(name)  # type: ignore[no-untyped-call]  # influxdb-client has no types
    point.time(7)
    for tag, text in tags.items():
        point.tag(tag, text)
    for field, (_, value) in fields.items():
        point.field(field, value)
    expected = LineTypes(name.encode(), {field.encode(): kind for field, (kind, _) in fields.items()})
    assert line_types(point.to_line_protocol().encode()) == expected


@given(TEXT, TEXT, TEXT, st.none() | VALUES["float"], st.none() | TEXT, TEXT)
def test_what_we_write_reads_back_whatever_texts_it_holds(
    state: str, area: str, json: str, value: float | None, previous: str | None, context: str
) -> None:
    facts = Facts("r1", area_id=area, manufacturer=area, model=state)
    point = Point(
        "sensor.a", 7, state, facts, Attributes(json, area, state), value, previous, value, Kind.CHANGED,
        Context(context, None, None),
    )  # fmt: skip
    read = line_types(Encoder().line(point))
    assert read is not None
    assert read.measurement == MEASUREMENT.encode()
    numbers = {b"value", b"duration_in_state_seconds"}
    assert {kind for name, kind in read.fields.items() if name not in numbers} == {"string"}
    assert {kind for name, kind in read.fields.items() if name in numbers} == (
        {"float"} if value is not None else set()
    )
    assert (b"previous_state" in read.fields) is (previous is not None)


def test_a_series_is_its_measurement_and_its_tags_as_they_were() -> None:
    facts = Facts("r=1, x", area_id="a room", device_id="back\\slash")
    line = Encoder().line(Point("sensor.a", 1, "1", facts, Attributes()))
    assert line is not None
    measurement, tags = series(line)
    assert measurement == "home_assistant_events"
    assert (tags["registry_id"], tags["area_id"], tags["device_id"]) == ("r=1, x", "a room", "back\\slash")
    assert tags["entity_id"] == "sensor.a"
    assert series(b"some\\ table value=1 1") == ("some table", {})
    with pytest.raises(ValueError, match="no line"):
        series(b"nothing")
