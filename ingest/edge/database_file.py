"""The file of a database as a file: whether it is there, whose it is, who may read it."""

from __future__ import annotations

import errno
import os
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Final

from ingest.errors import Refused

MAGIC = b"SQLite format 3\0"
SUFFIXES = (".db", ".sqlite", ".sqlite3")

_PASSING: Final = (errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EMFILE, errno.ENFILE)
"""What refuses a new file and may be over in a while: no space or inode, a quota, a failing disk, no file descriptor."""


def is_there(path: Path, remedy: str = "Run this as the user that the service runs as, or as root.") -> bool:
    """True when the file exists. Raises Refused when this user may not even look."""
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError as error:
        raise Refused(f"the file cannot be looked at: {error.strerror}", where=str(path), remedy=remedy) from error
    return True


def make_private(path: Path) -> None:
    """What a home does is its owner's business; SQLite gives its log the same rights. It says itself what is wrong."""
    with suppress(OSError):
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))


def disk_refuses(folder: Path) -> str | None:
    """Why no file can be made in the folder now, where that may be over in a while; else None.

    SQLite has one code for a log that it may not make and for one that has no place: only a try tells them apart.
    """
    try:
        with tempfile.TemporaryFile(dir=folder):
            return None
    except OSError as error:
        return error.strerror if error.errno in _PASSING else None


def remove_empty(path: Path) -> None:
    """What a full disk left of a new file would look like a store that holds nothing."""
    with suppress(OSError):
        if not path.stat().st_size:
            path.unlink()


def check_name(path: Path) -> None:
    """A file that is no database, under a name that no database has, is somebody else's, not ours. Raises Refused."""
    if path.suffix in SUFFIXES or not path.is_file() or not path.stat().st_size:
        return
    if not is_database(path):
        remedy = "Give the path of a file of its own, such as home.db."
        raise Refused("this file is no database, and not ours", where=str(path), remedy=remedy)


def is_database(path: Path) -> bool:
    """True of a file that begins as SQLite's do. Raises `OSError` when it cannot be read."""
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return file.read(len(MAGIC)) == MAGIC


def has_log(path: Path) -> bool:
    """True when a write-ahead log with something in it stands beside the file."""
    log = path.with_name(path.name + "-wal")
    return log.is_file() and log.stat().st_size > 0
