from __future__ import annotations

from math import isfinite

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ingest.core.lineprotocol import TEXT_LIMIT, decimal, quote, shorten, tag, utf8
from tests.core import lines


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("living_room", "living_room"),
        ("a b,c=d", r"a\ b\,c\=d"),
        ("a\nb\tc\rd", r"a\nb\tc\rd"),
        ("end\\", "end\\ "),
        ("Küche", "Küche"),
        ('"', '"'),
    ],
)
def test_tags_are_escaped(text: str, written: str) -> None:
    assert tag(text) == written


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("on", '"on"'),
        ("", '""'),
        ("a b,c=d", '"a b,c=d"'),
        ('say "x"', r'"say \"x\""'),
        ("back\\slash", r'"back\\slash"'),
        ("a\nb\rc\td", '"a\\nb\\rc\td"'),
    ],
)
def test_texts_are_quoted(text: str, written: str) -> None:
    assert quote(text) == written


@given(st.text())
def test_a_text_reads_back_but_for_its_line_breaks(text: str) -> None:
    written = quote(text)
    assert "\n" not in written
    assert "\r" not in written
    assert lines.text(written) == text.replace("\n", "\\n").replace("\r", "\\r")


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_number_reads_back_exactly(value: float) -> None:
    assert isfinite(float(decimal(value)))
    assert float(decimal(value)) == value
    assert not decimal(value).endswith(".0")


durations = st.integers(0, 10**15).map(lambda micros: micros / 1e6)
dyadic = st.builds(lambda digits, shift: digits / 2**shift, st.integers(0, 2**53), st.integers(0, 60))
"""Numbers that may lie exactly between two shortest texts."""


@given(st.floats(allow_nan=False, allow_infinity=False) | st.floats(1e-6, 1e17) | durations | dyadic)
@example(9.9e-05)
@example(0.0001)
@example(9999999999999998.0)
@example(1e16)
@example(1125899906842624.25)
@example(-0.0)
def test_a_number_is_written_as_python_writes_it(value: float) -> None:
    assert decimal(value) == repr(value).removesuffix(".0")


@given(st.text() | st.text("\n\ra€"), st.integers(3, 40))
def test_a_text_is_cut_at_the_end_of_a_character(text: str, limit: int) -> None:
    def stored(text: str) -> int:
        return len(text.replace("\n", r"\n").replace("\r", r"\r").encode())

    short = shorten(text, limit)
    assert stored(short) <= limit
    assert short == text or (short.endswith("…") and text.startswith(short[:-1]))
    assert (short == text) is (stored(text) <= limit)
    assert short == text or stored(text[: len(short)] + "…") > limit, "no more of it would fit"


def test_a_text_of_more_than_the_limit_is_cut_before_it_is_escaped() -> None:
    fits = '"' * TEXT_LIMIT
    assert lines.text(quote(fits)) == fits
    assert lines.text(quote(fits + '"')) == '"' * (TEXT_LIMIT - 3) + "…"


@pytest.mark.parametrize("text", ["\n" * TEXT_LIMIT, "a\r" * TEXT_LIMIT, "\n" * 40_000, "\\\n" * 30_000])
def test_what_is_stored_of_line_breaks_is_no_longer_than_the_limit(text: str) -> None:
    stored = lines.text(quote(text))
    assert TEXT_LIMIT - 2 <= len(stored.encode()) <= TEXT_LIMIT
    assert stored.endswith("…")
    assert text.replace("\n", r"\n").replace("\r", r"\r").startswith(stored[:-1])


def test_half_a_surrogate_pair_becomes_the_replacement_character() -> None:
    assert utf8("a\ud83db") == "a\ufffdb".encode()
    assert utf8("\ud83d\ude00") == "😀".encode()
    assert utf8("é") == "é".encode()
