"""The ledger of coverage in the state file: blocking methods on one connection, each one transaction.

What a batch proves is not written here but with the batch, in its own transaction (`edge/spool_file.py`): a mark or a
settled span is on disk exactly when the points are that it stands for.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from attrs import frozen

from ingest.core.beginning import known_until
from ingest.core.coverage import NO_NOTE, Cause, Gap, Mark, Note, Settled, Span
from ingest.core.importing import Wanted
from ingest.core.ledger import LEFT, Coverage, Opening, Remembered, SpanFate
from ingest.core.marks import newest as newest_of
from ingest.core.marks import state_ns
from ingest.edge.ledger_bounds import BOUND, Bound, enter, keep
from ingest.edge.ledger_filtered import left_out_since
from ingest.edge.ledger_import import Far, ask_again, how_far, open_import
from ingest.edge.ledger_marks import NOT_KNOWN, fold, fold_many, stored_marks
from ingest.edge.ledger_rows import GAP, SPAN, all_gaps, gap_of, gaps_of, open_gap, spans_left
from ingest.edge.spool_left import formerly
from ingest.edge.spool_rows import Changed, Key
from ingest.edge.sqlite import Connection, Damaged, transaction, translated
from ingest.errors import IngestError

_HEARD = """
INSERT INTO coverage (home, store, since_ns, heard_ns, stopped) VALUES (?1, ?2, ?3, ?3, 0)
ON CONFLICT DO UPDATE SET heard_ns = excluded.heard_ns, stopped = 0
"""

FOLDING: Final = 0.4
"""Seconds that marks may take to be folded at a stop: half a hundred thousand take it, where the processor is fast."""


@frozen
class Due:
    """What is to be written at once. `heard_ns`: until then everything is known; `stopped`: this run ends in order."""

    openings: Sequence[Opening] = ()
    note: Note = NO_NOTE
    heard_ns: int | None = None
    stopped: bool = False

    def __bool__(self) -> bool:
        return bool(self.openings or self.note or self.heard_ns is not None or self.stopped)


@frozen
class LedgerFile:
    """One key's ledger. Every method may raise what `translated` says."""

    connection: Connection
    path: Path
    key: Key
    bound: Bound = BOUND

    def load(self) -> Remembered:
        """The marks, and since when the home is known; of one that is new, until when the last other one was."""
        with translated(self.path):
            marks = self._marks()
            coverage = [
                Coverage(since_ns, heard_ns, bool(stopped))
                for since_ns, heard_ns, stopped in self._of("SELECT since_ns, heard_ns, stopped FROM coverage")
            ]
            excluded = left_out_since(self.connection, self.key)
            return Remembered(marks, coverage[0] if coverage else self._until_it_was_new(), excluded)

    def _until_it_was_new(self) -> Coverage | None:
        """Until when another home was known, of which this may be the new name: what came since is missing of it.

        Its marks tell no more: of another house they would be entities that are gone.
        """
        before = formerly(self.connection, self.key)
        if before is None:
            return None
        marks = stored_marks(self.connection, Key(before.home, self.key.store))
        until_ns = max(before.heard_ns, known_until(newest_of(marks), before.heard_ns))
        return Coverage(until_ns, until_ns, before.stopped)

    def write(self, due: Due) -> Changed:
        """Write everything that is due, or nothing of it; returns what became of gaps."""
        with translated(self.path), transaction(self.connection):
            changed = enter(self.connection, self.key, self.bound, due.note, due.openings)
            if due.heard_ns is not None:
                self.connection.execute(_HEARD, (self.key.home, self.key.store, due.heard_ns))
            if due.stopped:
                self._of("UPDATE coverage SET stopped = 1")
        if due.stopped:
            self._fold()
        elif due.note.marks:
            self._fold_many()
        return changed

    def open_gap(self, opening: Opening) -> None:
        """Write a gap down; unsettled ones of its cause that it touches become one with it."""
        self.write(Due([opening]))

    def move_marks(self, marks: Sequence[Mark]) -> None:
        """Marks move, never backwards."""
        self.write(Due(note=Note(marks)))

    def settle(self, settled: Sequence[Settled]) -> Sequence[Gap]:
        """These spans are done; returns their gaps."""
        return self.write(Due(note=Note(settled=settled))).gaps

    def reopen(self, since_ns: int) -> Gap | None:
        """What the store has since then is gone, such as after a restore: all of it is a gap. None: there was nothing.

        Both ends are part of it: of what is gone nothing can be made poorer.
        """
        with translated(self.path), transaction(self.connection):
            marks = [mark for mark in self._marks() if mark.time_ns >= since_ns]
            if not marks:
                return None
            spans = [Span(mark.entity_id, mark.registry_id, since_ns - 1, state_ns(mark) + 1) for mark in marks]
            opening = Opening(Cause.REOPENED, since_ns, max(map(state_ns, marks)), spans)
            gap_id = open_gap(self.connection, self.key, opening)
            (gap,) = gaps_of(self.connection, [gap_id])
            keep(self.connection, self.key, self.bound)
        return gap

    def begin_import(self, wanted: Wanted) -> Gap | None:
        """The gap of what is to be imported; None: everything is stored or asked for."""
        with translated(self.path), transaction(self.connection):
            gap = open_import(self.connection, self.key, wanted)
            keep(self.connection, self.key, self.bound)
        return gap

    def entities(self, gap_id: int) -> int:
        """Of how many entities something of a gap is still to be had: one may have several spans."""
        wanted = "SELECT count(DISTINCT registry_id) FROM span WHERE gap_id = ? AND filled IS NULL"
        with translated(self.path):
            return int(self.connection.execute(wanted, (gap_id,)).fetchone()[0])

    def ask_again(self) -> frozenset[int]:
        """What could not be had, or not all of it, is to be asked for again; returns the spans."""
        with translated(self.path), transaction(self.connection):
            return ask_again(self.connection, self.key)

    def how_far(self, ids: Collection[int], now_ns: int) -> Far:
        """How far the filling of these gaps is, all together. Raises `Transient` or `Refused`."""
        with translated(self.path):
            return how_far(self.connection, ids, now_ns)

    def next_gap(self, most: int, but: Collection[int] = ()) -> tuple[Gap, list[Span]] | None:
        """The oldest gap with spans to fill that are not in `but`, imports last, and the first of them."""
        with translated(self.path):
            for gap in self._in_turn():
                if gap.progress in LEFT and (spans := spans_left(self.connection, gap.id, most, but)):
                    return gap, spans
        return None

    def _in_turn(self) -> list[Gap]:
        """An import may take an hour: what was missed meanwhile does not wait for it."""
        return sorted(all_gaps(self.connection, self.key), key=lambda gap: gap.cause is Cause.IMPORTED)

    def gaps(self) -> list[Gap]:
        """Every gap, the oldest first."""
        with translated(self.path):
            return all_gaps(self.connection, self.key)

    def _fold(self) -> None:
        """An older program that reads the file then sees every mark. Who reads them here needs none of it: no stop waits long."""
        with suppress(IngestError), translated(self.path), transaction(self.connection):
            fold(self.connection, self.key, FOLDING)

    def _fold_many(self) -> None:
        """What is damaged is met again by who reads it, or by a later fold: what was written is written all the same."""
        with suppress(Damaged):
            fold_many(self.connection, self.path)

    def _marks(self) -> list[Mark]:
        return [mark for mark in stored_marks(self.connection, self.key).values() if mark.time_ns != NOT_KNOWN]

    def _of(self, statement: str) -> list[tuple[Any, ...]]:
        whose = (self.key.home, self.key.store)
        return self.connection.execute(f"{statement} WHERE home = ? AND store = ?", whose).fetchall()


