r"""A line of line protocol read back, as far as a type conflict is about it: its measurement, its fields, their types.

As InfluxDB 1 and 2 read it: a space, comma or equals sign of a name counts unless a backslash stands before it; in a
text only `\"` and `\\` are escapes. It is for lines of ours: what it cannot read is None, never a guess.
Source: influxdb/models/points.go; influxdb_client/client/write/point.py 1.50.
"""

from __future__ import annotations

import re

from attrs import frozen

# Single characters are possessive, for speed, and what is repeated begins in one way only, so that no line, however odd, takes longer
# than its length. Groups are not: Python 3.11.2, Debian 12's, then takes a sound line for none.
_series = re.compile(rb"((?:[^, \\]++|\\[, ]?+)+)(?:,(?:[^ \\]++|\\ ?+)*)? ")
_field = re.compile(rb'((?:[^=\\]++|\\=?+)+)=("(?:[^"\\]++|\\.)*"|[^", ]++)(,|(?= )|$)', re.DOTALL)
_tag = re.compile(rb",((?:[^,= \\]|\\.)+)=((?:[^,= \\]|\\.)+)", re.DOTALL)
_time = re.compile(rb"(?: -?\d+)?", re.ASCII)
_escaped_in_measurement = re.compile(rb"\\([, ])")
_escaped_in_field = re.compile(rb"\\([,= ])")

_SUFFIXES = {b"i": "integer", b"u": "unsigned"}
_STARTS = {b'"': "string"} | dict.fromkeys((b"t", b"T", b"f", b"F"), "boolean")


@frozen
class LineTypes:
    """A line's measurement, and the type of each of its fields, by its name; names are not escaped."""

    measurement: bytes
    fields: dict[bytes, str]


def line_types(line: bytes) -> LineTypes | None:
    """What a line holds; None when it is malformed."""
    series = _series.match(line)
    if series is None:
        return None
    fields, at = {}, series.end()
    while match := _field.match(line, at):
        name, value, then = match.groups()
        fields[_plain(name, _escaped_in_field)] = _STARTS.get(value[:1]) or _SUFFIXES.get(value[-1:], "float")
        at = match.end()
        if then != b",":
            whole = _time.fullmatch(line, at)
            return LineTypes(_plain(series[1], _escaped_in_measurement), fields) if whole else None
    return None


def series(line: bytes) -> tuple[str, dict[str, str]]:
    """A line's measurement and its tags, not escaped. Raises `ValueError` for what is no line."""
    found = _series.match(line)
    if found is None:
        raise ValueError("this is no line of line protocol")
    tags = (_escaped_in_field.sub(rb"\1", part) for pair in _tag.findall(found[0]) for part in pair)
    told = iter(each.decode() for each in tags)
    return _plain(found[1], _escaped_in_measurement).decode(), dict(zip(told, told, strict=True))


def _plain(name: bytes, escaped: re.Pattern[bytes]) -> bytes:
    return escaped.sub(rb"\1", name) if b"\\" in name else name
