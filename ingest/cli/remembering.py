"""What a service keeps in its state file beside its store: the spool, dead letters, lasting totals, coverage."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager, suppress
from typing import Any

from attrs import define, evolve, field, frozen

from ingest.cli.moments import iso
from ingest.config.settings import Settings
from ingest.core import reports
from ingest.core.health_outline import WORK
from ingest.core.left_behind import Formerly, Left, notices
from ingest.core.reports import Emit, Report
from ingest.core.sealing import joined, whole
from ingest.core.spool_bound import warning
from ingest.core.store import Store
from ingest.edge.aside import SetAside
from ingest.edge.catalog_file import CatalogFile
from ingest.edge.control import Commands, Complain
from ingest.edge.control_socket import ControlSocket
from ingest.edge.dead_letters import DeadLetters
from ingest.edge.disk_spool import DiskSpool, Limits
from ingest.edge.free_space import Floor, floor_at
from ingest.edge.kept_catalog import KeptCatalog
from ingest.edge.lasting import Lasting
from ingest.edge.ledger import Ledger
from ingest.edge.ledger_file import LedgerFile
from ingest.edge.letter_file import Letters
from ingest.edge.lock import SERVICE, Holder
from ingest.edge.spool_bound import write_bound
from ingest.edge.spool_file import Table
from ingest.edge.spool_left import formerly, left_behind
from ingest.edge.spool_reader import FULL_BATCH
from ingest.edge.spool_rows import Key
from ingest.edge.spool_trouble import FAILURES
from ingest.edge.sqlite import translated
from ingest.edge.state import State, opened_state, room
from ingest.edge.totals_file import Totals
from ingest.errors import IngestError, Transient
from ingest.plan import Destination
from ingest.runtime.lane import ThreadLane
from ingest.runtime.link import Weight
from ingest.runtime.progress import Progress


@define
class Relay:
    """Where reports go of what is opened before there is a pipeline: at first to its listeners, then to itself."""

    to: tuple[Emit, ...]
    _early: list[Report] | None = field(factory=list)

    def hand_over(self, emit: Emit) -> Sequence[Report]:
        """From now on to the pipeline; returns what came before, for listeners that were not there yet."""
        early, self._early, self.to = self._early or [], None, (emit,)
        return early

    def __call__(self, report: Report) -> None:
        """Pass it on."""
        if self._early is not None:
            self._early.append(report)
        for listener in self.to:
            listener(report)


def opened_file(
    settings: Settings, emit: Emit, by: Holder = SERVICE, progress: Progress | None = None, *, later: bool = False
) -> AbstractAsyncContextManager[State]:
    """The configured state file, open or opened as soon as it can be; `progress` looks at its lane.

    Raises `Held` when another service has it, or a command and it may not be opened `later`.
    """

    def report(aside: SetAside) -> None:
        emit(aside.report())

    thread = ThreadLane()
    if progress is not None:
        progress.watch(f"{WORK}{settings.spool.path}", thread.moves)
    return opened_state(
        settings.spool.path, time.time_ns, report, thread, by, min_free=settings.spool.min_free, later=later
    )


async def disk_spool(settings: Settings, state: State, store: Store[Any, bytes], emit: Emit) -> DiskSpool:
    """The store's spool in it, which begins in memory where the file cannot be used yet."""
    chosen, gather = settings.spool, Weight(settings.batch.size, FULL_BATCH.size)

    def measure() -> tuple[Limits, Floor]:
        """Raises `Transient`."""
        try:
            found = Limits(room(state.path, chosen.size), chosen.memory, gather), floor_at(state.path, chosen.min_free)
        except OSError as error:
            raise Transient(f"the disk cannot be asked: {error.strerror}", where=str(state.path)) from error
        with suppress(IngestError):  # a disk that takes nothing is met, and said, when there is something to spool
            write_bound(state.connection, state.path, found[0].disk)
        return found

    table = Table(state.connection, state.path, Key(settings.home, store.name), whose=store.codec.whose)
    limits = Limits(chosen.size, chosen.memory, gather)
    spool = DiskSpool(table, state.lane, limits, joined, time.time_ns, emit, whole, measure=measure)
    with suppress(*FAILURES):
        await spool.load()
    if small := warning(spool.limits.disk, chosen.size):
        emit(reports.Notice(small))
    return spool


async def listen(state: State, commands: Commands, complain: Complain) -> None:
    """Take commands once the file is open: only who holds its lock owns the socket's name."""
    file = await state.lane.until_open()
    await ControlSocket(state.path, file.lock, os.environ).serve(commands, complain)


@frozen
class Memory:
    """What a state file keeps for one store beside its batches: dead letters, totals, coverage, the last catalog."""

    letters: DeadLetters
    lasting: Lasting
    ledger: Ledger
    catalog: KeptCatalog
    _give_up: Callable[[], None]

    def of(self, destination: Destination) -> Destination:
        """The destination with it."""
        before = destination.give_up

        def give_up() -> None:
            self._give_up()
            before()

        return evolve(
            destination,
            letters=self.letters,
            lasting=self.lasting,
            ledger=self.ledger,
            catalog=self.catalog,
            give_up=give_up,
        )


async def remembering(settings: Settings, store: str, state: State, emit: Emit) -> Memory:
    """What the file keeps for the store of that name, looked into as far as that can be read."""
    key = Key(settings.home, store)
    letters = DeadLetters(Letters(state.connection, state.path), key, state.lane, time.time_ns, emit)
    await letters.look()
    totals = Totals(state.connection, state.path, key)
    lasting = Lasting(totals, state.lane, time.time_ns, emit, state.give_up)
    await lasting.load()
    ledger = Ledger(LedgerFile(state.connection, state.path, key), state.lane, emit, state.give_up)
    with suppress(*FAILURES):  # what was missed before is then not known
        await ledger.load()
    file = CatalogFile(state.connection, state.path, settings.home)
    catalog = KeptCatalog(file, state.lane, ThreadLane(abandon=True), time.time_ns, emit)
    await catalog.load()
    return Memory(letters, lasting, ledger, catalog, state.give_up)


async def tell_left_behind(settings: Settings, state: State, emit: Emit) -> None:
    """Of what waits for nobody, and of an old name of the home: no number of the service's own shows it."""
    key = Key(settings.home, settings.store_kind)

    def look() -> tuple[Sequence[Left], Formerly | None]:
        with translated(state.path):
            return left_behind(state.connection, key), formerly(state.connection, key)

    with suppress(*FAILURES):  # a file that cannot be read is said by who needs it
        left, before = await state.lane(look)
        for sentence in notices(str(state.path), left):
            emit(reports.Notice(sentence))
        if before is not None:
            emit(reports.Notice(before.notice(key.home, str(state.path), iso(before.heard_ns))))
