"""Imports and second attempts in the ledger: blocking functions in the transaction of their caller; and how far they are."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Final

from attrs import evolve, frozen

from ingest.core.coverage import FOREVER, Cause, Gap, Progress, Span
from ingest.core.importing import BETWEEN, Wanted, known, spans_of, stored_since, with_left_out
from ingest.core.ledger import Opening
from ingest.edge.ledger_filtered import leave_out, left_out, take
from ingest.edge.ledger_marks import stored_marks
from ingest.edge.ledger_rows import count_anew, gaps_of, open_gap
from ingest.edge.spool_rows import Key
from ingest.edge.sqlite import Connection

_PENDING: Final = """
SELECT registry_id, min(after_ns) FROM span JOIN gap ON gap.id = gap_id
WHERE home = ? AND store = ? AND cause = 'imported' AND span.filled IS NULL GROUP BY registry_id
"""
_SUPERSEDED: Final = """
DELETE FROM span WHERE registry_id = ? AND after_ns >= ? AND filled IS NULL
AND gap_id IN (SELECT id FROM gap WHERE home = ? AND store = ? AND cause = 'imported') RETURNING had
"""
_HAD: Final = "UPDATE span SET had = ? WHERE gap_id = ? AND registry_id = ? AND after_ns = ? AND filled IS NULL"
# Of an entity that was gone it is not known since when it is back; and a stand-in for what is lost has no name.
_LACKING: Final = f"""
UPDATE span SET had = filled, filled = NULL, why = '' WHERE why <> '' AND filled IS NOT NULL AND registry_id <> ''
AND before_ns < {FOREVER} AND gap_id IN (
    SELECT id FROM gap WHERE home = ? AND store = ? AND progress IN ('partly', 'unfillable') AND cause <> 'several'
) RETURNING gap_id, id
"""  # noqa: S608  a constant
_HOW_FAR: Final = """
SELECT count(*), count(filled), coalesce(sum(coalesce(filled, max(found, had))), 0),
    coalesce(sum((min(before_ns, ?1) - after_ns) / 1e9), 0),
    coalesce(sum((CASE WHEN filled IS NULL THEN max(after_ns, done_ns) ELSE min(before_ns, ?1) END - after_ns) / 1e9), 0)
FROM span WHERE gap_id = ?2
"""


@frozen
class Far:
    """How far some gaps are: spans, settled ones, states that came; and of how much time (in seconds) how much is read."""

    spans: int = 0
    settled: int = 0
    states: int = 0
    seconds: float = 0.0
    read: float = 0.0

    def plus(self, other: Far) -> Far:
        """How far both are together: every count is added."""
        return Far(
            self.spans + other.spans,
            self.settled + other.settled,
            self.states + other.states,
            self.seconds + other.seconds,
            self.read + other.read,
        )

    @property
    def share(self) -> float:
        """The part that is done, from 0 to 1."""
        return 1.0 if self.settled >= self.spans else min(self.read / self.seconds, 1.0) if self.seconds else 0.0


def unmarked_since(connection: Connection, key: Key) -> int | None:
    """Since when states may be stored of which no mark tells; None when there are none."""
    whose = (key.home, key.store)
    row = connection.execute("SELECT since_ns FROM unmarked WHERE home = ? AND store = ?", whose).fetchone()
    return None if row is None else int(row[0])


def pending_imports(connection: Connection, key: Key) -> dict[str, int]:
    """Since when each entity's states are being imported."""
    return dict(connection.execute(_PENDING, (key.home, key.store)).fetchall())


def open_import(connection: Connection, key: Key, wanted: Wanted) -> Gap | None:
    """The gap of what is wanted and neither stored nor asked for; None when there is nothing of that kind.

    Raises `Damaged` for rows that nobody wrote so.
    """
    stored, since_ns = stored_marks(connection, key), None if wanted.again else unmarked_since(connection, key)
    entities = [stored_since(known(each, stored.get(each.registry_id)), since_ns) for each in wanted.entities]
    if wanted.excluded:
        first, last = min(each.after_ns for each in wanted.excluded), max(each.before_ns for each in wanted.excluded)
        leave_out(connection, key, Opening(Cause.FILTERED, first, last, wanted.excluded))
    marks = [stored_since(each, since_ns) for each in stored.values()]
    spans = spans_of(evolve(wanted, entities=entities), pending_imports(connection, key), marks)
    spans, taken = with_left_out(wanted, spans, left_out(connection, key))
    take(connection, key, taken)
    had = _supersede(connection, key, spans) if wanted.again else {}
    if wanted.whole:
        connection.execute(
            "UPDATE coverage SET since_ns = min(since_ns, ?) WHERE home = ? AND store = ?",
            (wanted.since_ns, key.home, key.store),
        )
    if not spans:
        return None
    # One that ends just before another begins is one with it.
    opening = Opening(Cause.IMPORTED, wanted.since_ns, max(each.before_ns for each in spans) + BETWEEN, spans)
    gap_id = open_gap(connection, key, opening)
    connection.executemany(_HAD, [(count, gap_id, each.registry_id, each.after_ns) for each, count in had.items()])
    count_anew(connection, gap_id)
    (gap,) = gaps_of(connection, [gap_id])
    return gap


def _supersede(connection: Connection, key: Key, spans: Iterable[Span]) -> dict[Span, int]:
    """What these spans take in goes; returns how many states had come of it, which stay stored."""
    had = dict[Span, int]()
    for each in spans:
        gone = connection.execute(_SUPERSEDED, (each.registry_id, each.after_ns, key.home, key.store)).fetchall()
        if count := sum(came for (came,) in gone):
            had[each] = count
    return had


def ask_again(connection: Connection, key: Key) -> frozenset[int]:
    """What could not be had, or not all of it, is to be asked for again; returns the spans.

    What came of them stays counted: it is stored, and the recorder may have purged it meanwhile.
    """
    reopened: Sequence[tuple[int, int]] = connection.execute(_LACKING, (key.home, key.store)).fetchall()
    for gap_id in {gap_id for gap_id, _ in reopened}:
        count_anew(connection, gap_id)
        progress = Progress.OPEN.value
        connection.execute("UPDATE gap SET progress = ?, why = '' WHERE id = ?", (progress, gap_id))
    return frozenset(span_id for _, span_id in reopened)


def how_far(connection: Connection, ids: Collection[int], now_ns: int) -> Far:
    """How far these gaps are; for a reader, too. One whose spans are not kept any more counts nothing."""
    far = Far()
    for gap_id in ids:
        far = far.plus(Far(*connection.execute(_HOW_FAR, (now_ns, gap_id)).fetchone()))
    return far
