"""A row of the embedded store as the point it was made of: what the export does, for one row alone."""

from __future__ import annotations

from ingest.core.point import Point
from ingest.core.rows import Row, assembled, attributes_of, facts_of


def point_of(row: Row) -> Point:
    """Shares nothing with the points of other rows."""
    return assembled(row, facts_of(row.registry_id, row.tags), attributes_of(row.attributes, row.tags))
