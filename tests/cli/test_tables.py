from __future__ import annotations

import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.cli.tables import INDENT, Columns, Entry, listing, shortened, terminal, wrapped

WHOLE = Columns(("name", "count", "why"), right=(1,))
NARROW = Columns(("name", "count"), right=(1,))


def entry(name: str, count: str, why: str) -> Entry:
    return Entry((name, count, why), (name, count), ("", why))


TWO = [entry("sensor.one", "7", "it was off, and nobody knows why"), entry("sensor.other", "1,234", "")]


def test_where_there_is_room_everything_is_in_one_line() -> None:
    lines = [
        "name          count  why",
        "sensor.one        7  it was off, and nobody knows why",
        "sensor.other  1,234",
    ]
    assert listing(WHOLE, NARROW, TWO, None) == listing(WHOLE, NARROW, TWO, 53) == lines


def test_where_there_is_none_what_is_long_stands_under_it() -> None:
    assert listing(WHOLE, NARROW, TWO, 24) == [
        "name          count",
        "sensor.one        7",
        "    it was off, and",
        "    nobody knows why",
        "sensor.other  1,234",
    ]
    assert listing(WHOLE, NARROW, TWO, 15)[1:3] == ["sens…one      7", "    it was off,"]


@given(
    st.lists(st.tuples(*[st.text("ab c.", max_size=60)] * 2), min_size=1, max_size=5),
    st.integers(len("name  count"), 90),
)
def test_no_line_is_longer_than_the_terminal_and_nothing_said_is_lost(texts: list[tuple[str, str]], width: int) -> None:
    entries = [entry(name, str(number), why) for number, (name, why) in enumerate(texts)]
    lines = listing(WHOLE, NARROW, entries, width)
    assert all(len(line) <= width for line in lines)
    assert all(part in "".join(lines).replace(" ", "") for _, why in texts for part in why.split())


@pytest.mark.parametrize(
    ("most", "left"), [(99, "sensor.kitchen"), (14, "sensor.kitchen"), (9, "sens…chen"), (2, "s…"), (1, "…")]
)
def test_a_name_loses_its_middle(most: int, left: str) -> None:
    assert shortened("sensor.kitchen", most) == left
    assert len(left) <= most


def test_a_word_that_is_longer_than_a_line_goes_on_in_the_next() -> None:
    assert wrapped("a " + "b" * 12, 5) == ["a bbb", "bbbbb", "bbbb"]
    assert wrapped("as it is  in a pipe", None) == ["as it is  in a pipe"]
    assert len(INDENT) == 4


def test_only_a_terminal_is_narrow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "66")
    monkeypatch.setattr(sys.stdout, "isatty", lambda: False)
    assert terminal() is None
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    assert terminal() == 66
