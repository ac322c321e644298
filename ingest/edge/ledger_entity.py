"""What the ledger says of one entity; for a reader. Blocking."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from attrs import frozen

from ingest.core.coverage import Cause, Mark, Span
from ingest.core.ledger import SpanFate
from ingest.edge.ledger_marks import NOT_KNOWN, stored_marks
from ingest.edge.ledger_rows import SPAN
from ingest.edge.spool_rows import Key
from ingest.edge.sqlite import Connection

_SPANS: Final = f"""
SELECT cause, {", ".join(f"span.{each}" for each in SPAN.split(", "))}, span.filled, span.why FROM span
JOIN gap ON gap.id = gap_id WHERE home = ? AND store = ? AND registry_id IN (?, ?) ORDER BY after_ns
"""  # noqa: S608  constants
_UNNAMED: Final = """
SELECT count(*) FROM gap WHERE home = ? AND store = ? AND spans > 0
AND NOT EXISTS (SELECT 1 FROM span WHERE gap_id = gap.id)
"""


@frozen
class Known:
    """`mark` is None where nothing is stored; `since_ns`: since when the home is known, None: it is not.

    `unnamed`: gaps in which states were missing, whose it is not known or not kept any more.
    """

    mark: Mark | None
    since_ns: int | None
    spans: Sequence[tuple[Cause, SpanFate]] = ()
    unnamed: int = 0


def known_of(connection: Connection, key: Key, registry_id: str, entity_id: str) -> Known:
    """What is known of the entity with that name for life.

    Where the lines of a schema do not have that, a gap of what a spool dropped names it by its `entity_id`.

    Raises `Damaged` for rows that nobody wrote so.
    """
    mark = stored_marks(connection, key).get(registry_id)
    whose = (key.home, key.store)
    row = connection.execute("SELECT since_ns FROM coverage WHERE home = ? AND store = ?", whose).fetchone()
    spans = [
        (Cause[cause.upper()], SpanFate(Span(*span[:-2]), *span[-2:]))
        for cause, *span in connection.execute(_SPANS, (*whose, registry_id, entity_id))
    ]
    (unnamed,) = connection.execute(_UNNAMED, whose).fetchone()
    return Known(None if mark is None or mark.time_ns == NOT_KNOWN else mark, row and row[0], spans, unnamed)


def names_in(connection: Connection, key: Key) -> dict[str, str]:
    """The ids for life of everything that is stored, by the name that it had last.

    Raises `Damaged` for rows that nobody wrote so.
    """
    marks = sorted(stored_marks(connection, key).values(), key=lambda mark: mark.time_ns)
    return {mark.entity_id: mark.registry_id for mark in marks}
