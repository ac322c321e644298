"""Reading a drawing in text: who is joined to whom, in which direction, and what stands on the line.

    writer ══delivers══▶ store          a ──x──┬──▶ b
                                               └──▶ c

A name is a text with a blank between it and a line; a text that touches a line on both sides stands on it. Characters of
lines are joined where both are open to each other. Where a line ends without an arrowhead something comes from, where it
ends with one it goes to. A line that ends nowhere, or goes nowhere, is an error: the drawing is wrong.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import NamedTuple, TypeAlias

Place: TypeAlias = tuple[int, int]

STEPS: Mapping[str, Place] = {"L": (0, -1), "R": (0, 1), "U": (-1, 0), "D": (1, 0)}
BACK = {"L": "R", "R": "L", "U": "D", "D": "U"}
HEADS = {"▶": "L", "◀": "R", "▲": "D", "▼": "U"}
"""To which side an arrowhead is open: it points to the other."""

OPEN: Mapping[str, str] = {
    **dict.fromkeys("─═", "LR"),
    **dict.fromkeys("│║", "UD"),
    **dict.fromkeys("┌╔", "RD"),
    **dict.fromkeys("┐╗", "LD"),
    **dict.fromkeys("└╚", "RU"),
    **dict.fromkeys("┘╝", "LU"),
    **dict.fromkeys("├╠", "URD"),
    **dict.fromkeys("┤╣", "ULD"),
    **dict.fromkeys("┬╦", "LRD"),
    **dict.fromkeys("┴╩", "LRU"),
    **dict.fromkeys("┼╬", "LRUD"),
    **HEADS,
}
_TO_THE_RIGHT = "".join(each for each, sides in OPEN.items() if "R" in sides)
_TO_THE_LEFT = "".join(each for each, sides in OPEN.items() if "L" in sides)
_TEXT = rf"[^\s{''.join(OPEN)}]"
LABEL = re.compile(rf"(?<=[{_TO_THE_RIGHT}])({_TEXT}+(?: {_TEXT}+)*)(?=[{_TO_THE_LEFT}])")
NAME = re.compile(r"\S+(?: \S+)*")


class Arrow(NamedTuple):
    """What a connected line joins. `label` is what stands on it, empty when nothing does."""

    sources: frozenset[str]
    label: str
    targets: frozenset[str]


class WrongDrawingError(AssertionError):
    """A line of the drawing leads nowhere."""


def arrows(drawing: str) -> list[Arrow]:
    """Every connected line. Raises `WrongDrawingError`."""
    sheet = _Sheet(drawing.splitlines())
    left, found = set(sheet.sides), []
    while left:
        line = sheet.connected(min(left))
        left -= line
        found.append(sheet.arrow(line))
    return found


class _Sheet:
    def __init__(self, rows: list[str]) -> None:
        self.sides: dict[Place, str] = {}
        self.heads: dict[Place, str] = {}
        self.labels: dict[Place, str] = {}
        self.names: dict[Place, str] = {}
        for number, row in enumerate(rows):
            self._read(number, row)

    def _read(self, number: int, row: str) -> None:
        rest = list(row)
        for column, each in enumerate(row):
            if each in OPEN:
                self.sides[number, column] = OPEN[each]
                rest[column] = " "
            if each in HEADS:
                self.heads[number, column] = HEADS[each]
        for label in LABEL.finditer(row):
            for column in range(*label.span()):
                self.sides[number, column], self.labels[number, column] = "LR", label[0]
                rest[column] = " "
        for name in NAME.finditer("".join(rest)):
            self.names |= {(number, column): name[0] for column in range(*name.span())}

    def connected(self, place: Place) -> set[Place]:
        """All of the line on which that place is."""
        found, todo = set[Place](), [place]
        while todo:
            here = todo.pop()
            found.add(here)
            beside = (self._next(here, side) for side in self.sides[here])
            todo += [there for there in beside if there is not None and there not in found]
        return found

    def arrow(self, line: set[Place]) -> Arrow:
        """What it joins."""
        sources = frozenset(self._ends(line))
        targets = frozenset(self._name(each, BACK[self.heads[each]]) for each in line if each in self.heads)
        labels = sorted({self.labels[each] for each in line if each in self.labels})
        if not (sources and targets):
            raise WrongDrawingError(
                f"a line comes from {sorted(sources)} and goes to {sorted(targets)}: row {min(line)[0]}"
            )
        return Arrow(sources, " ".join(labels), targets)

    def _ends(self, line: set[Place]) -> Iterator[str]:
        for here in sorted(line):
            for side in self.sides[here]:
                if self._next(here, side) is None:
                    yield self._name(here, side)

    def _next(self, here: Place, side: str) -> Place | None:
        there = (here[0] + STEPS[side][0], here[1] + STEPS[side][1])
        return there if BACK[side] in self.sides.get(there, "") else None

    def _name(self, here: Place, side: str) -> str:
        down, right = STEPS[side]
        for far in (1, 2) if right else (1,):
            if name := self.names.get((here[0] + down * far, here[1] + right * far)):
                return name
        raise WrongDrawingError(f"a line ends at row {here[0]}, column {here[1]} and nothing is there")
