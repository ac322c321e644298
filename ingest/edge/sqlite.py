"""SQLite, behind one module: opening, transactions, and what its errors mean.

A writer is one connection in one lane: WAL, so that readers and other tools never wait for it and it never waits for
them. Readers open the file read-only, take short statements and keep no transaction: a long one would keep the WAL
from being reused. What SQLite says is translated once, in `translated`; everything it may answer because of a disk or
another program becomes one of our families, and what only a wrong program can cause stays what it is.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Literal, Protocol, TypeAlias

from ingest.edge.database_file import check_name, disk_refuses, has_log, make_private, remove_empty
from ingest.errors import IngestError, Refused, Transient

Cursor: TypeAlias = sqlite3.Cursor
Synchronous: TypeAlias = Literal["FULL", "NORMAL"]

BUSY_MS = 5_000
"""How long opening and reading wait for another program's lock."""

WRITING_BUSY_MS = 1_000
"""How long a write does: its thread cannot be cancelled, so a stop waits for it; the writer tries again by itself."""

WAL_LIMIT = 16 * 1024 * 1024
"""Bytes that the write-ahead log is cut back to after a checkpoint."""

CACHE_KIB = 4_096

INTERRUPTED = sqlite3.SQLITE_INTERRUPT
"""The code of an error when a `Reader` was asked and ended a statement."""

_NO_TEXT = "Could not decode to UTF-8"
"""How Python begins to say that a text of the file is none, before it quotes it."""


class Connection(Protocol):
    """What is used of SQLite's connection."""

    def execute(self, sql: str, parameters: Any = ..., /) -> Cursor:
        """Run one statement. Raises errors of SQLite; see `translated`."""

    def executemany(self, sql: str, parameters: Iterable[Any], /) -> Cursor:
        """One statement for each of these."""

    def executescript(self, sql: str, /) -> Cursor:
        """Statements, each to its end."""

    def rollback(self) -> None:
        """Undo what is not committed."""

    def close(self) -> None:
        """Close the file. What was not committed is undone."""


class Reader(Connection, Protocol):
    """A connection that only reads."""

    def set_progress_handler(self, ends: Callable[[], bool], steps: int, /) -> None:
        """Have `ends` asked after so many of SQLite's steps, again and again: True ends the statement that is being done."""


class Damaged(Refused):
    """The file is not a database, or not a sound one: it can be set aside, never deleted."""


class DiskFails(Refused):
    """The disk is full or fails: it may be over in a while, so the file is worth another attempt."""


def _disk(what: str, remedy: str) -> Callable[[str, str], IngestError]:
    return lambda said, where: DiskFails(f"{what}: {said}", where=where, remedy=remedy)


def _refused(what: str, remedy: str) -> Callable[[str, str], IngestError]:
    return lambda said, where: Refused(f"{what}: {said}", where=where, remedy=remedy)


def _damaged(said: str, where: str) -> IngestError:
    remedy = "What is readable in it comes back with: sqlite3 FILE .recover"
    return Damaged(f"the database file is damaged: {said}", where=where, remedy=remedy)


def _locked(said: str, where: str) -> IngestError:
    return Transient(f"another program holds the database file: {said}", where=where)


def _cannot_open(said: str, where: str) -> IngestError:
    what = "the database file cannot be opened"
    if why := disk_refuses(Path(where).parent):
        return _disk(what, "Free some space and files (see df and df -i), or raise the limit of open files")(why, where)
    return _refused(what, "Check that its folder exists and that the service's user may use it")(said, where)


_FAMILIES: Mapping[int, Callable[[str, str], IngestError]] = {
    sqlite3.SQLITE_BUSY: _locked,
    sqlite3.SQLITE_LOCKED: _locked,
    sqlite3.SQLITE_CORRUPT: _damaged,
    sqlite3.SQLITE_NOTADB: _damaged,
    sqlite3.SQLITE_FULL: _disk("no space for the database file", "Free some space"),
    sqlite3.SQLITE_IOERR: _disk("the disk failed", "Look for disk errors with dmesg, and for free space with df"),
    sqlite3.SQLITE_READONLY: _refused(
        "the database file cannot be written", "Make the file and its folder writable for the service's user"
    ),
    sqlite3.SQLITE_CANTOPEN: _cannot_open,
    sqlite3.SQLITE_PERM: _refused("no permission for the database file", "Give the service's user access to it"),
}


def translate(error: sqlite3.Error, path: Path) -> IngestError | None:
    """Our family for an error of SQLite about the file at `path`; None when only a bug explains it."""
    said = str(error)
    if "unsupported file format" in said:  # its code is that of a wrong statement
        return _damaged(said, str(path))
    if said.startswith(_NO_TEXT):  # it has no code at all, and what it quotes is nobody's to read
        return _damaged(said.partition(" with text ")[0], str(path))
    family = _FAMILIES.get(getattr(error, "sqlite_errorcode", 0) & 0xFF)
    return None if family is None else family(str(error), str(path))


