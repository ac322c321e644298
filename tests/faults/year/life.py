"""One life of the service: its real pipeline with all that is kept in the state file, without sockets and threads."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path
from random import Random
from typing import TypeVar, TypeVarTuple

import trio
from attrs import define, field

from ingest.actors.connection import Deadlines
from ingest.actors.connector import Candidate
from ingest.actors.template_reading import Render
from ingest.config.service import Api
from ingest.core import reports
from ingest.core.attributes import Drops
from ingest.core.enrich import Enricher
from ingest.core.filter_settings import FilterSettings
from ingest.core.homeiq import homeiq
from ingest.core.reports import Report
from ingest.core.rules import Rules
from ingest.core.sealing import joined, whole
from ingest.core.store import Store
from ingest.edge.aside import SetAside
from ingest.edge.catalog_file import CatalogFile
from ingest.edge.coverage_join import join
from ingest.edge.dead_letters import DeadLetters
from ingest.edge.disk_spool import DiskSpool, Limits
from ingest.edge.influx_deliver import Deliverer
from ingest.edge.kept_catalog import KeptCatalog
from ingest.edge.last_flush import last_flush
from ingest.edge.lasting import Lasting
from ingest.edge.late import LateLane, open_locked
from ingest.edge.ledger import Ledger
from ingest.edge.ledger_file import LedgerFile
from ingest.edge.letter_file import Letters
from ingest.edge.shrink import shrink
from ingest.edge.spool_file import Table
from ingest.edge.spool_rows import Key
from ingest.edge.state import State
from ingest.edge.totals_file import Totals
from ingest.edge.websocket import Dial, Target
from ingest.errors import Transient
from ingest.pipeline import Pipeline
from ingest.plan import Destination, Plan
from ingest.runtime.lane import InlineLane
from ingest.web.site import Site
from tests.faults.campaign.database import Database
from tests.support.marked import secret

TOKEN = secret("home-assistant")
T = TypeVar("T")
Args = TypeVarTuple("Args")
URL = "ws://home.test:8123/api/websocket"
STORE = "influxdb"
PING = 300.0
"""Seconds between two pings, in place of 20: three million of them would be a third of the year's work."""
HOME = Key("home", STORE)


def _never() -> None:
    pass


def _set_aside(aside: SetAside) -> None:
    raise AssertionError(aside)


class Disk(InlineLane):
    """A disk on which a process that is dead writes nothing."""

    dead = False

    async def __call__(self, work: Callable[[*Args], T], *args: *Args) -> T:
        if self.dead:
            raise Transient("the process is dead", where="memory")
        return await super().__call__(work, *args)


@define(eq=False)
class Life:
    """From its start to its stop, or until it is killed."""

    path: Path
    database: Database
    dial: Dial
    now_ns: Callable[[], int]
    chance: Random
    disk: Disk = field(factory=Disk)
    told: Counter[str] = field(factory=Counter)
    stop: trio.Event = field(factory=trio.Event)
    scope: trio.CancelScope = field(factory=trio.CancelScope)
    pipeline: Pipeline | None = None
    site: Site | None = None
    stopped: reports.Stopped | None = None

    async def run(self) -> None:
        """The whole of it."""
        with self.scope, self._file() as state:
            destination = await self._destination(state)
            self.pipeline = Pipeline(
                self._plan(destination), (self._hear,), self.chance.random, self.dial, _no_templates
            )
            self.site = Site(Api(), self.pipeline.plan, self.now_ns)
            self.site.routes(self.pipeline)
            self.site.pipeline = self.pipeline
            self.pipeline.listeners = (*self.pipeline.listeners, self.site.hear)
            await self.pipeline.run(self.stop)
        # A process takes all it had with it: what the dead held would count as growth of those that live.
        self.pipeline = self.site = None

    def die(self) -> None:
        """SIGKILL."""
        self.disk.dead = True
        self.scope.cancel()

    def settled(self) -> bool:
        """Nothing is under way, nothing waits, no gap is open."""
        if self.pipeline is None or self.pipeline.plan.destination.ledger is None:
            return False
        books = self.pipeline.books()
        left = self.pipeline.plan.destination.ledger.summary.oldest_left_ns
        return not books["spooled"] and not books["in_flight"] and left is None

    @contextmanager
    def _file(self) -> Iterator[State]:
        lane = LateLane(self.disk, partial(open_locked, self.path, self.now_ns), _set_aside)
        try:
            with closing(lane.connection):
                yield State(self.path, lane.connection, lane, _never)
        finally:
            lane.release()

    async def _destination(self, state: State) -> Destination:
        connection, lane, now_ns = state.connection, state.lane, self.now_ns
        deliverer = Deliverer(self.database.post, now_ns)
        store = Store(STORE, homeiq(), deliverer.deliver)
        table = Table(connection, self.path, HOME, whose=store.codec.whose)
        spool = DiskSpool(table, lane, Limits(2**31, 2**24), joined, now_ns, self._emit, whole)
        await spool.load()
        letters = DeadLetters(Letters(connection, self.path), HOME, lane, now_ns, self._emit)
        await letters.look()
        lasting = Lasting(Totals(connection, self.path, HOME), lane, now_ns, self._emit, _never)
        await lasting.load()
        ledger = Ledger(LedgerFile(connection, self.path, HOME), lane, self._emit, _never)
        await ledger.load()
        join(spool, ledger)
        catalog = KeptCatalog(CatalogFile(connection, self.path, "home"), lane, InlineLane(), now_ns, self._emit)
        await catalog.load()
        return Destination(
            store, "memory", upkeep=partial(shrink, state, lambda: spool.kept.known), spool=spool,
            flush=partial(last_flush, spool, _never), letters=letters, lasting=lasting, ledger=ledger, catalog=catalog,
        )  # fmt: skip

    def _plan(self, destination: Destination) -> Plan:
        return Plan(
            home="home",
            candidates=(Candidate("primary", Target(URL), lambda: TOKEN),),
            rules=Rules(FilterSettings()),
            enricher=Enricher(Drops()),
            destination=destination,
            deadlines=Deadlines(ping_interval=PING),
            wall_ns=self.now_ns,
        )

    def _emit(self, report: Report) -> None:
        (self._hear if self.pipeline is None else self.pipeline.emit)(report)

    def _hear(self, report: Report) -> None:
        self.told[type(report).__name__] += 1
        if isinstance(report, reports.Stopped):
            self.stopped = report


async def _no_template(_: bytes) -> bytes:
    """The home has no port for HTTP."""
    await trio.lowlevel.checkpoint()
    raise Transient("connection refused", where="memory")


def _no_templates(*_: object) -> Render:
    return _no_template
