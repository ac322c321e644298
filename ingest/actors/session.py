"""One session with Home Assistant: two connections that live and die together.

The live connection carries changes and registry events and nothing else. The bulk connection carries everything that is
large. So a registry answer of 23 MB never stands before an event, and never fills the live connection's queue.

Order: auth, features, registry events, registries (the first session waits for them, but not for long; in later ones
the old catalog serves until the new one is complete), `state_changed`, snapshot.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import TypeAlias

import trio
from attrs import define, evolve, field

from ingest.actors import discovery, subscription
from ingest.actors.connection import Connection, Deadlines, connected
from ingest.actors.connector import Candidate
from ingest.actors.heartbeat import prove
from ingest.actors.inventory import Inventory
from ingest.actors.notices import Notices
from ingest.actors.subscription import Patience
from ingest.actors.template_reading import Render
from ingest.core import reports
from ingest.core.catalog import Catalog
from ingest.core.conversation import Received, Unexpected
from ingest.core.filter_settings import FilterSettings
from ingest.core.home_clock import HomeClock
from ingest.core.loss import shed_changes
from ingest.core.reports import Emit
from ingest.core.rules import Rules
from ingest.core.session import SessionState
from ingest.core.state import Frame, moment_of, nanoseconds, split
from ingest.core.wire import Malformed, RegistryUpdated
from ingest.edge.websocket import Open, Target
from ingest.errors import Transient
from ingest.runtime.link import Sender
from ingest.runtime.watch import Watch

FRAME_CHANGES = 512
"""Changes a stage works on without letting others run; larger frames are split."""


Filling: TypeAlias = Callable[[Connection, Connection, HomeClock], Awaitable[None]]
"""Runs for as long as a session is live, with its live and bulk connections and Home Assistant's clock."""


