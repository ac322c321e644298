"""A backlog: so many points wait in the spool when the service starts, put there by the spool's own functions.

    python -m scripts.benchmark.backlog STATE POINTS PAYLOAD

makes a state file with so many points in it, `BATCH` in a batch, each batch the bytes of the file PAYLOAD.
"""

from __future__ import annotations

import shutil
import sys
import time
from pathlib import Path
from tempfile import gettempdir

import trio
from attrs import frozen

from ingest.config.settings import Settings
from ingest.core.sealing import seal
from ingest.core.store import Batch
from ingest.edge.late import open_locked
from ingest.edge.spool_file import Table
from ingest.edge.spool_rows import Key
from scripts.benchmark.account import Failed
from scripts.benchmark.pacing import lateness
from scripts.benchmark.runs import Load, check, serving, stage
from scripts.benchmark.service import bare
from scripts.benchmark.stores import LOOK, Sink
from scripts.benchmark.tools import SERVICE
from scripts.benchmark.traffic import START_NS, chunks

BATCH = 5_000

RATE = 100
"""Live events a second meanwhile."""

DEADLINE = 120.0

SLOWEST = 10_000
"""Points a second: a run has a second more for so many, to make and to deliver them."""

SHARE = 10
"""The spool takes at most one part in so many of what is free on the disk."""


@frozen
class Drained:
    """Seconds from the start until the service listened and until the backlog was delivered, and its processor time until then.

    Resident bytes at most; how late the live events were, in seconds, least first.
    """

    start: float
    drained: float
    cpu: float
    peak: int
    late: list[float]


def payload_of(load: Load) -> bytes:
    """A batch of points that are older than every event: the load's lines at other times."""
    lines = (line.rpartition(b" ")[0] for line in load.lines[:BATCH])
    return seal([b"%b %d" % (line, START_NS - BATCH + number) for number, line in enumerate(lines)])


def fits(points: int, payload: bytes) -> bool:
    """True when this machine's temporary folder can take such a backlog."""
    return shutil.disk_usage(gettempdir()).free // SHARE > points // BATCH * len(payload) * 1.1


def fill(path: Path, points: int, payload: bytes) -> None:
    """Put batches into a new state file. Raises as `open_locked`."""
    opened = open_locked(path, time.time_ns)
    table = Table(opened.connection, path, Key(Settings().home, "influxdb"))
    batch = Batch(payload, BATCH, len(payload), START_NS - BATCH, START_NS - 1)
    try:
        for _ in range(points // BATCH):
            table.put(batch, time.time_ns(), 0, (), ())
    finally:
        opened.connection.close()
        opened.release()


async def drain(load: Load, points: int, payload: bytes) -> Drained:
    """Start the service before such a backlog, with live events. Raises `Failed` unless everything is delivered."""
    sink = Sink()
    sink.expected = payload
    async with stage(load.entities, seconds=DEADLINE + points / SLOWEST) as scene:
        await _filled(scene.folder, points, payload)
        await sink.serve(scene.nursery)

        async def opener(_: object) -> Sink:
            return sink

        began = time.perf_counter()
        async with serving(scene, opener, SERVICE, {"spool.size": "1024GiB"}) as (process, _, account):
            subscription = await scene.peer.subscribed()
            start = time.perf_counter() - began
            live = chunks(load.stream, 1, subscription, 1)
            scene.nursery.start_soon(scene.peer.pace, live, account, RATE)
            while sink.batches * BATCH < points:  # noqa: ASYNC110  a sink has no event
                await trio.sleep(LOOK)
            drained, cpu = time.perf_counter() - began, process.cpu()
            await account.acknowledged.until(lambda known: known >= len(load.stream))
            check(load, sink)
            return Drained(start, drained, cpu, process.memory()[1], lateness(account))
    raise AssertionError  # pragma: no cover  `stage` raised


async def _filled(folder: Path, points: int, payload: bytes) -> None:
    (folder / "payload").write_bytes(payload)
    command = [
        sys.executable,
        "-m",
        "scripts.benchmark.backlog",
        str(folder / "state.db"),
        str(points),
        str(folder / "payload"),
    ]
    done = await trio.run_process(command, check=False, capture_stderr=True, env=bare())
    if done.returncode:
        raise Failed(f"the backlog cannot be made:\n{done.stderr.decode()}")


if __name__ == "__main__":
    fill(Path(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3]).read_bytes())