@contextmanager
def translated(path: Path) -> Iterator[None]:
    """Raises Transient (locked), Refused (full, read-only, failing disk) or Damaged for what SQLite raises inside."""
    try:
        yield
    except sqlite3.Error as error:
        ours = translate(error, path)
        if ours is None:
            raise
        try:
            raise ours from error
        finally:
            del ours  # the error and this frame would have each other, and what was to be written with them
    except UnicodeDecodeError as error:
        # SQLite quotes a broken schema in its complaint, and Python cannot read the quotation.
        raise _damaged("its schema cannot be read", str(path)) from error


@contextmanager
def ours(path: Path) -> Iterator[None]:
    """As `translated`; a file without our tables, or with others of their names, is Damaged too, not a bug."""
    try:
        with translated(path):
            yield
    except sqlite3.OperationalError as error:
        raise Damaged(f"not a file of ours: {error}", where=str(path), remedy="Choose another place") from error


@contextmanager
def transaction(connection: Connection) -> Iterator[None]:
    """All or nothing: the write lock from the start, committed at the end, rolled back on any exception."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        # After some errors SQLite has rolled back by itself; the first error is the one to tell.
        with suppress(sqlite3.Error):
            connection.rollback()
        raise


def open_writer(path: Path, synchronous: Synchronous = "FULL") -> Connection:
    """The one writing connection, usable from any thread, one at a time; the folder is made when it is missing.

    Raises Transient, Refused or Damaged.
    """
    check_name(path)
    new = not path.exists()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise Refused(
            f"the folder of the database cannot be made: {error.strerror}",
            where=str(path.parent),
            remedy="Choose another place, or give the service's user the right to write there",
        ) from error
    if new:
        make_private(path)
    with translated(path):
        try:
            return _prepared(sqlite3.connect(path, isolation_level=None, check_same_thread=False), synchronous)
        except sqlite3.Error:
            if new:
                remove_empty(path)
            raise


def _prepared(connection: Connection, synchronous: Synchronous) -> Connection:
    try:
        # auto_vacuum first: it can only be chosen before the first page is written.
        for pragma in (
            f"busy_timeout = {BUSY_MS}",
            "auto_vacuum = INCREMENTAL",
            "journal_mode = WAL",
            f"synchronous = {synchronous}",
            f"journal_size_limit = {WAL_LIMIT}",
            f"cache_size = -{CACHE_KIB}",
            "temp_store = MEMORY",
            # Debian's SQLite overwrites what is deleted with zeros: every delivered batch would be written twice more.
            "secure_delete = FAST",
        ):
            connection.execute(f"PRAGMA {pragma}").fetchall()
        connection.execute("SELECT count(*) FROM sqlite_master").fetchall()
        connection.execute(f"PRAGMA busy_timeout = {WRITING_BUSY_MS}")
    except (sqlite3.Error, UnicodeDecodeError):
        connection.close()
        raise
    return connection


def open_reader(path: Path, *, damaged: bool = False) -> Reader:
    """Beside a writer or without one; of a `damaged` file what there is. Raises Transient, Refused or Damaged."""
    with translated(path):
        try:
            return _reading(path, "mode=ro", damaged=damaged)
        except sqlite3.OperationalError:
            # Reading a WAL file needs its -shm file, which cannot be made in a folder that we may only read.
            # Without a log beside it, the file is all there is.
            if not path.is_file() or has_log(path):
                raise
            return _reading(path, "mode=ro&immutable=1", damaged=damaged)


def _reading(path: Path, how: str, *, damaged: bool) -> Reader:
    uri = f"{path.absolute().as_uri()}?{how}"
    connection = sqlite3.connect(uri, uri=True, isolation_level=None, check_same_thread=False)
    try:
        connection.execute(f"PRAGMA busy_timeout = {BUSY_MS}")
        # Only so does SQLite read a file that is shorter than it should be.
        connection.execute(f"PRAGMA writable_schema = {'ON' if damaged else 'OFF'}")
        connection.execute("SELECT count(*) FROM sqlite_master").fetchall()
    except (sqlite3.Error, UnicodeDecodeError):
        connection.close()
        raise
    return connection


def in_memory() -> Connection:
    """An empty database that nobody else sees."""
    return sqlite3.connect(":memory:", isolation_level=None)


def pragma(connection: Connection, name: str) -> Any:
    """The value of one pragma, as SQLite types it."""
    return connection.execute(f"PRAGMA {name}").fetchone()[0]
