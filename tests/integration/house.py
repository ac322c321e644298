"""The whole pipeline against the simulated Home Assistant, in memory and under a virtual clock.

`living` runs both; when its block is left the pipeline is asked to stop, and what must hold after every run is checked:
the books balance, the sessions went where their table allows, and what is stored is what the home did: nothing
invented, nothing twice, nothing out of order.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from functools import partial
from typing import Any, TypeAlias

import trio
from attrs import define, field

from ingest.actors.connector import Candidate
from ingest.actors.template_reading import Render
from ingest.core import reports
from ingest.core.attributes import Drops
from ingest.core.enrich import Enricher
from ingest.core.filter_settings import FilterSettings
from ingest.core.point import Point
from ingest.core.reports import Report
from ingest.core.rules import Rules
from ingest.core.store import Batch, Codec, Delivered, Keep, Store, Verdict
from ingest.core.tally import balanced
from ingest.edge.websocket import Target
from ingest.errors import Refused
from ingest.pipeline import Pipeline
from ingest.plan import Destination, Plan
from ingest.runtime.link import Weight
from ingest.runtime.spool import MemorySpool
from ingest.simulator.home import Home
from ingest.simulator.serve import Peer, clock
from ingest.simulator.server import Server
from ingest.simulator.templates import rendered
from tests.actors.states import check_states
from tests.support.marked import secret

TOKEN = secret("home-assistant")
MORNING = datetime(2026, 11, 22, 7, tzinfo=UTC)

Points: TypeAlias = tuple[Point, ...]


@define(eq=False)
class Memory:
    """A store that keeps points in a list. `down`: it takes nothing. A delivery takes `seconds`."""

    seconds: float = 0.01
    down: bool = False
    encoded: list[Point] = field(factory=list)
    batches: list[Batch[Points]] = field(factory=list)

    @property
    def points(self) -> list[Point]:
        return [point for batch in self.batches for point in batch.payload]

    def encode(self, point: Point) -> Point:
        self.encoded.append(point)
        return point

    async def deliver(self, batch: Batch[Points]) -> Verdict:
        await trio.sleep(self.seconds)
        if self.down:
            return Keep("it is down")
        self.batches.append(batch)
        return Delivered()

    def store(self) -> Store[Point, Points]:
        return Store("memory", Codec(self.encode, lambda items: 200 * len(items), tuple), self.deliver)


class SlowSpool(MemorySpool[Batch[Points]]):
    """A spool as slow as a worn-out disk, so that what is above it fills up."""

    async def put(self, batch: Batch[Points]) -> tuple[Batch[Points], ...]:
        await trio.sleep(0.5)
        return await super().put(batch)


@define(eq=False)
class Running:
    server: Server
    pipeline: Pipeline
    memory: Memory
    emitted: list[Report]

    @property
    def books(self) -> dict[str, int]:
        return self.pipeline.books()

    def reports(self, kind: type[Any]) -> list[Any]:
        return [report for report in self.emitted if isinstance(report, kind)]

    async def until(self, met: Callable[[], object]) -> None:
        """Wait for a condition, at most an hour of virtual time."""
        with trio.fail_after(3600):
            while not met():  # noqa: ASYNC110  a condition over everything has no event
                await trio.sleep(0.05)

    async def live(self, times: int = 1) -> None:
        """Wait until the session has been live so many times."""
        await self.until(lambda: self.states().count("live") >= times)

    def states(self) -> list[str]:
        return [report.state.value for report in self.emitted if hasattr(report, "state")]

    async def settled(self) -> None:
        """Wait until everything received is somewhere for good."""
        await self.until(lambda: self.books["in_flight"] == self.books["spooled"] == 0)


def target(name: str) -> Target:
    return Target(f"ws://{name}.test:8123/api/websocket")


def candidate(name: str, token: str = TOKEN) -> Candidate:
    return Candidate(name, target(name), lambda: token)


def plan_of(
    memory: Memory,
    candidates: Sequence[Candidate],
    enricher: Enricher | None = None,
    rules: FilterSettings = FilterSettings(),  # noqa: B008  frozen
    upkeep: Callable[[], Awaitable[None]] | None = None,
    **changes: Any,
) -> Plan:
    return Plan(
        home="home",
        candidates=tuple(candidates),
        rules=Rules(rules),
        enricher=enricher or Enricher(Drops()),
        destination=Destination(memory.store(), "memory", upkeep),
        **changes,
    )


def server_of(home: Home, token: str = TOKEN) -> Server:
    return Server(home, token=token, now=clock(MORNING))


async def render(server: Server, body: bytes) -> bytes:
    """As a request to `/api/template` would be answered."""
    await trio.sleep(0.1)
    if server.instance.mood.error("api/template"):
        raise Refused("templates are refused", remedy="Give another token.")
    text = rendered(server.instance.home, body)
    assert text is not None
    return text


@asynccontextmanager
async def living(
    *,
    memory: Memory | None = None,
    candidates: Sequence[Candidate] = (),
    others: dict[str, Server] | None = None,
    slow_spool: bool = False,
    entities: int = 40,
    **plan: Any,
) -> AsyncGenerator[Running]:
    memory = memory or Memory()
    home = Home(1, entities, MORNING, remember=True)
    servers = {"primary": server_of(home), **(others or {})}
    emitted: list[Report] = []
    async with trio.open_nursery() as nursery:
        peers = {target(name).url: Peer(server, nursery) for name, server in servers.items()}

        async def dial(wanted: Target) -> trio.abc.Stream:
            return await peers[wanted.url].connect()

        made = plan_of(memory, candidates or [candidate("primary")], **plan)

        def renderer(wanted: Target, _token: str) -> Render:
            return partial(render, peers[wanted.url].server)

        pipeline = Pipeline(made, (emitted.append,), lambda: 0.5, dial, renderer)
        if slow_spool:
            pipeline.spool = pipeline.batcher.spool = SlowSpool(
                made.spool_memory, lambda batch: Weight(batch.count, batch.size)
            )
        for server in servers.values():
            nursery.start_soon(server.run)
        running, stop = Running(servers["primary"], pipeline, memory, emitted), trio.Event()
        async with trio.open_nursery() as inner:
            inner.start_soon(pipeline.run, stop)
            yield running
            stop.set()
        nursery.cancel_scope.cancel()
    check(running, home)


def check(running: Running, home: Home) -> None:
    """What must hold after every run."""
    assert balanced(running.books), running.books
    check_states(running.emitted)
    lost = running.reports(reports.Shed) + running.reports(reports.Evicted)
    check_points(running.memory, again=bool(lost))
    truth = {(change.entity_id, (change.new.updated if change.new else change.fired) * 1000) for change in home.truth()}
    assert {(point.entity_id, point.time_ns) for point in running.memory.points} <= truth


def check_points(memory: Memory, *, again: bool = False) -> None:
    """Nothing stored that was not encoded, nothing twice, and every entity's live points in the order of their times.

    `again`: something was lost on its way, so the next snapshot may bring what it brought before. What a snapshot or the
    history brings may be older than what came live meanwhile.
    """
    assert not Counter(_keys(memory.points)) - Counter(_keys(memory.encoded))
    assert again or max(Counter(_keys(memory.encoded)).values(), default=1) == 1
    by_entity: dict[str, list[int]] = defaultdict(list)
    for point in memory.encoded:
        if point.origin is None:
            by_entity[point.facts.registry_id].append(point.time_ns)
    assert all(times == sorted(times) for times in by_entity.values())


def _keys(points: Sequence[Point]) -> list[tuple[str, int]]:
    return [(point.entity_id, point.time_ns) for point in points]
