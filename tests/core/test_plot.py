from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.core.plot import BRAILLE, columns, curve, lanes, lasting, number, table


def test_a_table_is_aligned_and_ends_with_its_text() -> None:
    assert table(("name", "value"), [("a", "1.5"), ("longer", "20")], right=(1,)) == [
        "name    value",
        "a         1.5",
        "longer     20",
    ]


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, "–"), (21.0, "21"), (21.4567, "21.46"), (0.00012345, "0.0001234"), (-0.0, "0"), (123456.7, "123457")],
)
def test_numbers_are_short(value: float | None, text: str) -> None:
    assert number(value) == text


def test_a_rising_line_goes_from_the_lower_left_to_the_upper_right() -> None:
    lines = curve([float(at) for at in range(8)], ("7", "0"), height=2)
    assert lines == ["7 ┤  ⡠⠊", "0 ┤⡠⠊"]


def test_a_flat_line_lies_in_the_middle_and_a_hole_is_a_hole() -> None:
    assert curve([5.0, 5.0, None, None, 5.0, 5.0], ("5", "5"), height=3) == ["5 ┤", "  │⠤ ⠤", "5 ┤"]
    assert curve([None, None], ("–", "–"), height=2) == ["– ┤", "– ┤"]


@given(st.lists(st.none() | st.floats(-1e9, 1e9), min_size=1, max_size=60), st.integers(2, 8))
def test_every_known_value_has_its_dot_and_nothing_else_fits_no_column(values: list[float | None], height: int) -> None:
    lines = curve(values, ("h", "l"), height)
    assert len(lines) == height
    drawn = [line[3:].ljust((len(values) + 1) // 2) for line in lines]
    for at, value in enumerate(values):
        bits = {0: 0x47, 1: 0xB8}[at % 2]
        seen = any(ord(line[at // 2]) > BRAILLE and (ord(line[at // 2]) - BRAILLE) & bits for line in drawn)
        assert seen == (value is not None)


def test_labels_make_room() -> None:
    assert columns(20, ("100", "5")) == 2 * (20 - 5)
    assert columns(1, ("100", "5")) == 2


def test_lanes_show_shares_and_never_hide_a_moment() -> None:
    assert lanes([{"on": 1.0}, {"on": 0.5, "off": 0.5}, {"on": 0.001, "off": 0.999}], ["on", "off"]) == [
        " on │█▄▁",
        "off │ ▄█",
    ]
    assert lanes([], []) == []


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.5, "0.5 s"),
        (1, "1 s"),
        (59.9, "1 min"),
        (3600, "1 h"),
        (3_661, "1 h 1 min"),
        (90_061, "1 d 1 h"),
        (86_401, "1 d"),
    ],
)
def test_durations_in_two_units(seconds: float, text: str) -> None:
    assert lasting(seconds) == text
