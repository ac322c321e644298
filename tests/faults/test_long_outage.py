"""A database that is away for a day while the home says fifty things a second, and what becomes of them afterwards.

The outage passes in virtual time through the real stages and a real state file; the drain is on the real clock, over
HTTP to a sink that counts. `OUTAGE_HOURS=24` is the whole day (4,320,000 changes, about two minutes); without it, less.
"""

from __future__ import annotations

import gc
import gzip
import os
import random
import statistics
import threading
import time
from base64 import b32encode
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from itertools import cycle, islice
from pathlib import Path
from typing import Any, NoReturn

import pytest
import trio
from attrs import define, evolve, field, frozen
from trio.testing import MockClock

from ingest.actors.batcher import Limits as BatchLimits
from ingest.core import reports
from ingest.core.catalog import Catalog
from ingest.core.homeiq import homeiq
from ingest.core.reports import Report
from ingest.core.sealing import joined
from ingest.core.secret import Secret
from ingest.core.state import Change, Context, Frame, Source, State, StateData
from ingest.core.store import Batch, Keep, Store, Verdict
from ingest.core.tally import balanced
from ingest.edge.disk_spool import DiskSpool, Limits
from ingest.edge.influx import Address, Influx
from ingest.edge.influx_client import Client
from ingest.edge.spool_file import Table
from ingest.edge.spool_rows import Key
from ingest.edge.state_file import open_state
from ingest.edge.websocket import Target
from ingest.errors import Transient
from ingest.pipeline import Pipeline
from ingest.plan import Destination
from ingest.runtime.lane import InlineLane, Lane, ThreadLane
from ingest.runtime.link import Overflow, Sender
from scripts.benchmark import traffic
from tests.faults.sink import Sink, sinking
from tests.integration.house import Memory, candidate, plan_of
from tests.support.marked import secret

pytestmark = pytest.mark.slow

HOURS = float(os.environ.get("OUTAGE_HOURS", "1"))
SEED = int(os.environ.get("SEED", "1"))
PER_SECOND = 50
ENTITIES = 300
EVENTS = 6000
"""Different changes of the simulated home; they come again and again, each time with times and contexts of their own."""

BYTES_A_CHANGE = 150
"""At most, in the file; batches of fifty compress less well than full ones."""

GROWTH = 48 * 2**20
"""Bytes of memory that may come with an outage, whatever its length."""

LATE = 10.0
"""Seconds that a live change may take while a backlog is drained, on a busy machine."""

LIMIT = 2 * 2**30

AGE = 0.1
EVERY = 0.2
"""Seconds during the drain: how old a batch gets, and between two live changes."""

LIVE = b"live-"
"""The beginning of the context of a change that comes during the drain."""


@frozen
class Life:
    """What a home says, endlessly: real changes of the simulated one, retimed."""

    changes: Sequence[Change]
    catalog: Catalog

    def frames(self, start: datetime) -> Iterator[Frame]:
        """A frame for each second, of changes a millisecond apart."""
        chance, round_about = random.Random(SEED), cycle(self.changes)
        for second in range(10**6):
            at = start + timedelta(seconds=second)
            some = islice(round_about, PER_SECOND)
            yield framed([
                retimed(each, at + timedelta(milliseconds=number), ulid(at, chance))
                for number, each in enumerate(some)
            ])  # fmt: skip


def ulid(at: datetime, chance: random.Random) -> str:
    """A context's id as Home Assistant makes it: the time, and eighty bits of chance."""
    return f"{round(at.timestamp() * 1000):010X}"[-10:] + b32encode(chance.randbytes(10)).decode()


def life() -> Life:
    stream = traffic.events(ENTITIES, EVENTS)
    changes = [change for change in traffic._changes(stream) if change.data.new_state is not None]
    return Life(changes, traffic._catalog(traffic.home(ENTITIES)))


def framed(changes: Sequence[Change]) -> Frame:
    return Frame(changes, 1_100 * len(changes))


def retimed(change: Change, at: datetime, context: str) -> Change:
    data, new = change.data, change.data.new_state
    assert new is not None
    state = State(new.entity_id, new.state, at, at, new.attributes, Context(context))
    return Change(StateData(data.entity_id, data.old_state, state), at)


@define
class Clock:
    """The wall clock that belongs to trio's."""

    start: int
    begun: float = field(factory=trio.current_time)

    def ns(self) -> int:
        return self.start + int((trio.current_time() - self.begun) * 1e9)


async def nobody(_: Target) -> NoReturn:
    raise Transient("no home is asked here")


@define(eq=False)
class Run:
    """A pipeline without a Home Assistant: what it would say is put in by hand."""

    pipeline: Pipeline
    spool: DiskSpool
    sender: Sender[Frame]
    told: Counter[type[Report]]

    async def say(self, frame: Frame) -> None:
        await self.sender.ready()
        self.pipeline.emit(reports.Received(len(frame.changes), Source.LIVE))
        assert self.sender.put(frame) == ()


