"""The ledger is bounded, and what does not fit into it never goes without a word.

Of filled gaps nothing is missing, so their spans go first, then they themselves; of the others that are settled the
spans. What is left then and does not fit is folded into one row, the oldest first, settled ones before open ones: it
says from when to when there were gaps, and how many. Nothing fills it.

A restart of Home Assistant is a gap with a span for nearly each entity, and they are filled within seconds. Whose they were
somebody may want to know of the newest; were they kept of all, the file would grow by them for a year.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from attrs import evolve, frozen

from ingest.core.coverage import MICROSECOND, Cause, Gap, Note, Progress
from ingest.core.ledger import LEFT, Opening
from ingest.core.marks import UNKNOWN
from ingest.edge.ledger_marks import fold, move_at_once
from ingest.edge.ledger_rows import all_gaps, open_gap, tell_in_one, write_note
from ingest.edge.spool_rows import Changed, Key
from ingest.edge.sqlite import Connection


@frozen
class Bound:
    """How much of a home's store is kept at most.

    `filled`: spans of gaps that opened by themselves and are filled, but for the newest of these, which keeps all of its own.
    """

    gaps: int = 1_000
    spans: int = 200_000
    marks: int = 100_000
    filled: int = 5_000


BOUND: Final = Bound()

# What was asked for by hand is looked at later on: an import says how far it is, and is not asked for again.
_FILLED: Final = """
SELECT id, (SELECT count(*) FROM span WHERE gap_id = gap.id) FROM gap
WHERE home = ? AND store = ? AND progress = 'filled' AND cause NOT IN ('imported', 'reopened', 'filtered')
ORDER BY from_ns DESC, id DESC
"""


def enter(connection: Connection, key: Key, bound: Bound, note: Note, openings: Sequence[Opening] = ()) -> Changed:
    """Write gaps and a note down and keep to the bounds, in the transaction of the caller; returns what that changed."""
    for opening in openings:
        open_gap(connection, key, opening)
    if not openings and not note.missed:
        return Changed(write_note(connection, key, note))
    # The bound of marks is one of rows: a value would be made only to be taken apart.
    move_at_once(connection, key, note.marks)
    write_note(connection, key, evolve(note, marks=()))
    # Counting a ledger's spans takes a while, and a spool that is full opens a gap with every batch: without any, where it
    # cannot be said whose states went.
    if any(each.spans for each in openings) or any(each.spans for each in note.missed):
        _keep_filled(connection, key, bound.filled)
        _keep_spans(connection, key, bound)
    gaps = _keep_gaps(connection, key, bound)
    _keep_marks(connection, key, bound.marks)
    return Changed(gaps, whole=True)


def keep(connection: Connection, key: Key, bound: Bound) -> None:
    """Bring the ledger back into its bounds, in the transaction of the caller."""
    _keep_filled(connection, key, bound.filled)
    _keep_spans(connection, key, bound)
    _keep_gaps(connection, key, bound)
    _keep_marks(connection, key, bound.marks)


def _keep_filled(connection: Connection, key: Key, most: int) -> None:
    """The counts of a gap stay: only whose spans they were is forgotten."""
    (all_spans,) = connection.execute("SELECT count(*) FROM span").fetchone()
    if all_spans <= most:
        return
    newer = 0
    for gap_id, spans in connection.execute(_FILLED, (key.home, key.store)).fetchall():
        if newer and spans and newer + spans > most:
            _delete_spans(connection, gap_id)
        newer += spans


def _keep_spans(connection: Connection, key: Key, bound: Bound) -> None:
    # Of all homes and stores together it is counted thirty times as fast, and nearly always there are few enough.
    (most,) = connection.execute("SELECT count(*) FROM span").fetchone()
    if most <= bound.spans:
        return
    counted = dict(
        connection.execute(
            "SELECT gap_id, count(*) FROM span JOIN gap ON gap.id = gap_id"
            " WHERE home = ? AND store = ? GROUP BY gap_id",
            (key.home, key.store),
        ).fetchall()
    )
    excess = sum(counted.values()) - bound.spans
    if excess <= 0:
        return
    for gap in _dispensable(all_gaps(connection, key)):
        if excess <= 0:
            return
        if gap.progress in LEFT:
            _fold(connection, key, gap)
        _delete_spans(connection, gap.id)
        excess -= counted.get(gap.id, 0)


def _keep_gaps(connection: Connection, key: Key, bound: Bound) -> Sequence[Gap]:
    """Returns what is left."""
    gaps = all_gaps(connection, key)
    excess = len(gaps) - bound.gaps
    if excess <= 0:
        return gaps
    many = any(gap.cause is Cause.SEVERAL for gap in gaps)
    for gap in _dispensable(gaps):
        if excess <= 0:
            break
        if gap.progress is Progress.FILLED:
            _delete(connection, gap)
        else:
            _fold(connection, key, gap)
            excess, many = excess + (not many), True
        excess -= 1
    return all_gaps(connection, key)


def _keep_marks(connection: Connection, key: Key, most: int) -> None:
    """Entities come and go; the marks of those that are gone go first, then those that have not moved for longest."""
    fold(connection, key)
    whose = (key.home, key.store)
    (count,) = connection.execute("SELECT count(*) FROM mark WHERE home = ? AND store = ?", whose).fetchone()
    if count > most:
        oldest = connection.execute(
            "SELECT home, store, registry_id FROM mark WHERE home = ? AND store = ?"
            " ORDER BY time_ns % ? = ? DESC, time_ns LIMIT ?",
            (*whose, MICROSECOND, UNKNOWN, count - most),
        ).fetchall()
        connection.executemany("DELETE FROM mark WHERE home = ? AND store = ? AND registry_id = ?", oldest)


def _dispensable(gaps: Sequence[Gap]) -> Iterator[Gap]:
    """What may go, in that order; the row that others were folded into is not among them."""
    others = [gap for gap in gaps if gap.cause not in {Cause.SEVERAL, Cause.FILTERED}]
    yield from (gap for gap in others if gap.progress is Progress.FILLED)
    yield from (gap for gap in others if gap.progress in {Progress.PARTLY, Progress.UNFILLABLE})
    yield from (gap for gap in others if gap.progress in LEFT)
    yield from (gap for gap in gaps if gap.cause is Cause.FILTERED)


def _fold(connection: Connection, key: Key, gap: Gap) -> None:
    _delete(connection, gap)
    tell_in_one(connection, key, Opening(Cause.SEVERAL, gap.from_ns, gap.to_ns), gap.spans, gap.filled)


def _delete(connection: Connection, gap: Gap) -> None:
    _delete_spans(connection, gap.id)
    connection.execute("DELETE FROM gap WHERE id = ?", (gap.id,))


def _delete_spans(connection: Connection, gap_id: int) -> None:
    connection.execute("DELETE FROM span WHERE gap_id = ?", (gap_id,))
