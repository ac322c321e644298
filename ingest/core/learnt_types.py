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
from itertools import chain
from typing import NamedTuple

from attrs import define, field, frozen

from ingest.core.line_types import line_types
from ingest.core.room import make_room

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
_keys = re.compile(rb"[, ]([^, =]+)=")
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


@frozen
class Conflicts:
    """Several conflicts, prepared for many lines: what a line costs does not grow with their number."""

    all: frozenset[Conflict]
    names: frozenset[bytes]
    measurements: frozenset[bytes]
    odd: bool
    """A field's name may be written with escapes: no look at a line is a shortcut."""

    @classmethod
    def of(cls, conflicts: Iterable[Conflict]) -> Conflicts:
        """These conflicts, prepared so that a batch is searched for them in one pass."""
        known = frozenset(conflicts)
        names = frozenset(each.field for each in known)
        odd = any(mark in name for name in names for mark in (b",", b"=", b" "))
        return cls(known, names, frozenset(each.measurement for each in known), odd)

    def of_line(self, line: bytes) -> list[Conflict]:
        """Those that a line runs into, with its measurement."""
        read = line_types(line) if self._may_meet(line) else None
        if read is None:
            return []
        return [
            Conflict(read.measurement, name, kind)
            for name, kind in read.fields.items()
            if (read.measurement, name, kind) in self.all or (b"", name, kind) in self.all
        ]

    def _may_meet(self, line: bytes) -> bool:
        """A look that costs a fraction of reading the line. What may be written with escapes passes."""
        measurement = line.partition(b" ")[0].partition(b",")[0]
        near = measurement in self.measurements or b"" in self.measurements or measurement.endswith(b"\\")
        return near and (self.odd or not self.names.isdisjoint(_keys.findall(line)))


def parts_of(lines: Iterable[bytes], conflicts: Collection[Conflict]) -> list[Part]:
    """The lines that hold none of the conflicts, and those that do; a part without lines is left out."""
    sides: tuple[list[bytes], list[bytes]] = ([], [])
    prepared = Conflicts.of(conflicts)
    for line in lines:
        sides[bool(prepared.of_line(line))].append(line)
    return [Part(tuple(side), suspected) for suspected, side in zip((False, True), sides, strict=True) if side]


@define
class LearntTypes:
    """The conflicts of one database, those met last at the end. Bounded: what was met longest ago gives way."""

    known: dict[Conflict, None] = field(factory=dict)

    def learn(self, words: str, lines: Iterable[bytes]) -> Conflict | None:
        """Remember the conflict that the words on these lines name, when one of them holds it; return it."""
        said = conflict_in(words)
        held = Conflicts.of((said,) if said else ())
        found = said and next(chain.from_iterable(map(held.of_line, lines)), None)
        if found:
            self.known.pop(found, None)
            make_room(self.known, REMEMBERED)
            self.known[found] = None
        return found

    def forget(self, lines: Iterable[bytes]) -> None:
        """These lines were taken: what they hold is no conflict, or none any more."""
        for held in chain.from_iterable(map(Conflicts.of(self.known).of_line, lines)):
            self.known.pop(held, None)

    def split(self, lines: Iterable[bytes]) -> list[Part]:
        """Lines that should be taken, and those that were refused before."""
        return parts_of(lines, self.known)
