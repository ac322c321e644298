"""What is read of a pipeline whose spool is on disk."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, closing
from pathlib import Path

import trio
from attrs import evolve
from trio.testing import MockClock

from ingest.core.coverage import Cause, Progress
from ingest.core.health import Gauges
from ingest.core.store import Batch
from ingest.edge.disk_spool import DiskSpool, Limits
from ingest.edge.lasting import Lasting
from ingest.edge.ledger import Ledger
from ingest.edge.ledger_file import LedgerFile
from ingest.edge.spool_file import Table
from ingest.edge.spool_rows import Key
from ingest.edge.state_file import open_state
from ingest.edge.totals_file import Totals
from ingest.pipeline import Pipeline
from ingest.runtime.lane import InlineLane
from ingest.runtime.link import Weight
from ingest.runtime.spool import FRESH
from ingest.web.gauges import gauges
from tests.integration.house import Memory, candidate, plan_of

KEY = Key("home", "memory")


def now_ns() -> int:
    return int(trio.current_time() * 1e9)


@asynccontextmanager
async def opened(path: Path) -> AsyncGenerator[tuple[DiskSpool, Pipeline]]:
    connection, _ = open_state(path, now_ns)
    with closing(connection):
        limits = Limits(1000, 1000, Weight(1, 1))
        spool = DiskSpool(Table(connection, path, KEY), InlineLane(), limits, b"".join, now_ns, print)
        await spool.load()
        lasting = Lasting(Totals(connection, path, KEY), InlineLane(), now_ns, print, lambda: None)
        await lasting.load()
        plan = plan_of(Memory(), [candidate("primary")])
        ledger = Ledger(LedgerFile(connection, path, KEY), InlineLane(), print, lambda: None)
        await ledger.open_gap(Cause.STOPPED, 1, 2)
        plan = evolve(plan, destination=evolve(plan.destination, spool=spool, lasting=lasting, ledger=ledger))
        yield spool, Pipeline(plan, (), lambda: 0.5)


async def test_what_is_in_memory_only_has_no_days(tmp_path: Path, autojump_clock: MockClock) -> None:
    async with opened(tmp_path / "state.db") as (_, known):
        await trio.sleep(300)
        plan = evolve(known.plan, destination=evolve(known.plan.destination, spool=None))
        assert gauges(known).spool_rate is not None
        assert gauges(Pipeline(plan, (), lambda: 0.5)).spool_rate is None


def waits(found: Gauges) -> tuple[int | None, int | None]:
    return found.spool_batches, found.spool_oldest_ns


async def test_batches_and_the_oldest_point_are_known_without_asking_the_file(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    async with opened(tmp_path / "state.db") as (spool, pipeline):
        assert waits(gauges(pipeline)) == (0, None)
        for number in (5, 6, 7):
            await spool.put(Batch(b"x", 2, 10, number, number))
        found = gauges(pipeline)
        assert waits(found) == (3, 5)
        assert (found.spool_points, found.spool_limit, found.spool_rate) == (6, 1000, None)
        assert found.lifetime is not None
        assert found.gaps is not None
        assert found.gaps.counts[Progress.FILLED] == 1
        assert (found.lifetime.since_ns, set(found.lifetime.totals.values())) == (0, {0})
        await trio.sleep(FRESH)
        for oldest in (5, 6, 7):
            async with spool.claim():
                assert waits(gauges(pipeline)) == (8 - oldest, oldest)
        assert waits(gauges(pipeline)) == (0, None)
        await spool.put(Batch(b"x", 2, 10, 8, 8))
        await spool.memory.put(Batch(b"x", 2, 10, 2, 2))
        assert waits(gauges(pipeline)) == (2, 2)
    async with opened(tmp_path / "state.db") as (_, pipeline):
        assert waits(gauges(pipeline)) == (1, 8)
