"""From a configuration to a running service: the store is opened, the plan made, the pipeline run.

The one place beside the configuration itself that reads settings; actors take small values of their own.
"""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from functools import partial

import trio
from attrs import evolve, frozen

from ingest.actors.batcher import Limits
from ingest.actors.connector import Persistence
from ingest.actors.control import Control
from ingest.actors.mending import SpoollessControl
from ingest.cli.candidates import candidates, deadlines
from ingest.cli.data_api import opened_data_api
from ingest.cli.database import LOOKED_AT, opened_database, schema
from ingest.cli.exits import FAILED, complain
from ingest.cli.reloading import Reloading, run_until
from ingest.cli.remembering import Relay, disk_spool, listen, opened_file, remembering, tell_left_behind
from ingest.cli.watchdog import Watchdog
from ingest.config.settings import Settings
from ingest.core import reports
from ingest.core.attributes import Drops
from ingest.core.enrich import Enricher
from ingest.core.health_outline import WORK
from ingest.core.reports import Emit
from ingest.core.rules import Rules
from ingest.core.store import writing
from ingest.edge.aside import SetAside
from ingest.edge.control import NO_COMMANDS, Commands
from ingest.edge.coverage_join import join
from ingest.edge.data_api import DataApi
from ingest.edge.dead_letters import DeadLetters
from ingest.edge.disk_spool import DiskSpool
from ingest.edge.last_flush import last_flush
from ingest.edge.lock import SERVICE, Holder, locked_soon
from ingest.edge.shrink import shrink
from ingest.edge.spool_control import Leftover, SpoolControl
from ingest.plan import Destination, Plan
from ingest.runtime.lane import ThreadLane
from ingest.runtime.link import Overflow, Weight
from ingest.runtime.progress import Progress
from ingest.runtime.signals import at_the_latest, on_reload, on_stop
from ingest.runtime.supervise import one_error

LATEST = 4.75
"""Seconds from a signal to the end of the process, even where a file hangs while it is opened or closed."""


def make_plan(settings: Settings, destination: Destination, data_api: DataApi | None = None) -> Plan:
    """The pipeline's plan, from settings and an opened store. Raises `Refused` when a CA file cannot be read."""
    home = settings.home_assistant
    return Plan(
        home=settings.home,
        candidates=candidates(settings),
        rules=Rules(settings.filter),
        enricher=Enricher(Drops(settings.attributes.drop, settings.attributes.drop_by_domain.items())),
        destination=destination,
        intake=Weight(settings.intake.events, settings.intake.bytes),
        intake_overflow=Overflow(settings.intake.overflow),
        link=Weight(settings.store_link.events, settings.store_link.bytes),
        link_overflow=Overflow(settings.store_link.overflow),
        batch=Limits(max_points=settings.batch.size, max_age=settings.batch.timeout),
        spool_memory=settings.spool.memory,
        deadlines=deadlines(settings),
        persistence=Persistence(home.max_retries, home.max_retry_delay, home.breaker_threshold),
        registry_wait=home.registry_wait,
        refresh_interval=settings.discovery.refresh_interval,
        store_breaker=settings.influxdb.breaker_threshold,
        files=_files(settings),
        data_api=data_api,
    )


def _files(settings: Settings) -> Mapping[str, str]:
    used = {"influxdb": ("state",), "embedded": ("state", "store"), "stdout": ()}[settings.store_kind]
    paths = {"state": settings.spool.path, "store": settings.embedded.path}
    return {kind: str(paths[kind].absolute()) for kind in used}


@asynccontextmanager
async def opened(
    settings: Settings,
    emit: Emit,
    by: Holder = SERVICE,
    more: Commands = NO_COMMANDS,
    progress: Progress | None = None,
) -> AsyncGenerator[Destination]:
    """The configured store, open while the block runs; `more` are commands that it takes. Raises `Transient` or `Refused`.

    `progress` looks at what it works on. Standard output is not looked at: its reader may stall for as long as it likes.
    """
    match settings.store_kind:
        case "embedded":
            async with _embedded(settings, emit, more, progress or Progress()) as destination:
                yield destination
        case "influxdb":
            async with opened_spool(settings, emit, by, more, progress) as spooled:
                yield spooled.destination
        case "stdout":
            yield _stdout(settings)


