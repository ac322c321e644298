"""The spool's rows in the state file: blocking functions on one connection, each one transaction."""

from __future__ import annotations

from collections.abc import Collection, Container, Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path

from attrs import field, frozen

from ingest.core.coverage import UNNAMED, Cause, Note
from ingest.core.ledger import Opening
from ingest.core.store import Batch
from ingest.edge.ledger_bounds import BOUND, Bound, enter
from ingest.edge.ledger_rows import doubt_marks
from ingest.edge.spool_around import COLUMNS, OURS, Scars, around
from ingest.edge.spool_gone import tell_purged
from ingest.edge.spool_rows import UNCHANGED, Changed, Key, Placed, Row
from ingest.edge.sqlite import Connection, Damaged, pragma, transaction, translated
from ingest.edge.totals_file import count
from ingest.runtime.link import EMPTY, Weight

_LISTED = f"SELECT {COLUMNS} FROM batch WHERE {OURS} ORDER BY id"  # noqa: S608  constants


DAMAGED = "damaged"
"""The name in `meta` under which a file says that it is."""


def insert(connection: Connection, key: Key, batch: Batch[bytes], put_ns: int) -> Row:
    """Add a batch, in the transaction of the caller."""
    cursor = connection.execute(
        "INSERT INTO batch (home, store, put_ns, oldest_ns, newest_ns, count, size, payload)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (key.home, key.store, put_ns, batch.oldest_ns, batch.newest_ns, batch.count, batch.size, batch.payload),
    )
    return Row(cursor.lastrowid or 0, put_ns, batch.oldest_ns, batch.newest_ns, batch.count, batch.size)


@frozen
class Table:
    """One key's rows. Every method may raise what `translated` says.

    Damage is gone around, row by row, and kept in `scars`: what lies behind it can be listed, read and deleted.
    """

    connection: Connection
    path: Path
    key: Key
    bound: Bound = field(default=BOUND, kw_only=True)
    scars: Scars = field(init=False, factory=Scars, eq=False)

    def held(self) -> Weight:
        """What is kept."""
        with translated(self.path):
            count, size = self.connection.execute(
                f"SELECT coalesce(sum(count), 0), coalesce(sum(size), 0) FROM batch WHERE {OURS}",  # noqa: S608  a constant
                (self.key.home, self.key.store),
            ).fetchone()
        return Weight(count, size) if count else EMPTY

    def put(
        self, batch: Batch[bytes], put_ns: int, excess: int, kept: Collection[int], gone: Collection[int]
    ) -> Placed:
        """Insert a batch, evict the oldest until `excess` bytes are gone, delete what is known to be delivered.

        `kept` are never among the evicted. What the batch proves is written with it.
        """
        with translated(self.path), transaction(self.connection):
            self._delete(gone)
            evicted = self._oldest_of(excess, kept) if excess > 0 else []
            self._evict(evicted)
            row = insert(self.connection, self.key, batch, put_ns)
            changed = self._enter(batch.note, evicted)
        return Placed(row, evicted, changed)

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

        A note's marks may still take some pages, once for each entity that is new: the floor has room for them. None
        when the batch does not fit; then nothing has changed.
        """
        try:
            with translated(self.path), transaction(self.connection):
                self._delete(gone)
                evicted = self._oldest_of(excess, kept) if excess > 0 else []
                self._evict(evicted)
                others = self.oldest({*kept, *(row.id for row in evicted)}) if evict else iter(())
                while (row := self._inserted(batch, put_ns)) is None:
                    evicted.append(next(others))
                    self._evict(evicted[-1:])
                changed = self._enter(batch.note, evicted)
        except StopIteration:
            return None
        return Placed(row, evicted, changed)

    def note(self, note: Note) -> Changed:
        """Write what a batch has proved; returns what became of gaps. A damaged ledger takes no notes."""
        try:
            with translated(self.path), transaction(self.connection):
                return self._enter(note)
        except Damaged as error:
            self.break_ledger(error)
            return UNCHANGED

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
        row = insert(self.connection, self.key, batch, put_ns)
        fits = pragma(self.connection, "page_count") <= pages
        if not fits:
            self.connection.execute("ROLLBACK TO fits")
        self.connection.execute("RELEASE fits")
        return row if fits else None

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

    def newest(self, taken: Container[int]) -> list[Row]:
        """The newest batch that is not taken."""
        return list(islice(self._rows("DESC", taken), 1))

    def oldest(self, taken: Container[int]) -> Iterator[Row]:
        """The batches that are not taken, the oldest first, read as they are asked for."""
        return self._rows("ASC", taken)

    def payloads(self, rows: Iterable[Row]) -> list[bytes]:
        """What the rows hold, in their order. Raises `Damaged` when one of them cannot be read."""
        with translated(self.path):
            return [self._payload(row.id) for row in rows]

    def hide(self, rows: Iterable[Row], reason: str) -> None:
        """Never list these again: they cannot be read. They stay in the file, for `spool recover`."""
        self.scars.reason = reason
        self.scars.hidden.update(row.id for row in rows)

    def notice(self, error: Exception) -> None:
        """Damage was met; other errors leave no scar."""
        if isinstance(error, Damaged):
            self.scars.reason = error.what

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

    def _payload(self, row_id: int) -> bytes:
        row = self.connection.execute("SELECT payload FROM batch WHERE id = ?", (row_id,)).fetchone()
        if row is None or not isinstance(row[0], bytes):
            raise Damaged(f"batch {row_id} is listed and not there", where=str(self.path))
        return row[0]

    def _rows(self, order: str, taken: Container[int]) -> Iterator[Row]:
        # Sorted out here, not in SQL: a whole backlog may be taken, and a statement's parameters are limited.
        last: int | None = None
        try:
            with translated(self.path):
                for values in self.connection.execute(f"{_LISTED} {order}", (self.key.home, self.key.store)):
                    last = values[0]
                    if last not in taken and last not in self.scars.hidden:
                        yield Row(*values)
        except Damaged as error:
            self.scars.reason = error.what
            for values in around(self.connection, self.path, self.key, order, last=last, scars=self.scars):
                if values[0] not in taken and values[0] not in self.scars.hidden:
                    yield Row(*values)

    def _oldest_of(self, excess: int, kept: Container[int]) -> list[Row]:
        evicted: list[Row] = []
        for row in self.oldest(kept):
            evicted.append(row)
            excess -= row.size
            if excess <= 0:
                break
        return evicted

    def _evict(self, rows: Sequence[Row]) -> None:
        """Delete and count them, and of an entity whose newest state was among them that is not known to be stored any more.

        `_enter` opens their gaps in the same transaction: a kill right after it leaves nobody to tell of them.
        """
        self._delete(row.id for row in rows)
        for row in rows:
            count(self.connection, self.key, {"evicted": row.count})
            doubt_marks(self.connection, self.key, row.oldest_ns, row.newest_ns)

    def _enter(self, note: Note, evicted: Iterable[Row] = ()) -> Changed:
        gaps = [Opening(Cause.EVICTED, row.oldest_ns, row.newest_ns, why=UNNAMED) for row in evicted]
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
