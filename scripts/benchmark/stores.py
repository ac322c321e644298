"""The two places the service stores into, seen from outside: each acknowledges events, and can be looked into afterwards.

* `Sink` is a database that takes everything: it answers 204 to every write and keeps the lines. It unpacks a body only
  after its answer is on the way.
* `File` is the embedded store's file. A batch is acknowledged when another process can read it.

The snapshot's points, all older than the start, are stored too and are no events.
"""

from __future__ import annotations

import gzip
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Protocol

import h11
import trio
from attrs import define, field

from scripts.benchmark.account import Account
from scripts.benchmark.peer import LOOPBACK
from scripts.benchmark.traffic import START_NS

LOOK = 0.02
"""Seconds between two looks at what cannot call."""

CHUNK = 256 * 1024


class Store(Protocol):
    """Where a run's points go, seen from the bench."""

    @property
    def settings(self) -> Mapping[str, object]:
        """What the service must be told."""

    async def acknowledge(self, account: Account) -> None:
        """Tell the account what is stored, for ever."""

    def times(self) -> list[int]:
        """The times of all events that are stored."""

    def snapshot(self) -> int:
        """How many points are stored that are no events."""


@define(eq=False)
class Sink:
    """A database that takes everything, on a loopback port once it is served. `lines` are those of events."""

    lines: list[bytes] = field(factory=list)
    expected: bytes = b""
    """A payload that is known and only counted; several may come joined, with nothing between them."""
    batches: int = 0
    """How often it came."""
    refusing: int = 0
    """The status with which it refuses every write; 0 for none."""
    start: int = START_NS
    """Points are events when they are younger, in nanoseconds."""
    _others: int = 0
    _account: Account | None = None
    port: int = 0

    @property
    def settings(self) -> Mapping[str, object]:
        """The settings that make the service write to its address."""
        return {"influxdb.url": f"http://{LOOPBACK}:{self.port}"}

    async def serve(self, nursery: trio.Nursery) -> None:
        """Listen on a free port of loopback, until the nursery ends."""
        listeners = await nursery.start(partial(trio.serve_tcp, self._handle, 0, host=LOOPBACK))
        self.port = listeners[0].socket.getsockname()[1]

    async def acknowledge(self, account: Account) -> None:
        """From now on count what is stored into this account, until cancelled."""
        self._account = account
        await trio.sleep_forever()

    def times(self) -> list[int]:
        """The times of the events that are stored, in nanoseconds."""
        return [_time(line) for line in self.lines]

    def snapshot(self) -> int:
        """How many other lines came."""
        return self._others

    async def _handle(self, stream: trio.SocketStream) -> None:
        connection = h11.Connection(h11.SERVER)
        try:
            while await self._answer(stream, connection):
                connection.start_next_cycle()
        except trio.BrokenResourceError:
            pass  # the client is gone: an ordinary end

    async def _answer(self, stream: trio.SocketStream, connection: h11.Connection) -> bool:
        """Answer one request; False when there will be no other."""
        request, body = await _request(stream, connection)
        if request is None:
            return False
        refused = self.refusing if request.target.startswith(b"/api/v2/write") else 0
        headers = [("X-Influxdb-Version", "v2.7.11"), *([("Content-Length", "0")] if refused else [])]
        head = connection.send(h11.Response(status_code=refused or 204, headers=headers)) or b""
        await stream.send_all(head + (connection.send(h11.EndOfMessage()) or b""))
        if not refused and request.target.startswith(b"/api/v2/write"):
            known = len(body) // len(self.expected) if self.expected else 0
            if known and body == self.expected * known:
                self.batches += known
                return connection.our_state is h11.DONE
            self._count(gzip.decompress(body) if body.startswith(b"\x1f\x8b") else body)
        return connection.our_state is h11.DONE

    def _count(self, text: bytes) -> None:
        written = [line for line in text.splitlines() if not line.startswith(b"#")]
        lines = [line for line in written if _time(line) > self.start]
        self.lines += lines
        self._others += len(written) - len(lines)
        if self._account is not None and lines:
            self._account.acknowledge(len(lines))


async def _request(stream: trio.SocketStream, connection: h11.Connection) -> tuple[h11.Request | None, bytes]:
    request, body = None, bytearray()
    while True:
        match connection.next_event():
            case h11.NEED_DATA:
                connection.receive_data(await stream.receive_some(CHUNK))
            case h11.Request() as head:
                request = head
            case h11.Data() as data:
                body += data.data
            case h11.EndOfMessage():
                return request, bytes(body)
            case _:
                return None, b""


def _time(line: bytes) -> int:
    return int(line.rpartition(b" ")[2])


@define(eq=False)
class File:
    """The embedded store's file."""

    path: Path

    @property
    def settings(self) -> Mapping[str, object]:
        """The settings that make the service write into the file."""
        return {"store.kind": "embedded", "embedded.path": self.path}

    async def acknowledge(self, account: Account) -> None:
        """Look whether something was committed; count it."""
        while not self.path.exists():  # noqa: ASYNC110  a file has no event
            await trio.sleep(LOOK)
        seen = 0
        with closing(self._open()) as file:
            while True:
                await trio.sleep(LOOK)
                (version,) = file.execute("PRAGMA data_version").fetchone()
                if version != seen:
                    seen = version
                    account.acknowledge(_counted(file, "time_ns > ?") - account.acknowledged.value)

    def times(self) -> list[int]:
        """The times of the events that are stored, in nanoseconds."""
        with closing(self._open()) as file:
            return [time for (time,) in file.execute("SELECT time_ns FROM change WHERE time_ns > ?", (START_NS,))]

    def snapshot(self) -> int:
        """How many other rows there are."""
        with closing(self._open()) as file:
            return _counted(file, "time_ns <= ?")

    def _open(self) -> sqlite3.Connection:
        return sqlite3.connect(f"{self.path.as_uri()}?mode=ro", uri=True, isolation_level=None)


def _counted(file: sqlite3.Connection, which: str) -> int:
    try:
        (count,) = file.execute(f"SELECT count(*) FROM change WHERE {which}", (START_NS,)).fetchone()
    except sqlite3.OperationalError:
        return 0  # the tables are being made
    return int(count)
