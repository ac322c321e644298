"""The state file: what the service must remember when it is not running, in one SQLite file of its own.

    batch         the spool: payloads as they will be sent, keyed by home and store
    dead_letter   what a store refused or no schema could write, with the words that refused it
    total         counts that survive restarts
    meta          when the file was begun

One writing process, one lane, `synchronous=FULL`: a commit that returned survives a power cut. An older file is
migrated in one transaction. A damaged or newer one is set aside under another name, at most `KEPT_ASIDE` of them, and
a new one begun: the service never refuses to start because of it, and `spool recover` reads what is readable.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType
from typing import Final

from attrs import frozen

from ingest.edge.sqlite import Connection, Damaged, open_writer, pragma, transaction, translated
from ingest.errors import IngestError, Refused

KEPT_ASIDE: Final = 3
"""Files set aside that are kept; of more, the oldest goes."""

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

MIGRATIONS: Final = MappingProxyType({1: _VERSION_1, 2: _VERSION_2})
"""What makes a file of a version out of one of the version before; an empty file is version 0."""

VERSION: Final = max(MIGRATIONS)


class Newer(Refused):
    """The file was made by a later version of this program."""


@frozen
class SetAside:
    """The file at `path` could not be used; it is kept as `kept_as`."""

    path: Path
    kept_as: Path
    reason: str


def open_state(path: Path, now_ns: Callable[[], int]) -> tuple[Connection, SetAside | None]:
    """The one writing connection, migrated; and what had to be set aside for it. Blocking.

    Raises `Transient` or `Refused` when no file can be used or made there.
    """
    try:
        return _opened(path), None
    except (Damaged, Newer) as error:
        aside = _set_aside(path, error, now_ns())
    return _opened(path), aside


def _opened(path: Path) -> Connection:
    connection = open_writer(path)
    try:
        with translated(path):
            _migrate(connection, path)
    except BaseException:
        connection.close()
        raise
    return connection


def _migrate(connection: Connection, path: Path) -> None:
    found = int(pragma(connection, "user_version"))
    if found > VERSION:
        remedy = f"Use the version that made it, or: homeiq-ingest spool recover {path}"
        raise Newer(
            f"the state file is of version {found}, this program knows {VERSION}", where=str(path), remedy=remedy
        )
    if found == VERSION:
        return
    with transaction(connection):
        for version in range(found + 1, VERSION + 1):
            for statement in _statements(MIGRATIONS[version]):
                connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {VERSION}")


def _statements(script: str) -> Sequence[str]:
    """`executescript` would commit by itself."""
    return [each for each in script.split(";") if each.strip()]


def _set_aside(path: Path, error: IngestError, now_ns: int) -> SetAside:
    stamp = datetime.fromtimestamp(now_ns / 1e9, UTC).strftime("%Y%m%dT%H%M%SZ")
    kept_as = _free(path, stamp)
    try:
        for suffix in ("-wal", "-shm", ""):
            if (part := path.with_name(path.name + suffix)).exists():
                part.rename(kept_as.with_name(kept_as.name + suffix))
        _thin_out(path)
    except OSError as problem:
        raise error from problem
    return SetAside(path, kept_as, str(error))


def _free(path: Path, stamp: str) -> Path:
    for number in range(100):
        name = path.with_name(f"{path.name}.aside-{stamp}" + (f"-{number}" if number else ""))
        if not name.exists():
            return name
    raise Refused("too many files are set aside", where=str(path.parent), remedy="Recover or remove some of them.")


def aside(path: Path) -> list[Path]:
    """The files that were set aside for `path`, the oldest first."""
    found = path.parent.glob(f"{path.name}.aside-*")
    return sorted(each for each in found if not each.name.endswith(("-wal", "-shm")))


def _thin_out(path: Path) -> None:
    for old in aside(path)[:-KEPT_ASIDE]:
        for suffix in ("", "-wal", "-shm"):
            old.with_name(old.name + suffix).unlink(missing_ok=True)
