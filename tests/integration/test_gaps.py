"""Gaps, from the moment in which something is missed until it is stored, against the home's own truth.

The pipeline with its state file, the simulated Home Assistant with its recorder, time is virtual.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any

import pytest
import trio
from attrs import define, evolve, field
from trio.testing import MockClock

from ingest.core import reports
from ingest.core.coverage import UNNAMED, Cause, Gap, Progress
from ingest.core.evicted import Named
from ingest.core.point import Point
from ingest.core.reports import Report
from ingest.core.state import Source
from ingest.core.tally import balanced
from ingest.edge.disk_spool import DiskSpool, Limits
from ingest.edge.ledger import Ledger
from ingest.edge.ledger_file import LedgerFile
from ingest.edge.spool_file import Table
from ingest.edge.spool_rows import Key
from ingest.edge.state_file import open_state
from ingest.edge.websocket import Target
from ingest.pipeline import Pipeline
from ingest.plan import Destination
from ingest.runtime.lane import InlineLane
from ingest.simulator import faults as f
from ingest.simulator import recorder_faults as r
from ingest.simulator.home import Home
from ingest.simulator.script import happen
from ingest.simulator.serve import Peer, clock
from ingest.simulator.server import Server
from tests.integration.house import MORNING, Memory, candidate, plan_of, server_of
from tests.integration.test_cancellation_disk import Tokens
from tests.runtime.lanes import Hanging

KEY = Key("home", "memory")
SPARE = Limits(10**6, 10**6)
FILLED = 150.0
"""Seconds in which a gap is filled: the recorder's two commit intervals, and some."""


@define(eq=False)
class House:
    """A home that goes on, and a service that comes and goes."""

    path: Path
    server: Server
    peer: Peer
    wall: Callable[[], Any]
    memory: Memory = field(factory=lambda: Tokens(seconds=0.01))
    told: list[Report] = field(factory=list)

    @property
    def home(self) -> Home:
        return self.server.home

    @property
    def gaps(self) -> list[Gap]:
        with closing(open_state(self.path, self.now_ns)[0]) as connection:
            return LedgerFile(connection, self.path, KEY).gaps()

    @property
    def missing(self) -> list[tuple[str, int]]:
        """What the home did and the store does not know."""
        return sorted(self.truth - {(point.entity_id, point.time_ns) for point in self.memory.points})

    @property
    def truth(self) -> set[tuple[str, int]]:
        changes = self.home.truth()
        return {(each.entity_id, (each.new.updated if each.new else each.fired) * 1000) for each in changes}

    def now_ns(self) -> int:
        return int(self.wall().timestamp() * 1e6) * 1000

    async def dial(self, _: Target) -> trio.abc.Stream:
        return await self.peer.connect()

    async def work(self, count: int = 60) -> None:
        await self.server.burst(count, 10, 20)

    def points(self, source: Source | None) -> list[Point]:
        return [point for point in self.memory.points if point.origin is source]

    @asynccontextmanager
    async def living(
        self, *, killed: bool = False, spooled: bool = True, limits: Limits = SPARE, **changes: Any
    ) -> AsyncGenerator[Pipeline]:
        """The service while the block runs; `killed`: the file does not say that it ended in order.

        Without `spooled` batches wait in memory, as those of the embedded store do.
        """
        connection, _ = open_state(self.path, self.now_ns)
        with closing(connection):
            lane, store = InlineLane(), self.memory.store()
            whose: Callable[[Any], Sequence[Named] | None] = store.codec.whose
            table = Table(connection, self.path, KEY, whose=whose)
            spool = DiskSpool(table, lane, limits, b"".join, self.now_ns, self.told.append)
            await spool.load()
            ledger = Ledger(LedgerFile(connection, self.path, KEY), lane, self.told.append, lambda: None)
            await ledger.load()
            spool.notes.noted = ledger.noted
            destination = Destination(store, "memory", spool=spool if spooled else None, ledger=ledger)
            plan = evolve(plan_of(self.memory, [candidate("primary")], **changes), destination=destination)
            pipeline = Pipeline(evolve(plan, wall_ns=self.now_ns), (self.told.append,), lambda: 0.5, self.dial)
            ledger.emit = pipeline.emit
            stop = trio.Event()
            async with trio.open_nursery() as nursery:
                nursery.start_soon(pipeline.run, stop)
                await trio.sleep(20)
                yield pipeline
                stop.set()
            assert balanced(pipeline.books())
            if killed:
                connection.execute("UPDATE coverage SET stopped = 0")


