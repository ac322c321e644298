"""The disk with the state file: real SQLite on a real file, and what a disk may do to it.

A full disk and a read-only one are SQLite's own doing (`max_page_count`, `query_only`), so the errors are the real
ones; a failing one is said to be. A dead process writes nothing any more.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Collection, Container, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from attrs import define, field, frozen

from ingest.core.coverage import Gap, Note, Span
from ingest.core.store import Batch
from ingest.edge.ledger_file import Due, LedgerFile
from ingest.edge.letter_file import Letter, Letters
from ingest.edge.spool_file import Table
from ingest.edge.spool_rows import Changed, Placed, Row
from ingest.edge.sqlite import Connection, pragma, translated
from ingest.errors import Transient
from ingest.runtime.lane import InlineLane

Writer = Literal["file", "spool", "ledger", "letters"]
"""Who writes: each finds out by itself that it can, or cannot."""

SLOW = 0.2
"""Seconds that each piece of work takes on a slow disk."""

PAGES = 1_000_000
"""Pages that a file may have on a disk with room."""


@define(eq=False)
class Disk:
    """What the disk is like now. `refused`: whose last write was not taken; `untold`: evicted, and nobody heard of it yet."""

    how: Literal["well", "full", "read-only", "failing", "slow"] = "well"
    lane: InlineLane = field(factory=InlineLane)
    connection: Connection | None = None
    dead: Callable[[], bool] = lambda: False
    refused: set[Writer] = field(factory=set)
    untold: list[Row] = field(factory=list)
    evicted: int = 0
    """Points whose eviction is committed."""
    largest: int = 0
    """Bytes of the largest batch that was put into the file."""

    def become(self, how: Literal["well", "full", "read-only", "failing", "slow"]) -> None:
        """From now on it is like this."""
        self.how = how
        self.lane.delay = SLOW if how == "slow" else 0.0
        if self.connection is not None:
            limit = pragma(self.connection, "page_count") if how == "full" else PAGES
            self.connection.execute(f"PRAGMA max_page_count = {limit}")
            self.connection.execute(f"PRAGMA query_only = {'ON' if how == 'read-only' else 'OFF'}")

    def open(self, path: Path) -> None:
        """Raise what this disk says to somebody who wants to open or make the file: SQLite makes files for that."""
        self.work(path, "file")
        codes = {"full": sqlite3.SQLITE_FULL, "read-only": sqlite3.SQLITE_READONLY_CANTINIT}
        if code := codes.get(self.how):
            self.refused.add("file")
            error = sqlite3.OperationalError("as this disk says it")
            error.sqlite_errorcode = code
            with translated(path):
                raise error

    @contextmanager
    def writing(self, path: Path, who: Writer) -> Iterator[None]:
        """A write: it is taken when the block comes to its end. Raises what this disk says to it."""
        self.work(path, who)
        self.refused.add(who)
        yield
        self.refused.discard(who)

    def work(self, path: Path, writing: Writer | None = None) -> None:
        """Raise what this disk says to a piece of work."""
        if self.dead():
            raise Transient("the process is dead", where=str(path))
        if self.how == "failing":
            self.refused |= {writing} if writing else set()
            error = sqlite3.OperationalError("disk I/O error")
            error.sqlite_errorcode = sqlite3.SQLITE_IOERR_WRITE if writing else sqlite3.SQLITE_IOERR_READ
            with translated(path):
                raise error


@frozen
class CampaignTable(Table):
    """The spool's rows, on this disk."""

    disk: Disk = field(factory=Disk, kw_only=True)

    def put(
        self, batch: Batch[bytes], put_ns: int, excess: int, kept: Collection[int], gone: Collection[int]
    ) -> Placed:
        with self.disk.writing(self.path, "spool"):
            placed = super().put(batch, put_ns, excess, kept, gone)
        self.disk.untold += placed.evicted
        self.disk.evicted += sum(row.count for row in placed.evicted)
        self.disk.largest = max(self.disk.largest, placed.row.size)
        return placed

    def note(self, note: Note) -> Changed:
        self.disk.work(self.path, "spool")
        return super().note(note)

    def touch(self) -> None:
        with self.disk.writing(self.path, "spool"):
            super().touch()

    def remove(self, ids: Collection[int]) -> None:
        self.disk.work(self.path, "spool")
        super().remove(ids)

    def oldest(self, taken: Container[int]) -> Iterator[Row]:
        self.disk.work(self.path)
        return super().oldest(taken)


@frozen
class CampaignLetters(Letters):
    """The dead letters, on this disk."""

    disk: Disk = field(factory=Disk)

    def add(self, letters: Iterable[Letter]) -> int:
        with self.disk.writing(self.path, "letters"):
            return super().add(letters)


@frozen
class CampaignLedger(LedgerFile):
    """The ledger of coverage, on this disk."""

    disk: Disk = field(factory=Disk)

    def write(self, due: Due) -> Changed:
        with self.disk.writing(self.path, "ledger"):
            return super().write(due)

    def next_gap(self, most: int, but: Collection[int] = ()) -> tuple[Gap, list[Span]] | None:
        self.disk.work(self.path)
        return super().next_gap(most, but)
