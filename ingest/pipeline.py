"""The pipeline: every link opened and every stage named in one place.

    Home Assistant ══live══▶ connector ──intake (sheds)─────▶ filter ──link (blocks)─▶ batcher ═spool═▶ writer ══▶ store
           ║                                                  ▲  ▲
           ╚═════bulk═════▶ subscription: snapshot ─(blocks)──┘  │
                            discovery ───▶ Watch[Catalog] ───────┘
           └─────── one session, restarted as a whole ───────┘

Stopping is closing the head: the connector ends, its ends of the intake close, and each stage ends when the one above
it has. The tail has a deadline; what it could not deliver by then stays in the spool and in the books.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import trio
from attrs import define, field, frozen

from ingest import __version__
from ingest.actors.backlog import Backlog
from ingest.actors.batcher import Batcher, Limits
from ingest.actors.connection import Deadlines
from ingest.actors.connector import Candidate, Connector, GaveUp, Persistence
from ingest.actors.control import Control
from ingest.actors.filter import Filter
from ingest.actors.session import Sessions
from ingest.actors.upkeep import keep_books, keep_up
from ingest.actors.writer import Writer
from ingest.core import reports
from ingest.core.catalog import NO_CATALOG, Catalog
from ingest.core.enrich import Enricher
from ingest.core.point import PointFrame
from ingest.core.reports import Emit, Report
from ingest.core.rules import Rules
from ingest.core.state import Frame
from ingest.core.store import Batch, Store
from ingest.core.tally import Tally, balanced
from ingest.edge.dead_letters import DeadLetters
from ingest.edge.lasting import Lasting
from ingest.edge.websocket import Dial, dial
from ingest.errors import IngestError
from ingest.runtime.link import Link, Overflow, Weight
from ingest.runtime.spool import MemorySpool, Spool
from ingest.runtime.supervise import one_error
from ingest.runtime.watch import Watch

SNAPSHOT_SHARE = 0.25
"""How much of the intake a snapshot may fill: the rest is for live changes."""

INTAKE = Weight(20_000, 32 * 1024 * 1024)
LINK = Weight(10_000, 16 * 1024 * 1024)


@frozen
class Destination:
    """An open store, where it is in words, what it wants done from time to time, and what keeps its batches and letters.

    Without a `spool` batches wait in memory, without `letters` a dead letter is only reported, without `lasting` totals
    are those of one run.
    `give_up` is called when the stop deadline has passed: it leaves blocking work behind. `flush` is called at the very
    end: it brings what only memory holds to where it lasts. `control` takes commands of a person, until the stop.
    """

    store: Store[Any, Any]
    where: str
    upkeep: Callable[[], Awaitable[None]] | None = None
    spool: Spool[Batch[Any]] | None = None
    give_up: Callable[[], None] | None = None
    flush: Callable[[Emit], Awaitable[None]] | None = None
    letters: DeadLetters | None = None
    control: Control | None = None
    lasting: Lasting | None = None


@frozen
class Plan:
    """Everything a pipeline is made of, as values. Capacities in events and bytes, times in seconds.

    `files` are the paths of what it keeps, by kind: `state` and `store`.
    """

    home: str
    candidates: tuple[Candidate, ...]
    rules: Rules
    enricher: Enricher
    destination: Destination
    intake: Weight = INTAKE
    intake_overflow: Overflow = Overflow.DROP_OLDEST
    link: Weight = LINK
    link_overflow: Overflow = Overflow.BLOCK
    batch: Limits = field(factory=Limits)
    spool: int = 16 * 1024 * 1024
    deadlines: Deadlines = field(factory=Deadlines)
    persistence: Persistence = field(factory=Persistence)
    registry_wait: float = 10.0
    refresh_interval: float = 1800.0
    store_breaker: int = 5
    stop_within: float = 5.0
    upkeep_every: float = 3600.0
    files: Mapping[str, str] = field(factory=dict)


@define(eq=False)
class Pipeline:
    """A pipeline that stands ready to run once. `tally` and `books` may be read at any time."""

    plan: Plan
    listeners: tuple[Emit, ...]
    chance: Callable[[], float]
    dialer: Dial = dial
    catalog: Watch[Catalog] = field(factory=lambda: Watch(NO_CATALOG))
    tally: Tally = field(factory=Tally)
    intake: Link[Frame] = field(init=False)
    link: Link[PointFrame] = field(init=False)
    spool: Spool[Batch[Any]] = field(init=False)
    filter: Filter = field(init=False)
    batcher: Batcher[Any, Any] = field(init=False)
    connector: Connector | None = None

    def __attrs_post_init__(self) -> None:
        plan, store = self.plan, self.plan.destination.store
        beside = (plan.destination.lasting, plan.destination.letters, plan.destination.control)
        self.listeners = (*(each.hear for each in beside if each is not None), *self.listeners)
        self.intake = Link("intake", plan.intake, lambda frame: Weight(len(frame.changes), frame.size))
        self.link = Link(store.name, plan.link, lambda frame: Weight(len(frame.points), frame.size))
        self.spool = plan.destination.spool or MemorySpool(plan.spool, lambda batch: Weight(batch.count, batch.size))
        self.tally.carried = carried = self.spool.held.events
        backlog = Backlog(store.name, carried, lambda: self.spool.held.events, self.emit)
        self.listeners = (*self.listeners, backlog.hear)
        self.filter = Filter(plan.rules, plan.enricher, self.catalog, self.emit)
        self.batcher = Batcher(store.name, store.codec, self.spool, plan.batch, self.emit)

    def emit(self, report: Report) -> None:
        """Tell every listener; the books come first, and what was lost is not remembered as stored."""
        self.tally.add(report)
        if isinstance(report, reports.Evicted | reports.Purged | reports.Unreadable):
            self.filter.forget(report.oldest_ns, report.newest_ns)
        for listener in self.listeners:
            listener(report)

    def books(self) -> dict[str, int]:
        """Where every state is now."""
        in_flight = self.intake.held.events + self.link.held.events + self.batcher.open
        return self.tally.books(spooled=self.spool.held.events, in_flight=in_flight)

    async def run(self, stop: trio.Event) -> None:
        """Run until `stop` is set and everything under way is stored, or the stop deadline has passed.

        Raises `GaveUp` when Home Assistant stayed away for longer than the configuration allows.
        """
        self.emit(reports.Started(__version__, self.plan.home, self.plan.destination.where))
        try:
            with one_error():
                async with trio.open_nursery() as nursery:
                    asked = trio.Event()
                    nursery.start_soon(self._give_up, asked, name="give up")
                    await self._run(stop, asked)
                    nursery.cancel_scope.cancel()
        finally:
            if self.plan.destination.flush is not None:
                await self.plan.destination.flush(self.emit)
            books = self.books()
            volatile = self.spool.volatile.events
            if lost := volatile + books["in_flight"]:
                self.emit(reports.Lost(self.plan.destination.store.name, lost))
            if (lasting := self.plan.destination.lasting) is not None:
                await lasting.end(self.books)
            self.emit(reports.Stopped(books, balanced(books), volatile))

    async def _run(self, stop: trio.Event, asked: trio.Event) -> None:
        plan = self.plan
        letters, lasting = plan.destination.letters, plan.destination.lasting
        writer = Writer(plan.destination.store, self.spool, self.emit, self.chance, plan.store_breaker)
        if letters is not None:
            writer.bury = letters.bury
        async with trio.open_nursery() as nursery:
            nursery.start_soon(keep_up, plan.destination.upkeep, plan.upkeep_every, self._complain, name="upkeep")
            nursery.start_soon(keep_books, lambda: self.emit(reports.Progress(self.books())), name="books")
            if letters is not None:
                nursery.start_soon(letters.run, name="dead letters")
            if lasting is not None:
                nursery.start_soon(lasting.run, self.books, asked, name="lasting totals")
            async with trio.open_nursery() as tail:
                tail.start_soon(writer.run, name="writer")
                tail.start_soon(self.batcher.run, self.link.receiver(), name="batcher")
                outlets = [self.link.sender(plan.link_overflow)]
                tail.start_soon(self.filter.run, self.intake.receiver(), outlets, name="filter")
                commands = trio.CancelScope()
                tail.start_soon(self._obey, writer.hurry, commands, name="control")
                gave_up = await self._head(stop)
                commands.cancel()
                self.emit(reports.Stopping("Home Assistant stayed away" if gave_up else "asked to"))
                tail.cancel_scope.deadline = trio.current_time() + plan.stop_within
                asked.set()
            if letters is not None:
                with trio.move_on_at(tail.cancel_scope.deadline):
                    await letters.end()
            nursery.cancel_scope.cancel()
        if gave_up:
            raise gave_up

    def _complain(self, problem: IngestError) -> None:
        self.emit(reports.Notice(f"{self.plan.destination.where} could not be tidied: {problem}"))

    async def _obey(self, hurry: Callable[[], None], scope: trio.CancelScope) -> None:
        """Take commands. One that waits for a dead disk has as long to end as the tail."""
        if self.plan.destination.control is not None:
            with scope:
                await self.plan.destination.control.run(hurry, self.emit)

    async def _head(self, stop: trio.Event) -> GaveUp | None:
        """Take changes in until asked to stop. Closing both ends of the intake is what ends the stages below."""
        plan = self.plan
        live = self.intake.sender(plan.intake_overflow)
        snapshot = self.intake.sender(Overflow.BLOCK, share=SNAPSHOT_SHARE)
        sessions = Sessions(
            live, snapshot, self.catalog, self.emit, plan.deadlines, self.dialer,
            plan.registry_wait, plan.refresh_interval,
        )  # fmt: skip
        self.connector = Connector(
            plan.candidates, plan.persistence, sessions.hold, self.emit, self.chance, plan.deadlines, self.dialer
        )
        try:
            with live, snapshot, one_error():
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(_cancel_when, stop, nursery.cancel_scope, name="stop")
                    await self.connector.run()
        except GaveUp as error:
            return error
        return None

    async def _give_up(self, asked: trio.Event) -> None:
        """Free whoever hangs in a dead disk, some time after the stop."""
        await asked.wait()
        await trio.sleep(self.plan.stop_within)
        if self.plan.destination.give_up is not None:
            self.plan.destination.give_up()


async def _cancel_when(stop: trio.Event, scope: trio.CancelScope) -> None:
    await stop.wait()
    scope.cancel()