@asynccontextmanager
async def running(
    folder: Path, catalog: Catalog, store: Store[Any, Any], lane: Lane, now_ns: Callable[[], int], age: float = 1.0
) -> AsyncGenerator[Run]:
    """Everything from the intake to the store, with its spool in the state file of `folder`."""
    told: Counter[type[Report]] = Counter()

    def count(report: Report) -> None:
        told[type(report)] += 1

    path = folder / "state.db"
    connection, aside = open_state(path, now_ns)
    assert aside is None
    table = Table(connection, path, Key("home", store.name))
    spool = DiskSpool(table, lane, Limits(LIMIT, 16 * 2**20), joined, now_ns, count)
    await spool.load()
    plan = plan_of(Memory(), [candidate("primary")], batch=BatchLimits(max_age=age))
    plan = evolve(plan, destination=Destination(store, "the database", spool=spool))
    pipeline, stop = Pipeline(plan, (count,), lambda: 0.5, nobody), trio.Event()
    pipeline.catalog.set(catalog)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(pipeline.run, stop)
        with pipeline.intake.sender(Overflow.BLOCK) as sender:
            yield Run(pipeline, spool, sender, told)
            stop.set()
    connection.close()
    assert balanced(pipeline.books()), pipeline.books()


def resident() -> int:
    """Bytes of memory that this process has now."""
    gc.collect()
    return int(Path("/proc/self/statm").read_text("utf-8").split()[1]) * os.sysconf("SC_PAGE_SIZE")


def on_disk(folder: Path) -> int:
    return sum(each.stat().st_size for each in folder.glob("state.db*"))


async def away(_: Batch[bytes]) -> Verdict:
    return Keep("it is away")


@frozen
class Outage:
    """How an outage ended."""

    changes: int
    payload: int
    size: int
    growth: int


async def outage(folder: Path, home: Life, seconds: int) -> Outage:
    clock = Clock(traffic.START_NS)
    store: Store[Any, Any] = Store("influxdb", homeiq(), away)
    async with running(folder, home.catalog, store, InlineLane(), clock.ns) as run:
        at_first = 0
        for second, frame in enumerate(islice(home.frames(traffic.START), seconds)):
            await run.say(frame)
            await trio.sleep(1)
            if second == min(600, seconds // 2):
                at_first = resident()
        growth = resident() - at_first
    books = run.pipeline.books()
    assert books["spooled"] == books["received"] == seconds * PER_SECOND
    assert run.told[reports.StoreWaiting] > seconds / 120
    assert not run.told.keys() & {reports.Evicted, reports.SpoolFailing, reports.Shed, reports.DeadLetter}
    return Outage(books["spooled"], run.spool.held.size, on_disk(folder), growth)


@define(eq=False)
class Counting(Sink):
    """Counts lines, and knows when each live one came."""

    count: int = 0
    live: dict[int, tuple[float, int]] = field(factory=dict)
    _guard: threading.Lock = field(factory=threading.Lock)

    def take(self, body: bytes) -> None:
        text = gzip.decompress(body)
        with self._guard:
            self.count += text.count(b"\n")
            for part in text.split(b'context_id="' + LIVE)[1:]:
                self.live.setdefault(int(part.partition(b'"')[0]), (time.monotonic(), self.count))


@frozen
class Drain:
    """How a drain went: how long it took, and of the live changes when each was said."""

    seconds: float
    said: dict[int, float]


async def drain(folder: Path, home: Life, sink: Sink) -> Drain:
    client = Client(Address(sink.url, Secret(secret("influxdb")), "home", "home"))
    influx = Influx(client, ThreadLane(), time.time_ns)
    store: Store[Any, Any] = Store("influxdb", homeiq(), influx.deliver)
    said: dict[int, float] = {}
    async with running(folder, home.catalog, store, ThreadLane(), time.time_ns, AGE) as run:
        backlog, began = run.spool.held.events, time.monotonic()
        while run.spool.held.events:
            change = retimed(home.changes[len(said)], datetime.now(UTC), f"{LIVE.decode()}{len(said)}")
            said[len(said)] = time.monotonic()
            await run.say(framed([change]))
            with trio.move_on_after(EVERY):
                await drained(run)
        seconds = time.monotonic() - began
    client.close()
    books = run.pipeline.books()
    assert books["carried"] == backlog
    assert books["stored"] == books["carried"] + books["received"]
    return Drain(seconds, said)


async def drained(run: Run) -> None:
    while run.spool.held.events:  # noqa: ASYNC110  the spool tells nobody
        await trio.sleep(0.05)


def test_a_day_without_a_database_waits_on_disk_and_is_delivered_with_live_changes_first(
    tmp_path: Path, record_property: Callable[[str, object], None], capsys: pytest.CaptureFixture[str]
) -> None:
    home, seconds = life(), round(HOURS * 3600)
    began = time.monotonic()
    over = trio.run(outage, tmp_path, home, seconds, clock=MockClock(autojump_threshold=0))
    took = time.monotonic() - began
    assert over.size < over.changes * BYTES_A_CHANGE
    assert over.growth < GROWTH
    with sinking(kind=Counting) as sink:
        assert isinstance(sink, Counting)
        after = trio.run(drain, tmp_path, home, sink)
    assert sink.count == over.changes + len(after.said)
    assert sink.live.keys() == after.said.keys()
    late = [sink.live[number][0] - said for number, said in after.said.items()]
    rate = over.changes / after.seconds
    with capsys.disabled():
        print(  # noqa: T201  the figures are what a person runs it for
            f"\n{HOURS:g} h of outage in {took:.0f} s: {over.changes:,} changes, {over.payload / 1e6:.0f} MB in "
            f"{over.size / 1e6:.0f} MB of file, {over.size / over.changes:.0f} bytes each, "
            f"memory grew by {over.growth / 2**20:.1f} MiB; drained in {after.seconds:.1f} s: {rate:,.0f} a second, "
            f"{len(late)} live changes meanwhile, late by {statistics.median(late):.2f} s, {max(late):.2f} s at most"
        )
    record_property("points a second", rate)
    # It was counted when the first live change came: before the backlog was through.
    assert sink.live[0][1] < over.changes
    assert max(late) < LATE
