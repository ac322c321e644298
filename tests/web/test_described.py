"""What holds answers against the document sees what is wrong."""

from __future__ import annotations

from typing import Any

import pytest

from ingest.web.schemas import COUNT, FLAG, NUMBER, TEXT, TIME, by_name, closed, many, maybe, one_of, opened
from tests.support.described import faults


@pytest.mark.parametrize(
    ("value", "schema"),
    [
        (1, COUNT), (0, COUNT), (1.5, NUMBER), (2, NUMBER), (True, FLAG), ("a", TEXT), (None, maybe(COUNT)), (7, maybe(COUNT)),
        ("2026-11-26T08:00:00+00:00", TIME), ("a", one_of("a", "b")), ([1, 2], many(COUNT)), ({"x": 1}, by_name(COUNT)),
        ({"a": 1}, closed({"a": COUNT})), ({"a": 1, "b": 2}, opened({"a": COUNT})), (None, {"type": ["string", "null"]}),
        ("x", {"const": "x"}), ("ab", {"type": "string", "pattern": "^a", "minLength": 2, "maxLength": 2}),
        (1, {"oneOf": [COUNT, TEXT]}),
    ],
)  # fmt: skip
def test_what_is_so_is_so(value: Any, schema: Any) -> None:
    assert list(faults(value, schema, "")) == []


@pytest.mark.parametrize(
    ("value", "schema"),
    [
        (-1, COUNT), (1.5, COUNT), (True, COUNT), (True, NUMBER), (1, FLAG), (1, TEXT), ("a", maybe(COUNT)), ("now", TIME),
        ("2026-11-26T08:00:00", TIME), ("2026-11-26T08:00:00+01:00", TIME), ("c", one_of("a", "b")), ([1, "a"], many(COUNT)),
        ({"x": "a"}, by_name(COUNT)), ({}, closed({"a": COUNT})), ({"a": 1, "b": 2}, closed({"a": COUNT})),
        (1, {"type": ["string", "null"]}), ("y", {"const": "x"}), ("ba", {"type": "string", "pattern": "^a"}),
        ("a", {"type": "string", "minLength": 2}), ([], {"type": "array", "items": COUNT, "minItems": 1}),
        (1, {"oneOf": [COUNT, NUMBER]}),
    ],
)  # fmt: skip
def test_what_is_not_so_is_seen(value: Any, schema: Any) -> None:
    assert len(list(faults(value, schema, ""))) == 1


def test_a_word_that_is_not_understood_is_no_silence() -> None:
    with pytest.raises(AssertionError, match="uniqueItems"):
        list(faults([], {"type": "array", "uniqueItems": True}, ""))
