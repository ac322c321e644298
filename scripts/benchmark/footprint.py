"""What the service takes of the machine it lives on: memory under load, time to start, wake-ups at rest, writes to the disk.

Everything is read from outside, from /proc: the service does nothing for being measured. The load comes at a steady
rate, as from a home, and not as fast as it is taken.
"""

from __future__ import annotations

import re
import shutil
import signal
import sqlite3
import time
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager, closing, suppress
from pathlib import Path
from subprocess import DEVNULL, Popen
from urllib.request import Request, urlopen

import trio
from attrs import frozen

from scripts.benchmark.account import Account
from scripts.benchmark.kernel import counts
from scripts.benchmark.runs import Opener, Stage, influxdb, stage
from scripts.benchmark.service import LOG, SECRETS, Process, running, service
from scripts.benchmark.stores import LOOK, Store
from scripts.benchmark.traffic import START_NS, chunks, events

ENTITIES = 500

TICK = 0.02
"""Seconds between two frames of a steady load, as long as there is more than one event for each."""

READING = 5.0
"""Seconds between two looks of somebody who reads the metrics and the status page."""

PAGES = ("", "assets/app.js", "health/detailed", "api/status/house", "metrics", "openapi.json")
"""What such a reader asks for."""

SETTLING = 10.0
"""Seconds after which a service has done what it does once."""

LIMIT = 120.0
"""Seconds that a run may take beside what it measures."""

API = {"api.port": 0}
NO_API = {"api.enabled": "false"}
NOBODY = {"influxdb.url": "http://127.0.0.1:9"}
"""A database that is away: what is put into the spool stays there. The port is that of `discard`, which nobody serves."""


@frozen
class Load:
    """So many events a second for so many seconds, of a home of 500 entities."""

    rate: int
    seconds: float


@frozen
class Held:
    """Resident bytes: at most, and a while after the last event. `micros` of processor for each event, and readers."""

    peak: int
    settled: int
    micros: float


@frozen
class Started:
    """Seconds from exec to the first live event in the spool, and in the database.

    By then the process had used `cpu` seconds of processor, and `waited` for one.
    """

    spooled: float
    stored: float
    cpu: float
    waited: float


@frozen
class Idle:
    """Of a home in which nothing happens: percent of one processor, and how often a minute a thread of it woke."""

    percent: float
    wakes: float


@frozen
class Written:
    """What the disk takes: bytes for each event that is stored, and an hour; and how often an hour it is made to write.

    `syncs`: None where there is no strace to count them.
    """

    bytes_per_event: float
    bytes_per_hour: float
    syncs: float | None


@frozen
class Served:
    """A service that runs, has taken the snapshot, and listens to the home under that subscription."""

    process: Process
    store: Store
    account: Account
    subscription: int
    scene: Stage

    async def feed(self, load: Load) -> None:
        """Send the load at its pace, and wait until all of it is stored."""
        together = max(1, round(load.rate * TICK))
        stream = events(ENTITIES, round(load.rate * load.seconds))
        begun = trio.current_time()
        for start in range(0, len(stream), together):
            await trio.sleep_until(begun + start / load.rate)
            piece = stream[start : start + together]
            await self.scene.peer.send(chunks(piece, len(piece), self.subscription), self.account)
        await self.account.rest()


@asynccontextmanager
async def _served(opener: Opener, settings: Mapping[str, object], seconds: float) -> AsyncGenerator[Served]:
    async with stage(ENTITIES, seconds=seconds + LIMIT) as scene:
        store = await opener(scene)
        command = service(scene.port, scene.folder, {**store.settings, **settings})
        async with running(command, scene.folder, **SECRETS) as process:
            account = Account(process.cpu)
            scene.nursery.start_soon(store.acknowledge, account)
            subscription = await scene.peer.subscribed()
            while store.snapshot() < scene.peer.states:  # noqa: ASYNC110  a store has no event
                await trio.sleep(LOOK)
            yield Served(process, store, account, subscription, scene)


async def held(opener: Opener, load: Load, api: bool) -> Held:
    """The service under a steady load, with the API and somebody who reads it now and then, or without."""
    async with _served(opener, API if api else NO_API, load.seconds) as served, trio.open_nursery() as nursery:
        if api:
            nursery.start_soon(_read, served.scene.folder / LOG)
        begun = served.account.mark()
        await served.feed(load)
        ended = served.account.mark()
        await trio.sleep(SETTLING)
        settled, peak = served.process.memory()
        nursery.cancel_scope.cancel()
    return Held(peak, settled, (ended.cpu - begun.cpu) / (ended.events - begun.events) * 1e6)


