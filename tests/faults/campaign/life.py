"""One life of the service: its real pipeline with its spool in the file, from its start to its stop or its crash.

Beside it stands what the oracle must know and the service does not say: which changes came in, which lines were made,
and, when it ends, what was only in memory then.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

import trio
from attrs import define, evolve, field

from ingest.actors.batcher import Limits
from ingest.actors.connection import Deadlines
from ingest.actors.connector import Candidate, Persistence
from ingest.config.service import Api
from ingest.core import reports
from ingest.core.attributes import Drops
from ingest.core.enrich import Enricher
from ingest.core.evicted import Named
from ingest.core.filter_settings import FilterSettings
from ingest.core.health import Health
from ingest.core.homeiq import homeiq
from ingest.core.influx_answer import Answer
from ingest.core.line_owners import whose
from ingest.core.point import Point
from ingest.core.reports import Report
from ingest.core.rules import Rules
from ingest.core.sealing import Line, joined, uncut, unsealed, whole
from ingest.core.session import SessionState
from ingest.core.state import Frame, Source, moment_of, nanoseconds
from ingest.core.store import Codec, Store
from ingest.edge.coverage_join import join
from ingest.edge.dead_letters import DeadLetters
from ingest.edge.disk_spool import DiskSpool
from ingest.edge.disk_spool import Limits as SpoolLimits
from ingest.edge.influx_deliver import Deliverer
from ingest.edge.last_flush import last_flush
from ingest.edge.late import LateLane
from ingest.edge.ledger import Ledger
from ingest.edge.spool_rows import Key as SpoolKey
from ingest.edge.spool_trouble import FAILURES
from ingest.edge.websocket import Dial, Target
from ingest.errors import Transient
from ingest.pipeline import Pipeline
from ingest.plan import Destination, Plan
from ingest.runtime.link import Link, Weight
from ingest.web.site import Site
from tests.faults.campaign.database import Database, Key, is_about_the_endpoint, key_of
from tests.faults.campaign.disk import CampaignLedger, CampaignLetters, CampaignTable, Disk
from tests.faults.campaign.oracle import on_disk
from tests.faults.campaign.scenario import Room
from tests.support.marked import secret

TOKEN = secret("home-assistant")
URL = "ws://home.test:8123/api/websocket"
LARGEST = 2_000_000
"""Bytes of a frame that the service takes."""

STORE = "influxdb"

Loss = reports.Shed | reports.Evicted | reports.Unreadable


@define(eq=False)
class Witness(Link[Frame]):
    """The intake, and a look at what comes into it."""

    see: Callable[[Frame], None] = lambda _: None

    def _append(self, frame: Frame) -> None:
        self.see(frame)
        super()._append(frame)


@define(eq=False)
class Life:
    """`seen` are the changes that came in, `made` the lines, `gone` what was only in memory at the end."""

    room: Room
    path: Path
    file: LateLane
    disk: Disk
    database: Database
    dial: Dial
    now_ns: Callable[[], int]
    chance: Random
    pipeline: Pipeline = field(init=False)
    site: Site = field(init=False)
    spool: DiskSpool = field(init=False)
    letters: DeadLetters = field(init=False)
    ledger: Ledger = field(init=False)
    deliverer: Deliverer = field(init=False)
    told: list[Report] = field(factory=list)
    seen: set[Key] = field(factory=set)
    superseded: set[Key] = field(factory=set)
    made: set[Key] = field(factory=set)
    carried: set[Key] = field(factory=set)
    gone: set[Key] = field(factory=set)
    letters_gone: set[bytes] = field(factory=set)
    untold: list[Loss] = field(factory=list)
    """What its file dropped, and it had no time to say so."""
    dead: bool = False
    stop: trio.Event = field(factory=trio.Event)
    scope: trio.CancelScope = field(factory=trio.CancelScope)
    born: float = field(factory=trio.current_time)
    refused: bool = False
    """The database's last answer was no verdict on lines."""
    asked_since: float | None = None
    """Since when a request waits for its answer."""
    lost_at: float | None = None
    live_at: float = 0.0
    """When a session was live last: also one that lived between two looks of the oracle."""
    was_sick: bool = False
    stopping_since: float | None = None
    stopped_after: float | None = None
    _newest: dict[str, int] = field(factory=dict)

    @property
    def health(self) -> Health:
        return self.site.health()

    @property
    def alive(self) -> bool:
        """It was neither killed nor asked to stop."""
        return not self.dead and self.stopping_since is None

    def of(self, kind: type[Any]) -> list[Any]:
        """Its reports of that kind."""
        return [report for report in self.told if isinstance(report, kind)]

    async def run(self) -> None:
        """From the start to the end."""
        await self._build()
        with self.scope:
            await self.pipeline.run(self.stop)
        if self.stopping_since is not None:
            self.stopped_after = trio.current_time() - self.stopping_since
        if not self.dead:
            self._remember_what_goes()

    def terminate(self) -> None:
        """SIGTERM."""
        self.stopping_since = trio.current_time()
        self.stop.set()

    def die(self) -> None:
        """SIGKILL: from here on it does nothing that anybody could see."""
        if not self.dead:
            self.dead = True
            self._remember_what_goes()
            self.scope.cancel()

    @property
    def built(self) -> bool:
        """It got as far as having a pipeline."""
        return hasattr(self, "site")

    async def _build(self) -> None:
        key, path = SpoolKey("home", STORE), self.path
        table = CampaignTable(self.file.connection, path, key, disk=self.disk, whose=self._whose)
        limits = SpoolLimits(self.room.disk, self.room.memory)
        self.spool = DiskSpool(table, self.file, limits, joined, self.now_ns, self._emit, whole)
        with suppress(*FAILURES):
            await self.spool.load()
            self.carried = on_disk(self.path)
        letters = CampaignLetters(self.file.connection, path, disk=self.disk)
        self.letters = DeadLetters(letters, key, self.file, self.now_ns, self._emit)
        self.ledger = Ledger(
            CampaignLedger(self.file.connection, path, key, disk=self.disk), self.file, self._emit, lambda: None
        )
        with suppress(*FAILURES):
            await self.ledger.load()
        join(self.spool, self.ledger)
        self.deliverer = Deliverer(self._post, self.now_ns)
        self.pipeline = Pipeline(self._plan(), (self._hear,), self.chance.random, self.dial, lambda *_: _no_template)
        self.pipeline.intake = Witness("intake", self.pipeline.plan.intake, self.pipeline.intake.weigh, see=self._see)
        self.site = Site(Api(), self.pipeline.plan, self.now_ns)
        self.site.pipeline = self.pipeline
        self.pipeline.listeners = (*self.pipeline.listeners, self.site.hear)

    def _plan(self) -> Plan:
        codec = homeiq()
        watched: Codec[Line, bytes] = evolve(codec, encode=partial(self._encode, codec.encode))
        flush = partial(last_flush, self.spool, lambda: None)
        store = Store(STORE, watched, self.deliverer.deliver)
        return Plan(
            home="home",
            candidates=(Candidate("primary", Target(URL, max_message_size=LARGEST), lambda: TOKEN),),
            rules=Rules(FilterSettings()),
            enricher=Enricher(Drops()),
            destination=Destination(
                store, "memory", spool=self.spool, flush=flush, letters=self.letters, ledger=self.ledger
            ),
            intake=Weight(self.room.link, 4 * 2**20),
            link=Weight(self.room.link, 4 * 2**20),
            batch=Limits(max_points=self.room.batch),
            deadlines=Deadlines(),
            persistence=Persistence(max_delay=30.0),
            wall_ns=self.now_ns,
        )

    def _whose(self, payload: bytes) -> Sequence[Named] | None:
        return whose(payload, self.deliverer.taken)

    def _see(self, frame: Frame) -> None:
        if self.dead:
            return
        for change in frame.changes:
            entity_id, time = change.data.entity_id, nanoseconds(moment_of(change))
            # A state of the snapshot that is older than a change which came live meanwhile is left out: so far.
            if frame.source is Source.SNAPSHOT and time < self._newest.get(entity_id, 0):
                self.superseded.add((entity_id, time))
            self._newest[entity_id] = max(time, self._newest.get(entity_id, 0))
            self.seen.add((entity_id, time))

    def _encode(self, encode: Callable[[Point], Line | None], point: Point) -> Line | None:
        if not self.dead:
            self.made.add((point.entity_id, point.time_ns))
        return encode(point)

    async def _post(self, payload: bytes) -> Answer:
        self.asked_since = trio.current_time()
        try:
            answer = await self.database.post(payload)
        except Transient:
            self.refused = True
            raise
        finally:
            self.asked_since = None
        self.refused = is_about_the_endpoint(answer)
        return answer

    def _emit(self, report: Report) -> None:
        self.pipeline.emit(report)

    def _hear(self, report: Report) -> None:
        if self.dead:
            return
        self.told.append(report)
        if isinstance(report, Loss):
            self.lost_at = trio.current_time()
        if isinstance(report, reports.SessionChanged) and report.state is SessionState.LIVE:
            self.live_at = trio.current_time()
        if isinstance(report, reports.Evicted):
            self.disk.untold.clear()
        if isinstance(report, reports.Made):
            self.carried = on_disk(self.path)

    def _remember_what_goes(self) -> None:
        """What is in memory only at this moment."""
        if not self.built:
            return
        pipeline = self.pipeline
        changes = (change for frame in pipeline.intake._queue for change in frame.changes)
        self.gone |= {(change.data.entity_id, nanoseconds(moment_of(change))) for change in changes}
        self.gone |= {(point.entity_id, point.time_ns) for frame in pipeline.link._queue for point in frame.points}
        self.gone |= {key_of(uncut(line)) for line in pipeline.batcher._items}
        memory = (
            line
            for batch in (*self.spool.memory.batches, *self.spool._dropped._batches)
            for line in _lines(batch.payload)
        )
        self.gone |= {key_of(line) for line in memory}
        self.untold = [reports.Evicted(STORE, row.count, row.oldest_ns, row.newest_ns) for row in self.disk.untold]
        self.disk.untold.clear()
        self.letters_gone = self.letters_in_memory()

    def letters_in_memory(self) -> set[bytes]:
        """Lines of dead letters that no file holds."""
        return {letter.line.encode() for letter in (*self.letters._waiting, *self.letters._writing)}

    def losses(self) -> list[Loss]:
        """What it says that it lost, or its file counted."""
        return [*(each for each in self.told if isinstance(each, Loss)), *self.untold]


async def _no_template(_: bytes) -> bytes:
    """The home has no port for HTTP."""
    await trio.lowlevel.checkpoint()
    raise Transient("connection refused", where="memory")


def _lines(payload: bytes) -> Sequence[bytes]:
    return unsealed(payload) if payload else ()
