"""What a database's refusals taught about the types of its fields, so that the next batch need not find out again.

A conflict is a measurement, a field, and the type that our line has and the database refuses. Lines that hold one are
asked apart from the rest, and still asked: InfluxDB fixes types for a stretch of time (a shard), so a conflict may be
gone. What was learnt is a hint how to split a batch, and never a verdict on a line.

| database       | its words                                                                                       |
|----------------|-------------------------------------------------------------------------------------------------|
| InfluxDB 1, 2  | input field "v" on measurement "m" is type float, already exists as type integer                |
| InfluxDB 3     | invalid column type for column 'v', expected iox::column_type::field::integer, got iox::…::float |
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from typing import NamedTuple

from attrs import define, field, frozen

from ingest.core.line_types import line_types

REMEMBERED = 256
"""Conflicts that are remembered; the one that was met longest ago is forgotten first."""

LONGEST = 4096
"""Characters of an answer that are searched for a conflict: those that name one do it at their beginning."""

Lines = tuple[bytes, ...]

_conflicts = (
    re.compile(r'input field "(.+?)" on measurement "(.+?)" is type (\w+), already exists as type', re.DOTALL),
    re.compile(
        r"invalid column type for column '(.+?)'()(?:, expected iox::[\w:]+)?, got iox::[\w:]*::(\w+)", re.DOTALL
    ),
)
_names = {"uinteger": "unsigned"}


class Conflict(NamedTuple):
    """`measurement` is empty in the words of a database that does not name it."""

    measurement: bytes
    field: bytes
    type: str


@frozen
class Part:
    """Lines that are asked for together; `suspected` when each holds what was refused before."""

    lines: Lines
    suspected: bool = False


def conflict_in(text: str) -> Conflict | None:
    """The type conflict that a database's words name, the first of several."""
    for pattern in _conflicts:
        if match := pattern.search(text, 0, LONGEST):
            name, measurement, kind = match.groups()
            return Conflict(measurement.encode(), name.encode(), _names.get(kind, kind))
    return None


def holds(line: bytes, conflicts: Iterable[Conflict]) -> list[Conflict]:
    """Those of the conflicts that a line runs into, with its measurement."""
    near = [each for each in conflicts if _may_hold(line, each.field)]
    read = line_types(line) if near else None
    if read is None:
        return []
    return [
        each._replace(measurement=read.measurement)
        for each in near
        if each.measurement in {b"", read.measurement} and read.fields.get(each.field) == each.type
    ]


def _may_hold(line: bytes, name: bytes) -> bool:
    """A look that costs a hundredth of reading the line. A name that may be written with escapes passes."""
    return b",%s=" % name in line or b" %s=" % name in line or any(mark in name for mark in (b",", b"=", b" "))


def parts_of(lines: Iterable[bytes], conflicts: Collection[Conflict]) -> list[Part]:
    """The lines that hold none of the conflicts, and those that do; a part without lines is left out."""
    sides: tuple[list[bytes], list[bytes]] = ([], [])
    for line in lines:
        sides[bool(conflicts and holds(line, conflicts))].append(line)
    return [Part(tuple(side), suspected) for suspected, side in zip((False, True), sides, strict=True) if side]


@define
class LearntTypes:
    """The conflicts of one database, those met last at the end. Bounded: what was met longest ago gives way."""

    known: dict[Conflict, None] = field(factory=dict)

    def learn(self, words: str, lines: Iterable[bytes]) -> Conflict | None:
        """Remember the conflict that the words on these lines name, when one of them holds it; return it."""
        said = conflict_in(words)
        found = said and next((held for line in lines for held in holds(line, (said,))), None)
        if found:
            self.known.pop(found, None)
            if len(self.known) >= REMEMBERED:
                del self.known[next(iter(self.known))]
            self.known[found] = None
        return found

    def forget(self, lines: Iterable[bytes]) -> None:
        """These lines were taken: what they hold is no conflict, or none any more."""
        for line in lines:
            for held in holds(line, self.known):
                self.known.pop(held, None)

    def split(self, lines: Iterable[bytes]) -> list[Part]:
        """Lines that should be taken, and those that were refused before."""
        return parts_of(lines, self.known)
