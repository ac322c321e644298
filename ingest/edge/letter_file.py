"""Dead letters in the state file: blocking functions on one connection, each one transaction.

A letter is a line that its store named and refused, or the JSON of a change that broke a pure function; with it stand
the words that refused it. Only lines can be sent again.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final

from attrs import frozen

from ingest.core.sealing import resealed
from ingest.core.store import Batch
from ingest.edge.spool_rows import Key
from ingest.edge.spool_succession import insert
from ingest.edge.sqlite import Connection, transaction, translated
from ingest.errors import Refused

_COLUMNS: Final = "id, home, store, at_ns, line, reason"

_ADD: Final = "INSERT INTO dead_letter (home, store, at_ns, line, reason) VALUES (?, ?, ?, ?, ?) ON CONFLICT"

# Of every letter its place and what it and the newer ones take, counted from the newest.
_EXCESS: Final = """
SELECT id FROM (
    SELECT id, row_number() OVER newer AS place,
        sum(length(CAST(line AS BLOB)) + length(CAST(reason AS BLOB))) OVER newer AS size
    FROM dead_letter WINDOW newer AS (ORDER BY id DESC)
) WHERE place > 1 AND (place > ? OR size > ?)
"""

# No id is given twice, so that what comes is above what was there.
_USAGE: Final = """
SELECT count(*), coalesce(sum(length(CAST(line AS BLOB)) + length(CAST(reason AS BLOB))), 0), coalesce(max(id), ?1)
FROM dead_letter WHERE id > ?1
"""


@frozen
class Bound:
    """How many letters, and how many bytes of them, are kept at most; the newest is kept whatever its size."""

    letters: int = 10_000
    size: int = 16 * 1024 * 1024


@frozen
class Letter:
    """One dead letter. `at_ns` is when it was refused; `id` is 0 until it is in the file."""

    id: int
    home: str
    store: str
    at_ns: int
    line: str
    reason: str

    @property
    def is_line(self) -> bool:
        """It is line protocol, which ends in its time, not the JSON of a change. A unit, hence a line, may begin as that does."""
        time = self.line.rpartition(" ")[2].removeprefix("-")
        return time.isascii() and time.isdecimal()

    @property
    def summary(self) -> str:
        """The reason in one line; of a traceback the last."""
        return self.reason.strip().rpartition("\n")[2]

    @property
    def size(self) -> int:
        """Characters of the line and of the reason: what it weighs against the bound."""
        return len(self.line) + len(self.reason)


@frozen
class Usage:
    """How many letters there are, of every home and store, and their bytes. None has an id above `newest`."""

    letters: int
    size: int
    newest: int

    def over(self, bound: Bound) -> bool:
        """One of them would have to go."""
        return self.letters > 1 and (self.letters > bound.letters or self.size > bound.size)


@frozen
class Letters:
    """Every home's and store's letters. Every method may raise what `translated` says."""

    connection: Connection
    path: Path
    bound: Bound = Bound()

    def add(self, letters: Iterable[Letter]) -> int:
        """Write letters, one a line: the same line again brings its latest reason. Returns how many old ones went."""
        with translated(self.path), transaction(self.connection):
            latest = f"{_ADD} DO UPDATE SET at_ns = excluded.at_ns, reason = excluded.reason"
            self.connection.executemany(latest, map(_row, letters))
            excess = self.connection.execute(_EXCESS, (self.bound.letters, self.bound.size)).fetchall()
            self.connection.executemany("DELETE FROM dead_letter WHERE id = ?", excess)
        return len(excess)

    def bring(self, letters: Iterable[Letter], used: Usage | None = None) -> tuple[int, Usage]:
        """Add those that are not there; returns how many, and what is used then: for the next call, if nobody else writes.

        Without `used` all that are there are counted. Raises `Refused` when another would have to go for one.
        """
        with translated(self.path), transaction(self.connection):
            used = used or self._usage()
            self.connection.executemany(f"{_ADD} DO NOTHING", map(_row, letters))
            came = self._usage(used.newest)
            now = Usage(used.letters + came.letters, used.size + came.size, came.newest)
            if came.letters and now.over(self.bound):
                remedy = (
                    "Send some of those that are there (`homeiq-ingest dead-letters retry`), and run this again: nothing is "
                    "brought twice. Until then those letters are in the other file alone: keep it."
                )
                raise Refused("there is no room for more dead letters", where=str(self.path), remedy=remedy)
        return came.letters, now

    def _usage(self, above: int = 0) -> Usage:
        """Of the letters with a greater id."""
        return Usage(*self.connection.execute(_USAGE, (above,)).fetchone())

    def listed(self, store: str | None = None) -> Iterator[Letter]:
        """The letters of one store or of all, the oldest first."""
        with translated(self.path):
            for row in self.connection.execute(
                f"SELECT {_COLUMNS} FROM dead_letter WHERE ?1 IS NULL OR store = ?1 ORDER BY id",  # noqa: S608  constants
                (store,),
            ):
                yield Letter(*row)

    def newest(self, most: int) -> list[Letter]:
        """The letters that came last, the newest first."""
        query = f"SELECT {_COLUMNS} FROM dead_letter ORDER BY id DESC LIMIT ?"  # noqa: S608  constants
        with translated(self.path):
            return [Letter(*row) for row in self.connection.execute(query, (most,))]

    def count(self) -> int:
        """How many letters the file has, of every home and store. Raises `Transient` or `Refused`."""
        with translated(self.path):
            return int(self.connection.execute("SELECT count(*) FROM dead_letter").fetchone()[0])

    def find(self, letter_id: int) -> Letter | None:
        """The letter with that id, of any home and store; None when it is not there. Raises `Transient` or `Refused`."""
        with translated(self.path):
            row = self.connection.execute(
                f"SELECT {_COLUMNS} FROM dead_letter WHERE id = ?",  # noqa: S608  constants
                (letter_id,),
            ).fetchone()
        return Letter(*row) if row else None

    def put_back(self, key: Key, letters: Sequence[Letter], now_ns: int) -> Batch[bytes]:
        """Into the spool as one new batch, which is returned, and out of here; or neither. All must be lines."""
        batch = resealed([each.line.encode() for each in letters])
        with translated(self.path), transaction(self.connection):
            insert(self.connection, key, batch, now_ns)
            self.connection.executemany("DELETE FROM dead_letter WHERE id = ?", [(each.id,) for each in letters])
        return batch


def _row(letter: Letter) -> tuple[str, str, int, str, str]:
    return letter.home, letter.store, letter.at_ns, _sayable(letter.line), _sayable(letter.reason)


def _sayable(text: str) -> str:
    """A lone surrogate, which UTF-8 cannot say, becomes `?`."""
    return text.encode("utf-8", "replace").decode()
