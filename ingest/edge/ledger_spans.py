"""How the spans of a gap are written down: blocking, in the transaction of their caller."""

from __future__ import annotations

from ingest.core.coverage import FOREVER, MICROSECOND, Cause, Settled
from ingest.core.evicted import is_alone
from ingest.core.ledger import Opening
from ingest.core.marks import UNKNOWN
from ingest.edge.spool_rows import Key
from ingest.edge.sqlite import Connection

# A span that begins where an unsettled one does is the same, in whatever gap. Told last, its end is right: an earlier state
# was seen, or what it ended with was lost with its process, for no mark stands there. What a spool dropped stands by itself:
# it was known, and whatever is seen afterwards its span only grows. A state that is missing alone is missing anew: the span
# that it had, if it went before, may be settled at any moment by what was on its way.
_MOVED = """
UPDATE span SET before_ns = ?3, entity_id = ?6 WHERE registry_id = ?1 AND after_ns = ?2 AND filled IS NULL
AND gap_id IN (SELECT id FROM gap WHERE home = ?4 AND store = ?5 AND cause <> 'evicted') RETURNING id
"""
_GROWN = """
UPDATE span SET before_ns = max(before_ns, ?3), entity_id = ?6 WHERE registry_id = ?1 AND after_ns = ?2 AND filled IS NULL
AND gap_id IN (SELECT id FROM gap WHERE home = ?4 AND store = ?5 AND cause = 'evicted') RETURNING id
"""
# Who was absent is asked for anew from where nothing is known of it, or from a state that the history told: what has no end yet
# ends there. After that state others may have come live. What a session finds begins just before that state where it was lost
# again; so does what was shed, but that ends with it and says nothing of the rest.
_ENDED = f"""
UPDATE span SET before_ns = ?2 + 1 WHERE registry_id = ?1 AND after_ns < ?2 AND before_ns = {FOREVER} AND filled IS NULL
AND ?2 % {MICROSECOND} IN (0, {UNKNOWN}, ?5) AND gap_id IN (SELECT id FROM gap WHERE home = ?3 AND store = ?4)
"""  # noqa: S608  constants
# What lacks something is read again as a whole.
_READ_PARTLY = f"""
UPDATE span SET done_ns = CASE ?2 WHEN '' THEN ?3 - 1 ELSE done_ns END, found = CASE ?2 WHEN '' THEN ?4 ELSE found END
WHERE id = ?1 AND filled IS NULL AND before_ns > ?3 AND before_ns < {FOREVER}
RETURNING id
"""  # noqa: S608
# Who is back after it was asked for is asked for from there on: what was read is stored, in the series of the area that it had.
_NEW_SPAN = f"""
INSERT INTO span (gap_id, entity_id, registry_id, after_ns, before_ns, done_ns)
SELECT ?1, ?2, ?3, ?4, ?5, coalesce(min(max(done_ns), ?5 - 1), 0) FROM span
WHERE registry_id = ?3 AND after_ns = ?4 AND before_ns = {FOREVER} AND filled IS NOT NULL
AND gap_id IN (SELECT id FROM gap WHERE home = ?6 AND store = ?7)
"""  # noqa: S608  a constant
_FOUND = {Cause.STOPPED, Cause.KILLED, Cause.CONNECTION}


def add_spans(connection: Connection, key: Key, gap_id: int, opening: Opening) -> None:
    """Those of the opening are part of the gap, but for those that are told anew: they change where they are."""
    whose, evicted = (key.home, key.store), opening.cause is Cause.EVICTED
    lost = MICROSECOND - 1 if opening.cause in _FOUND else 0
    for span in opening.spans:
        place = (span.registry_id, span.after_ns)
        told = _GROWN if evicted else _MOVED
        if is_alone(span) or not connection.execute(told, (*place, span.before_ns, *whose, span.entity_id)).fetchall():
            if not evicted:
                connection.execute(_ENDED, (*place, *whose, lost))
            connection.execute(_NEW_SPAN, (gap_id, span.entity_id, *place, span.before_ns, *whose))


def has_grown(connection: Connection, settled: Settled) -> bool:
    """True for a span that reaches further than when it was read: what was read of it is written down, the rest is left."""
    if settled.before_ns is None:
        return False
    read = (settled.span_id, settled.why, settled.before_ns, settled.filled)
    return bool(connection.execute(_READ_PARTLY, read).fetchall())
