"""Looking into the state file, read-only: beside a running service or without one. Blocking."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from attrs import frozen

from ingest.edge.database_file import is_there
from ingest.edge.spool_rows import Key, Row
from ingest.edge.sqlite import Connection, open_reader, pragma, translated
from ingest.edge.state_older import fill_up
from ingest.edge.state_versions import VERSION
from ingest.errors import Refused

_DAY_NS = 86_400 * 10**9


class Absent(Refused):
    """There is no state file yet."""


@frozen
class Waiting:
    """What waits for one home's store. Times in nanoseconds, `size` in bytes.

    `rate` is in bytes a second: how fast came in what waits of the last day; None when it is too little to tell.
    """

    key: Key
    batches: int
    points: int
    size: int
    oldest_ns: int
    newest_ns: int
    rate: float | None


@contextmanager
def state_read(path: Path) -> Iterator[Connection]:
    """A reading connection. Raises `Absent`, or `Transient` or `Refused` when the file cannot be read or is not ours."""
    if not is_there(path):
        remedy = "The service makes it when it runs; spool.path says where."
        raise Absent("there is no state file", where=str(path), remedy=remedy)
    connection = open_reader(path)
    try:
        with translated(path):
            found = int(pragma(connection, "user_version"))
            if 0 < found < VERSION:
                fill_up(connection)
            elif found != VERSION:
                remedy = "Use the version that made it; a start of this one sets it aside."
                what = f"the state file is of version {found}, this program knows {VERSION}"
                raise Refused(what, where=str(path), remedy=remedy)
            yield connection
    finally:
        connection.close()


def waiting(connection: Connection) -> list[Waiting]:
    """What waits, by home and store."""
    rows = connection.execute(
        "SELECT home, store, count(*), sum(count), sum(size), min(oldest_ns), max(newest_ns), max(put_ns)"
        " FROM batch GROUP BY home, store"
    ).fetchall()
    return [
        Waiting(
            Key(home, store), count, points, size, oldest_ns, newest_ns, _rate(connection, Key(home, store), put_ns)
        )
        for home, store, count, points, size, oldest_ns, newest_ns, put_ns in rows
    ]


def _rate(connection: Connection, key: Key, last_put_ns: int) -> float | None:
    size, first_ns = connection.execute(
        "SELECT sum(size), min(put_ns) FROM batch WHERE home = ? AND store = ? AND put_ns >= ?",
        (key.home, key.store, last_put_ns - _DAY_NS),
    ).fetchone()
    seconds = (last_put_ns - first_ns) / 1e9
    return size / seconds if seconds >= 60 else None


def batches(connection: Connection, most: int) -> Iterator[tuple[Key, Row]]:
    """The oldest batches of every home and store, at most so many, without their payloads."""
    for home, store, *row in connection.execute(
        "SELECT home, store, id, put_ns, oldest_ns, newest_ns, count, size FROM batch ORDER BY id LIMIT ?", (most,)
    ):
        yield Key(home, store), Row(*row)


def payload(connection: Connection, batch_id: int) -> bytes | None:
    """The body of the request that the batch would send; None when it is not there."""
    row = connection.execute("SELECT payload FROM batch WHERE id = ?", (batch_id,)).fetchone()
    return bytes(row[0]) if row else None
