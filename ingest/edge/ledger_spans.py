"""How the spans of a gap are written down: blocking, in the transaction of their caller."""

from __future__ import annotations

from collections.abc import Iterable

from ingest.core.coverage import FOREVER, MICROSECOND, Span
from ingest.core.marks import UNKNOWN
from ingest.edge.spool_rows import Key
from ingest.edge.sqlite import Connection

# A span that begins where an unsettled one does is the same, in whatever gap. Told last, its end is right: an earlier state
# was seen, or what it ended with was lost with its process, for no mark stands there.
_MOVED = """
UPDATE span SET before_ns = ?3 WHERE registry_id = ?1 AND after_ns = ?2 AND filled IS NULL
AND gap_id IN (SELECT id FROM gap WHERE home = ?4 AND store = ?5) RETURNING gap_id
"""
# Who was absent is asked for anew from where nothing is known of it: what has no end yet ends there.
_ENDED = f"""
UPDATE span SET before_ns = ?2 + 1 WHERE registry_id = ?1 AND after_ns < ?2 AND before_ns = {FOREVER} AND filled IS NULL
AND ?2 % {MICROSECOND} = {UNKNOWN} AND gap_id IN (SELECT id FROM gap WHERE home = ?3 AND store = ?4)
"""  # noqa: S608  constants
_NEW_SPAN = "INSERT INTO span (gap_id, entity_id, registry_id, after_ns, before_ns) VALUES (?, ?, ?, ?, ?)"


def add_spans(connection: Connection, key: Key, gap_id: int, spans: Iterable[Span]) -> None:
    """These are part of the gap, but for those that are told anew: they change where they are."""
    whose = (key.home, key.store)
    for span in spans:
        place = (span.registry_id, span.after_ns)
        if not connection.execute(_MOVED, (*place, span.before_ns, *whose)).fetchall():
            connection.execute(_ENDED, (*place, *whose))
            connection.execute(_NEW_SPAN, (gap_id, span.entity_id, *place, span.before_ns))
