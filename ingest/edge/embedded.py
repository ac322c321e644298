"""The embedded store: every change in one SQLite file, for a home without a database.

A batch is its transaction, so it needs no spool; `synchronous=FULL` makes a delivered batch survive a power cut. Writing
the same batch again changes nothing, and a poorer account of a change (a snapshot's, the history's) never replaces the
live one.

The file is somebody's: it can be full, locked, damaged or removed under us. Each of these is a verdict. A damaged file is
set aside under another name, with its log, and a new one begun: no data is deleted, and new data has a place.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from pathlib import Path

import trio
from attrs import field, frozen

from ingest.core.rows import CODEC, Row, without_surrogates
from ingest.core.state import HOUR_NS
from ingest.core.store import Batch, Delivered, Keep, Rejection, Store, Verdict
from ingest.edge import embedded_upkeep
from ingest.edge.aside import SetAside, Telling, set_aside
from ingest.edge.embedded_names import Names
from ingest.edge.embedded_schema import prepare
from ingest.edge.sqlite import Connection, Damaged, DiskFails, Synchronous, open_writer, transaction, translated
from ingest.errors import IngestError, Transient
from ingest.runtime.ending import freed_after
from ingest.runtime.lane import Lane

NAME = "embedded"
CLOSING = 0.5
"""Seconds within which the file is closed, cancelled or not; an unclosed one loses nothing, its log stays."""

ASIDE_PAUSE_NS = HOUR_NS
"""A second damaged file within this time is the disk's fault: no third one is begun."""

_COLUMNS = (
    "time_ns", "entity", "facts", "attributes", "state", "value", "previous_state", "duration", "kind", "origin",
    "context_id", "context_parent_id", "context_user_id",
)  # fmt: skip
_UPSERT = f"""INSERT INTO change ({", ".join(_COLUMNS)}) VALUES (?{", ?" * (len(_COLUMNS) - 1)})
ON CONFLICT (time_ns, entity) DO UPDATE SET {", ".join(f"{name} = excluded.{name}" for name in _COLUMNS[2:])}
WHERE coalesce(excluded.origin, 0) <= coalesce(change.origin, 0)"""  # noqa: S608  our own column names
_TOUCH = "INSERT INTO hour (hour, late) VALUES (?, 1) ON CONFLICT (hour) DO UPDATE SET late = late + 1"


@frozen
class EmbeddedSettings:
    """`retention` is the age at which changes give way to their hourly roll-up; None keeps them for ever."""

    path: Path
    retention: timedelta | None = field(default=timedelta(days=400))
    synchronous: Synchronous = "FULL"


