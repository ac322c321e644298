"""The embedded store's hourly work, as small steps: each `next` is one short transaction, deliveries go in between.

Order matters: an hour is rolled up before its changes may go, and the horizon is moved before the first of them goes, so
that a late change is refused from then on and can never replace a roll-up that was made of all of them.

How old a change is, no clock alone says: ours may be years ahead for the minute before NTP has set it, and Home Assistant's
on the same machine with it. What has been removed never comes back, so the age is reckoned from what is stored, and moves on
by a day in an hour at most (`_reached`): a wrong clock costs the oldest day of each hour that it stays wrong.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from itertools import groupby
from operator import itemgetter

import msgspec

from ingest.core.rollup import Hour, summarise
from ingest.core.state import HOUR_NS
from ingest.edge.embedded_schema import WEEK_NS
from ingest.edge.sqlite import Connection, pragma, transaction

ROLLED = 10_000
"""Changes rolled up in one step."""

REMOVED = 2_000
"""Changes, or attribute texts, removed in one step."""

FREED = 1_000
"""Pages given back in one step."""

SPARE = 20
"""One page in so many may stay free: the next hour's changes will use it."""

STRIDE_NS = 24 * HOUR_NS
"""By so much the time that changes are aged by moves on in one upkeep, at most."""

_ROLLUP = """INSERT OR REPLACE INTO rollup
    (entity, hour, changes, first_ns, low, high, area, seconds, last_value, last_state, states)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"""


def horizon_ns(connection: Connection) -> int:
    """Changes before this time have been removed, or are being removed."""
    row = connection.execute("SELECT value FROM meta WHERE key = 'horizon_ns'").fetchone()
    return -(1 << 63) if row is None else int(row[0])


def steps(connection: Connection, now_ns: int, retention: timedelta | None) -> Iterator[None]:
    """All the work that is due now; stop anywhere, the next call goes on."""
    this_hour = now_ns // HOUR_NS
    yield from _roll_up(connection, this_hour)
    reached_ns = _reached(connection, now_ns)
    if retention is not None and reached_ns is not None:
        yield from _forget(connection, reached_ns // HOUR_NS - retention // timedelta(hours=1))
    yield from _give_back(connection)


def _roll_up(connection: Connection, this_hour: int) -> Iterator[None]:
    due = connection.execute(
        "SELECT hour, late FROM hour WHERE late > 0 AND hour < ? ORDER BY hour", (this_hour,)
    ).fetchall()
    for hour, late in due:
        span = (hour * HOUR_NS, (hour + 1) * HOUR_NS)
        (changes,) = connection.execute(
            "SELECT count(*) FROM change WHERE time_ns >= ? AND time_ns < ?", span
        ).fetchone()
        parts = 1 + changes // ROLLED
        for part in range(parts):
            with transaction(connection):
                connection.executemany(_ROLLUP, _rows(connection, hour, parts, part))
            yield
        # A batch that came between the parts has raised `late`: the hour stays due.
        with transaction(connection):
            connection.execute(
                "UPDATE hour SET changes = ?, late = 0 WHERE hour = ? AND late = ?", (changes, hour, late)
            )
        yield


def _rows(connection: Connection, hour: int, parts: int, part: int) -> list[tuple[object, ...]]:
    start, end = hour * HOUR_NS, (hour + 1) * HOUR_NS
    changes = connection.execute(
        "SELECT entity, time_ns, state, value FROM change"
        " WHERE time_ns >= ? AND time_ns < ? AND entity % ? = ? ORDER BY entity, time_ns",
        (start, end, parts, part),
    ).fetchall()
    return [
        _row(entity, hour, summarise((row[1:] for row in rows), end))
        for entity, rows in groupby(changes, key=itemgetter(0))
    ]


def _row(entity: int, hour: int, done: Hour) -> tuple[object, ...]:
    states = msgspec.json.encode(done.states).decode() if done.states else None
    numbers = (done.low, done.high, done.area, done.seconds, done.last_value)
    return (entity, hour, done.changes, done.first_ns, *numbers, done.last_state, states)


def _reached(connection: Connection, now_ns: int) -> int | None:
    """The time that changes are aged by, written down; None while there is no change.

    It moves on to our clock or the newest change, whichever is earlier, and never goes back: a home that says nothing
    forgets nothing, and a clock that is behind for a while delays nothing.
    """
    newest_ns = connection.execute("SELECT max(time_ns) FROM change").fetchone()[0]
    if newest_ns is None:
        return None
    reached_ns = min(now_ns, int(newest_ns))
    before = connection.execute("SELECT value FROM meta WHERE key = 'reached_ns'").fetchone()
    if before is not None:
        reached_ns = max(int(before[0]), min(reached_ns, int(before[0]) + STRIDE_NS))
    with transaction(connection):
        connection.execute("INSERT OR REPLACE INTO meta VALUES ('reached_ns', ?)", (reached_ns,))
    return reached_ns


def _forget(connection: Connection, before_hour: int) -> Iterator[None]:
    due = connection.execute("SELECT min(hour) FROM hour WHERE late > 0").fetchone()[0]
    before_hour = before_hour if due is None else min(before_hour, due)
    before_ns = before_hour * HOUR_NS
    if before_ns > horizon_ns(connection):
        with transaction(connection):
            connection.execute("INSERT OR REPLACE INTO meta VALUES ('horizon_ns', ?)", (before_ns,))
            connection.execute("DELETE FROM hour WHERE hour < ?", (before_hour,))
        yield
    yield from _remove_changes(connection, before_ns)
    yield from _remove_attributes(connection, before_ns // WEEK_NS)


def _remove_changes(connection: Connection, before_ns: int) -> Iterator[None]:
    oldest = "SELECT max(time_ns) FROM (SELECT time_ns FROM change WHERE time_ns < ? ORDER BY time_ns LIMIT ?)"
    while (until := connection.execute(oldest, (before_ns, REMOVED)).fetchone()[0]) is not None:
        with transaction(connection):
            connection.execute("DELETE FROM change WHERE time_ns <= ?", (until,))
        yield


def _remove_attributes(connection: Connection, before_week: int) -> Iterator[None]:
    removed = REMOVED
    while removed == REMOVED:
        with transaction(connection):
            removed = connection.execute(
                "DELETE FROM attributes WHERE id IN (SELECT id FROM attributes WHERE week < ? LIMIT ?)",
                (before_week, REMOVED),
            ).rowcount
        yield


def _give_back(connection: Connection) -> Iterator[None]:
    while pragma(connection, "freelist_count") > pragma(connection, "page_count") // SPARE:
        # A script, because it runs a statement to its end: `execute` would free one page and stop.
        connection.executescript(f"PRAGMA incremental_vacuum({FREED})")
        yield
