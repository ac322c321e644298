"""Line protocol, read back: what a database would make of a line.

Outside of texts a backslash escapes only a comma, an equals sign or a space, never itself: before a space that counts
stands no backslash, however many there are further left.
Source: influxdb/models/points.go, `scanTagsValue`.
"""

from __future__ import annotations

import re

SERIES = re.compile(r"((?:[^ ]|(?<=\\) )*)(?<!\\) ")
FIELD = re.compile(r'([a-z_]+)=("(?:[^"\\]|\\.)*"|[^",\s]+)(,| |$)', re.DOTALL)


def read(line: str) -> tuple[str, dict[str, str], int]:
    """The measurement with its tags, the fields as written, and the time. Fails on anything else."""
    series = SERIES.match(line)
    assert series, line
    fields, at = {}, series.end()
    while match := FIELD.match(line, at):
        assert match[1] not in fields
        fields[match[1]] = match[2]
        at = match.end()
        if match[3] == " ":
            break
    return series[1], fields, int(line[at:])


def text(written: str) -> str:
    """A string field's value."""
    assert written[0] == written[-1] == '"'
    return re.sub(r'\\(["\\])', r"\1", written[1:-1])
