"""The spool's rows in the state file: blocking functions on one connection, each one transaction."""

from __future__ import annotations

from collections.abc import Collection, Container, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TypeAlias

from attrs import evolve, field, frozen

from ingest.core.coverage import Note
from ingest.core.evicted import Named
from ingest.core.ledger import Opening
from ingest.core.store import Batch
from ingest.edge.ledger_bounds import BOUND, Bound, enter
from ingest.edge.ledger_marks import doubt_marks, fold_many, make_room, move_at_once
from ingest.edge.spool_around import DAMAGED
from ingest.edge.spool_gone import tell_purged
from ingest.edge.spool_list import Rows
from ingest.edge.spool_rows import UNCHANGED, Changed, Placed, Row
from ingest.edge.spool_succession import Succession, Whose, insert
from ingest.edge.spool_sums import Sums
from ingest.edge.sqlite import Damaged, DiskFails, pragma, transaction, translated
from ingest.edge.totals_file import count

Doomed: TypeAlias = dict[Row, Sequence[Named] | None]
"""Rows that have to go, and who has states in them; None: it is not known."""


@frozen
class Table(Rows):
    """One key's rows, to be written, too. Every method may raise what `translated` says.

    `whose` says who has states in a payload, for the gap of one that has to go.
    """

    bound: Bound = field(default=BOUND, kw_only=True)
    whose: Whose = field(default=lambda _: None, kw_only=True, eq=False)
    succession: Succession = field(init=False, factory=Succession, eq=False)
    sums: Sums = field(init=False, factory=Sums, eq=False)

    def put(
        self, batch: Batch[bytes], put_ns: int, excess: int, kept: Collection[int], gone: Collection[int]
    ) -> Placed:
        """Insert a batch, evict the oldest until `excess` bytes are gone, delete what is known to be delivered.

        `kept` are never among the evicted. What the batch proves is written with it.
        """
        doomed = self._doomed(excess, kept)
        try:
            with self.succession.kept(), translated(self.path), transaction(self.connection):
                self._delete(gone)
                gaps = self._evict(doomed)
                row = insert(self.connection, self.key, batch, put_ns, self.succession.put)
                changed = self._enter(batch.note, gaps)
        except DiskFails:
            self._make_room()  # for the next try
            raise
        self.succession.put = row.id
        self.sums.remember(row.id, batch.payload, row.count)
        self._fold_many(batch.note)
        return Placed(row, list(doomed), changed)

    def put_within(
        self,
        batch: Batch[bytes],
        put_ns: int,
        excess: int,
        kept: Collection[int],
        gone: Collection[int],
        *,
        evict: bool,
    ) -> Placed | None:
        """As `put`, but the file does not grow. To `evict`: the oldest go, as many as it takes.

        A note's marks and the spans of what goes may still take some pages, once for each entity that is new: the floor
        has room for them. None when the batch does not fit; then nothing has changed, but that what waited is folded.
        """
        self._make_room()
        doomed = self._doomed(excess, kept)
        try:
            with self.succession.kept(), translated(self.path), transaction(self.connection):
                self._delete(gone)
                gaps = self._evict(doomed)
                others = self.oldest({*kept, *(row.id for row in doomed)}) if evict else iter(())
                while (row := self._inserted(batch, put_ns)) is None:
                    more = self._looked_into(next(others))
                    gaps += self._evict(more)
                    doomed |= more
                move_at_once(self.connection, self.key, batch.note.marks)
                changed = self._enter(evolve(batch.note, marks=()), gaps)
        except StopIteration:
            return None
        self.succession.put = row.id
        self.sums.remember(row.id, batch.payload, row.count)
        return Placed(row, list(doomed), changed)

    def note(self, note: Note) -> Changed:
        """Write what a batch has proved; returns what became of gaps. A damaged ledger takes no notes."""
        try:
            with translated(self.path), transaction(self.connection):
                changed = self._enter(note)
        except Damaged as error:
            self.break_ledger(error)
            return UNCHANGED
        self._fold_many(note)
        return changed

    def break_ledger(self, damage: Damaged) -> None:
        """The ledger is damaged: points go on without notes, and the next start begins a new file."""
        self.scars.reason, self.scars.ledger = damage.what, True

    def _inserted(self, batch: Batch[bytes], put_ns: int) -> Row | None:
        """Insert it; None if the file would grow for that. Which pages split for a row only SQLite knows."""
        # Of a page of a long payload four bytes lead to the next, and what is left of it stands with its row.
        needed = len(batch.payload) // (pragma(self.connection, "page_size") - 4) - 1
        if pragma(self.connection, "freelist_count") < needed:
            return None
        pages = pragma(self.connection, "page_count")
        self.connection.execute("SAVEPOINT fits")
        row = insert(self.connection, self.key, batch, put_ns, self.succession.put)
        fits = pragma(self.connection, "page_count") <= pages
        if not fits:
            self.connection.execute("ROLLBACK TO fits")
        self.connection.execute("RELEASE fits")
        return row if fits else None

    def _fold_many(self, note: Note) -> None:
        """What was written with this note is committed: no error of this may say that it was not."""
        if note.marks:
            with self._breaking():
                fold_many(self.connection, self.path)

    def _make_room(self) -> None:
        with self._breaking():
            make_room(self.connection, self.path)

    @contextmanager
    def _breaking(self) -> Iterator[None]:
        try:
            yield
        except Damaged as error:
            self.break_ledger(error)

    def touch(self) -> None:
        """Write a little, to see whether the file can be written."""
        with translated(self.path), transaction(self.connection):
            self.connection.execute("INSERT OR REPLACE INTO meta VALUES ('touched', strftime('%Y-%m-%dT%H:%M:%fZ'))")

    def remove(self, ids: Collection[int]) -> None:
        """Delete delivered batches."""
        with translated(self.path), transaction(self.connection):
            self._delete(ids)

    def purge(self, rows: Sequence[Row]) -> Changed:
        """Delete what was not delivered; returns what became of gaps."""
        with translated(self.path), transaction(self.connection):
            self._delete(row.id for row in rows)
            return tell_purged(self.connection, self.key, [(row.oldest_ns, row.newest_ns) for row in rows], self.bound)

    def recall(self) -> None:
        """Take over what an earlier run wrote down of the damage that it met."""
        with translated(self.path):
            row = self.connection.execute("SELECT value FROM meta WHERE name = ?", (DAMAGED,)).fetchone()
        if row is not None:
            self.scars.reason, self.scars.told = str(row[0]), True

    def mark(self) -> None:
        """Write into the file that it is damaged: the next start begins a new one."""
        with translated(self.path), transaction(self.connection):
            self.connection.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (DAMAGED, self.scars.reason))
        self.scars.told = True

    def _doomed(self, excess: int, kept: Container[int]) -> Doomed:
        """The oldest until `excess` bytes are gone. Looked into before the transaction: damage met in one would end it."""
        rows = self.oldest_of(excess, kept) if excess > 0 else ()
        doomed: Doomed = {}
        for row in rows:
            try:
                doomed |= self._looked_into(row)
            except Damaged as error:
                self.scars.reason, doomed[row] = error.what, None
        return doomed

    def _looked_into(self, row: Row) -> Doomed:
        """Whose states it holds. One that cannot be read is hidden."""
        try:
            return {row: self.whose(self.payloads([row])[0])}
        except Damaged as error:
            self.hide([row], error.what)
            raise

    def _evict(self, doomed: Doomed) -> list[Opening]:
        """Delete and count them, and of an entity whose newest state was among them that is not known to be stored any more.

        Returns their gaps, for the same transaction: a kill right after it leaves nobody to tell of them.
        """
        gaps = [gap for row, named in doomed.items() for gap in self.succession.drop(row, named)]
        self._delete(row.id for row in doomed)
        for row in doomed:
            count(self.connection, self.key, {"evicted": row.count})
            doubt_marks(self.connection, self.key, row.oldest_ns, row.newest_ns)
        return gaps

    def _enter(self, note: Note, gaps: Sequence[Opening] = ()) -> Changed:
        return enter(self.connection, self.key, self.bound, note, gaps)

    def _delete(self, ids: Iterable[int]) -> None:
        """Rows that damage keeps from being deleted are hidden instead."""
        wanted = [(each,) for each in ids]
        delete = "DELETE FROM batch WHERE id = ?"
        try:
            with translated(self.path):
                self.connection.executemany(delete, wanted)
        except Damaged as error:
            self.scars.reason = error.what
            for each in wanted:
                try:
                    with translated(self.path):
                        self.connection.execute(delete, each)
                except Damaged:
                    self.scars.hidden.add(each[0])
