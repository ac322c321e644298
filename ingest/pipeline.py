"""The pipeline: every link opened and every stage named in one place.

          ╔══bulk══════▶ publisher ══▶ data-api   gap telling ────link (blocks)──────────────┐
          ║                   ▲                                                              │
          ╠══bulk══════▶ discovery ──▶ device history ────────────link (blocks)──────────┐   │
          ║                   ▲                                                          ▼   ▼
    Home Assistant ══live══▶ session ──────intake (sheds)───▶ filter ──link (blocks)──▶ batcher ══spool══▶ writer ══▶ store
          ║                                                   ▲ ▲ ▲
          ╠══bulk══▶ subscription ─────────intake (blocks)────┘ │ │
          ╚══bulk══▶ backfill ─────────────intake (blocks)──────┘ │
                             heartbeats ───intake (blocks)────────┘

Stopping is closing the head: the connector ends, its ends of the intake close, and each stage ends when the one above
it has. From there one deadline counts for everything: for the tail, whose undelivered rest stays in the spool and in
the books, and for what keeps that rest afterwards.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import trio
from attrs import define, field

from ingest import __version__
from ingest.actors.backfill import IN_SPOOL, Backfill
from ingest.actors.backlog import Backlog
from ingest.actors.batcher import Batcher, forget
from ingest.actors.connector import Connector, GaveUp
from ingest.actors.filter import Filter
from ingest.actors.gap_telling import tell_gaps
from ingest.actors.importing import Importing
from ingest.actors.inventory import Inventory, inventory
from ingest.actors.retelling import Retelling
from ingest.actors.session import Filling, Sessions
from ingest.actors.template_reading import Render
from ingest.actors.upkeep import keep_books, keep_map, keep_up
from ingest.actors.writer import Writer, only_reported, written_already
from ingest.core import reports
from ingest.core.catalog import NO_CATALOG, Catalog
from ingest.core.gap_points import Telling
from ingest.core.loss import unnamed
from ingest.core.point import PointFrame
from ingest.core.reconcile import Reconciler
from ingest.core.remembering import reconciler, remembered_late
from ingest.core.reports import Emit, Report
from ingest.core.rules import Rules
from ingest.core.state import Frame
from ingest.core.store import Batch
from ingest.core.tally import Tally, balanced
from ingest.edge.rest import renderer
from ingest.edge.websocket import Dial, Target, dial, open_socket
from ingest.plan import Plan
from ingest.runtime.ending import Ending
from ingest.runtime.errand import Errand
from ingest.runtime.link import Link, Overflow, Sender, Weight
from ingest.runtime.spool import MemorySpool, Spool
from ingest.runtime.supervise import one_error
from ingest.runtime.watch import Watch

SNAPSHOT_SHARE, HISTORY_SHARE = 0.25, 0.1
"""How much of the intake a snapshot and the history may fill: a live change waits behind what is there."""


@define(eq=False)
class Pipeline:
    """A pipeline that stands ready to run once. `tally` and `books` may be read at any time."""

    plan: Plan
    listeners: tuple[Emit, ...]
    chance: Callable[[], float]
    dialer: Dial = dial
    renderer: Callable[[Target, str], Render] = renderer
    catalog: Watch[Catalog] = field(factory=lambda: Watch(NO_CATALOG))
    tally: Tally = field(factory=Tally)
    rules: Watch[Rules] = field(init=False)
    intake: Link[Frame] = field(init=False)
    link: Link[PointFrame] = field(init=False)
    spool: Spool[Batch[Any]] = field(init=False)
    filter: Filter = field(init=False)
    batcher: Batcher[Any, Any] = field(init=False)
    ending: Ending = field(init=False)
    inventory: Inventory = field(init=False)
    connector: Connector | None = None
    importing: Importing | None = None

    def __attrs_post_init__(self) -> None:
        plan, made = self.plan, self.plan.destination
        store, ledger, spooled = made.store, made.ledger, made.spool is not None
        self.ending, self.rules = Ending(plan.stop_within), Watch(plan.rules)
        self.intake = Link("intake", plan.intake, lambda frame: Weight(len(frame.changes), frame.size))
        self.link = Link(store.name, plan.link, lambda frame: Weight(len(frame.points), frame.size))
        # What a batch proves of the coverage is written down when it is delivered, so none may overtake another.
        memory: MemorySpool[Batch[Any]] = MemorySpool(
            plan.spool_memory, lambda batch: Weight(batch.count, batch.size), in_order=ledger is not None
        )
        self.spool = made.spool or memory
        self.tally.carried = carried = self.spool.held.events
        written = store.codec.registry is not None
        self.inventory = inventory(plan.data_api, self.emit, self.chance, plan.wall_ns, written=written)
        known = Reconciler() if ledger is None else reconciler(ledger.remembered, loaded=ledger.loaded)
        telling = None if ledger is None or store.codec.gap is None else Telling(plan.home)
        self.filter = Filter(self.rules, plan.enricher, self.catalog, self.emit, reconciler=known, spooled=spooled)
        self.batcher = Batcher(
            store.name, store.codec, self.spool, plan.batch, self.emit,
            write=forget if ledger is None else ledger.note, telling=telling, registry=self.inventory.news,
            whose=unnamed if spooled else store.codec.whose, unbroken=lambda: not spooled and memory.unbroken,
        )  # fmt: skip
        if ledger is not None:
            self.importing = Importing(ledger, self.rules, self.catalog, known, plan.wall_ns)
            ledger.tell_late(partial(remembered_late, known))
        waiting = Backlog(store.name, carried, lambda: self.spool.held.events, self.emit)
        again = Retelling(self.spool, self.inventory.again, telling)
        before = [each.hear for each in (made.lasting, made.letters, made.control) if each is not None]
        self.listeners = (*before, *self.listeners, waiting.hear, self.inventory.rediscovery.hear, again.hear)

    def emit(self, report: Report) -> None:
        """Tell every listener; the books come first, and what was lost is not remembered as stored."""
        self.tally.add(report)
        self.filter.lost(report)
        for listener in self.listeners:
            listener(report)

    def books(self) -> dict[str, int]:
        """Where every state is now: each term of the books by its name, counted at this moment."""
        in_flight = self.intake.held.events + self.link.held.events + self.batcher.open
        return self.tally.books(spooled=self.spool.held.events, in_flight=in_flight)

    async def run(self, stop: trio.Event) -> None:
        """Run until `stop` is set and everything under way is stored, or the stop deadline has passed.

        Raises `GaveUp` when Home Assistant stayed away for longer than the configuration allows.
        """
        self.emit(reports.Started(__version__, self.plan.home, self.plan.destination.where))
        async with self.ending.freed(self.plan.destination.give_up):
            try:
                await self._run(stop)
            finally:
                await self._keep_the_rest()

    async def _keep_the_rest(self) -> None:
        """What was not delivered goes to where it lasts, and into the books. Not cancelled."""
        plan = self.plan
        if plan.destination.flush is not None:
            await plan.destination.flush(self.emit)
        books, volatile = self.books(), self.spool.volatile.events
        if lost := volatile + books["in_flight"]:
            self.emit(reports.Lost(plan.destination.store.name, lost))
        if plan.destination.lasting is not None:
            await plan.destination.lasting.end(self.books)
        if plan.destination.ledger is not None:
            await plan.destination.ledger.end(self.batcher.rest(self.filter.reconciler.note()))
        self.emit(reports.Stopped(books, balanced(books), volatile))

    async def _run(self, stop: trio.Event) -> None:
        plan, letters = self.plan, self.plan.destination.letters
        writer = self._writer()
        async with trio.open_nursery() as nursery:
            self._start_beside(nursery)
            async with trio.open_nursery() as tail:
                tail.start_soon(writer.run, name="writer")
                tail.start_soon(self.batcher.run, self.link.receiver(), name="batcher")
                outlets = [self.link.sender(plan.link_overflow)]
                tail.start_soon(self.filter.run, self.intake.receiver(), outlets, name="filter")
                commands = trio.CancelScope()
                tail.start_soon(self._until_the_stop, writer.hurry, commands, name="control")
                gave_up = await self._head(stop, Errand(nursery))
                commands.cancel()
                self.emit(reports.Stopping("Home Assistant stayed away" if gave_up else "asked to"))
                tail.cancel_scope.deadline = self.ending.tail
            if letters is not None:
                with trio.move_on_at(self.ending.over):
                    await letters.end()
            nursery.cancel_scope.cancel()
        if gave_up:
            raise gave_up

    def _writer(self) -> Writer[Any]:
        plan, made = self.plan, self.plan.destination
        return Writer(
            made.store, self.spool, self.emit, self.chance, plan.store_breaker,
            bury=only_reported if made.letters is None else made.letters.bury,
            note=written_already if made.ledger is None or made.spool is not None else made.ledger.note,
        )  # fmt: skip

    def _start_beside(self, nursery: trio.Nursery) -> None:
        """What goes on beside the stream, until it has ended."""
        plan, made, emit = self.plan, self.plan.destination, self.emit
        nursery.start_soon(self.inventory.run, name="publisher")
        nursery.start_soon(keep_up, made.upkeep, plan.upkeep_every, made.where, emit, plan.give_back, name="upkeep")
        nursery.start_soon(keep_books, lambda: self.emit(reports.Progress(self.books())), name="books")
        if made.catalog is not None:
            nursery.start_soon(made.catalog.run, self.catalog, name="kept catalog")
        if made.letters is not None:
            nursery.start_soon(made.letters.run, name="dead letters")
        if made.lasting is not None:
            nursery.start_soon(made.lasting.run, self.books, self.ending.begun, name="lasting totals")
        if made.ledger is not None:
            nursery.start_soon(keep_map, made.ledger, self.filter.reconciler, name="map of coverage")

    async def _until_the_stop(self, hurry: Callable[[], None], scope: trio.CancelScope) -> None:
        """Take commands, and tell of gaps. A command that waits for a dead disk has as long to end as the tail."""
        made, telling = self.plan.destination, self.batcher.telling
        with scope:
            async with trio.open_nursery() as nursery:
                if made.control is not None:
                    nursery.start_soon(made.control.run, hurry, self.emit, self.importing, name="control")
                nursery.start_soon(self.inventory.write, self.link.sender(Overflow.BLOCK), name="device history")
                if made.ledger is not None and telling is not None:
                    nursery.start_soon(tell_gaps, made.ledger, telling, self.link.sender(Overflow.BLOCK), name="gaps")

    async def _head(self, stop: trio.Event, outside: Errand) -> GaveUp | None:
        """Take changes in until asked to stop. Closing both ends of the intake is what ends the stages below."""
        plan = self.plan
        live = self.intake.sender(plan.intake_overflow)
        snapshot = self.intake.sender(Overflow.BLOCK, share=SNAPSHOT_SHARE)
        history = self.intake.sender(Overflow.BLOCK, share=HISTORY_SHARE)
        opener = partial(open_socket, dialer=self.dialer)
        sessions = Sessions(
            live, snapshot, self.catalog, self.emit, plan.deadlines, opener, plan.registry_wait,
            plan.refresh_interval, filling=self._filling(history, outside), wall_ns=plan.wall_ns, rules=self.rules,
            heartbeats=plan.destination.store.codec.heartbeats, renderer=self.renderer, inventory=self.inventory,
        )  # fmt: skip
        self.connector = Connector(
            plan.candidates, plan.persistence, sessions.hold, self.emit, self.chance, plan.deadlines, opener
        )
        try:
            with live, snapshot, history, one_error():
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(self.ending.begin_when, stop, nursery.cancel_scope, name="stop")
                    await self.connector.run()
        except GaveUp as error:
            return error
        finally:
            self.ending.begin()
        return None

    def _filling(self, outlet: Sender[Frame], outside: Errand) -> Filling | None:
        if (made := self.importing) is None:
            return None
        backfill = Backfill(made.ledger, outside, outlet, self.emit, catalog=self.catalog, room=self._room_for_history)
        made.hurry = backfill.hurry
        return backfill.run

    def _room_for_history(self) -> int:
        """Rows: as many as fill the spool to its half, with what is in it and on its way."""
        under_way = self.intake.held.events + self.link.held.events + self.batcher.open
        return max(0, (self.spool.room - self.spool.held.size) // (2 * IN_SPOOL) - under_way)
