"""The state file, open: its lock, its lane, and what had to be set aside for it."""

from __future__ import annotations

import shutil
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import trio
from attrs import frozen

from ingest.edge.aside import SetAside
from ingest.edge.lock import SERVICE, Holder, Lock, locked_soon
from ingest.edge.sqlite import Connection
from ingest.edge.state_file import open_state
from ingest.runtime.lane import ThreadLane

CLOSING = 0.5
"""Seconds in which the file is closed; an unclosed one loses nothing, its log stays. No more: they are the last of a
stop, and who leaves work behind in a dead disk need not ask that disk again."""

SHARE_OF_FREE = 10
"""The spool takes at most one part in so many of the disk's free bytes."""

ALONE = "Stop the other service, or give this one a spool.path of its own."

LEAST = 1024 * 1024
"""Bytes that a spool may always try to take: on a full disk it is the disk that says so, and memory that helps."""


@frozen
class State:
    """An open state file. Everything on `connection` runs in `lane`; `lock` is held."""

    path: Path
    connection: Connection
    lane: ThreadLane
    lock: Lock


@asynccontextmanager
async def opened_state(
    path: Path, now_ns: Callable[[], int], report: Callable[[SetAside], None], by: Holder = SERVICE
) -> AsyncGenerator[State]:
    """The file for the time of a block, locked against a second service.

    Raises `Held` when another process holds it; `Transient` or `Refused` when no file can be used or made there.
    """
    lane = ThreadLane()
    async with locked_soon(path, remedy=ALONE, by=by) as lock:
        connection, aside = await lane(open_state, path, now_ns)
        if aside is not None:
            report(aside)
        try:
            yield State(path, connection, lane, lock)
        finally:
            if not lane.busy:
                with trio.move_on_after(CLOSING, shield=True):
                    await trio.to_thread.run_sync(connection.close, abandon_on_cancel=True)


def room(path: Path, wanted: int) -> int:
    """Bytes that a spool at `path` may take: what is wanted, but at most a tenth of the disk's free bytes.

    What the file takes already is counted as free, and never too much: a start on a full disk evicts nothing.
    """
    taken = sum(part.stat().st_size for part in (path, path.with_name(f"{path.name}-wal")) if part.exists())
    tenth = (shutil.disk_usage(path.parent).free + taken) // SHARE_OF_FREE
    return min(wanted, max(taken, tenth, LEAST))
