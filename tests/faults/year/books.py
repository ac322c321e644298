"""What a home did and what its database holds, change by change, in memory that does not grow with the year."""

from __future__ import annotations

from collections import Counter
from typing import TypeAlias

from attrs import define, field

from ingest.simulator.home import Home
from ingest.simulator.values import Change
from tests.faults.campaign.database import Database, Key, key_of, state_of

Told: TypeAlias = dict[Key, str]

CHANGES = b"home_assistant_events,"
REMEMBERED = 3_000
"""Changes whose lines are remembered, to know them again: of two days and some."""


@define(eq=False)
class Books:
    """`due` is what the home did and nobody stored yet; `stored` the last lines by change; `met` counts."""

    due: Told = field(factory=dict)
    stored: dict[Key, int] = field(factory=dict)
    met: Counter[str] = field(factory=Counter)
    wrong: list[str] = field(factory=list)

    def did(self, change: Change) -> None:
        """The home's own word."""
        at, state = (change.new.updated, change.new.state) if change.new else (change.fired, "removed")
        self.due[change.entity_id, at * 1000] = state
        self.met["changes"] += 1

    def took(self, line: bytes) -> None:
        """The database's."""
        if not line.startswith(CHANGES):
            self.met[f"lines of {line.partition(b',')[0].decode()}"] += 1
            return
        key, print_ = key_of(line), hash(line)
        if (known := self.stored.get(key)) is not None:
            self.met["lines sent again"] += 1
            self._judge(known == print_, "stored twice, differently", line)
            return
        self._judge(self.due.pop(key, None) == state_of(line), "never happened, or otherwise", line)
        self.met["stored"] += 1
        self.met["of them from the history"] += b',origin="backfill"' in line
        self.met["of them from a snapshot"] += b',origin="snapshot"' in line
        self.stored[key] = print_
        if len(self.stored) > REMEMBERED:
            del self.stored[next(iter(self.stored))]

    def _judge(self, right: bool, wrong: str, line: bytes) -> None:
        if not right and len(self.wrong) < 20:
            self.wrong.append(f"{wrong}: {line!r}")


class Telling(Home):
    """A home that tells what happens in it."""

    books: Books | None = None

    def _record(self, change: Change) -> Change:
        if self.books is not None:
            self.books.did(change)
        return super()._record(change)


@define(eq=False)
class Lasting(Database):
    """A database that keeps the books instead of the lines."""

    books: Books = field(kw_only=True)

    def _store(self, lines: object) -> None:
        for line in lines:  # type: ignore[attr-defined]
            self.books.took(line)
