"""How a folder's disk takes a small file: whether it does, and how long until it is safe. Blocking."""

from __future__ import annotations

import os
import pwd
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Final

from ingest.errors import Refused

TIMES: Final = 5
PAUSE: Final = 1.0
"""Seconds between rounds: a disk that somebody else keeps busy for a moment is not a slow one."""

LATEST: Final = 2.0
"""Seconds after which no other round begins."""

PAGE: Final = bytes(4096)
"""What a commit writes at least."""

PLACE: Final = (
    "Give the user that the service runs as the right to write there, or choose another place with spool.path."
)


def nearest(folder: Path) -> Path:
    """The folder, or what is there of the way to it."""
    # `Path.exists` raises where this user may not even look.
    return next((each for each in (folder, *folder.parents) if os.path.exists(each)), folder)  # noqa: PTH110


def whose(folder: Path) -> str:
    """The user whose folder it is, where this is another one, who may not write there; else empty."""
    there, user = nearest(folder), os.geteuid()
    if user == 0 or os.access(there, os.W_OK | os.X_OK) or (owner := there.stat().st_uid) == user:
        return ""
    try:
        return pwd.getpwuid(owner).pw_name
    except KeyError:
        return str(owner)


def commits(folder: Path, good: float) -> list[float]:
    """Seconds that each of some small writes took until it was on the disk; none where the folder is not made yet.

    Where they typically took longer than `good` seconds, it is tried again, a few times: the quickest round is told.
    Raises `Refused` when this user cannot write there.
    """
    there = nearest(folder)
    if not os.access(there, os.W_OK | os.X_OK):
        raise Refused("the state directory cannot be written", where=str(there), remedy=PLACE)
    if there != folder:
        return []
    try:
        with tempfile.TemporaryFile(dir=folder, buffering=0) as file:
            begun, rounds = time.perf_counter(), [_round(file.fileno())]
            while median(rounds[-1]) > good and time.perf_counter() - begun < LATEST:
                time.sleep(PAUSE)
                rounds.append(_round(file.fileno()))
    except OSError as error:
        raise Refused(
            f"the state directory cannot be written: {error.strerror}", where=str(folder), remedy=PLACE
        ) from error
    return min(rounds, key=median)


def _round(descriptor: int) -> list[float]:
    return [_commit(descriptor) for _ in range(TIMES)]


def _commit(descriptor: int) -> float:
    begun = time.perf_counter()
    os.write(descriptor, PAGE)
    os.fsync(descriptor)
    return time.perf_counter() - begun