@asynccontextmanager
async def _embedded(settings: Settings, emit: Emit, more: Commands, progress: Progress) -> AsyncGenerator[Destination]:
    from ingest.edge.embedded import EmbeddedSettings, open_embedded  # noqa: PLC0415  only where it is used

    def set_aside(damage: SetAside) -> None:
        emit(reports.Notice(f"{damage.path} is damaged ({damage.reason}): kept as {damage.kept_as}, a new one begun"))

    path, retention = settings.embedded.path, settings.embedded.retention
    chosen = EmbeddedSettings(path, None if retention is None else timedelta(seconds=retention))
    async with AsyncExitStack() as stack:
        alone = "Stop the other service, or give this one an embedded.path of its own."
        await stack.enter_async_context(locked_soon(path, remedy=alone, by=SERVICE))
        lane = ThreadLane()
        progress.watch(f"{WORK}{path}", lane.moves)
        embedded = await stack.enter_async_context(open_embedded(chosen, lane, time.time_ns, set_aside, lane.give_up))
        if embedded.problem is not None:
            emit(
                reports.Notice(
                    f"{embedded.problem}. Until then changes are kept in memory, and it is tried every minute"
                )
            )
        destination = Destination(embedded.store, str(path), embedded.maintain, give_up=lane.give_up)
        # The store takes changes meanwhile, so a long command need not end the start; without a ledger nobody would know gaps.
        state = await stack.enter_async_context(opened_file(settings, emit, progress=progress, later=True))
        memory = await remembering(settings, destination.store.name, state, emit)
        await tell_left_behind(settings, state, emit)
        left = Leftover(state.connection, state.path, state.lane)
        control = SpoollessControl(memory.ledger, left, partial(listen, state), more)
        yield memory.of(evolve(destination, control=control))


@frozen
class Spooled:
    """A destination with a spool on disk."""

    destination: Destination
    spool: DiskSpool
    letters: DeadLetters


@asynccontextmanager
async def opened_spool(
    settings: Settings,
    emit: Emit,
    by: Holder = SERVICE,
    more: Commands = NO_COMMANDS,
    progress: Progress | None = None,
) -> AsyncGenerator[Spooled]:
    """The configured database with what waits for it, as `opened` has it. Raises as that."""
    async with AsyncExitStack() as stack:
        database = await stack.enter_async_context(opened_database(settings, progress))
        state = await stack.enter_async_context(opened_file(settings, emit, by, progress))
        spool = await disk_spool(settings, state, database.store, emit)
        memory = await remembering(settings, database.store.name, state, emit)
        if by is SERVICE:  # who delivers in the name of one home at a person's wish leaves the others to their service
            await tell_left_behind(settings, state, emit)
        join(spool, memory.ledger)
        reading = ThreadLane(abandon=True)
        listening = partial(listen, state)
        work = SpoolControl(spool, memory.letters, reading)
        control = Control(work, database.where, listening, memory.ledger, more)
        flush = partial(last_flush, spool, state.give_up)
        upkeep = partial(shrink, state, lambda: spool.kept.known and not spool.table.scars.reason)
        made = evolve(database, upkeep=upkeep, spool=spool, flush=flush, control=control)
        yield Spooled(memory.of(made), spool, memory.letters)


def _stdout(settings: Settings) -> Destination:
    from ingest.edge.stdout import stdout_store  # noqa: PLC0415  only where it is used

    codec = schema(settings)
    return Destination(stdout_store(codec), "standard output", writes=writing(schema(settings, LOOKED_AT)))


async def serve(
    settings: Settings,
    listeners: tuple[Emit, ...],
    stop: trio.Event,
    reloading: Reloading | None = None,
    watchdog: Watchdog | None = None,
) -> None:
    """Open the configured store and run the pipeline until `stop` is set; `reloading` may change it meanwhile.

    `watchdog` looks at it, and its manager is told. Raises as `opened`, and `Refused` (`GaveUp` among them), or what is a bug.
    """
    dog = watchdog or Watchdog()
    relay = Relay((*listeners, dog.manager))
    more = reloading.commands if reloading else NO_COMMANDS
    async with (
        dog.looking(relay),
        opened(settings, relay, more=more, progress=dog.progress) as destination,
        opened_data_api(settings) as data_api,
    ):
        plan = make_plan(settings, destination, data_api)
        if settings.api.enabled:
            await _run_with_api(settings, plan, relay, stop, reloading=reloading, dog=dog)
        else:
            await run_until(dog.alone(plan, relay), stop, reloading)


async def _run_with_api(
    settings: Settings, plan: Plan, relay: Relay, stop: trio.Event, *, reloading: Reloading | None, dog: Watchdog
) -> None:
    from ingest.web.site import Site  # noqa: PLC0415  only where it is used

    site = Site(settings.api, plan, time.time_ns)
    pipeline = dog.heard(plan, relay, site.hear, site.health)
    with one_error():
        async with trio.open_nursery() as nursery:
            nursery.start_soon(site.serve, pipeline, name="api")
            await run_until(pipeline, stop, reloading)
            nursery.cancel_scope.cancel()


async def serve_until_signalled(reloading: Reloading, listeners: tuple[Emit, ...], watchdog: Watchdog) -> None:
    """`serve` until SIGTERM or SIGINT: the first drains, the second cancels. SIGHUP has the configuration read again."""
    stop = trio.Event()
    with at_the_latest(LATEST, _too_late, FAILED) as begin:

        def first() -> None:
            begin()
            stop.set()

        async with trio.open_nursery() as nursery:
            nursery.start_soon(on_stop, first, nursery.cancel_scope.cancel, name="signals")
            nursery.start_soon(on_reload, reloading.signalled, stop.set, name="reloading")
            await serve(reloading.settings, listeners, stop, reloading, watchdog)
            nursery.cancel_scope.cancel()


def _too_late() -> None:
    complain("something hangs, the process ends without it; what is on disk is safe")