@asynccontextmanager
async def house(path: Path, memory: Memory | None = None) -> AsyncGenerator[House]:
    server = server_of(Home(1, 20, MORNING, remember=True))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(server.run)
        yield House(path, server, Peer(server, nursery), clock(MORNING), memory or Tokens(seconds=0.01))
        nursery.cancel_scope.cancel()


def check(it: House, causes: list[Cause]) -> None:
    """Everything the home did is stored once, and every gap says that it is filled."""
    assert it.missing == []
    times = Counter((point.entity_id, point.time_ns) for point in it.memory.points)
    assert max(times.values()) == 1
    found = it.gaps
    assert [gap.cause for gap in found] == causes
    assert {gap.progress for gap in found} == {Progress.FILLED}
    assert sum(gap.filled for gap in found) == len(it.points(Source.BACKFILL))


async def lose_the_connection(it: House) -> None:
    await happen(it.server, f.Drop())
    await it.work()
    await trio.sleep(FILLED)


async def restart_home_assistant(it: House) -> None:
    async with trio.open_nursery() as nursery:
        nursery.start_soon(happen, it.server, f.Restart(5.0, 2.0))
        await trio.sleep(0.01)
        await it.work()
    await trio.sleep(FILLED)


async def send_too_much_at_once(it: House) -> None:
    await happen(it.server, f.Burst(5_000, 200))
    await trio.sleep(2 * FILLED)


@pytest.mark.parametrize("act", [lose_the_connection, restart_home_assistant, send_too_much_at_once])
async def test_what_a_session_misses_is_filled(
    act: Callable[[House], Awaitable[None]], tmp_path: Path, autojump_clock: MockClock
) -> None:
    async with house(tmp_path / "state.db") as it:
        async with it.living():
            await it.work()
            await trio.sleep(5)
            await act(it)
        check(it, [Cause.CONNECTION])
        assert it.points(Source.BACKFILL)
        assert [report for report in it.told if isinstance(report, reports.GapSettled)]


@pytest.mark.parametrize("killed", [False, True])
async def test_what_happens_while_the_service_is_down_is_filled(
    tmp_path: Path, autojump_clock: MockClock, *, killed: bool
) -> None:
    async with house(tmp_path / "state.db") as it:
        async with it.living(killed=killed):
            await it.work()
            await trio.sleep(5)
        for _ in range(3):
            await trio.sleep(4)
            await it.work()
        it.server.emit(change for change in [it.home.remove("sensor.burst_0003")] if change)
        it.server.emit(change for change in [it.home.set("sensor.new", "1", {})] if change)
        await trio.sleep(60)
        async with it.living():
            await trio.sleep(2 * FILLED + 60)
        check(it, [Cause.KILLED if killed else Cause.STOPPED])
        removed = [point for point in it.points(Source.BACKFILL) if point.entity_id == "sensor.burst_0003"]
        assert removed[-1].state == "removed"


