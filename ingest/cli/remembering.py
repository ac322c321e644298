"""What a service keeps in its state file beside its store: the spool, dead letters, lasting totals."""

from __future__ import annotations

import time
from contextlib import AbstractAsyncContextManager

from attrs import define, evolve

from ingest.config.settings import Settings
from ingest.core import reports
from ingest.core.homeiq import joined, whole
from ingest.core.reports import Emit, Report
from ingest.edge.aside import SetAside
from ingest.edge.dead_letters import DeadLetters
from ingest.edge.disk_spool import DiskSpool, Limits
from ingest.edge.free_space import floor_at
from ingest.edge.lasting import Lasting
from ingest.edge.letter_file import Letters
from ingest.edge.lock import SERVICE, Holder
from ingest.edge.spool_file import Table
from ingest.edge.spool_rows import Key
from ingest.edge.state import State, opened_state, room
from ingest.edge.totals_file import Totals
from ingest.pipeline import Destination


@define
class Relay:
    """Where reports go of what is opened before there is a pipeline: at first to its listeners, then to itself."""

    to: tuple[Emit, ...]

    def __call__(self, report: Report) -> None:
        """Pass it on."""
        for listener in self.to:
            listener(report)


def opened_file(settings: Settings, emit: Emit, by: Holder = SERVICE) -> AbstractAsyncContextManager[State]:
    """The configured state file. Raises as `opened_state`."""

    def report(aside: SetAside) -> None:
        emit(reports.Notice(aside.text()))

    return opened_state(settings.spool.path, time.time_ns, report, by)


async def disk_spool(settings: Settings, state: State, store: str, emit: Emit) -> DiskSpool:
    """The store's spool in it. Raises `Transient` or `Refused`."""
    table = Table(state.connection, state.path, Key(settings.home, store))
    limits = Limits(room(state.path, settings.spool.size), settings.spool.memory)
    floor = floor_at(state.path, settings.spool.min_free)
    spool = DiskSpool(table, state.lane, limits, joined, time.time_ns, emit, whole, floor)
    await spool.load()
    return spool


async def remembering(settings: Settings, destination: Destination, state: State, emit: Emit) -> Destination:
    """The destination with dead letters and totals in it. Raises `Transient` or `Refused`."""
    key = Key(settings.home, destination.store.name)
    letters = DeadLetters(Letters(state.connection, state.path), key, state.lane, time.time_ns, emit)
    totals = Totals(state.connection, state.path, key)
    lasting = Lasting(totals, state.lane, time.time_ns, emit, state.lane.give_up)
    await lasting.load()
    before = destination.give_up

    def give_up() -> None:
        state.lane.give_up()
        if before is not None:
            before()

    return evolve(destination, letters=letters, lasting=lasting, give_up=give_up)
