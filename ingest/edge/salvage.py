"""Reading a state file that was set aside: what is readable in it, row by row.

Damage makes SQLite fail wherever it meets it, in the middle of a scan. So the ids come first, from every way that leads
to them: the table from its beginning, the table from its end, each index; between what both ends reached, ids are tried, as
far as there ever were any. Then each row is asked for by itself, and one that fails costs no other. Where none of the ways leads
through to its end, nobody knows how many rows lay behind the damage: that is a loss in any case. There may be millions of rows,
so an id is kept as eight bytes.

A payload counts only when it decompresses whole (it has a checksum): nothing is made up, and nothing goes into the spool
that would choke it. How many points it has is asked of itself, not of the number beside it, which may be damaged, too.
"""

from __future__ import annotations

from array import array
from collections.abc import Collection, Iterator
from contextlib import closing, suppress
from heapq import merge
from itertools import groupby, islice, product, repeat
from operator import itemgetter, lt
from pathlib import Path
from typing import Any, Final, TypeAlias

from attrs import define, frozen

from ingest.core.sealing import lines_in
from ingest.core.store import Batch
from ingest.edge.letter_file import Letter
from ingest.edge.spool_rows import Key
from ingest.edge.sqlite import Connection, Damaged, open_reader, ours
from ingest.errors import IngestError

GUESSES: Final = 100_000
"""Ids tried at most where no way leads to them."""

_BATCH: Final = ("home", "store", "put_ns", "oldest_ns", "newest_ns", "payload")
_LETTER: Final = ("id", "home", "store", "at_ns", "line", "reason")
_TYPES: Final = {"home": str, "store": str, "line": str, "reason": str, "payload": bytes}

Values: TypeAlias = tuple[Any, ...]


@frozen
class Found:
    """A batch that is whole, whose it was, and when it was put."""

    key: Key
    put_ns: int
    batch: Batch[bytes]


@define
class Salvage:
    """A file being read. `unreadable` counts rows that are there and cannot be read, or are not whole: so many at least."""

    connection: Connection
    path: Path
    unreadable: int = 0

    def close(self) -> None:
        """Close the file that is being read; it stays as it is."""
        self.connection.close()

    def leads_anywhere(self) -> bool:
        """True when a table of ours can be looked into from one of its ends."""
        ends = product(("batch", "dead_letter"), ("ASC", "DESC"))
        for query in (f"SELECT id FROM {table} NOT INDEXED ORDER BY id {order} LIMIT 1" for table, order in ends):  # noqa: S608  constants
            with suppress(Damaged), ours(self.path):
                self.connection.execute(query).fetchall()
                return True
        return False

    def points(self) -> int:
        """How many wait in it at least, as the numbers beside the batches say."""
        with suppress(Damaged), ours(self.path):  # where nothing is in the way, twenty times as fast
            return sum(map(_positive, self.connection.execute("SELECT count FROM batch NOT INDEXED")))
        return sum(map(_positive, self._rows("batch", ("count",))))

    def batches(self) -> Iterator[Found]:
        """Every batch that is whole, the oldest first."""
        for home, store, put_ns, oldest_ns, newest_ns, payload in self._rows("batch", _BATCH):
            if count := lines_in(payload):
                yield Found(Key(home, store), put_ns, Batch(payload, count, len(payload), oldest_ns, newest_ns))
            else:
                self.unreadable += 1

    def letters(self) -> Iterator[Letter]:
        """Every dead letter that can be read, around the damage."""
        for values in self._rows("dead_letter", _LETTER):
            yield Letter(*values)

    def _rows(self, table: str, columns: Collection[str]) -> Iterator[Values]:
        if not set(columns) <= self._known(table):
            return
        query = f"SELECT {', '.join(columns)} FROM {table} WHERE id = ?"  # noqa: S608  constants
        for each, certain in self._ids(table):
            try:
                with ours(self.path):
                    row = self.connection.execute(query, (each,)).fetchone()
            except Damaged:
                self.unreadable += certain
                continue
            if row is None or not _typed(row, columns):
                self.unreadable += certain
                continue
            yield row

    def _ids(self, table: str) -> Iterator[tuple[int, bool]]:
        """The ids to ask for, in order; and whether each is known to be there."""
        rising, falling = array("q"), array("q")
        through = self._way(f"SELECT id FROM {table} NOT INDEXED ORDER BY id", rising)  # noqa: S608  constants
        if not through:
            self._way(f"SELECT id FROM {table} NOT INDEXED ORDER BY id DESC", falling)  # noqa: S608  constants
            falling.reverse()
        indexed, covered = self._indexed(table)
        self.unreadable += not (through or covered)
        ways = [_in_order(each) for each in (rising, falling, *indexed)]
        low = max(rising, default=0)
        beyond = max(self._last(table) + [each[-1] for each in ways if each], default=0) + 1
        high = low if through else min(falling, default=beyond)
        guesses = range(low + 1, min(high, low + GUESSES))
        tried = merge(*(zip(each, repeat(True)) for each in ways), zip(guesses, repeat(False)))
        for each, found in groupby(tried, itemgetter(0)):
            yield each, any(certain for _, certain in found)

    def _indexed(self, table: str) -> tuple[list[array[int]], bool]:
        """The ids that the indexes lead to; and whether one of them did to its end."""
        ways = [(name, array("q")) for name in self._scan(f"SELECT name FROM pragma_index_list('{table}')")]  # noqa: S608  constants
        through = [self._way(f'SELECT id FROM {table} INDEXED BY "{name}"', ids) for name, ids in ways]  # noqa: S608  names of the file's own
        return [ids for _, ids in ways], any(through)

    def _last(self, table: str) -> list[int]:
        """The highest id that was ever given in it, when that can be read."""
        found = self._scan(f"SELECT seq FROM sqlite_sequence WHERE name = '{table}'")  # noqa: S608  constants
        return [each for each in found if isinstance(each, int)]

    def _scan(self, query: str) -> list[Any]:
        """One column, as far as it can be read."""
        found: list[Any] = []
        self._way(query, found)
        return found

    def _way(self, query: str, found: list[Any] | array[int]) -> bool:
        """One column into `found`, as far as it can be read; True when that is to its end."""
        try:
            with ours(self.path):
                found.extend(value for (value,) in self.connection.execute(query))
        except Damaged:
            return False
        return True

    def _known(self, table: str) -> set[str]:
        return set(self._scan(f"SELECT name FROM pragma_table_info('{table}')"))  # noqa: S608  constants


def open_salvage(path: Path) -> Salvage:
    """The file, read-only. Raises `Transient`, `Refused` or `Damaged` when nothing at all can be read in it."""
    salvage = Salvage(open_reader(path, damaged=True), path)
    if not salvage.leads_anywhere():
        salvage.close()
        raise Damaged("nothing at all can be read in it", where=str(path), remedy="Name another file.")
    return salvage


def left_in(path: Path) -> int | None:
    """How many points wait in a file at least; None when nothing can be read in it."""
    try:
        with closing(open_salvage(path)) as salvage:
            return salvage.points()
    except IngestError:
        return None


def _typed(row: Values, columns: Collection[str]) -> bool:
    return all(isinstance(value, _TYPES.get(name, int)) for value, name in zip(row, columns, strict=True))


def _in_order(ids: array[int]) -> array[int]:
    """The table leads to them in order, and an index of one home and store, too: a sorted list would take four times as much."""
    return ids if all(map(lt, ids, islice(ids, 1, None))) else array("q", sorted(ids))


def _positive(row: Values) -> int:
    """The number in it, where one can be believed."""
    return row[0] if isinstance(row[0], int) and row[0] > 0 else 0
