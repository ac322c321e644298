"""What a person removes from the spool is gone without being stored, and the ledger says so: blocking functions."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from typing import TypeAlias

from ingest.core.coverage import NO_NOTE, UNNAMED, Cause, Missed, Note
from ingest.core.ledger import Opening
from ingest.core.store import Batch
from ingest.edge.ledger_bounds import BOUND, Bound, enter
from ingest.edge.ledger_marks import DOUBT, IS_KNOWN, STATE, fold
from ingest.edge.ledger_rows import NEAR_NS
from ingest.edge.spool_rows import Changed, Key
from ingest.edge.sqlite import Connection

Times: TypeAlias = tuple[int, int]
"""The oldest and the newest time of a batch."""


def tell_purged(connection: Connection, key: Key, batches: Sequence[Times], bound: Bound = BOUND) -> Changed:
    """Open the gap of batches that are deleted, in the transaction of the caller; returns what became of gaps.

    Of an entity whose newest state was among them that state is not known to be stored any more.
    """
    _doubt(connection, key, _joined(batches, 0))
    gaps = [Opening(Cause.PURGED, *times, why=UNNAMED) for times in _joined(batches, NEAR_NS)]
    return enter(connection, key, bound, NO_NOTE, gaps)


def purged(batches: Iterable[Batch[bytes]]) -> Note:
    """What batches that were not on disk leave: their gap, and the gaps that they told of. No mark of theirs is there."""
    gone = [(Missed(Cause.PURGED, each.oldest_ns, each.newest_ns, why=UNNAMED), *each.note.missed) for each in batches]
    return Note(missed=[missed for each in gone for missed in each])


def _doubt(connection: Connection, key: Key, times: Sequence[Times]) -> None:
    """As `doubt_marks`, with one look at the marks: a whole backlog of batches may be gone."""
    fold(connection, key)
    begins = [first for first, _ in times]
    known = f"SELECT {STATE}, registry_id FROM mark WHERE home = ? AND store = ? AND {IS_KNOWN}"  # noqa: S608  constants
    marks = connection.execute(known, (key.home, key.store))
    doubted = [
        (key.home, key.store, registry_id)
        for time_ns, registry_id in marks.fetchall()
        if (place := bisect_right(begins, time_ns)) and time_ns <= times[place - 1][1]
    ]
    connection.executemany(f"{DOUBT} AND registry_id = ?", doubted)


def _joined(batches: Iterable[Times], near_ns: int) -> list[Times]:
    """Their times in order; those with no more than that between them as one."""
    joined: list[Times] = []
    for oldest_ns, newest_ns in sorted(batches):
        if joined and oldest_ns <= joined[-1][1] + near_ns:
            joined[-1] = joined[-1][0], max(joined[-1][1], newest_ns)
        else:
            joined.append((oldest_ns, newest_ns))
    return joined
