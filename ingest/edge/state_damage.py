"""Looking for damage in a state file at the start: what would be met at every start, or never, must be met here."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from ingest.edge.spool_around import unsound
from ingest.edge.spool_file import DAMAGED
from ingest.edge.sqlite import Connection, Damaged, ours, translated

_LOOK: Final = (
    "SELECT sum(count), sum(size) FROM batch",
    "SELECT count(*) FROM batch INDEXED BY batch_of",
    "SELECT sum(length(line)) FROM dead_letter",
    "SELECT sum(value) FROM total",
    "SELECT count(*) FROM account",
    "SELECT count(*) FROM meta",
)

_LOOK_AT_LEDGER: Final = (
    "SELECT max(time_ns) FROM mark",
    "SELECT sum(spans) FROM gap",
    "SELECT count(*) FROM gap INDEXED BY gap_of",
    "SELECT max(before_ns) FROM span",
    "SELECT count(*) FROM span INDEXED BY span_of",
    "SELECT count(*) FROM span INDEXED BY span_from",
    "SELECT max(heard_ns) FROM coverage",
    "SELECT max(since_ns) FROM unmarked",
    "SELECT max(instr(payload, x'00')) FROM catalog",  # reads it all, as its length does not
)


def look_through(connection: Connection) -> None:
    """Every row is found, without reading its payload: damage that is met only later would be met at every start.

    Raises what SQLite does.
    """
    for statement in _LOOK:
        connection.execute(statement).fetchall()


def damage(connection: Connection, path: Path) -> str:
    """What is wrong with a file that opens; empty when nothing is. Raises `Transient` or `Refused`."""
    try:
        return _mark(connection, path) or unsound(connection, path) or _broken_ledger(connection, path) or ""
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
