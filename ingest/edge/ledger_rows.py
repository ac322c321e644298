"""The ledger's rows in the state file: blocking functions in the transaction of their caller.

A gap carries counts of its spans, so that nobody has to count them: `open_gap` counts anew, `settle` counts down.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Sequence
from typing import Any, Final

from ingest.core.coverage import Cause, Gap, Note, Progress, Settled, Span
from ingest.core.ledger import Opening, outcome
from ingest.edge.ledger_filtered import leave_out
from ingest.edge.ledger_marks import know_from, move_marks
from ingest.edge.ledger_spans import add_spans, has_grown
from ingest.edge.spool_rows import Key
from ingest.edge.sqlite import Connection, Damaged

GAP: Final = "id, cause, from_ns, to_ns, progress, why, spans, unsettled, filled"
SPAN: Final = "entity_id, registry_id, after_ns, before_ns, id, done_ns, found"

NEAR_NS: Final = 60 * 10**9
"""Gaps of what a spool dropped, and others for which nothing can be had, are one when there is no more between them."""

SPANS: Final = 20_000
"""With so many spans a gap of what a spool dropped takes in no more: where the ledger is full the oldest go, not all of them."""

FULL: Final = " gaps are told in one: the ledger was full"

_TOUCHING = """
SELECT id FROM gap
WHERE home = ? AND store = ? AND cause = ? AND progress IN ('open', 'filling') AND from_ns <= ? AND to_ns >= ?
AND (? < 0 OR spans < ?) ORDER BY id
"""
_ALIKE = """
SELECT id FROM gap
WHERE home = ? AND store = ? AND cause = ? AND why = ? AND progress = 'unfillable' AND spans = 0
AND from_ns <= ? AND to_ns >= ? ORDER BY id DESC LIMIT 1
"""
_NEW_GAP = """
INSERT INTO gap (home, store, cause, from_ns, to_ns, progress, why, spans, unsettled, filled)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, 0, 0) RETURNING id
"""
_READ_UNTIL = "UPDATE span SET done_ns = ?, found = ? WHERE id = ? AND filled IS NULL AND done_ns < ?"
_COUNT = """
UPDATE gap SET (spans, unsettled, filled) = (
    SELECT count(*), count(*) - count(span.filled), coalesce(sum(coalesce(span.filled, span.had)), 0) FROM span WHERE gap_id = gap.id
) WHERE id = ?
"""


def write_note(connection: Connection, key: Key, note: Note) -> list[Gap]:
    """What has become true: marks move, spans are found and settled. Returns the gaps that this changed."""
    move_marks(connection, key, note.marks)
    opened = [open_gap(connection, key, Opening.of(missed)) for missed in note.missed]
    settled = settle(connection, note.settled)
    return [*settled, *gaps_of(connection, set(opened) - {gap.id for gap in settled})]


def settle(connection: Connection, settled: Iterable[Settled]) -> list[Gap]:
    """These spans are done, each once, or until a time; returns their gaps, as far along as they are now."""
    came: defaultdict[int, list[int]] = defaultdict(list)
    for each in settled:
        if each.until_ns is not None:
            done = (each.until_ns, each.filled, each.span_id, each.until_ns)
            connection.execute(_READ_UNTIL, done)
            continue
        if has_grown(connection, each):
            continue
        row = connection.execute(
            "UPDATE span SET filled = max(?, had), why = ?, done_ns = max(done_ns, ?) WHERE id = ? AND filled IS NULL"
            " RETURNING gap_id, filled - had",
            (each.filled, each.why, each.read_ns, each.span_id),
        ).fetchall()
        for gap_id, more in row:
            came[gap_id].append(more)
            know_from(connection, each.span_id)
    for gap_id, filled in came.items():
        connection.execute(
            "UPDATE gap SET unsettled = unsettled - ?, filled = filled + ?, progress = 'filling' WHERE id = ?",
            (len(filled), sum(filled), gap_id),
        )
        finish(connection, gap_id)
    return gaps_of(connection, came)


def open_gap(connection: Connection, key: Key, opening: Opening) -> int:
    """Write a gap down and return its id; it grows into the unsettled ones of its cause that it touches."""
    if opening.cause is Cause.SEVERAL:
        return tell_in_one(connection, key, opening)
    if opening.cause is Cause.FILTERED:
        return leave_out(connection, key, opening)
    if opening.why:
        return _unfillable(connection, key, opening)
    whose = (key.home, key.store, named(opening.cause))
    near_ns, most = (NEAR_NS, SPANS) if opening.cause is Cause.EVICTED else (0, -1)
    times = opening.to_ns + near_ns, opening.from_ns - near_ns
    touching = connection.execute(_TOUCHING, (*whose, *times, most, most)).fetchall()
    ids: list[int] = [gap_id for (gap_id,) in touching] or [_new(connection, key, opening, Progress.OPEN)]
    for other in ids[1:]:
        _merge(connection, ids[0], other)
    _widen(connection, ids[0], opening.from_ns, opening.to_ns)
    add_spans(connection, key, ids[0], opening)
    count_anew(connection, ids[0])
    finish(connection, ids[0])
    return ids[0]


def count_anew(connection: Connection, gap_id: int) -> None:
    """Count the spans of a gap that is not settled: all of them are there."""
    connection.execute(_COUNT, (gap_id,))


def tell_in_one(connection: Connection, key: Key, opening: Opening, spans: int = 0, filled: int = 0) -> int:
    """Add to the one gap that stands for many, and return its id. Nothing fills it."""
    row = connection.execute(
        "SELECT id FROM gap WHERE home = ? AND store = ? AND cause = ?", (key.home, key.store, named(Cause.SEVERAL))
    ).fetchone()
    gap_id = int(row[0]) if row else _new(connection, key, opening, Progress.UNFILLABLE)
    _widen(connection, gap_id, opening.from_ns, opening.to_ns)
    connection.execute(
        "UPDATE gap SET spans = spans + ?, filled = filled + ?, folded = folded + ?, why = (folded + ?) || ? WHERE id = ?",
        (spans, filled, opening.gaps, opening.gaps, FULL, gap_id),
    )
    return gap_id


def finish(connection: Connection, gap_id: int) -> None:
    """When nothing of it is left, say what became of it."""
    (gap,) = gaps_of(connection, [gap_id])
    if gap.left:
        return
    reasons = connection.execute(
        "SELECT why, count(*) FROM span WHERE gap_id = ? AND why <> '' GROUP BY why", (gap_id,)
    ).fetchall()
    progress, why = outcome(gap.spans, gap.filled, Counter(dict(reasons)))
    connection.execute("UPDATE gap SET progress = ?, why = ? WHERE id = ?", (progress.value, why, gap_id))


def gaps_of(connection: Connection, ids: Iterable[int]) -> list[Gap]:
    """The gaps with these ids, in their order; ids that are not there are left out. Raises `Damaged`."""
    one = f"SELECT {GAP} FROM gap WHERE id = ?"  # noqa: S608  constants
    return [gap_of(row) for each in ids for row in connection.execute(one, (each,)).fetchall()]


def all_gaps(connection: Connection, key: Key) -> list[Gap]:
    """All gaps of a home's store, the oldest first. Raises `Damaged` for rows that nobody wrote so."""
    rows = connection.execute(
        f"SELECT {GAP} FROM gap WHERE home = ? AND store = ? ORDER BY from_ns, id",  # noqa: S608  constants
        (key.home, key.store),
    )
    return [gap_of(row) for row in rows]