async def _read(log: Path) -> None:
    """Read the API, for ever."""
    while not (address := _address(log)):  # noqa: ASYNC110  a file has no event
        await trio.sleep(LOOK)
    while True:
        for page in PAGES:
            await trio.to_thread.run_sync(_get, f"{address}/{page}")
        await trio.sleep(READING)


def _address(log: Path) -> str:
    found = re.search(r"status page is on (http://[\d.:]+)", log.read_text(encoding="utf-8"))
    return found[1] if found else ""


def _get(url: str) -> None:
    with urlopen(Request(url, headers={"Accept": "text/html"}), timeout=READING) as answer:
        answer.read()


async def started() -> Started:
    """The service from its start to its first live event, sent at once. Two starts: in one nobody takes it. Raises `Failed`."""
    async with stage(ENTITIES) as scene:
        began_ns = time.time_ns()
        async with _starting(scene, NOBODY):
            while not (put_ns := _put_ns(scene.folder / "state.db")):  # noqa: ASYNC110  a file has no event
                await trio.sleep(LOOK)
    async with stage(ENTITIES) as scene:
        store = await influxdb(scene)
        began = time.perf_counter()
        async with _starting(scene, store.settings) as (process, account):
            scene.nursery.start_soon(store.acknowledge, account)
            stored = await account.rest()
            waited = counts(process.popen.pid).waited
    return Started((put_ns - began_ns) / 1e9, stored.seconds - began, stored.cpu, waited)


@asynccontextmanager
async def _starting(scene: Stage, settings: Mapping[str, object]) -> AsyncGenerator[tuple[Process, Account]]:
    """The service, to which a single event is on its way."""
    command = service(scene.port, scene.folder, {**settings, **API})
    async with running(command, scene.folder, **SECRETS) as process:
        account = Account(process.cpu)
        (event,) = events(ENTITIES, 1)
        await scene.peer.send(chunks([event], 1, await scene.peer.subscribed()), account)
        yield process, account


def _put_ns(path: Path) -> int | None:
    """When the first batch with a live event was put into the spool; None: there is none yet."""
    with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as file, suppress(sqlite3.OperationalError):
        (put_ns,) = file.execute("SELECT min(put_ns) FROM batch WHERE newest_ns >= ?", (START_NS,)).fetchone()
        return None if put_ns is None else int(put_ns)
    return None


async def idle(opener: Opener, seconds: float) -> Idle:
    """The service with its API, in a home in which nothing happens."""
    async with _served(opener, API, seconds) as served:
        await trio.sleep(SETTLING)
        cpu, wakes = served.process.cpu(), counts(served.process.popen.pid).wakes
        await trio.sleep(seconds)
        used, woken = served.process.cpu() - cpu, counts(served.process.popen.pid).wakes - wakes
    return Idle(100 * used / seconds, 60 * woken / seconds)


async def written(opener: Opener, load: Load, age: float) -> Written:
    """What the disk takes under this load when a batch is stored after so many seconds."""
    async with _served(opener, {**API, "batch.timeout": age}, load.seconds + 2 * age) as served:
        await trio.sleep(SETTLING)
        pid = served.process.popen.pid
        before, begun = counts(pid).written, trio.current_time()
        async with _seen(pid, served.scene.folder / "syncs") as calls:
            await served.feed(load)
        passed = trio.current_time() - begun
        size = counts(pid).written - before
    syncs = None if calls is None else len(calls) / passed * 3600
    return Written(size / served.account.sent, size / passed * 3600, syncs)


@asynccontextmanager
async def _seen(pid: int, log: Path) -> AsyncGenerator[list[str] | None]:
    """After the block, every call in it that made the disk write; None where there is no strace to see them."""
    if (strace := shutil.which("strace")) is None:
        yield None
        return
    calls: list[str] = []
    command = [strace, "-f", "-qq", "-e", "trace=fsync,fdatasync", "-o", str(log), "-p", str(pid)]
    watcher = Popen(command, stdin=DEVNULL, stdout=DEVNULL, stderr=DEVNULL)  # noqa: ASYNC220  a moment
    try:
        yield calls
    finally:
        watcher.send_signal(signal.SIGINT)
        watcher.wait()
        calls += _lines(log)


def _lines(log: Path) -> list[str]:
    return [line for line in log.read_text(encoding="ascii").splitlines() if "sync(" in line]
