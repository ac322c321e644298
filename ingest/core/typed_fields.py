"""Attributes as fields whose type never changes: a number is a float under the attribute's name, a text is `<name>_str`.

The names and values are those that Home Assistant's own `influxdb` integration gives, because dashboards know them:
what Python's `float` reads is a number (so `true` is 1 and "12" is 12), anything else is Python's text of it, and a
text with a number in it is both. Where the integration would write what no home ever said, we do not:

* Digits that a text holds in several places are not glued: a date is no number, nor is an access token 6.6e+41.
* A minus sign before the digits counts.
* A text that is no finite number ("nan") stays a text.

A number whose name is that of something else (`state`, a tag, a field `…_str`) goes under the name and an underscore,
as Home Assistant's own does when a name is there already. Where that is another attribute's, which Home Assistant's own
overwrites, it gets as many underscores as it takes.
Source: homeassistant/components/influxdb/__init__.py and const.py, the same rules since 2016; 2024.3 to 2025.4 read.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Iterable, Mapping
from math import isfinite
from typing import TypeAlias

import msgspec

from ingest.core.lineprotocol import decimal, quote, tag
from ingest.core.treatment import Treatment

Fields: TypeAlias = dict[str, float | str]
"""By name: a finite float, or a text."""

Text: TypeAlias = Callable[[str, object], str]
"""How an attribute of that name is written as a text."""

_members = msgspec.json.Decoder(dict[str, object])
# Possessive, so that no text, however long, takes longer than its length.
_one_number = re.compile(r"([^\d.]*+)(\d++(?:\.\d++)?)[^\d.]*+").fullmatch
_minus = re.compile(r"(?<!\w)[-\u2212]\Z").search


def members(text: str) -> dict[str, object]:
    """What a JSON object holds. Raises `ValueError` when it is none."""
    try:
        return _members.decode(text)
    except msgspec.DecodeError:
        # msgspec refuses half of a surrogate pair and a number beyond a float's range: other databases store them.
        found = json.loads(text)
        if not isinstance(found, dict):
            raise
        return found


def kept(attributes: Mapping[str, object], treatment: Treatment) -> dict[str, object]:
    """Those of the attributes that the treatment lets through, by name."""
    return {name: value for name, value in attributes.items() if treatment.keeps(name)}


def number(value: object) -> float | None:
    """The finite number that Python's `float` makes of a value, or None."""
    if not isinstance(value, int | float | str):
        return None
    if isinstance(value, str) and value[:1].isalpha():
        return None  # most texts: an exception would take six times as long
    try:
        found = float(value)
    except (ValueError, OverflowError):
        return None
    return found if isfinite(found) else None


def number_in(text: str) -> float | None:
    """The one number that stands in a text, such as 23.5 in "23.5 °C"; None when there are several, or a single digit."""
    match = _one_number(text)
    if match is None or len(match[2]) == 1:
        return None
    found = number(match[2])
    return -found if found is not None and _minus(match[1]) else found


def plain(_name: str, value: object) -> str:
    """Python's text of a value."""
    return str(value)


def typed(attributes: Mapping[str, object], there: Fields, taken: Collection[str], text: Text = plain) -> Fields:
    """`there` and the attributes' fields. `taken` are names that no number may have."""
    fields, is_crowded = _typed(attributes.items(), there, taken, text)
    # Otherwise which attribute came first would decide which field is whose, and a field's meaning could change in a series.
    return _typed(sorted(attributes.items()), there, taken, text)[0] if is_crowded else fields


def _typed(
    attributes: Iterable[tuple[str, object]], there: Fields, taken: Collection[str], text: Text
) -> tuple[Fields, bool]:
    """The fields, and whether a name and its underscore were those of other attributes already."""
    fields, is_crowded = dict(there), False
    for name, value in attributes:
        key = f"{name}_" if name in fields else name
        found = number(value)
        if found is None:
            said = text(name, value)
            while f"{key}_str" in fields:
                key, is_crowded = f"{key}_", True
            fields[f"{key}_str"] = said
            found = number_in(said)
        if found is not None:
            key = _free(key, taken)
            while key in fields:
                key, is_crowded = f"{key}_", True
            fields[key] = found
    return fields, is_crowded


def _free(key: str, taken: Collection[str]) -> str:
    return f"{key}_" if key in taken or key.endswith("_str") or not key else key


def written(fields: Fields) -> str:
    """The fields as a line has them, a comma before each."""
    return "".join(
        f",{tag(name)}={quote(value) if isinstance(value, str) else decimal(value)}" for name, value in fields.items()
    )
