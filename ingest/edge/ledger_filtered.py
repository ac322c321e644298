"""What the filter left out, in the ledger: one gap that nothing fills by itself, until an import takes spans out of it.

Blocking functions in the transaction of their caller. A span is one entity's, and known by its beginning: told again, it
ends earlier. One whose beginning an import asks for, or has asked for, is not told again.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from ingest.core.coverage import FOREVER, ON_PURPOSE, Progress, Span
from ingest.core.importing import Taken
from ingest.core.ledger import Opening
from ingest.edge.spool_rows import Key
from ingest.edge.sqlite import Connection

_GAP: Final = "SELECT id FROM gap WHERE home = ? AND store = ? AND cause = 'filtered'"
_NEW_GAP: Final = f"""
INSERT INTO gap (home, store, cause, from_ns, to_ns, progress, why, spans, unsettled, filled)
VALUES (?, ?, 'filtered', ?, ?, '{Progress.UNFILLABLE.value}', ?, 0, 0, 0) RETURNING id
"""  # noqa: S608  a constant
_ENDS: Final = (
    "UPDATE span SET before_ns = min(before_ns, ?) WHERE gap_id = ? AND registry_id = ? AND after_ns = ? RETURNING id"
)
_NEW_SPAN: Final = """
INSERT INTO span (gap_id, entity_id, registry_id, after_ns, before_ns, filled)
SELECT ?1, ?2, ?3, ?4, ?5, 0 WHERE NOT EXISTS (
    SELECT 1 FROM span JOIN gap ON gap.id = gap_id WHERE registry_id = ?3 AND after_ns = ?4 AND cause = 'imported'
)
"""
_COUNT: Final = f"""
UPDATE gap SET (spans, from_ns, to_ns) = (
    SELECT count(*), min(after_ns), max(iif(before_ns < {FOREVER}, before_ns, after_ns)) FROM span WHERE gap_id = gap.id
) WHERE id = ?1 AND EXISTS (SELECT 1 FROM span WHERE gap_id = ?1)
"""  # noqa: S608  a constant
_SPANS: Final = """
SELECT entity_id, registry_id, after_ns, before_ns, span.id FROM span JOIN gap ON gap.id = gap_id
WHERE home = ? AND store = ? AND cause = 'filtered' ORDER BY after_ns
"""


def leave_out(connection: Connection, key: Key, opening: Opening) -> int:
    """Spans that the filter left out are part of the one gap of that kind; returns its id."""
    whose = (key.home, key.store)
    row = connection.execute(_GAP, whose).fetchone()
    if row is None:
        (row,) = connection.execute(_NEW_GAP, (*whose, opening.from_ns, opening.to_ns, ON_PURPOSE)).fetchall()
    gap_id = int(row[0])
    for span in opening.spans:
        place = (span.registry_id, span.after_ns)
        if not connection.execute(_ENDS, (span.before_ns, gap_id, *place)).fetchall():
            connection.execute(_NEW_SPAN, (gap_id, span.entity_id, *place, span.before_ns))
    connection.execute(_COUNT, (gap_id,))
    return gap_id


def left_out(connection: Connection, key: Key) -> Mapping[str, Sequence[Span]]:
    """What was left out and not asked for since, by names for life; for a reader, too."""
    found: defaultdict[str, list[Span]] = defaultdict(list)
    for row in connection.execute(_SPANS, (key.home, key.store)):
        found[row[1]].append(Span(*row))
    return found


def left_out_since(connection: Connection, key: Key) -> Mapping[str, int]:
    """Who is left out now, by the id for life, and after which time, in nanoseconds."""
    found = left_out(connection, key)
    return {name: span.after_ns for name, spans in found.items() for span in spans if span.before_ns >= FOREVER}


def take(connection: Connection, key: Key, taken: Iterable[Taken]) -> None:
    """An import asks for these: they are left out no more, but for what lies before the import."""
    for each in taken:
        if each.rest_ns is None:
            connection.execute("DELETE FROM span WHERE id = ?", (each.span_id,))
        else:
            connection.execute("UPDATE span SET before_ns = ? WHERE id = ?", (each.rest_ns, each.span_id))
    for (gap_id,) in connection.execute(_GAP, (key.home, key.store)).fetchall():
        connection.execute(_COUNT, (gap_id,))
        connection.execute(
            "DELETE FROM gap WHERE id = ?1 AND NOT EXISTS (SELECT 1 FROM span WHERE gap_id = ?1)", (gap_id,)
        )
