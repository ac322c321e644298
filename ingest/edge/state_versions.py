"""The layouts of the state file: what makes each of the one before. No text of an earlier version is ever changed."""

from __future__ import annotations

from types import MappingProxyType
from typing import Final

_VERSION_1: Final = """
CREATE TABLE batch (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    home TEXT NOT NULL,
    store TEXT NOT NULL,
    put_ns INTEGER NOT NULL,
    oldest_ns INTEGER NOT NULL,
    newest_ns INTEGER NOT NULL,
    count INTEGER NOT NULL,
    size INTEGER NOT NULL,
    payload BLOB NOT NULL
) STRICT;
CREATE INDEX batch_of ON batch (home, store, id);
CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;
"""

_VERSION_2: Final = """
CREATE TABLE dead_letter (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    home TEXT NOT NULL,
    store TEXT NOT NULL,
    at_ns INTEGER NOT NULL,
    line TEXT NOT NULL,
    reason TEXT NOT NULL,
    UNIQUE (home, store, line)
) STRICT;
CREATE TABLE total (
    home TEXT NOT NULL,
    name TEXT NOT NULL,
    value INTEGER NOT NULL,
    PRIMARY KEY (home, name)
) STRICT, WITHOUT ROWID;
"""

_VERSION_3: Final = """
DROP TABLE total;
CREATE TABLE total (
    home TEXT NOT NULL,
    store TEXT NOT NULL,
    name TEXT NOT NULL,
    value INTEGER NOT NULL,
    PRIMARY KEY (home, store, name)
) STRICT, WITHOUT ROWID;
CREATE TABLE account (
    home TEXT NOT NULL,
    store TEXT NOT NULL,
    since_ns INTEGER NOT NULL,
    bytes_per_second REAL,
    PRIMARY KEY (home, store)
) STRICT, WITHOUT ROWID;
"""

_VERSION_4: Final = """
CREATE TABLE mark (
    home TEXT NOT NULL,
    store TEXT NOT NULL,
    registry_id TEXT NOT NULL,
    entity_id TEXT NOT NULL,
    time_ns INTEGER NOT NULL, first_ns INTEGER NOT NULL,
    PRIMARY KEY (home, store, registry_id)
) STRICT, WITHOUT ROWID;
CREATE TABLE gap (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    home TEXT NOT NULL,
    store TEXT NOT NULL,
    cause TEXT NOT NULL,
    from_ns INTEGER NOT NULL, to_ns INTEGER NOT NULL,
    progress TEXT NOT NULL,
    why TEXT NOT NULL,
    spans INTEGER NOT NULL,
    unsettled INTEGER NOT NULL,
    filled INTEGER NOT NULL,
    folded INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX gap_of ON gap (home, store, from_ns);
CREATE TABLE span (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    gap_id INTEGER NOT NULL,
    entity_id TEXT NOT NULL,
    registry_id TEXT NOT NULL,
    after_ns INTEGER NOT NULL,
    before_ns INTEGER NOT NULL,
    done_ns INTEGER NOT NULL DEFAULT 0, found INTEGER NOT NULL DEFAULT 0,
    filled INTEGER,
    why TEXT NOT NULL DEFAULT ''
) STRICT;
CREATE INDEX span_of ON span (gap_id, registry_id);
CREATE INDEX span_from ON span (registry_id, after_ns);
CREATE TABLE coverage (
    home TEXT NOT NULL,
    store TEXT NOT NULL,
    since_ns INTEGER NOT NULL,
    heard_ns INTEGER NOT NULL,
    stopped INTEGER NOT NULL,
    PRIMARY KEY (home, store)
) STRICT, WITHOUT ROWID;
CREATE TABLE unmarked (
    home TEXT NOT NULL,
    store TEXT NOT NULL,
    since_ns INTEGER NOT NULL,
    PRIMARY KEY (home, store)
) STRICT, WITHOUT ROWID;
INSERT INTO unmarked SELECT home, store, since_ns FROM account;
"""

_VERSION_5: Final = """
ALTER TABLE span ADD COLUMN had INTEGER NOT NULL DEFAULT 0;
"""

_VERSION_6: Final = """
CREATE TABLE catalog (
    home TEXT PRIMARY KEY NOT NULL,
    as_of_ns INTEGER NOT NULL,
    crc INTEGER NOT NULL,
    payload BLOB NOT NULL
) STRICT;
"""

_VERSION_7: Final = """
CREATE TABLE moved (
    id INTEGER PRIMARY KEY,
    home TEXT NOT NULL,
    store TEXT NOT NULL,
    marks BLOB NOT NULL
) STRICT;
"""

MIGRATIONS: Final = MappingProxyType(
    {1: _VERSION_1, 2: _VERSION_2, 3: _VERSION_3, 4: _VERSION_4, 5: _VERSION_5, 6: _VERSION_6, 7: _VERSION_7}
)
"""What makes a file of a version out of one of the version before; an empty file is version 0."""

VERSION: Final = max(MIGRATIONS)
