"""Looking for damage in a state file at the start: what would be met at every start, or never, must be met here."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from ingest.core.words import counted
from ingest.edge.ledger_carry import CHOICES, NUMBERS, PACKED, TABLES
from ingest.edge.ledger_marks import is_packed
from ingest.edge.spool_around import DAMAGED, unsound
from ingest.edge.sqlite import Connection, Damaged, ours, translated

_LOOK: Final = (
    "SELECT sum(count), sum(size) FROM batch",
    "SELECT count(*) FROM batch INDEXED BY batch_of",
    "SELECT home, store, line, reason FROM dead_letter",
    "SELECT home, store, name, value FROM total",
    "SELECT home, store FROM account",
    "SELECT name, value FROM meta",
)
"""A text is read: what its bytes say is not looked at before."""

_NOT_PLAIN: Final = "'*[^ -~]*'"

_LOOK_AT_LEDGER: Final = (
    "SELECT max(time_ns) FROM mark",
    "SELECT max(instr(marks, x'00')) FROM moved",  # reads it all, as its length does not
    "SELECT sum(spans) FROM gap",
    "SELECT count(*) FROM gap INDEXED BY gap_of",
    "SELECT max(before_ns) FROM span",
    "SELECT count(*) FROM span INDEXED BY span_of",
    "SELECT count(*) FROM span INDEXED BY span_from",
    "SELECT max(heard_ns) FROM coverage",
    "SELECT max(since_ns) FROM unmarked",
    "SELECT max(instr(payload, x'00')) FROM catalog",
)


def look_through(connection: Connection) -> None:
    """Every row is found, without reading its payload: damage that is met only later would be met at every start.

    Raises what SQLite does.
    """
    for statement in _LOOK:
        for _ in connection.execute(statement):
            pass


def damage(connection: Connection, path: Path) -> str:
    """What is wrong with a file that opens; empty when nothing is. Raises `Transient` or `Refused`."""
    try:
        return (
            _mark(connection, path)
            or unsound(connection, path)
            or _broken_ledger(connection, path)
            or _unsound_ledger(connection, path)
        )
    except Damaged as error:
        return error.what


def _mark(connection: Connection, path: Path) -> str | None:
    """Why the last run found that the file is damaged."""
    with translated(path):
        row = connection.execute("SELECT value FROM meta WHERE name = ?", (DAMAGED,)).fetchone()
    return None if row is None else str(row[0])


def _broken_ledger(connection: Connection, path: Path) -> str | None:
    """Why the ledger cannot be read: the batches beside it can, so nothing need be set aside with them."""
    try:
        with ours(path):
            for statement in _LOOK_AT_LEDGER:
                connection.execute(statement).fetchall()
    except Damaged as error:
        return error.what
    return None


def _unsound_ledger(connection: Connection, path: Path) -> str:
    """That the ledger has rows which nobody wrote so, or texts that are none. Raises what `ours` says."""
    wrong = 0
    for table, known, _ in TABLES:
        columns = known.split(", ")
        texts = [each for each in columns if each not in NUMBERS and each != PACKED]
        sound, told = " AND ".join(map(_sound, columns)), " || ".join(texts)
        # Nearly every text is plain ASCII, which SQLite sees much faster than Python reads a row.
        query = f"SELECT {', '.join(texts)}, NOT ({sound}) FROM {table} WHERE NOT ({sound}) OR {told} GLOB {_NOT_PLAIN}"  # noqa: S608  constants
        with ours(path):
            wrong += sum(found for *_, found in connection.execute(query))
    with ours(path):
        wrong += sum(not is_packed(value) for (value,) in connection.execute("SELECT marks FROM moved"))
    return f"{counted(wrong, 'row')} of the ledger cannot be what was written" if wrong else ""


def _sound(column: str) -> str:
    """True of a value as it was written; a span that is not settled has nothing in `filled`."""
    if column in CHOICES:
        return f"{column} IN ({', '.join(map(repr, sorted(CHOICES[column])))})"
    if column == PACKED:
        return f"typeof({column}) = 'blob'"
    kinds = ("integer", "null") if column == "filled" else ("integer",) if column in NUMBERS else ("text",)
    return f"typeof({column}) IN ({', '.join(map(repr, kinds))})"
