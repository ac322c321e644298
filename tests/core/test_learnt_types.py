from __future__ import annotations

import re
import time
from collections.abc import Collection
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.core.learnt_types import REMEMBERED, Conflict, LearntTypes, Part, conflict_in
from ingest.core.line_types import line_types

FLOAT = Conflict(b"m", b"v", "float")
WORDS = 'input field "v" on measurement "m" is type float, already exists as type integer'


@pytest.mark.parametrize(
    ("text", "conflict"),
    [
        (f"failure writing points to database: partial write: field type conflict: {WORDS} dropped=1", FLOAT),
        (f"partial write: field type conflict: {WORDS} dropped=1 for database: a for retention policy: b", FLOAT),
        (
            'input field "a b" on measurement "°C, outside" is type string, already exists as type float dropped=3',
            Conflict("°C, outside".encode(), b"a b", "string"),
        ),
        (
            "invalid column type for column 'v', expected iox::column_type::field::integer, got iox::column_type::field::float",
            Conflict(b"", b"v", "float"),
        ),
        (
            "invalid column type for column 'v', expected iox::column_type::tag, got iox::column_type::field::uinteger",
            Conflict(b"", b"v", "unsigned"),
        ),
        ("points beyond retention policy dropped=1", None),
        ("unable to parse 'm v=': missing field value", None),
        ("", None),
    ],
)
def test_the_conflict_is_read_from_the_servers_words(text: str, conflict: Conflict | None) -> None:
    assert conflict_in(text) == conflict


def test_a_conflict_is_learnt_when_one_of_the_lines_holds_it() -> None:
    learnt = LearntTypes()
    assert learnt.learn(WORDS, [b"m v=1i 1", b"n v=1 2", b'm w="v=1" 3', b"m,v=1 w=1 4", b"m v= 5"]) is None
    assert learnt.split([b"m v=1 1"]) == [Part((b"m v=1 1",))]
    assert learnt.learn(WORDS, [b"m v=1i 1", b"m w=2,v=1 2"]) == FLOAT
    assert learnt.split([b"m v=1 1", b"m v=1i 2", b"n v=1 3", b"m w=0,v=1 4"]) == [
        Part((b"m v=1i 2", b"n v=1 3")),
        Part((b"m v=1 1", b"m w=0,v=1 4"), suspected=True),
    ]


def test_a_measurement_that_is_not_named_is_the_lines() -> None:
    words = "invalid column type for column 'v', expected iox::column_type::field::integer, got iox::column_type::field::float"
    assert LearntTypes().learn(words, [b"m\\ n v=1 1"]) == Conflict(b"m n", b"v", "float")


def test_names_with_escapes_are_found() -> None:
    learnt = LearntTypes()
    words = 'input field "a b,c=d" on measurement "m n" is type string, already exists as type float'
    line = rb'm\ n,t=x a\ b\,c\=d="y" 1'
    assert learnt.learn(words, [line]) == Conflict(b"m n", b"a b,c=d", "string")
    assert learnt.split([line]) == [Part((line,), suspected=True)]


def test_what_is_taken_is_forgotten() -> None:
    learnt = LearntTypes({FLOAT: None, Conflict(b"m", b"w", "string"): None})
    learnt.forget([b"m v=1i 1", b'm w="x",v=2i 2'])
    assert list(learnt.known) == [FLOAT]


def test_it_is_bounded_and_what_was_met_longest_ago_goes_first() -> None:
    learnt = LearntTypes()
    names = [f"f{number}" for number in range(REMEMBERED)]
    for name in [*names, "f0", "new"]:
        learnt.learn(WORDS.replace("v", name), [b"m %s=1 1" % name.encode()])
    assert len(learnt.known) == REMEMBERED
    assert {each.field for each in learnt.known} == {name.encode() for name in [*names, "new"]} - {b"f1"}


# ---- many lines, many conflicts --------------------------------------------------------------------------------------

NAMES = st.sampled_from([b"v", b"w", b"a b", b"a,b", b"x=y", b'q"t', b"b\\c", "ü".encode(), b"vv"])
TYPES = {b"1": "float", b"1i": "integer", b"2u": "unsigned", b'"x, v=1 w=2"': "string", b"true": "boolean"}
DRAWN = st.tuples(NAMES, st.lists(st.tuples(NAMES, st.sampled_from(sorted(TYPES))), min_size=1, max_size=4))


def written(name: bytes, marks: bytes) -> bytes:
    return re.sub(b"([" + marks + b"])", rb"\\\1", name)


@given(st.lists(DRAWN, max_size=8), st.sets(st.tuples(NAMES | st.just(b""), NAMES, st.sampled_from([*TYPES.values()]))))
def test_lines_are_split_as_if_each_was_read(
    drawn: list[tuple[bytes, list[tuple[bytes, bytes]]]], known: set[Any]
) -> None:
    lines = [
        written(measurement, b", ")
        + b",t=v "
        + b",".join(written(name, b", =") + b"=" + value for name, value in pairs)
        for measurement, pairs in drawn
    ]
    learnt = LearntTypes(dict.fromkeys(Conflict(*each) for each in known))
    suspected = tuple(line for line in lines if meets(line, learnt.known))
    others = tuple(line for line in lines if line not in suspected)
    assert learnt.split(lines) == [each for each in (Part(others), Part(suspected, suspected=True)) if each.lines]


def meets(line: bytes, known: Collection[Conflict]) -> bool:
    read = line_types(line)
    assert read is not None
    return any(
        each.measurement in {b"", read.measurement} and read.fields.get(each.field) == each.type for each in known
    )


def test_what_a_batch_costs_does_not_grow_with_what_is_known() -> None:
    """It is paid between two requests, while nothing else of the service runs."""
    lines = [b'm,entity=a%d,area=hall state="on",value=%d.5,text="{1, 2 = 3}" %d' % (n, n, n) for n in range(5000)]
    costs = []
    for count in (1, REMEMBERED):
        learnt = LearntTypes({Conflict(b"m", b"field_%d" % number, "float"): None for number in range(count)})
        started = time.perf_counter()
        learnt.split(lines)
        costs.append(time.perf_counter() - started)
    assert costs[1] < 5 * costs[0] + 0.1