class Embedded:
    """One file and its writing connection. Everything but `store` and `maintain` runs in the lane, `report` too."""

    def __init__(
        self, settings: EmbeddedSettings, lane: Lane, now_ns: Callable[[], int], report: Callable[[SetAside], None]
    ) -> None:
        self._settings = settings
        self._lane = lane
        self._now_ns = now_ns
        self._report = report
        self.problem: DiskFails | None = None
        self._connection: Connection | None = None
        self._names: Names | None = None
        self._inode = 0
        self._aside_ns = -ASIDE_PAUSE_NS
        self.store: Store[Row, tuple[Row, ...]] = Store(NAME, CODEC, self.deliver)

    async def deliver(self, batch: Batch[tuple[Row, ...]]) -> Verdict:
        """One transaction. Never raises for what a disk or another program may answer."""
        try:
            return await self._lane(self._deliver, batch.payload)
        except trio.BrokenResourceError as error:
            return Keep(str(error))

    async def maintain(self) -> None:
        """Roll up the hours that have passed, remove what is older than the retention, give space back.

        In slices of some 20 ms, between which deliveries get their turn. Raises Transient, Refused or Damaged; calling
        again goes on where it stopped.
        """
        steps = self._upkeep()
        try:
            while await self._lane(self._advance, steps):
                pass
        except trio.BrokenResourceError as error:
            raise Transient(str(error)) from error

    def open(self) -> None:
        """Open the file, or make it; a damaged one is set aside.

        A disk that is full or fails is left to the deliveries, which try again; `problem` says so then. Raises
        Transient or Refused.
        """
        try:
            self._open()
        except Damaged as error:
            self._set_aside(error)
            self._open()
        except DiskFails as error:
            self.problem = error

    def close(self) -> None:
        """Close the file; the next delivery would open it again."""
        if self._connection is not None:
            self._connection.close()
        self._connection = self._names = None

    def _open(self) -> tuple[Connection, Names]:
        path = self._settings.path
        connection = open_writer(path, self._settings.synchronous)
        try:
            with translated(path):
                prepare(connection, path)
        except BaseException:
            connection.close()
            raise
        self._inode = path.stat().st_ino
        self._connection, self._names = connection, Names(connection)
        return self._connection, self._names

    def _opened(self) -> tuple[Connection, Names]:
        if self._connection is not None and not self._is_there():
            # Somebody removed or replaced the file: writing on would fill a file that has no name.
            self.close()
        return (self._connection, self._names) if self._connection and self._names else self._open()

    def _is_there(self) -> bool:
        try:
            return self._settings.path.stat().st_ino == self._inode
        except OSError:
            return False

    def _deliver(self, rows: Sequence[Row]) -> Verdict:
        try:
            return self._write(rows)
        except UnicodeEncodeError:
            return self._deliver([without_surrogates(row) for row in rows])
        except Damaged as error:
            return self._begin_again(error, rows)
        except IngestError as error:
            return _keep(error)

    def _begin_again(self, damage: Damaged, rows: Sequence[Row]) -> Verdict:
        if self._now_ns() - self._aside_ns < ASIDE_PAUSE_NS:
            return _keep(damage)
        try:
            self._set_aside(damage)
            return self._write(rows)
        except IngestError as error:
            return _keep(error)

    def _write(self, rows: Sequence[Row]) -> Delivered:
        connection, names = self._opened()
        with translated(self._settings.path):
            try:
                with transaction(connection):
                    kept, rejected = _split(rows, embedded_upkeep.horizon_ns(connection))
                    connection.executemany(_UPSERT, _bound(kept, names))
                    connection.executemany(_TOUCH, _hours(kept))
            except BaseException:
                names.forget()
                raise
        return Delivered(rejected)

    def _set_aside(self, damage: Damaged) -> None:
        """Raises the damage itself when the file cannot be renamed."""
        self.close()
        self._aside_ns = self._now_ns()
        self._report(set_aside(self._settings.path, damage, self._aside_ns))

    def _upkeep(self) -> Iterator[None]:
        connection, _ = self._opened()
        for step in embedded_upkeep.steps(connection, self._now_ns(), self._settings.retention):
            yield step
            if self._connection is not connection:
                return  # a delivery has set the file aside meanwhile

    def _advance(self, steps: Iterator[None]) -> bool:
        with translated(self._settings.path):
            return next(steps, False) is None


def _keep(error: IngestError) -> Keep:
    return Keep(f"{error.what} ({error.where})", remedy=error.remedy)


def _split(rows: Sequence[Row], horizon_ns: int) -> tuple[Sequence[Row], tuple[Rejection, ...]]:
    if all(row.time_ns >= horizon_ns for row in rows):
        return rows, ()
    reason = "older than the changes that are still kept: its hour was rolled up and removed (embedded.retention)"
    late = tuple(
        Rejection(f"{row.tags[0]} {row.time_ns} {row.state}", reason) for row in rows if row.time_ns < horizon_ns
    )
    return [row for row in rows if row.time_ns >= horizon_ns], late


def _bound(rows: Iterable[Row], names: Names) -> Iterator[tuple[object, ...]]:
    for row in rows:
        entity = names.entity(row.registry_id)
        facts = names.facts(entity, row.tags, row.time_ns)
        attributes = names.attributes(row.attributes, row.time_ns)
        yield (row.time_ns, entity, facts, attributes, *row[4:])


def _hours(rows: Iterable[Row]) -> list[tuple[int]]:
    return [(hour,) for hour in sorted({row.time_ns // HOUR_NS for row in rows})]


def _ignore(_: SetAside) -> None:
    pass


def _wait() -> None:
    pass


@asynccontextmanager
async def open_embedded(
    settings: EmbeddedSettings,
    lane: Lane,
    now_ns: Callable[[], int],
    report: Callable[[SetAside], None] = _ignore,
    give_up: Callable[[], None] = _wait,
) -> AsyncIterator[Embedded]:
    """The store for the time of a block. `give_up` frees us from a disk that hangs when it is closed.

    Raises Transient or Refused when the file can neither be opened nor made, is not ours, or is of a newer version; not
    when only the disk is full or fails.
    """
    telling = Telling(lane, report)
    embedded = Embedded(settings, telling, now_ns, telling.note)
    await telling(embedded.open)
    try:
        yield embedded
    finally:
        with suppress(trio.BrokenResourceError):
            async with freed_after(CLOSING, give_up):
                await telling(embedded.close)