async def test_of_who_was_removed_longer_ago_than_the_recorder_keeps_nothing_is_lacking(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    """Whether its removal came live, or was told by the history."""
    async with house(tmp_path / "state.db") as it:
        for name in ("sensor.live", "sensor.told"):
            it.server.emit(change for change in [it.home.set(name, "1", {})] if change)
        async with it.living():
            await it.work()
            await trio.sleep(5)
            it.server.emit(change for change in [it.home.remove("sensor.live")] if change)
            await happen(it.server, f.Drop())
            it.server.emit(change for change in [it.home.remove("sensor.told")] if change)
            await trio.sleep(2 * FILLED)
            for _ in range(20):
                await it.work()
                await trio.sleep(60)
            await happen(it.server, r.Purge(600))
            await happen(it.server, f.Drop())
            await it.work()
            await trio.sleep(2 * FILLED)
        check(it, [Cause.CONNECTION] * 2)


async def test_what_happens_until_a_home_goes_on_under_another_name_is_filled_and_nothing_that_is_stored(
    tmp_path: Path, autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with house(tmp_path / "state.db") as it:
        async with it.living():
            await it.work()
            await trio.sleep(5)
        await it.work()
        await trio.sleep(60)
        stored = {(point.entity_id, point.time_ns) for point in it.memory.points}
        monkeypatch.setattr(f"{__name__}.KEY", Key("flat", "memory"))
        async with it.living():
            await trio.sleep(2 * FILLED)
        assert it.missing == []
        assert [(gap.cause, gap.progress) for gap in it.gaps] == [(Cause.STOPPED, Progress.FILLED)]
        filled = {(point.entity_id, point.time_ns) for point in it.points(Source.BACKFILL)}
        assert filled
        assert not filled & stored


async def test_an_unchanged_home_has_nothing_to_fill(tmp_path: Path, autojump_clock: MockClock) -> None:
    async with house(tmp_path / "state.db") as it:
        async with it.living():
            await trio.sleep(5)
        count = len(it.memory.points)
        async with it.living():
            await trio.sleep(1)
        assert [gap.progress for gap in it.gaps] == [Progress.FILLED]
        assert len(it.memory.points) - count <= len(it.truth) - 20


async def test_what_a_spool_in_memory_drops_is_a_gap(tmp_path: Path, autojump_clock: MockClock) -> None:
    async with house(tmp_path / "state.db") as it:
        async with it.living(spooled=False, spool_memory=4):
            it.memory.down = True
            for _ in range(5):
                await it.work()
                await trio.sleep(5)
            it.memory.down = False
            await trio.sleep(FILLED)
        dropped = [report for report in it.told if isinstance(report, reports.Evicted)]
        assert it.missing
        (gap,) = [gap for gap in it.gaps if gap.cause is Cause.EVICTED]
        assert (gap.progress, gap.why) == (Progress.UNFILLABLE, UNNAMED)
        assert (gap.from_ns, gap.to_ns) == (dropped[0].oldest_ns, max(each.newest_ns for each in dropped))


async def test_a_session_that_breaks_is_made_again_though_the_disk_of_the_ledger_hangs(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    async with house(tmp_path / "state.db") as it:
        async with it.living() as pipeline:
            ledger = pipeline.plan.destination.ledger
            assert ledger is not None
            ledger.lane = lane = Hanging(ledger.lane, 300.0)
            await trio.sleep(100)
            assert lane.begun
            for _ in range(2):
                connected = len([each for each in it.told if isinstance(each, reports.Connected)])
                await happen(it.server, f.Drop())
                await it.work()
                await trio.sleep(5)
                assert len([each for each in it.told if isinstance(each, reports.Connected)]) == connected + 1
            lane.seconds = 0.0
            await trio.sleep(300 + 2 * FILLED)
        check(it, [gap.cause for gap in it.gaps])
        assert {gap.cause for gap in it.gaps} == {Cause.CONNECTION}


async def test_what_is_stored_is_not_told_to_be_lost_after_a_stop_while_the_disk_of_the_ledger_hangs(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    async with house(tmp_path / "state.db") as it:
        async with it.living(spooled=False) as pipeline:
            ledger = pipeline.plan.destination.ledger
            assert ledger is not None
            ledger.lane = InlineLane(300.0)
            await it.work()
            await trio.sleep(30)
            assert pipeline.books()["spooled"], "a batch waits behind one whose word does not reach the disk"
        assert pipeline.books()["stored"] == len(it.memory.points)