def listed(connection: Connection) -> list[tuple[Key, Gap]]:
    """Every home's and store's gaps, the oldest first; for a reader. Raises `Damaged` for rows that nobody wrote so."""
    rows = connection.execute(f"SELECT home, store, {GAP} FROM gap ORDER BY from_ns, id")  # noqa: S608  constants
    return [(Key(home, store), gap_of(row)) for home, store, *row in rows]


def newest(connection: Connection, key: Key, most: int) -> tuple[list[Gap], int]:
    """The gaps of one home's store that began last, the newest first, and how many there are; for a reader.

    Raises `Damaged` for rows that nobody wrote so.
    """
    whose = (key.home, key.store)
    query = f"SELECT {GAP} FROM gap WHERE home = ? AND store = ? ORDER BY from_ns DESC, id DESC LIMIT ?"  # noqa: S608  constants
    found = [gap_of(row) for row in connection.execute(query, (*whose, most))]
    (total,) = connection.execute("SELECT count(*) FROM gap WHERE home = ? AND store = ?", whose).fetchone()
    return found, int(total)


def told(connection: Connection, gap_id: int) -> list[SpanFate]:
    """A gap's spans that are kept, with what became of them; for a reader."""
    rows = connection.execute(
        f"SELECT {SPAN}, filled, why FROM span WHERE gap_id = ? ORDER BY id",  # noqa: S608  constants
        (gap_id,),
    )
    return [SpanFate(Span(*row[:-2]), *row[-2:]) for row in rows]
