"""Lines of Home Assistant's own `influxdb` integration and ours, read alike, and why one differs from the other.

Reading and reasons are written for the tests alone: nothing of the product has a part in them.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from math import isfinite

from attrs import frozen

SECRET = "secret or volatile"
GLUED = "glued digits"
SIGN = "lost sign"
NOT_FINITE = "no finite number"
ENUM = "names of classes"
TAKEN = "name that is taken"
LONG = "too long"
LINE_BREAK = "line break"
ESCAPED = "escaped too much"
UNEXPLAINED = "unexplained"

_PART = r"(?:[^,= \\]|\\.)+"
_SERIES = re.compile(rf"((?:[^, \\]|\\.)+)((?:,{_PART}={_PART})*) ", re.DOTALL)
_TAG = re.compile(rf",({_PART})=({_PART})", re.DOTALL)
_FIELD = re.compile(rf'({_PART})=("(?:[^"\\]|\\.)*"|[^", ]+)(,| )', re.DOTALL)
_TAGS = {"domain", "entity_id"}
_LIMIT = 65_535
_MEMBER = re.compile(r"<\w+\.\w+: ('[^']*')>")


@frozen
class Written:
    """A point as it stands in a line: a field is a float or a text."""

    measurement: str
    tags: dict[str, str]
    fields: dict[str, float | str]
    time: int


def read(line: str) -> Written:
    """The point of a line. Fails on what is none."""
    series = _SERIES.match(line)
    assert series, line
    fields: dict[str, float | str] = {}
    at, then = series.end(), ","
    while then == ",":
        match = _FIELD.match(line, at)
        assert match, line[at:]
        name, value, then = match.groups()
        assert _plain(name) not in fields, name
        fields[_plain(name)] = re.sub(r'\\(["\\])', r"\1", value[1:-1]) if value[0] == '"' else float(value)
        at = match.end()
    tags = {_plain(key): _plain(value) for key, value in _TAG.findall(series[2])}
    return Written(re.sub(r"\\([, ])", r"\1", series[1]), tags, fields, int(line[at:]))


def _plain(text: str) -> str:
    return re.sub(r"\\([,= ])", r"\1", text)


def differences(ours: Written, theirs: Written, dropped: Collection[str]) -> Iterator[tuple[str, str]]:
    """Each field that differs, and why; what is no field and differs has no explanation."""
    for part in ("tags", "time"):
        if getattr(ours, part) != getattr(theirs, part):
            yield part, UNEXPLAINED
    if ours.measurement != theirs.measurement:
        yield "measurement", ESCAPED if ours.measurement == theirs.measurement.replace("\\=", "=") else UNEXPLAINED
    for name in sorted({*ours.fields, *theirs.fields}):
        if ours.fields.get(name) != theirs.fields.get(name):
            yield name, _why(name, ours.fields, theirs.fields, dropped)


def _why(name: str, ours: dict[str, float | str], theirs: dict[str, float | str], dropped: Collection[str]) -> str:
    here, there = ours.get(name), theirs.get(name)
    value, text = theirs.get("value", 0.0), str(theirs.get(f"{name}_str", ""))
    not_finite = isinstance(value, float) and not isfinite(value)
    reasons = {
        SECRET: here is None and name.removesuffix("_str") in dropped,
        NOT_FINITE: (name in {"state", "value"} and not_finite and not isfinite(float(ours["state"])))
        or (there is None and isinstance(here, str) and here in {"nan", "inf", "-inf"}),
        GLUED: here is None and isinstance(there, float) and len(re.findall(r"\d[\d.]*", text)) > 1,
        SIGN: isinstance(here, float)
        and isinstance(there, float)
        and here == -there
        and bool(re.search(r"(?<!\w)[-\u2212]\d", text)),
        TAKEN: _moved(name, theirs, ours.get(f"{name}_")) or _moved(name[:-1], theirs, here),
        **_texts(here, there),
    }
    return next((reason for reason, holds in reasons.items() if holds), UNEXPLAINED)


def _moved(name: str, theirs: dict[str, float | str], here: float | str | None) -> bool:
    """True when `here`, under the name and an underscore, is the number that they have there, or have overwritten."""
    there = theirs.get(name)
    same = isinstance(there, str) or (isinstance(there, float) and here in {there, -there})
    return _is_taken(name) and isinstance(here, float) and same


def _is_taken(name: str) -> bool:
    return name in {"state", "time", *_TAGS} or name.endswith("_str")


def _texts(here: float | str | None, there: float | str | None) -> dict[str, bool]:
    if not (isinstance(here, str) and isinstance(there, str)):
        return {}
    return {
        ENUM: _MEMBER.sub(r"\1", there) == here,
        LINE_BREAK: there.replace("\n", "\\n") == here,
        LONG: len(there.encode()) > _LIMIT and there.startswith(here.removesuffix("…")),
    }
