"""The state file for the time of a service: its lane, which holds its lock while it is open."""

from __future__ import annotations

import shutil
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import trio
from attrs import frozen

from ingest.edge.aside import SetAside
from ingest.edge.free_space import USUAL
from ingest.edge.late import LateConnection, LateLane, open_locked
from ingest.edge.lock import LOOK, SERVICE, Held, Holder
from ingest.errors import Refused, Transient
from ingest.runtime.lane import ThreadLane

CLOSING = 0.5
"""Seconds in which the file is closed; an unclosed one loses nothing, its log stays. No more: they are the last of a
stop, and who leaves work behind in a dead disk need not ask that disk again."""

SHARE_OF_FREE = 10
"""The spool takes at most one part in so many of the disk's free bytes."""

LEAST = 1024 * 1024
"""Bytes that a spool may always try to take: on a full disk it is the disk that says so, and memory that helps."""


@frozen
class State:
    """A state file. Everything on `connection` runs in `lane`; `give_up` frees us from a disk that hangs."""

    path: Path
    connection: LateConnection
    lane: LateLane
    give_up: Callable[[], None]


@asynccontextmanager
async def opened_state(
    path: Path,
    now_ns: Callable[[], int],
    report: Callable[[SetAside], None],
    thread: ThreadLane | None = None,
    by: Holder = SERVICE,
    *,
    min_free: int = USUAL,
    later: bool = False,
) -> AsyncGenerator[State]:
    """The file for the time of a block, locked against a second service.

    Where no file can be used or made yet, it is opened with the first work that finds it possible; so it is, if it may be
    `later`, where a command has it for longer than the holder waits.
    Raises `Held` when another service has it, or a command and it may not be `later`.
    """
    thread = thread or ThreadLane()
    lane = LateLane(thread, partial(open_locked, path, now_ns, by, min_free), report)
    try:
        await _open(lane, by, later=later)
        yield State(path, lane.connection, lane, thread.give_up)
    finally:
        if not thread.busy:
            with trio.move_on_after(CLOSING, shield=True):
                await trio.to_thread.run_sync(lane.connection.close, abandon_on_cancel=True)
        lane.release()


async def _open(lane: LateLane, by: Holder, *, later: bool) -> None:
    end = trio.current_time() + by.patience
    while True:
        try:
            await lane.open()
        except Held as held:
            late = trio.current_time() >= end
            if held.by_service or (late and not later):
                raise
            if late:
                return
        except (Transient, Refused):
            return  # said by whoever needs the file, and tried again by them
        else:
            return
        await trio.sleep(LOOK)


def room(path: Path, wanted: int) -> int:
    """Bytes that a spool at `path` may take: what is wanted, but at most a tenth of the disk's free bytes.

    What the file takes already is counted as free, and never too much: a start on a full disk evicts nothing.
    """
    taken = sum(part.stat().st_size for part in (path, path.with_name(f"{path.name}-wal")) if part.exists())
    tenth = (shutil.disk_usage(path.parent).free + taken) // SHARE_OF_FREE
    return min(wanted, max(taken, tenth, LEAST))