@define(eq=False)
class Sessions:
    """What every session of one home shares: where changes go, what is known of the home, how long to wait.

    `registry_wait` is how many seconds changes wait for the first catalog that is read. `filling` has its two connections
    and Home Assistant's clock while a session is live. When there are other `rules` the home's states are read again:
    what is newly stored is stored as it is at present. `heartbeats`: the store takes them. `renderer` makes what asks a
    server's templates, given its address and token. `inventory` is handed what the registries hold.
    """

    intake: Sender[Frame]
    snapshot: Sender[Frame]
    catalog: Watch[Catalog]
    emit: Emit
    deadlines: Deadlines
    opener: Open
    registry_wait: float = 10.0
    refresh_interval: float = 1800.0
    patience: Patience = field(factory=Patience)
    filling: Filling | None = None
    rules: Watch[Rules] = field(factory=lambda: Watch(Rules(FilterSettings())))
    heartbeats: bool = False
    wall_ns: Callable[[], int] = time.time_ns
    renderer: Callable[[Target, str], Render] | None = None
    notices: Notices = field(factory=Notices)
    inventory: Inventory = field(factory=Inventory)
    attempts: int = 0
    _clock: HomeClock = field(init=False)

    async def hold(self, candidate: Candidate, token: str, live_now: Callable[[], None]) -> None:
        """Hold one session until it breaks. Raises `Transient` or `Refused`, often in a group."""
        self.attempts += 1
        self._clock = HomeClock(_steady(self.wall_ns))
        async with (
            trio.open_nursery() as nursery,
            self._connected(nursery, candidate, token, SessionState.AUTHENTICATING) as live,
            self._connected(nursery, candidate, token) as bulk,
        ):
            judged_by = self.rules.value
            reader = discovery.Discovery(
                bulk, self.catalog, self.notices, self.emit, self.refresh_interval, self.inventory.told
            )
            if self.renderer is not None:
                reader.render = self.renderer(candidate.target, token)
            await self._run(nursery, candidate, live, bulk, reader)
            live_now()
            nursery.start_soon(self._judge_anew, live, bulk, judged_by, name="other rules")
            if self.heartbeats:
                proof = (live, self.snapshot, self.attempts, self._clock, self.rules)
                nursery.start_soon(prove, *proof, name="heartbeats")
            if self.filling is not None:
                await self.filling(live, bulk, self._clock)
            await trio.sleep_forever()

    async def _run(
        self,
        nursery: trio.Nursery,
        candidate: Candidate,
        live: Connection,
        bulk: Connection,
        reader: discovery.Discovery,
    ) -> None:
        self._enter(candidate, SessionState.LOADING)
        await subscription.announce_features(live, self.patience)
        await subscription.follow_registries(live, self.patience)
        nursery.start_soon(self.inventory.attend, bulk, self.notices.count, name="inventory")
        nursery.start_soon(reader.run, name="discovery")
        long_enough = trio.current_time() + self.registry_wait
        if self.catalog.value.to_be_read:
            with trio.move_on_at(long_enough):
                await reader.tried.wait()
        self._enter(candidate, SessionState.SUBSCRIBING)
        await subscription.subscribe(live, self.patience)
        self.emit(reports.Connected(candidate.name, candidate.target.url, live.ha_version, self.attempts))
        self._enter(candidate, SessionState.SNAPSHOT)
        # What was known before serves what is live; but who is there under another name by now, it takes for somebody else.
        with trio.move_on_at(long_enough):
            await reader.tried.wait()
        newest_ns = await subscription.take_snapshot(
            live, bulk, self.snapshot, self.emit, self.patience, session=self.attempts
        )
        self._clock.read(newest_ns)
        self._enter(candidate, SessionState.LIVE)

    async def _judge_anew(self, live: Connection, bulk: Connection, judged_by: Rules) -> None:
        """Whenever there are other rules, have them judge every present state."""
        while True:
            judged_by = await self.rules.until(lambda rules, known=judged_by: rules is not known)  # type: ignore[misc]  # mypy: default
            await subscription.take_snapshot(live, bulk, self.snapshot, self.emit, self.patience, session=self.attempts)

    def _connected(
        self,
        nursery: trio.Nursery,
        candidate: Candidate,
        token: str,
        opened: SessionState | None = None,
    ) -> AbstractAsyncContextManager[Connection]:
        return connected(
            nursery,
            candidate.target,
            token,
            self._deliver(candidate.target.url),
            deadlines=self.deadlines,
            opener=self.opener,
            opened=lambda: None if opened is None else self._enter(candidate, opened),
        )

    def _enter(self, candidate: Candidate, state: SessionState) -> None:
        self.emit(reports.SessionChanged(candidate.name, state))

    def _deliver(self, where: str) -> Callable[[Received], None]:
        session = self.attempts

        def deliver(value: Received) -> None:
            match value:
                case Frame():
                    self._take(evolve(value, session=session))
                case RegistryUpdated(data=data):
                    self.notices.hear(value)
                    if data.entity_id and data.old_entity_id:
                        # Its first states under the new name come before any answer of the registry could.
                        self.catalog.set(self.catalog.value.renamed([(data.old_entity_id, data.entity_id)]))
                case Malformed():
                    self.emit(reports.MalformedMessage(value.kind, value.problem, value.excerpt))
                    if value.kind == "frame":
                        # Nobody knows how many changes were in it: a new session finds out what is missing.
                        raise Transient("Home Assistant sent a frame that cannot be read", where=where)
                case Unexpected(kind=kind):
                    self.emit(reports.UnexpectedMessage(kind))
                case unasked:
                    self.emit(reports.UnexpectedMessage(type(unasked).__name__))

        return deliver

    def _take(self, frame: Frame) -> None:
        self._clock.heard(nanoseconds(moment_of(frame.changes[-1])))
        self.emit(reports.Received(len(frame.changes), frame.source))
        for part in split(frame, FRAME_CHANGES):
            lost = self.intake.put(part)
            if (report := shed_changes("intake", lost)) is not None:
                self.emit(report)
            for each in lost:
                if each.final and each.session == part.session:
                    # What was in it is lost, but not that the snapshot is through. It weighs nothing.
                    self.intake.put(evolve(each, changes=(), size=0))


def _steady(wall_ns: Callable[[], int]) -> Callable[[], int]:
    """Our clock, read once: one that is set forward would have the recorder believed before it has written everything."""
    begun_ns, begun = wall_ns(), trio.current_time()
    return lambda: begun_ns + round((trio.current_time() - begun) * 1e9)
