"""From a state file that is set aside into the new one: the ledger, as far as it can be read.

Damage ends a scan where it meets it, so each table is read from both its ends. What lies between is not passed over in
silence: spans that a gap should have count as not to be had, and spans whose gap cannot be read make a gap of their own.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any, Final, TypeAlias

from ingest.core.coverage import FOREVER, Cause, Gap, Progress, Span
from ingest.core.ledger import Opening
from ingest.edge.ledger_bounds import BOUND
from ingest.edge.ledger_marks import doubt_marks, fold_all, is_packed
from ingest.edge.ledger_rows import GAP, SPAN, count_anew, finish, gap_of, named, open_gap
from ingest.edge.spool_rows import Key
from ingest.edge.sqlite import Connection, open_reader, ours, transaction, translated
from ingest.errors import IngestError

DAMAGED: Final = "the state file was damaged"
NOT_BROUGHT: Final = "some of what waited cannot be read: the damaged state file is kept beside the new one"

TABLES: Final = (
    ("mark", "home, store, registry_id, entity_id, time_ns, first_ns", "home, store, registry_id"),
    ("moved", "id, home, store, marks", "id"),
    ("coverage", "home, store, since_ns, heard_ns, stopped", "home, store"),
    ("unmarked", "home, store, since_ns", "home, store"),
    ("gap", f"home, store, {GAP}, folded", "id"),
    ("span", f"gap_id, {SPAN}, filled, had, why", "id"),
)
"""Each with its columns, and those that it is sorted by."""

NUMBERS: Final = frozenset(
    {"id", "gap_id", "time_ns", "first_ns", "done_ns", "found", "from_ns", "to_ns", "after_ns", "before_ns", "since_ns"}
    | {"heard_ns", "stopped", "spans", "unsettled", "filled", "had", "folded", "oldest_ns", "newest_ns", "count"}
)
PACKED: Final = "marks"
"""The column whose values are no texts, either."""

CHOICES: Final = {"cause": {named(each) for each in Cause}, "progress": {each.value for each in Progress}}

_ORPHANS: Final = """
SELECT mark.home, mark.store, gap_id, span.entity_id, registry_id, after_ns, before_ns FROM span LEFT JOIN mark USING (registry_id)
WHERE filled IS NULL AND gap_id NOT IN (SELECT id FROM gap) ORDER BY span.id
"""
_HOMES: Final = " UNION ".join(f"SELECT home, store FROM {each}" for each in ("account", "coverage", "mark", "gap"))  # noqa: S608

Values: TypeAlias = tuple[Any, ...]


def carry_ledger_over(source: Path, connection: Connection, path: Path, *, missing: str) -> None:
    """Fill the ledger of the new file at `path`, after its accounts.

    `missing`: why not all batches came over, too; empty when they did. Raises what `translated` says of the new file.
    """
    try:
        reader = open_reader(source, damaged=True)
    except IngestError:
        return
    with closing(reader), translated(path), transaction(connection):
        for table, known, order in TABLES:
            columns = _there(reader, source, table, known)
            marks = ", ?" * columns.count(",")
            connection.executemany(
                f"INSERT OR IGNORE INTO {table} ({columns}) VALUES (?{marks})",  # noqa: S608  constants
                _rows(reader, source, table, columns, order),
            )
        fold_all(connection)
        # Marks may be missing of what was stored since the old file's account began.
        connection.execute("INSERT OR IGNORE INTO unmarked SELECT home, store, since_ns FROM account")
        _complete(connection)
        _adopt(connection)
        if missing:
            _tell_of_batches(reader, source, connection, missing)


def _there(reader: Connection, source: Path, table: str, columns: str) -> str:
    """The columns that the old file has: an earlier version has fewer, and what a new one begins with does for the others."""
    with suppress(IngestError), ours(source):
        found = {name for (name,) in reader.execute("SELECT name FROM pragma_table_info(?)", (table,))}
        return ", ".join(each for each in columns.split(", ") if each in found) or columns
    return columns


def _rows(reader: Connection, source: Path, table: str, columns: str, order: str) -> Iterator[Values]:
    """From the beginning; when that breaks off, from the end as well."""
    names, falling = columns.split(", "), ", ".join(f"{each} DESC" for each in order.split(", "))
    for direction in (order, falling):
        try:
            with ours(source):
                for row in reader.execute(f"SELECT {columns} FROM {table} ORDER BY {direction}"):  # noqa: S608  constants
                    if all(map(_sound, names, row)):
                        yield row
                return
        except IngestError:
            continue


def _sound(name: str, value: object) -> bool:
    if name == "filled" and value is None:
        return True
    if name == PACKED:
        return is_packed(value)
    if name in CHOICES:
        return value in CHOICES[name]
    return isinstance(value, int if name in NUMBERS else str)


def _complete(connection: Connection) -> None:
    """Of gaps that are not settled: in the place of spans that cannot be read, some that cannot be filled."""
    for row in connection.execute(f"SELECT {GAP} FROM gap WHERE progress IN ('open', 'filling')").fetchall():  # noqa: S608
        gap = gap_of(row)
        there, done, filled = connection.execute(
            "SELECT count(*), count(filled), coalesce(sum(coalesce(filled, had)), 0) FROM span WHERE gap_id = ?",
            (gap.id,),
        ).fetchone()
        lost = max(0, gap.left - (there - done))
        _stand_in(connection, gap, lost, DAMAGED, 0)
        if (more := gap.spans - there - lost) > 0:
            _stand_in(connection, gap, 1, "", max(0, gap.filled - filled))
            _stand_in(connection, gap, more - 1, "", 0)
        count_anew(connection, gap.id)
        finish(connection, gap.id)


def _stand_in(connection: Connection, gap: Gap, count: int, why: str, filled: int) -> None:
    values = (gap.id, "", "", gap.from_ns, gap.to_ns, filled, why)
    connection.executemany(
        "INSERT INTO span (gap_id, entity_id, registry_id, after_ns, before_ns, filled, why)"
        " VALUES (?, ?, ?, ?, ?, ?, ?)",
        [values] * min(count, BOUND.spans),
    )


def _adopt(connection: Connection) -> None:
    """Spans whose gap cannot be read make one of their own; whose they are, their entity's mark tells, or that one home is all.

    Where neither does, as of an import of what is not stored yet, each home that there is has a gap of them that nothing fills.
    """
    homes = [Key(home, store) for home, store in connection.execute(_HOMES).fetchall()]
    alone = homes[0] if len(homes) == 1 else None
    found: defaultdict[tuple[Key | None, int], list[Span]] = defaultdict(list)
    for home, store, gap_id, *span in connection.execute(_ORPHANS):
        found[alone if home is None else Key(home, store), gap_id].append(Span(*span))
    connection.execute("DELETE FROM span WHERE gap_id NOT IN (SELECT id FROM gap)")
    for (key, _), spans in found.items():
        first, last = min(each.after_ns for each in spans), max(map(_known_end, spans))
        for whose in homes if key is None else [key]:
            open_gap(connection, whose, Opening(Cause.UNREADABLE, first, last, spans, DAMAGED if key is None else ""))


def _known_end(span: Span) -> int:
    """Of one that has no end yet its beginning is all that is known: its gap may have ended long ago."""
    return span.before_ns if span.before_ns < FOREVER else span.after_ns


def _tell_of_batches(reader: Connection, source: Path, connection: Connection, why: str) -> None:
    """What waited there is not here, or not all of it: nobody may believe that it is stored."""
    for key, (oldest_ns, newest_ns) in _waited(reader, source, connection).items():
        doubt_marks(connection, key, oldest_ns, newest_ns)
        open_gap(connection, key, Opening(Cause.UNREADABLE, oldest_ns, newest_ns, why=why))


def _waited(reader: Connection, source: Path, connection: Connection) -> dict[Key, tuple[int, int]]:
    """Of what times the batches were. Where damage hides some of them, it may be all that is known of the home."""
    known = {
        Key(home, store): (since_ns, newest_ns)
        for home, store, since_ns, newest_ns in connection.execute(
            "SELECT home, store, since_ns, max(heard_ns, coalesce(max(time_ns), 0)) FROM coverage"
            " LEFT JOIN mark USING (home, store) GROUP BY home, store"
        )
    }
    found: dict[Key, tuple[int, int]] = {}
    if not _is_readable(reader, source, "SELECT id FROM batch NOT INDEXED ORDER BY id LIMIT 1"):
        return known  # those before the first that is found are lost
    rows = _rows(reader, source, "batch", "home, store, oldest_ns, newest_ns, count", "id")
    for home, store, oldest_ns, newest_ns, _ in rows:
        first, last = found.get(Key(home, store), (oldest_ns, newest_ns))
        found[Key(home, store)] = min(first, oldest_ns), max(last, newest_ns)
    if _is_readable(reader, source, "SELECT max(newest_ns) FROM batch NOT INDEXED"):
        return found
    return {
        key: (min(found.get(key, times)[0], times[1]), max(found.get(key, times)[1], times[1]))
        for key, times in known.items()
    }


def _is_readable(reader: Connection, source: Path, query: str) -> bool:
    try:
        with ours(source):
            reader.execute(query).fetchall()
    except IngestError:
        return False
    return True
