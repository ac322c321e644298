"""The ledger's marks in the state file: blocking functions, those that write in the transaction of their caller.

    note ──▶ moved: one row for all that moved together ──many, or somebody changes rows──▶ mark: a row for each entity

A row for each mark that moves would be a page of the disk for nearly each. So what moved together is one value, and is
folded into the rows seldom. Whoever reads marks reads both; whoever changes rows in another way folds first.

That many values are folded is no part of the batch whose value was the last: a file that has no room for rows of who is
new takes batches all the same, and leaves the values where they are, for a while.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from ingest.core.coverage import MICROSECOND, TURNED_BACK, Mark
from ingest.core.importing import BETWEEN
from ingest.core.marks import REMOVED, UNKNOWN
from ingest.core.moved import Move, Moves, Row, as_marks, moves_of, packed, unpacked
from ingest.edge.spool_around import DAMAGED
from ingest.edge.spool_rows import Key
from ingest.edge.sqlite import Connection, Damaged, transaction, translated
from ingest.errors import IngestError, Transient

NOT_KNOWN: Final = -1
"""In the place of a mark's time: nothing of the entity is stored, but it was asked for."""

OFTEN: Final = 32
"""With every so many values that wait somebody looks whether they are to be folded: at each, that would be looking at them all."""

FOR_A_ROW: Final = 120
"""Bytes of them for each row that is there, with which they are: two to four moves of an entity then become one row.

In a small home that is with the first look. In a large one 32 values may be 3,000 marks of nearly as many entities.
"""

MOST: Final = 256
"""Values with which they are in any case."""

SIZE: Final = 2 * 1024 * 1024
"""Bytes of them, too: who starts reads them all, who folds holds them in memory."""

UNFOLDED: Final = 2 * MOST
"""Values that may wait where folding fails. Then marks go into their rows at once, and a batch whose marks cannot is refused."""

LARGEST: Final = 256 * 1024
"""Bytes of one at most, several thousand marks; more marks go into their rows at once."""

TOGETHER: Final = 1_000
"""Rows that are written before somebody looks at the clock again."""

_MARK: Final = """
INSERT INTO mark (home, store, registry_id, entity_id, time_ns, first_ns) VALUES (?, ?, ?, ?, ?, ?)
ON CONFLICT DO UPDATE SET
    time_ns = excluded.time_ns, entity_id = excluded.entity_id, first_ns = min(first_ns, excluded.first_ns)
WHERE excluded.time_ns >= mark.time_ns
"""
_TURNED_BACK: Final = _MARK.partition("WHERE")[0]
_NOBODYS: Final = "DELETE FROM mark WHERE home = ? AND store = ? AND registry_id = ? AND time_ns <= ?"
STATE: Final = f"(time_ns - iif(time_ns % {MICROSECOND} = {REMOVED}, {REMOVED}, 0))"  # `state_ns`, in SQL
DOUBT: Final = f"UPDATE mark SET time_ns = {STATE} - 1 WHERE home = ? AND store = ?"  # noqa: S608  constants
IS_KNOWN: Final = f"time_ns % {MICROSECOND} NOT IN ({UNKNOWN}, {MICROSECOND - 1})"
_DOUBTED: Final = f"{DOUBT} AND {STATE} BETWEEN ? AND ? AND {IS_KNOWN}"
# What was imported is known from the import's beginning on: it is not asked for again. No state need be there.
_KNOWN_FROM: Final = f"""
INSERT INTO mark (home, store, registry_id, entity_id, time_ns, first_ns)
SELECT home, store, registry_id, entity_id, {NOT_KNOWN}, after_ns + 1 - {BETWEEN} FROM span JOIN gap ON gap.id = gap_id
WHERE span.id = ? AND cause = 'imported'
ON CONFLICT DO UPDATE SET first_ns = min(first_ns, excluded.first_ns)
"""  # noqa: S608  a constant
_MOVED: Final = "INSERT INTO moved (home, store, marks) VALUES (?, ?, ?)"
_WAITING: Final = "SELECT coalesce((SELECT max(id) FROM moved) - (SELECT min(id) FROM moved) + 1, 0)"
_SIZES: Final = "SELECT (SELECT total(length(marks)) FROM moved), (SELECT count(*) FROM mark)"
# One statement, because a reader has no transaction: between two of them marks could be folded.
_BOTH: Final = """
SELECT NULL, registry_id, entity_id, time_ns, first_ns FROM mark WHERE home = ?1 AND store = ?2
UNION ALL SELECT id, marks, NULL, NULL, NULL FROM moved WHERE home = ?1 AND store = ?2
"""


def move_marks(connection: Connection, key: Key, marks: Sequence[Mark]) -> None:
    """Marks move, never backwards. Those without an entity go, but for an id that came back since."""
    if not marks:
        return
    value = packed(marks)
    if len(value) > LARGEST or _waiting(connection) >= UNFOLDED:
        move_at_once(connection, key, marks)
        return
    connection.execute(_MOVED, (key.home, key.store, value))


def move_at_once(connection: Connection, key: Key, marks: Sequence[Mark]) -> None:
    """As `move_marks`, into the rows: what waits in the file is no more than before."""
    if not marks:
        return
    fold(connection, key)
    moves = Moves()
    moves.add(moves_of(marks))
    _write(connection, key, moves)


