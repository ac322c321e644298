from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.core.line_types import line_types
from ingest.core.lineprotocol import utf8
from ingest.core.typed_fields import Fields, members, number, number_in, typed, written

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (5, 5.0),
        (True, 1.0),
        ("12", 12.0),
        (" 1_000 ", 1000.0),
        ("٣", 3.0),
        ("nan", None),
        ("inf", None),
        ("9" * 400, None),
        (10**400, None),
        ("", None),
        (None, None),
        ([5], None),
    ],
)
def test_what_is_a_number(value: object, expected: float | None) -> None:
    assert number(value) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("23.5 °C", 23.5),
        ("100W", 100.0),
        ("-23.5 °C", -23.5),
        ("(\u221212)", -12.0),
        ("[12]", 12.0),
        ("mdi:numeric-10", 10.0),
        ("Bus 42\nnorth", 42.0),
        ("5 °C", None),
        ("2026-11-23", None),
        ("10:30", None),
        ("[255, 100, 50]", None),
        ("1.2.3", None),
        ("6e41ab", None),
        ("1,234.5 kWh", None),
        ("9" * 400, None),
        (f"{'9' * 60_000} 1", None),
        ("x. 55", None),
        ("None", None),
    ],
)
def test_the_number_in_a_text(text: str, expected: float | None) -> None:
    assert number_in(text) == expected


@pytest.mark.parametrize(
    ("attributes", "expected"),
    [
        ({"a": 1, "b": "x"}, {"a": 1.0, "b_str": "x"}),
        ({"a": None, "b": [1, "x"], "c": {"d": True}}, {"a_str": "None", "b_str": "[1, 'x']", "c_str": "{'d': True}"}),
        ({"size": "23.5 °C"}, {"size_str": "23.5 °C", "size": 23.5}),
        ({"size": "nan"}, {"size_str": "nan"}),
        # A name that is there already gets an underscore, as in Home Assistant's integration.
        ({"a": "x", "a_str": "y"}, {"a_str": "x", "a_str__str": "y"}),
        # No number goes where texts are, or where the schema has something else.
        ({"a_str": 5}, {"a_str_": 5.0}),
        ({"state": 5, "time": 6}, {"state_": 5.0, "time_": 6.0}),
        ({"state": "x"}, {"state_str": "x"}),
        ({"": 5}, {"_": 5.0}),
        # A field that is there is never overwritten, and the order of the attributes does not decide whose it is.
        ({"state": 1, "state_": 2}, {"state_": 1.0, "state__": 2.0}),
        ({"state_": 2, "state": 1}, {"state_": 1.0, "state__": 2.0}),
        ({"x_str_": 5, "x_str": 4}, {"x_str_": 4.0, "x_str__": 5.0}),
        ({"_": 2, "": 1}, {"_": 1.0, "__": 2.0}),
        (
            {"time": 1, "state__": 3, "state_": 2, "state": 1},
            {"time_": 1.0, "state_": 1.0, "state__": 2.0, "state___": 3.0},
        ),
    ],
)
def test_fields(attributes: dict[str, object], expected: Fields) -> None:
    assert typed(attributes, {}, {"state", "time"}) == expected


NAMES = st.sampled_from(
    ["", "_", "a", "a_", "a__", "a_str", "a_str_", "a__str", "state", "state_", "state__", "value", "value_"]
)


@given(st.dictionaries(NAMES, st.sampled_from([1, 2, "x", "23.5 W"])), st.booleans())
def test_no_field_is_overwritten(attributes: dict[str, object], has_value: bool) -> None:
    there: Fields = {"value": 0.0} if has_value else {}
    expected = sum(2 if value == "23.5 W" else 1 for value in attributes.values())
    fields = typed(attributes, there, {"state", "time"})
    assert len(fields) == len(there) + expected
    assert {name: fields[name] for name in there} == there


@given(st.lists(st.dictionaries(st.text(max_size=3) | st.sampled_from(["state", "a", "a_str", "a_str_"]), JSON)))
def test_a_name_has_one_type(entities: list[dict[str, object]]) -> None:
    taken = {"state", "time"}
    for attributes in entities:
        fields = typed(attributes, {}, taken)
        assert {name for name in fields if name in taken} == set()
        assert {type(value) for name, value in fields.items() if name.endswith("_str")} <= {str}
        assert {type(value) for name, value in fields.items() if not name.endswith("_str")} <= {float}
        if fields:
            read = line_types(utf8("m " + written(fields)[1:]))
            assert read is not None
            assert sorted(read.fields.values()) == sorted(
                {str: "string", float: "float"}[type(each)] for each in fields.values()
            )


def test_what_msgspec_refuses_is_read_all_the_same() -> None:
    assert members('{"a": "\\ud800", "b": 1e400}') == {"a": "\ud800", "b": float("inf")}


@pytest.mark.parametrize("text", ["[]", "{", ""])
def test_what_is_no_object_is_an_error(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        members(text)


@given(st.dictionaries(st.text(), JSON))
def test_members_are_those_of_json(attributes: dict[str, object]) -> None:
    assert members(json.dumps(attributes)) == json.loads(json.dumps(attributes))