def spans_left(connection: Connection, gap_id: int, most: int, but: Collection[int]) -> list[Span]:
    """The first spans of a gap that are not settled, without those in `but`."""
    left: list[Span] = []
    # Sorted out here, not in SQL: a statement's parameters are limited.
    query = f"SELECT {SPAN} FROM span WHERE gap_id = ? AND filled IS NULL ORDER BY id"  # noqa: S608  constants
    for row in connection.execute(query, (gap_id,)):
        if len(left) >= most:
            break
        if row[4] not in but:
            left.append(Span(*row))
    return left


def gap_of(row: Sequence[Any]) -> Gap:
    """A row as a value. Raises `Damaged` when nobody wrote it so."""
    gap_id, cause, from_ns, to_ns, progress, *rest = row
    try:
        return Gap(gap_id, Cause[cause.upper()], from_ns, to_ns, Progress(progress), *rest)
    except (AttributeError, KeyError, ValueError) as error:
        remedy = "Start the service again: it begins a new state file, with what is sound in this one."
        raise Damaged(f"gap {gap_id} cannot be what was written", where="the ledger", remedy=remedy) from error


def named(cause: Cause) -> str:
    """As a cause is written: its sentence may be put better one day."""
    return cause.name.lower()


def _unfillable(connection: Connection, key: Key, opening: Opening) -> int:
    """What goes on for days, such as a spool that is full, is one gap, as long as nobody can say whose states they were."""
    whose = (key.home, key.store, named(opening.cause), opening.why, opening.to_ns + NEAR_NS, opening.from_ns - NEAR_NS)
    for (gap_id,) in () if opening.spans else connection.execute(_ALIKE, whose).fetchall():
        _widen(connection, gap_id, opening.from_ns, opening.to_ns)
        return int(gap_id)
    return _new(connection, key, opening, Progress.UNFILLABLE)


def _new(connection: Connection, key: Key, opening: Opening, progress: Progress) -> int:
    values = (
        key.home, key.store, named(opening.cause), opening.from_ns, opening.to_ns, progress.value, opening.why,
        len(opening.spans),
    )  # fmt: skip
    gap_id: int = connection.execute(_NEW_GAP, values).fetchall()[0][0]
    return gap_id


def _merge(connection: Connection, into: int, other: int) -> None:
    """Spans keep their ids: somebody may be filling them."""
    (gone,) = gaps_of(connection, [other])
    _widen(connection, into, gone.from_ns, gone.to_ns)
    if gone.progress is Progress.FILLING:
        connection.execute("UPDATE gap SET progress = 'filling' WHERE id = ?", (into,))
    connection.execute("UPDATE span SET gap_id = ? WHERE gap_id = ?", (into, other))
    connection.execute("DELETE FROM gap WHERE id = ?", (other,))


def _widen(connection: Connection, gap_id: int, from_ns: int, to_ns: int) -> None:
    connection.execute(
        "UPDATE gap SET from_ns = min(from_ns, ?), to_ns = max(to_ns, ?) WHERE id = ?", (from_ns, to_ns, gap_id)
    )
