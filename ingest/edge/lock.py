"""One process at a time: a lock beside a file, released when the process ends, however it ends."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ingest.errors import Refused


class Held(Refused):
    """Another process holds the lock."""


@contextmanager
def locked(path: Path, *, remedy: str) -> Iterator[None]:
    """Hold the lock of the file at `path`. Raises `Held` when another process does, `Refused` when there can be none."""
    lock = path.with_name(f"{path.name}.lock")
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        place = "Choose another place, or give this user the right to write there."
        raise Refused(f"the file cannot be made: {error.strerror}", where=str(path), remedy=place) from error
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise Held("another process uses this file", where=str(path), remedy=remedy) from error
        yield
    finally:
        os.close(descriptor)
