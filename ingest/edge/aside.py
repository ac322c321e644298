"""Setting a file aside: what cannot be used is renamed, never deleted, and named to whoever must know."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from glob import escape
from pathlib import Path
from typing import Final, TypeVar, TypeVarTuple

from attrs import define, field, frozen

from ingest.core import reports
from ingest.errors import IngestError
from ingest.runtime.lane import Lane

PARTS = ("-wal", "-shm", "")
"""SQLite's files, the main one last: while it is there, nothing new is begun in its place."""

DAMAGED: Final = "damaged"

_PLACE: Final = re.compile(r"-(\d{8}T\d{6}Z)(?:-(\d+))?")
"""What follows the reason in the name of a file set aside."""

T = TypeVar("T")
Args = TypeVarTuple("Args")


@frozen
class SetAside:
    """The file at `path` could not be used; it is kept as `kept_as`.

    `brought`: so many points of it are in the new one, and so many rows cannot be read. Else at least `left` wait in it.
    """

    path: Path
    kept_as: Path
    reason: str
    left: int | None = None
    brought: int | None = None
    unreadable: int = 0

    def report(self) -> reports.StateSetAside:
        """What happened, as it is told."""
        path, kept_as = str(self.path), str(self.kept_as.absolute())
        return reports.StateSetAside(path, kept_as, self.reason, self.left, self.brought, self.unreadable)


@define(eq=False)
class Telling:
    """A lane whose work may set files aside: `report` is told of them by who waits for the work, never by its thread.

    Who listens to reports asks trio for the time and for its tasks, which a worker thread may not.
    """

    inner: Lane
    report: Callable[[SetAside], None]
    _untold: deque[SetAside] = field(factory=deque)

    async def __call__(self, work: Callable[[*Args], T], *args: *Args) -> T:
        """Do the work in its turn, then tell, whatever came of it: it may have failed or been left behind."""
        try:
            return await self.inner(work, *args)
        finally:
            while self._untold:
                self.report(self._untold.popleft())

    def note(self, aside: SetAside) -> None:
        """To be told. In the lane."""
        self._untold.append(aside)


def set_aside(path: Path, error: IngestError, now_ns: int) -> SetAside:
    """Rename the file and its log. Raises the very error when that is not possible."""
    try:
        kept_as = moved_aside(path, DAMAGED, now_ns)
    except OSError as problem:
        raise error from problem
    return SetAside(path, kept_as, error.what)


def moved_aside(path: Path, why: str, now_ns: int) -> Path:
    """Rename the file and its log to `….WHY-TIME`, which is returned. Raises `OSError`.

    Our clock may have been ahead before, or be behind now: the name then takes the newest one's time, and a number more.
    """
    kept_as = _next_name(path, why, datetime.fromtimestamp(now_ns / 1e9, UTC))
    for suffix in PARTS:
        if (part := path.with_name(path.name + suffix)).exists():
            part.rename(kept_as.with_name(kept_as.name + suffix))
    return kept_as


def kept_aside(path: Path) -> list[Path]:
    """The files that were set aside for `path`, the oldest first."""
    return _kept_aside(path, DAMAGED)


def thin_out(path: Path, most: int) -> None:
    """Delete the oldest of the files set aside, until at most `most` are left."""
    for old in kept_aside(path)[:-most]:
        for suffix in PARTS:
            with suppress(OSError):  # one too many is no reason not to start
                old.with_name(old.name + suffix).unlink()


def _next_name(path: Path, why: str, moment: datetime) -> Path:
    stamp, number = f"{moment:%Y%m%dT%H%M%SZ}", 0
    if (earlier := _kept_aside(path, why)) and (newest := _place(path, why, earlier[-1])) >= (stamp, number):
        stamp, number = newest[0], newest[1] + 1
    return path.with_name(f"{path.name}.{why}-{stamp}{f'-{number}' if number else ''}")


def _kept_aside(path: Path, why: str) -> list[Path]:
    """In the order in which they were set aside. What somebody named by hand is none of them."""
    found = path.parent.glob(f"{escape(path.name)}.{why}-*")
    return sorted((each for each in found if _place(path, why, each)[0]), key=partial(_place, path, why))


def _place(path: Path, why: str, kept_as: Path) -> tuple[str, int]:
    found = _PLACE.fullmatch(kept_as.name, len(f"{path.name}.{why}"))
    return (found[1], int(found[2] or 0)) if found else ("", 0)
