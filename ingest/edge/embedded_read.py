"""Reading the embedded store, beside a running service or without one.

Reads are short statements, a page at a time, and no transaction stays open: the service's log would grow behind it.
Long spans are read from the roll-up; hours that are not rolled up yet, the running one among them, from the changes.
"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from difflib import get_close_matches
from fnmatch import fnmatchcase
from itertools import chain
from pathlib import Path
from typing import Any

import msgspec
from attrs import frozen

from ingest.core.rollup import Hour, Sample, begins
from ingest.core.state import HOUR_NS
from ingest.edge.database_file import is_there
from ingest.edge.embedded_schema import check, is_new
from ingest.edge.sqlite import Connection, open_reader, translated
from ingest.errors import Refused

PAGE = 5_000
DAY_NS = 24 * HOUR_NS

_states = msgspec.json.Decoder(dict[str, float])


@frozen
class Entity:
    """An entity by its present name. More than one id: it was stored before the registry knew it, and after."""

    entity_id: str
    ids: tuple[int, ...]
    friendly_name: str | None
    unit: str | None


@frozen
class Usage:
    """How much there is. `size` in bytes; `per_day` changes in the 24 hours before the newest; times in nanoseconds."""

    size: int
    changes: int
    per_day: int
    oldest_ns: int
    newest_ns: int

    @property
    def bytes_per_day(self) -> float:
        """What a day like the last one adds to the file."""
        return self.size / self.changes * self.per_day if self.changes else 0.0


class Reader:
    """One read-only connection. Every method may raise Transient, Refused or Damaged inside `open_store`."""

    def __init__(self, connection: Connection, path: Path) -> None:
        self.connection = connection
        self._path = path

    @property
    def newest_ns(self) -> int | None:
        """When the newest change was; None when nothing is stored."""
        (newest,) = self.connection.execute("SELECT max(time_ns) FROM change").fetchone()
        return None if newest is None else int(newest)

    def names(self) -> list[str]:
        """The present names of all entities, sorted."""
        return [name for (name,) in self.connection.execute("SELECT DISTINCT entity_id FROM entities ORDER BY 1")]

    def find(self, name: str) -> list[Entity]:
        """The entity of that name now, else those that once had it; for a glob all that match now."""
        if any(character in name for character in "*?["):
            found = [known for known in self.names() if fnmatchcase(known, name)]
            return [entity for known in found for entity in self._entity(known)]
        return self._entity(name) or [entity for now in self._renamed(name) for entity in self._entity(now)]

    def alike(self, name: str) -> list[str]:
        """A few names that may have been meant."""
        known = self.names()
        return get_close_matches(name, known, 3) or [other for other in known if name.lower() in other][:3]

    def _entity(self, name: str) -> list[Entity]:
        rows = self.connection.execute(
            "SELECT id, friendly_name, unit FROM entities WHERE entity_id = ? ORDER BY id", (name,)
        ).fetchall()
        return [Entity(name, tuple(row[0] for row in rows), *rows[-1][1:])] if rows else []

    def _renamed(self, name: str) -> list[str]:
        rows = self.connection.execute(
            "SELECT DISTINCT entities.entity_id FROM facts JOIN entities ON entities.id = facts.entity"
            " WHERE facts.entity_id = ?",
            (name,),
        )
        return [now for (now,) in rows]

    def changes(self, ids: Sequence[int], start_ns: int, end_ns: int) -> Iterator[Sample]:
        """The changes of an entity in a span, in order of time."""
        after = start_ns - 1
        while page := self.connection.execute(
            "SELECT time_ns, state, value FROM change WHERE time_ns > ? AND time_ns < ?"
            " AND entity IN (SELECT value FROM json_each(?)) ORDER BY time_ns LIMIT ?",
            (after, end_ns, _list(ids), PAGE),
        ).fetchall():
            yield from page
            after = page[-1][0]

    def hours(self, ids: Sequence[int], start_ns: int, end_ns: int) -> Iterator[Sample | Hour]:
        """Kept hours, and changes where an hour is not kept or not whole, in order of time; from a full hour on.

        An hour that is kept of several ids is read from the changes, too: each of them says what the other's held over.
        """
        first, last = start_ns // HOUR_NS, end_ns // HOUR_NS
        rows = self.connection.execute(
            "SELECT hour, first_ns, changes, low, high, area, seconds, last_value, last_state, states FROM rollup"
            " WHERE entity IN (SELECT value FROM json_each(?)) AND hour >= ? AND hour < ? ORDER BY first_ns",
            (_list(ids), first, last),
        ).fetchall()
        several = {hour for hour, count in Counter(row[0] for row in rows).items() if count > 1}
        read = self._late(first, last - 1) | several
        kept = (_hour(row) for row in rows if row[0] not in read)
        spans = [(hour * HOUR_NS, (hour + 1) * HOUR_NS) for hour in sorted(read)] + [(last * HOUR_NS, end_ns)]
        changes = chain.from_iterable(self.changes(ids, start, end) for start, end in spans)
        return heapq.merge(kept, changes, key=begins)

    def _late(self, first: int, last: int) -> set[int]:
        rows = self.connection.execute("SELECT hour FROM hour WHERE late > 0 AND hour BETWEEN ? AND ?", (first, last))
        return {hour for (hour,) in rows}

    def before(self, ids: Sequence[int], start_ns: int) -> Sample | None:
        """What held just before that time: the last change, from its hour's roll-up when that is kept."""
        this = start_ns // HOUR_NS
        row = self.connection.execute(
            "SELECT hour, last_state, last_value FROM rollup WHERE entity IN (SELECT value FROM json_each(?))"
            " AND hour < ? ORDER BY hour DESC LIMIT 1",
            (_list(ids), this),
        ).fetchone()
        oldest = -(1 << 40) if row is None else row[0]
        for hour in [this, *sorted(self._late(oldest, this - 1), reverse=True)]:
            if found := self._last(ids, hour * HOUR_NS, min((hour + 1) * HOUR_NS, start_ns)):
                return found
        return None if row is None else (row[0] * HOUR_NS, row[1], row[2])

    def _last(self, ids: Sequence[int], start_ns: int, end_ns: int) -> Sample | None:
        row: Sample | None = self.connection.execute(
            "SELECT time_ns, state, value FROM change WHERE time_ns >= ? AND time_ns < ?"
            " AND entity IN (SELECT value FROM json_each(?)) ORDER BY time_ns DESC LIMIT 1",
            (start_ns, end_ns, _list(ids)),
        ).fetchone()
        return row

    def units(self, ids: Sequence[int], start_ns: int, end_ns: int, *, kept: bool) -> list[str]:
        """The units of the values in a span and of what held before, in the order in which the entity had them.

        With `kept`, for a span of which hours are read, all that it ever had: the changes are then not looked at.
        """
        rows = self.connection.execute(
            "SELECT id, unit FROM facts WHERE unit <> '' AND entity IN (SELECT value FROM json_each(?)) ORDER BY id",
            (_list(ids),),
        ).fetchall()
        units = dict(rows)
        if not kept and len(set(units.values())) > 1:
            used = self._facts(ids, start_ns, end_ns)
            if before := self.before(ids, start_ns):
                used |= self._facts(ids, before[0], min(before[0] + HOUR_NS, start_ns), most=1)
            units = {facts: unit for facts, unit in rows if facts in used}
        return list(dict.fromkeys(units.values()))

    def _facts(self, ids: Sequence[int], start_ns: int, end_ns: int, most: int = -1) -> set[int]:
        rows = self.connection.execute(
            "SELECT facts FROM change WHERE time_ns >= ? AND time_ns < ?"
            " AND entity IN (SELECT value FROM json_each(?)) ORDER BY time_ns DESC LIMIT ?",
            (start_ns, end_ns, _list(ids), most),
        )
        return {facts for (facts,) in rows}

    def last(self, ids: Sequence[int]) -> Sample | None:
        """The newest change of these rows of `entity`, one life of an entity; None when there is none."""
        return self._last(ids, -(1 << 63), (1 << 63) - 1)

    def usage(self) -> Usage | None:
        """How much is stored; None when nothing is."""
        # Two statements: SQLite finds a minimum or a maximum at an end of the key, but not both at once.
        (oldest,) = self.connection.execute("SELECT min(time_ns) FROM change").fetchone()
        (newest,) = self.connection.execute("SELECT max(time_ns) FROM change").fetchone()
        if oldest is None:
            return None
        (rolled,) = self.connection.execute("SELECT coalesce(sum(changes), 0) FROM hour WHERE late = 0").fetchone()
        late = self._late(oldest // HOUR_NS, newest // HOUR_NS)
        waiting = sum(self._count(hour * HOUR_NS, (hour + 1) * HOUR_NS) for hour in late)
        per_day = self._count(newest - DAY_NS + 1, newest + 1)
        return Usage(_size(self._path), rolled + waiting, per_day, oldest, newest)

    def _count(self, start_ns: int, end_ns: int) -> int:
        span = (start_ns, end_ns)
        row = self.connection.execute("SELECT count(*) FROM change WHERE time_ns >= ? AND time_ns < ?", span).fetchone()
        return int(row[0])


def _list(ids: Sequence[int]) -> str:
    return msgspec.json.encode(ids).decode()


def _hour(row: Sequence[Any]) -> Hour:
    hour, first_ns, changes, low, high, area, seconds, last_value, last_state, states = row
    known = _states.decode(states) if states else {}
    return Hour(first_ns, (hour + 1) * HOUR_NS, changes, low, high, area, seconds, last_value, last_state, known)


def _size(path: Path) -> int:
    files = (path, path.with_name(path.name + "-wal"))
    return sum(file.stat().st_size for file in files if file.exists())


@contextmanager
def open_store(path: Path) -> Iterator[Reader]:
    """Read an embedded store for the time of a block.

    Raises Refused when there is none, it is not ours or newer than we are; Transient or Damaged as it may be.
    """
    if not is_there(path):
        raise Refused(
            "there is no embedded store",
            where=str(path),
            remedy="`homeiq-ingest run` makes it. Name another file, such as the demo's, with --db FILE",
        )
    with translated(path), closing(open_reader(path)) as connection:
        if is_new(connection):
            begun = "Where the service has just been started, try again in a moment; else start it: `homeiq-ingest run`"
            raise Refused("there is nothing in the embedded store yet", where=str(path), remedy=begun)
        check(connection, path)
        yield Reader(connection, path)
