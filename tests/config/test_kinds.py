import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.config import kinds
from ingest.config.kinds import Kind, Wrong, said
from ingest.config.settings import KEYS


@pytest.mark.parametrize(
    ("raw", "seconds"),
    [
        (30, 30),
        (1.5, 1.5),
        ("30", 30),
        ("30s", 30),
        ("5m", 300),
        ("24h", 86400),
        ("400d", 34_560_000),
        (" 500 ms ", 0.5),
    ],
)
def test_durations(raw: object, seconds: float) -> None:
    assert kinds.duration(0, 10**9).parse(raw) == pytest.approx(seconds)


@pytest.mark.parametrize(
    ("raw", "amount"),
    [(1024, 1024), ("16MiB", 2**24), ("1 kB", 1000), ("2gib", 2**31), ("1.5KiB", 1536), ("1_000B", 1000)],
)
def test_sizes(raw: object, amount: int) -> None:
    assert kinds.size(0, 2**40).parse(raw) == amount


@pytest.mark.parametrize(
    ("kind", "raw"),
    [
        (kinds.duration(0, 60), "61s"),
        (kinds.duration(0, 60), -1),
        (kinds.duration(0, 60), math.nan),
        (kinds.duration(0, 60), math.inf),
        (kinds.duration(0, 60), 10**400),
        (kinds.duration(0, 60), "9" * 400),
        (kinds.duration(0, 60), "5 fortnights"),
        (kinds.duration(0, 60), ""),
        (kinds.duration(0, 60), True),
        (kinds.duration(0, 60), [1]),
        (kinds.size(0, 60), "1PiB"),
        (kinds.size(0, 60), {"a": 1}),
        (kinds.whole(1, 9), 10),
        (kinds.whole(1, 9), "0"),
        (kinds.whole(1, 9), 5.0),
        (kinds.whole(1, 9), True),
        (kinds.whole(1, 9), "٣"),
        (kinds.whole(1, 9), "9" * 5000),
        (kinds.boolean(), 1),
        (kinds.boolean(), "maybe"),
        (kinds.choice("a", "b"), "c"),
        (kinds.choice("a", "b"), 1),
        (kinds.text("a word", r"\w+"), "two words"),
        (kinds.text("a word", r"\w+"), 5),
        (kinds.path(), 5),
        (kinds.path(), "a\0b"),
        (kinds.path(), "~nobody-of-that-name/x"),
        (kinds.path(optional=False), ""),
    ],
)
def test_what_does_not_fit_is_refused(kind: Kind, raw: object) -> None:
    with pytest.raises(Wrong):
        kind.parse(raw)


@pytest.mark.parametrize("word", ["true", "Yes", " ON ", "1"])
def test_words_for_true(word: str) -> None:
    assert kinds.boolean().parse(word) is True
    assert kinds.boolean().parse("off") is False


def test_a_synonym_is_an_older_word() -> None:
    assert (
        kinds.choice("drop_oldest", "drop_newest", synonyms={"drop_new": "drop_newest"}).parse("Drop_New")
        == "drop_newest"
    )


@pytest.mark.parametrize("kind", [kinds.whole(1, 2, optional=True), kinds.duration(1, 2, optional=True)])
@pytest.mark.parametrize("raw", ["", "none", "forever"])
def test_none_has_words(kind: Kind, raw: str) -> None:
    assert kind.parse(raw) is None
    assert kind.show(None) == ""


def test_paths_are_expanded() -> None:
    assert kinds.path().parse("~/x") == Path.home() / "x"
    assert kinds.path().parse(Path("y")) == Path("y")
    assert kinds.path().parse("") is None


@given(st.floats(0, 10**9))
def test_a_shown_duration_reads_as_itself(seconds: float) -> None:
    assert kinds.duration(0, 10**9).parse(kinds.shown_duration(seconds)) == seconds


@given(st.integers(0, 2**45))
def test_a_shown_size_reads_as_itself(amount: int) -> None:
    assert kinds.size(0, 2**45).parse(kinds.shown_size(amount)) == amount


@pytest.mark.parametrize("name", KEYS)
def test_every_default_reads_as_itself(name: str) -> None:
    kind = KEYS[name].kind
    assert kind.parse(kind.show(KEYS[name].default)) == KEYS[name].default


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("wohnung ä", '"wohnung ä"'),
        ("дом", '"дом"'),
        ("a\tb\nc\\", '"a\\tb\\nc\\\\"'),
        ("\u202e\udcff", '"\\u202e\\udcff"'),
    ],
)
def test_a_letter_of_any_language_is_shown_as_it_is(text: str, shown: str) -> None:
    assert said(text) == shown


@given(st.text())
def test_a_bad_value_is_shown_on_one_short_line(text: str) -> None:
    assert said(text).isprintable()
    assert len(said(text)) <= 700


@pytest.mark.parametrize("value", ["eyJhbGciOiJ", "http://me:pass@host", "x" * 61])
def test_a_value_that_may_be_secret_is_not_shown(value: str) -> None:
    assert value not in said(value)


def test_other_values_are_named_by_their_kind() -> None:
    values: tuple[object, ...] = ({}, [], (), True, 5, None)
    assert [said(each) for each in values] == ["a table", "a list", "a list", "true", "5", "None"]
