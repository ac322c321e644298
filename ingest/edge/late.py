"""A state file that cannot be opened yet: its disk is full, read-only or failing when the service starts.

    work ──▶ lane ──not open?──▶ lock and open ──▶ work
                                      └─ not possible: Transient or Refused, and tried again for what comes later

Who uses the file knows such errors from a disk that fails later, and keeps what it has until it tries again. The lock
and the file are taken together or not at all: nobody who holds no lock has the file open.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final, TypeVar, TypeVarTuple

import trio
from attrs import define, field, frozen

from ingest.edge.aside import SetAside
from ingest.edge.free_space import USUAL
from ingest.edge.lock import SERVICE, Holder, Lock, locked
from ingest.edge.sqlite import Connection, Cursor
from ingest.edge.state_file import open_state
from ingest.errors import IngestError, Refused, Transient
from ingest.runtime.lane import Lane

AGAIN: Final = 1.0
"""Seconds for which an attempt that failed answers everybody: each user tries again by itself, and there are several."""

ALONE: Final = "Stop the other service, or give this one a spool.path of its own."

T = TypeVar("T")
Args = TypeVarTuple("Args")


@frozen
class Opened:
    """A file that is open, its lock, and what had to be set aside for it; `release` gives the lock back."""

    connection: Connection
    lock: Lock
    aside: SetAside | None
    release: Callable[[], None]


def open_locked(path: Path, now_ns: Callable[[], int], by: Holder = SERVICE, min_free: int = USUAL) -> Opened:
    """Take the lock and open the file. Blocking.

    Raises `Held` when another process has it; `Transient` or `Refused` when no file can be used or made there.
    """
    with ExitStack() as taken:
        lock = taken.enter_context(locked(path, remedy=ALONE, by=by))
        try:
            connection, aside = open_state(path, now_ns, min_free)
        except OSError as error:
            remedy = "Look for disk errors with dmesg, and at the permissions of its folder."
            raise Refused(
                f"the state file cannot be reached: {error.strerror}", where=str(path), remedy=remedy
            ) from error
        return Opened(connection, lock, aside, taken.pop_all().close)


@define(eq=False)
class LateConnection:
    """Stands for the connection `to` a file that may not be open yet."""

    to: Connection | None = None

    def execute(self, sql: str, parameters: Any = (), /) -> Cursor:
        """Run one statement. Raises `Transient` while the file could not be opened yet."""
        return self._there.execute(sql, parameters)

    def executemany(self, sql: str, parameters: Iterable[Any], /) -> Cursor:
        """One statement for each of these."""
        return self._there.executemany(sql, parameters)

    def executescript(self, sql: str, /) -> Cursor:
        """Statements, each to its end."""
        return self._there.executescript(sql)

    def rollback(self) -> None:
        """Undo what is not committed."""
        self._there.rollback()

    def close(self) -> None:
        """Close the file, if it is open."""
        if self.to is not None:
            self.to.close()

    @property
    def _there(self) -> Connection:
        if self.to is None:
            raise Transient("the state file is not open yet")
        return self.to


@define(eq=False)
class LateLane:
    """The lane of a file's `connection`: opens the file, by `attempt`, before the first work that finds it possible."""

    inner: Lane
    attempt: Callable[[], Opened]
    report: Callable[[SetAside], None]
    connection: LateConnection = field(factory=LateConnection)
    file: Opened | None = None
    opened: trio.Event = field(factory=trio.Event)
    _problem: IngestError | None = None
    _again: float = -math.inf
    _turn: trio.Lock = field(factory=trio.Lock)

    async def __call__(self, work: Callable[[*Args], T], *args: *Args) -> T:
        """Do the work in its turn. Raises what `attempt` does as long as the file cannot be opened."""
        await self.open()
        return await self.inner(work, *args)

    async def until_open(self) -> Opened:
        """The file, as soon as somebody's work has opened it."""
        while self.file is None:
            await self.opened.wait()
        return self.file

    async def open(self) -> None:
        """Open the file, if it is not."""
        if self.file is not None:
            return
        async with self._turn:
            if self.file is None:
                await self._open()

    async def _open(self) -> None:
        if self._problem is not None and trio.current_time() < self._again:
            raise self._problem.with_traceback(None)
        try:
            self.file = await self.inner(self.attempt)
        except IngestError as problem:
            self._problem, self._again = problem, trio.current_time() + AGAIN
            raise
        self.connection.to = self.file.connection
        self.opened.set()
        if self.file.aside is not None:
            self.report(self.file.aside)

    def release(self) -> None:
        """Give the lock back, when the file is closed."""
        if self.file is not None:
            self.file.release()
