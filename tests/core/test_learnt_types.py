from __future__ import annotations

import pytest

from ingest.core.learnt_types import REMEMBERED, Conflict, LearntTypes, Part, conflict_in

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
