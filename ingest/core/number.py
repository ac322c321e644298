"""The number in a state, as Home Assistant reads it.

Home Assistant's `helpers.state.state_as_number` knows eleven words and leaves the rest to Python's `float`, which
takes more than a home says: `nan`, `inf` and `infinity` are no measurements and no database stores them, and `1_000`
or Arabic-Indic digits are text that happens to parse: none of them is a number here; spaces around one are allowed.
Nor is `unknown`, which Home Assistant counts as 0: a sensor that says nothing does not say zero.
Source: homeassistant/helpers/state.py, the same words since 2020.
"""

from __future__ import annotations

from math import isfinite

WORDS = {
    "on": 1.0,
    "locked": 1.0,
    "above_horizon": 1.0,
    "open": 1.0,
    "home": 1.0,
    "off": 0.0,
    "unlocked": 0.0,
    "below_horizon": 0.0,
    "closed": 0.0,
    "not_home": 0.0,
}


def number(state: str) -> float | None:
    """The finite number that a state is, or None."""
    if state in WORDS:
        return WORDS[state]
    try:
        value = float(state)
    except ValueError:
        return None
    return value if isfinite(value) and "_" not in state and state.isascii() else None
