"""Reading a state file of an earlier version as if it were of this one, without changing it."""

from __future__ import annotations

from contextlib import closing
from typing import Final

from ingest.edge.sqlite import Connection, in_memory
from ingest.edge.state_versions import MIGRATIONS

_TABLES: Final = "SELECT name, sql FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
_COLUMNS: Final = "SELECT name FROM pragma_table_info(?) ORDER BY cid"


def fill_up(connection: Connection) -> None:
    """Give this connection, and nobody else, an empty table for each that the file has not, or has in another form."""
    with closing(in_memory()) as model:
        for version in sorted(MIGRATIONS):
            model.executescript(MIGRATIONS[version])
        for name, sql in model.execute(_TABLES).fetchall():
            if _columns(connection, name) != _columns(model, name):
                connection.execute(str(sql).replace("CREATE TABLE", "CREATE TEMP TABLE", 1))


def _columns(connection: Connection, table: str) -> list[str]:
    return [name for (name,) in connection.execute(_COLUMNS, (table,))]