def fold(connection: Connection, key: Key, within: float = math.inf) -> None:
    """Everything that moved is in the rows now. Raises `Transient` when that takes longer than so many seconds.

    A value that is not what was written goes, and the file says that it is damaged. The marks before it are right, only
    older: nothing that is missing is taken for stored, and neither a gap nor a batch has to wait for the next start.
    """
    end, whose = time.monotonic() + within, (key.home, key.store)
    moves, last, damage = Moves(), None, ""
    for last, value in connection.execute(
        "SELECT id, marks FROM moved WHERE home = ? AND store = ? ORDER BY id", whose
    ):
        try:
            moves.add(_unpacked(last, value))
        except Damaged as error:
            damage = error.what
    if last is not None:
        # First, because rows that are new then take the pages of the values: the file may be at its limit.
        connection.execute("DELETE FROM moved WHERE home = ? AND store = ?", whose)
        _write(connection, key, moves, end)
    if damage:
        connection.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (DAMAGED, damage))


def fold_all(connection: Connection) -> None:
    """As `fold`, for every home and store."""
    for home, store in connection.execute("SELECT DISTINCT home, store FROM moved").fetchall():
        fold(connection, Key(home, store))


def fold_many(connection: Connection, path: Path) -> None:
    """Where many wait, in every home and store, they are folded: in a transaction of its own, after that of the last.

    Where that fails, for want of room or else, they go on waiting, until `OFTEN` more have come. Raises `Damaged`.
    """
    with _failing_unheard(), translated(path):
        if _many(connection):
            with transaction(connection):
                fold_all(connection)


def make_room(connection: Connection, path: Path) -> None:
    """What waits is folded, for the pages that it has: rows that are there take none. Else as `fold_many`. Raises `Damaged`."""
    with _failing_unheard(), translated(path):
        if _waiting(connection):
            with transaction(connection):
                fold_all(connection)


@contextmanager
def _failing_unheard() -> Iterator[None]:
    """The batches that come meet the same, and tell of it; of damage only who reads what is damaged can."""
    try:
        yield
    except Damaged:
        raise
    except IngestError:
        return


def _waiting(connection: Connection) -> int:
    return int(connection.execute(_WAITING).fetchone()[0])


def _many(connection: Connection) -> bool:
    waiting = _waiting(connection)
    if not waiting or waiting % OFTEN:
        return False
    size, rows = connection.execute(_SIZES).fetchone()
    return waiting >= MOST or bool(size >= min(SIZE, FOR_A_ROW * rows))


def doubt_marks(connection: Connection, key: Key, oldest_ns: int, newest_ns: int) -> None:
    """States of that time were dropped: nobody may believe that they are stored, only that everything before them is."""
    fold(connection, key)
    connection.execute(_DOUBTED, (key.home, key.store, oldest_ns, newest_ns))


def know_from(connection: Connection, span_id: int) -> None:
    """That span is settled. When it was asked for by an import, its entity is known from the span's beginning on."""
    of = "SELECT home, store FROM gap JOIN span ON gap.id = gap_id WHERE span.id = ? AND cause = 'imported'"
    for whose in connection.execute(of, (span_id,)).fetchall():
        fold(connection, Key(*whose))
        connection.execute(_KNOWN_FROM, (span_id,))


def stored_marks(connection: Connection, key: Key) -> dict[str, Mark]:
    """What is known of every entity's states; `NOT_KNOWN` may stand for the newest time. For a reader, too.

    Raises `Damaged` where it cannot be read.
    """
    rows: dict[str, Row] = {}
    waiting: list[tuple[int, Any]] = []
    for number, registry_id, *row in connection.execute(_BOTH, (key.home, key.store)):
        if number is not None:
            waiting.append((number, registry_id))
        else:
            rows[registry_id] = Row(*row)
    moves = Moves()
    for each in sorted(waiting):
        moves.add(_unpacked(*each))
    moves.onto(rows)
    return as_marks(rows)


def is_packed(value: object) -> bool:
    """True of a value as `move_marks` writes it."""
    try:
        unpacked(value)
    except ValueError:
        return False
    return True


def _unpacked(number: int, value: object) -> Iterator[Move]:
    try:
        return unpacked(value)
    except ValueError as error:
        remedy = "Start the service again: it begins a new state file, with what is sound in this one."
        what = f"the marks that moved together as number {number} cannot be what was written"
        raise Damaged(what, where="the ledger", remedy=remedy) from error


def _write(connection: Connection, key: Key, moves: Iterable[Move], end: float = math.inf) -> None:
    """Nearly always these are rows that come or move only; where some go, what is of one name stays in its order.

    Raises `Transient` when it is not done at this `end` by the monotonic clock.
    """
    home, store = key.home, key.store
    together: list[tuple[str | int, ...]] = []
    for name, entity_id, time_ns, first_ns in moves:
        usual = entity_id and first_ns != TURNED_BACK
        if usual:
            together.append((home, store, name, entity_id, time_ns, first_ns))
            if len(together) < TOGETHER:
                continue
        connection.executemany(_MARK, together)
        together.clear()
        if not entity_id:
            connection.execute(_NOBODYS, (home, store, name, time_ns))
        elif not usual:
            connection.execute(_TURNED_BACK, (home, store, name, entity_id, time_ns, time_ns))
        if time.monotonic() > end:
            raise Transient("there is no more time for folding marks", where="the ledger")
    connection.executemany(_MARK, together)
