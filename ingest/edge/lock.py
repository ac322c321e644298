"""One process at a time: a lock beside a file, released when the process ends, however it ends.

Who holds it may leave a word in it, for those who find it held.
"""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from attrs import frozen

from ingest.errors import Refused, Transient

PASSING = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EIO})
"""What is over when the disk is: a supervisor may start us again."""

WORD = 4096
"""Bytes of a word at most: those of a path."""


class Held(Refused):
    """Another process holds the lock; `word` is what it left in it."""

    word: str = ""


@frozen
class Lock:
    """A lock that is held."""

    descriptor: int

    def leave(self, word: str) -> None:
        """Leave a word for others instead of the last. Raises `OSError`."""
        os.ftruncate(self.descriptor, 0)
        os.pwrite(self.descriptor, os.fsencode(word), 0)


@contextmanager
def locked(path: Path, *, remedy: str) -> Iterator[Lock]:
    """Hold the lock of the file at `path`. Raises `Held` when another process does, `Refused` or `Transient` when there can be none."""
    lock = path.with_name(f"{path.name}.lock")
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        if error.errno in PASSING:
            what, todo = (
                f"the disk takes no file: {error.strerror}",
                "Free some space, and look for disk errors with dmesg.",
            )
            raise Transient(what, where=str(path), remedy=todo) from error
        place = "Choose another place, or give this user the right to write there."
        raise Refused(f"the file cannot be made: {error.strerror}", where=str(path), remedy=place) from error
    try:
        _take(descriptor, path, remedy)
        yield Lock(descriptor)
    finally:
        os.close(descriptor)


def _take(descriptor: int, path: Path, remedy: str) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        held = Held("another process uses this file", where=str(path), remedy=remedy)
        held.word = os.fsdecode(os.pread(descriptor, WORD, 0))
        raise held from error
    # What one left that was killed is not true any more. It may stay where nothing can be written.
    with suppress(OSError):
        os.ftruncate(descriptor, 0)
