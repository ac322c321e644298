from __future__ import annotations

import pytest

from ingest.core.comparison_fields import EXPLAINED, Difference, Kept, Why, differences, why
from ingest.core.influxql import Stored
from ingest.core.treatment import Treatment

PLAIN = Kept(dropped=("access_token",))


@pytest.mark.parametrize(
    ("difference", "reason"),
    [
        (Difference("access_token_str", None, "xyz"), Why.SECRET),
        (Difference("access_token", None, 6.6e41, "66e40"), Why.SECRET),
        (Difference("day", None, 20261123.0, "2026-11-23"), Why.DIGITS),
        (Difference("cold", -23.5, 23.5, "-23.5 °C"), Why.DIGITS),
        (Difference("cold", None, 23.5, "-23.5 °C"), Why.OTHER),
        (Difference("nan_str", "nan", None), Why.NOT_FINITE),
        (Difference("state", "inf", None), Why.NOT_FINITE),
        (Difference("domain", None, 7.0), Why.NAME),
        (Difference("domain_", 7.0, None), Why.NAME),
        (Difference("x_str_", 8.0, None), Why.NAME),
        (Difference("long_str", "é" * 32_766 + "…", "é" * 40_000), Why.LONG),
        (Difference("text_str", "a\\nb", "a\nb"), Why.LINE_BREAK),
        (Difference("modes_str", "['heat', 'off']", "[<Mode.HEAT: 'heat'>, <Mode.OFF: 'off'>]"), Why.NATIVE),
        (Difference("colour_str", "[1, 2]", "(1, 2)"), Why.NATIVE),
        (Difference("one_str", "[1]", "(1,)"), Why.NATIVE),
        (Difference("when_str", "2026-11-23T08:00:00", "2026-11-23 08:00:00"), Why.NATIVE),
        (Difference("tag source", None, "HA"), Why.TAG),
        (Difference("measurement", "W", "kW"), Why.MEASUREMENT),
        (Difference("measurement", "a=b", "a\\=b"), Why.OTHER),
        (Difference("value", 1.0, 2.0), Why.STATE),
        (Difference("state", "on", "off"), Why.STATE),
        (Difference("icon_str", "a", "b"), Why.OTHER),
    ],
)
def test_why_a_field_differs(difference: Difference, reason: Why) -> None:
    assert why(difference, PLAIN) is reason


def test_what_our_own_settings_leave_out() -> None:
    icon, value = Difference("icon_str", None, "mdi:lamp"), Difference("value", None, 1.0)
    assert why(icon, Kept(treatment=Treatment(attributes="none"))) is Why.RULE
    assert why(icon, Kept(treatment=Treatment(attributes=("brightness",)))) is Why.RULE
    assert why(icon, Kept(treatment=Treatment(attributes=("icon",)))) is Why.OTHER
    assert why(icon, Kept(treatment=Treatment(ignore=("icon",)))) is Why.RULE
    assert why(icon, Kept(numeric_only=True)) is Why.NUMBERS
    assert why(icon, Kept(filled=True)) is Why.HISTORY
    assert why(value, Kept(filled=True, treatment=Treatment(attributes="none"))) is Why.STATE


def test_what_needs_a_person() -> None:
    assert set(Why) - EXPLAINED == {Why.TAG, Why.MEASUREMENT, Why.STATE, Why.OTHER}


def test_everything_of_a_point_is_compared() -> None:
    ours = Stored("a.b", 1, "W", {"value": 1.0, "x": 2.0}, {"source": "HA", "more": "1"})
    theirs = Stored("a.b", 1, "kW", {"value": 1.0, "x_str": "t"}, {"source": "HA"})
    assert list(differences(ours, theirs, whole=True)) == [
        Difference("x", 2.0, None, "t"),
        Difference("x_str", None, "t"),
        Difference("measurement", "W", "kW"),
        Difference("tag more", "1", None),
    ]
    assert list(differences(ours, theirs, whole=False)) == []
