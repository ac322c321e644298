"""Finding the lines that a database refuses, and losing none.

    part ──refused──▶ what the answer names is out, the rest is sent again
                      nothing named: what holds a known type conflict apart from the rest; else two halves, each in turn

A line is rejected when an answer names it, or when it is refused alone (or with others of which the answer counts every
one), and only by an attempt in which the database takes others. An attempt in which it takes none proves nothing: the
fault is the endpoint's, perhaps, and what was found in it is void.

The first half goes all the way down before the second: so a search soon meets a line that is taken, if there is one.
What was sent twice is stored once: a point is its series and its time.
"""

from __future__ import annotations

from collections.abc import Iterable

from attrs import Factory, define

from ingest.core.influx_answer import Answer, Split, message, named
from ingest.core.learnt_types import Conflict, Conflicts, LearntTypes, Lines, Part, parts_of
from ingest.core.store import Delivered, Keep, Rejection

HOPELESS = 32
"""Refusals without a single line taken, after which it is probably not the lines."""

PATIENCE = 8
"""Refusals after which what remains is halved though lines were named: some servers name one a time."""


@define
class Delivery:
    """An attempt: what is still to be sent, the next at the end; what is rejected, with the words; what it proved.

    `turn` says where to begin when there is no better place: not where an attempt in vain began.
    """

    learnt: LearntTypes
    pending: list[Part] = Factory(list)
    rejected: dict[bytes, str] = Factory(dict)
    turn: int = 0
    proven: bool = False
    refusals: int = 0
    first: Split | None = None

    def add(self, parts: list[Part]) -> None:
        """These parts are to be sent next, in their order."""
        self.pending += reversed(parts)

    def delivered(self, lines: Iterable[bytes]) -> Delivered:
        """The verdict at the end, on all lines of the batch: one may be there twice."""
        return Delivered(
            tuple(
                Rejection(line.decode("utf-8", "replace"), self.rejected[line])
                for line in lines
                if line in self.rejected
            )
        )

    def hear(self, outcome: Delivered | Split, answer: Answer) -> None:
        """What the database said to the next part."""
        part = self.pending.pop()
        if isinstance(outcome, Split):
            self.first = self.first or outcome
            self._refuse(part, outcome, answer)
            self.refusals += 1
            return
        self.proven = True
        if part.suspected:
            self.learnt.forget(part.lines)

    @property
    def doubtful(self) -> bool:
        """So many refusals make sense only if the database takes other lines, and that is not proven."""
        return not self.proven and self.refusals >= HOPELESS

    def hopeless(self) -> Keep:
        """The verdict when the database takes nothing else either; the search begins anew."""
        said = self.first or Split("")
        return Keep(f"the database takes no line of this batch: {said.reason}", remedy=said.remedy)

    @property
    def progress(self) -> Keep:
        """The verdict when the search is to go on later."""
        words = self.first.reason if self.first else next(iter(self.rejected.values()), "")
        found = f"looking for the lines that the database refuses, {len(self.rejected)} found"
        return Keep(f"{found}: {words}" if words else found, progress=True)

    def _refuse(self, part: Part, split: Split, answer: Answer) -> None:
        """Reject the lines of the part that are known by now, divide the rest."""
        lines = part.lines
        names = out = named(answer, lines)
        for place, words in names.items():
            self.learnt.learn(words, lines[place : place + 1])
        conflict = self.learnt.learn(message(answer), lines)
        if not names and (split.dropped or 1) >= len(lines):
            out = dict.fromkeys(_blamed(lines, conflict), split.reason)
        self.rejected |= {lines[place]: why for place, why in out.items()}
        rest = tuple(line for line in lines if line not in self.rejected)
        self.add(self._divided(rest, conflict, whole=bool(out) and self.refusals < PATIENCE))

    def _divided(self, rest: Lines, conflict: Conflict | None, *, whole: bool) -> list[Part]:
        """By what was ever learnt, else by the conflict that was just named, else as a whole or in halves."""
        parts = self.learnt.split(rest)
        if len(parts) != 1:
            return parts
        suspected = parts[0].suspected
        by_name = parts_of(rest, (conflict,)) if conflict else []
        if len(by_name) > 1:
            return [Part(each.lines, suspected) for each in by_name]
        if whole:
            return parts
        turned, self.turn = _turned(rest, self.turn), 0
        half = (len(rest) + 1) // 2
        return [Part(each, suspected) for each in (turned[:half], turned[half:]) if each]


def _blamed(lines: Lines, conflict: Conflict | None) -> list[int]:
    """Of lines that are all refused, those that the words are about: the others have words of their own."""
    about = Conflicts.of((conflict,) if conflict else ())
    held = [place for place, line in enumerate(lines) if about.of_line(line)]
    return held or list(range(len(lines)))


def _turned(lines: Lines, turn: int) -> Lines:
    """The same lines from another one on; in the end from each (the golden ratio leaves none out)."""
    start = int(turn * 0.618034 * len(lines)) % len(lines)
    return lines[start:] + lines[:start]
