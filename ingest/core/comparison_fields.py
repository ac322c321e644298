"""Fields of a point that both sides hold, and why one differs: what the schema `homeassistant` does otherwise on purpose."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from enum import Enum
from math import isfinite
from typing import Final

from attrs import frozen

from ingest.core.influxql import Stored, Value
from ingest.core.treatment import USUAL, Treatment
from ingest.core.typed_fields import number_in

STATE: Final = ("state", "value")
MEASUREMENT: Final = "measurement"
_LIMIT: Final = 65_535
_MEMBER: Final = re.compile(r"<[\w.]+: ('[^']*'|\d+)>")


class Why(Enum):
    """Why a field of a point that both stores hold differs, in words for a person."""

    SECRET = "an attribute that is not stored here: secret, or different at every look (attributes.drop)"  # noqa: S105
    RULE = "an attribute that our rules leave out"
    DIGITS = "a number that the original makes of the digits of a text"
    NOT_FINITE = "a value that is no finite number"
    NAME = "a number whose name is that of something else, written under the name and an underscore"
    LONG = "a text that is too long, cut at its end"
    LINE_BREAK = "a line break in a text"
    NATIVE = "an attribute that Home Assistant tells in another form than it has it inside"
    HISTORY = "an attribute that Home Assistant's history does not keep, of a state that filled a gap of ours"
    NUMBERS = "a text, where only numbers are sent (influxdb.numeric_only)"
    TAG = "a tag that only one side has been told"
    MEASUREMENT = "another measurement"
    STATE = "another state"
    OTHER = "another attribute"


EXPLAINED: Final = frozenset(Why) - {Why.TAG, Why.MEASUREMENT, Why.STATE, Why.OTHER}
"""What is so on purpose."""


@frozen
class Difference:
    """A field, a tag (`tag NAME`) or the measurement of both; None: not there. `text`: the original's text of a number."""

    name: str
    ours: Value | None
    theirs: Value | None
    text: str | None = None


@frozen
class Kept:
    """Which attributes our side leaves out of an entity: in general, by its treatment, all texts.

    `filled`: the point lies in a gap of ours, so that it may come of Home Assistant's history.
    """

    dropped: Collection[str] = ()
    treatment: Treatment = USUAL
    numeric_only: bool = False
    filled: bool = False

    def leaves_out(self, name: str) -> bool:
        """True when a rule says that an attribute of that name is not stored."""
        return not self.treatment.keeps(name)


def differences(ours: Stored, theirs: Stored, *, whole: bool) -> Iterator[Difference]:
    """What is not the same. Not `whole`: our side has another form, and only the state can be compared."""
    mine, their = ours.fields, theirs.fields
    names = {**mine, **their} if whole else [name for name in STATE if name in their]
    for name in names:
        here, there = mine.get(name), their.get(name)
        if here != there:
            text = their.get(f"{name}_str")
            yield Difference(name, here, there, text if isinstance(text, str) else None)
    if whole:
        yield from _series(ours, theirs)


def _series(ours: Stored, theirs: Stored) -> Iterator[Difference]:
    if ours.measurement != theirs.measurement:
        yield Difference(MEASUREMENT, ours.measurement, theirs.measurement)
    if ours.tags != theirs.tags:
        for name in ours.tags.keys() | theirs.tags.keys():
            here, there = ours.tags.get(name), theirs.tags.get(name)
            if here != there:
                yield Difference(f"tag {name}", here, there)


def why(found: Difference, kept: Kept) -> Why:
    """The first reason that explains the difference, in the order in which they are looked at."""
    name, here, there = found.name, found.ours, found.theirs
    attribute = name.removesuffix("_str")
    reasons: Mapping[Why, bool] = {
        Why.SECRET: here is None and attribute in kept.dropped,
        Why.RULE: here is None and name not in STATE and kept.leaves_out(attribute),
        Why.NUMBERS: kept.numeric_only and here is None and isinstance(there, str),
        Why.HISTORY: kept.filled and here is None and name not in STATE,
        Why.TAG: name.startswith("tag "),
        Why.MEASUREMENT: name == MEASUREMENT and not _escaped(here, there),
        Why.NOT_FINITE: _is_not_finite(here) or _is_not_finite(there),
        Why.DIGITS: found.text is not None and isinstance(there, float | int) and here == number_in(found.text),
        Why.NAME: _is_taken(name) and isinstance(here if there is None else there, float | int),
        Why.LONG: isinstance(there, str) and isinstance(here, str) and _is_cut(here, there),
        Why.LINE_BREAK: isinstance(there, str) and there.replace("\n", "\\n") == here,
        Why.STATE: name in STATE,
        Why.NATIVE: isinstance(there, str) and isinstance(here, str) and _same_native(here, there),
    }
    return next((reason for reason, holds in reasons.items() if holds), Why.OTHER)


def _escaped(here: Value | None, there: Value | None) -> bool:
    return isinstance(there, str) and there.replace("\\=", "=") == here


def _is_not_finite(value: Value | None) -> bool:
    try:
        return value is not None and not isfinite(float(value))
    except ValueError:
        return False


def _is_taken(name: str) -> bool:
    return name.removesuffix("_") in {"state", "time", "domain", "entity_id"} or name.removesuffix("_").endswith("_str")


def _is_cut(here: str, there: str) -> bool:
    return len(there.encode()) > _LIMIT and there.startswith(here.removesuffix("…"))


def _same_native(here: str, there: str) -> bool:
    """Names of classes, tuples and moments, which become plain texts and lists on the way to a client."""
    return _bare(_MEMBER.sub(r"\1", there)) == _bare(here)


def _bare(text: str) -> str:
    return re.sub(r"(?<=\d)T(?=\d)", " ", text.translate(str.maketrans("()", "[]"))).replace(",]", "]")
