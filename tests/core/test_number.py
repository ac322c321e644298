from __future__ import annotations

import json
from math import isfinite
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.core.number import number

WORDS = {
    "on": 1,
    "locked": 1,
    "above_horizon": 1,
    "open": 1,
    "home": 1,
    "off": 0,
    "unlocked": 0,
    "below_horizon": 0,
    "closed": 0,
    "not_home": 0,
}


@pytest.mark.parametrize(("word", "value"), WORDS.items())
def test_home_assistants_words_are_numbers(word: str, value: float) -> None:
    assert number(word) == value


@pytest.mark.parametrize(
    ("state", "value"),
    [("21.5", 21.5), ("-12.5", -12.5), ("1e3", 1000), ("007", 7), ("+.5", 0.5), ("5.", 5), (" 5 ", 5), ("-0", 0)],
)
def test_decimal_notation_is_a_number(state: str, value: float) -> None:
    assert number(state) == value


@pytest.mark.parametrize(
    "state",
    [
        *("nan", "inf", "-inf", "Infinity", "1e999", "1_000", "٣", "1,5", "0x10", "", " ", "12:30:05", "True", "On"),
        *("heat", "unknown", "unavailable", "2026-01-02T03:04:05+00:00"),
    ],
)
def test_the_rest_is_not(state: str) -> None:
    assert number(state) is None


def test_home_assistants_own_integration_wrote_the_same_numbers_but_for_what_no_database_stores() -> None:
    path = Path(__file__).parent.parent / "frames" / "values-2025.4.4.json"
    written: dict[str, str | None] = json.loads(path.read_text("utf-8"))
    assert len(written) > 300
    assert [state for state, value in written.items() if value in {"nan", "inf"}] == ["inf", "nan"]
    for state, value in written.items():
        assert number(state) == (None if value in {None, "nan", "inf"} else float(value or "")), state


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_every_finite_float_that_home_assistant_writes_is_read_back_exactly(value: float) -> None:
    assert number(str(value)) == value


@given(st.text())
def test_any_text_is_a_finite_number_or_none(text: str) -> None:
    value = number(text)
    assert value is None or isfinite(value)
