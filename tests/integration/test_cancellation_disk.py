"""The pipeline with its spool in a real file, cancelled before any step; the disk may be failing meanwhile.

What the file holds after it is what a next start would deliver: nothing that was sealed is missing in it or the store.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

import pytest
import trio
import trio.lowlevel
from attrs import define, evolve, field
from trio.testing import MockClock

from ingest.core.point import Point
from ingest.core.store import Batch, Codec, Store, Verdict
from ingest.edge.disk_spool import DiskSpool, Limits
from ingest.edge.spool_file import Table
from ingest.edge.spool_rows import Key
from ingest.edge.sqlite import Connection
from ingest.edge.state_file import open_state
from ingest.plan import Destination, Plan
from ingest.runtime.lane import InlineLane
from ingest.runtime.link import Weight
from ingest.runtime.spool import Spool
from tests.integration.house import Memory
from tests.integration.test_cancellation import ENTITIES, FRAMES, SHORT, TIGHT, Cut, Run

STRIDE = 6
"""Steps between two cancellations."""

GATHER = Weight(5, 10_000)


@define(eq=False)
class Tokens(Memory):
    """A store whose payloads are bytes: the numbers of what was sealed."""

    sealed: list[tuple[Point, ...]] = field(factory=list)

    def seal(self, points: Sequence[Point]) -> bytes:
        self.sealed.append(tuple(points))
        return b"%d " % (len(self.sealed) - 1)

    def read(self, payload: bytes) -> tuple[Point, ...]:
        return tuple(point for number in payload.split() for point in self.sealed[int(number)])

    async def deliver(self, batch: Batch[Any]) -> Verdict:
        return await super().deliver(evolve(batch, payload=self.read(batch.payload)))

    def store(self) -> Store[Point, Any]:
        return Store("memory", Codec(self.encode, lambda items: 200 * len(items), self.seal), self.deliver)


@define(eq=False)
class OnDisk(Run):
    """A run whose spool is a file. `failing`: from its first second to its third nothing can be written."""

    memory: Tokens = field(factory=partial(Tokens, seconds=0.0))
    path: Path = field(default=Path())
    limit: int = 100_000
    gather: Weight = GATHER
    connection: Connection | None = None

    async def plan(self) -> Plan:
        def now_ns() -> int:
            return int(trio.current_time() * 1e9)

        self.connection, _ = open_state(self.path, now_ns)
        table = Table(self.connection, self.path, Key("home", "memory"))
        limits = Limits(self.limit, 100_000, self.gather)
        spool = DiskSpool(table, InlineLane(), limits, b"".join, now_ns, self.emitted.append)
        await spool.load()
        return evolve(await super().plan(), destination=Destination(self.memory.store(), "memory", spool=spool))

    def spooled(self, spool: Spool[Batch[Any]]) -> list[Point]:
        assert isinstance(spool, DiskSpool)
        rows = list(spool.table.oldest(set()))
        assert sum(row.count for row in rows) + spool.memory.held.events == spool.held.events
        payloads = [*spool.table.payloads(rows), *(batch.payload for batch in spool.memory.batches)]
        return [point for payload in payloads for point in self.memory.read(payload)]


def run(at: int, settings: dict[str, Any], *, limit: int = 100_000, read_only: bool = False) -> OnDisk:
    trio._core._run._r.seed(at)
    cut = Cut(at)
    with tempfile.TemporaryDirectory() as folder:
        this = OnDisk(cut, settings, path=Path(folder) / "state.db", limit=limit)
        main = partial(_read_only, this) if read_only else this.main
        trio.run(main, clock=MockClock(autojump_threshold=0), instruments=[cut])
        assert this.connection is not None
        this.connection.close()
    return this


async def _read_only(this: OnDisk) -> None:
    """As soon as the file is open, it is read-only for a while."""
    async with trio.open_nursery() as nursery:
        nursery.start_soon(this.main)
        while this.connection is None:
            await trio.lowlevel.checkpoint()
        this.connection.execute("PRAGMA query_only = ON")
        await trio.sleep(1.5)
        this.connection.execute("PRAGMA query_only = OFF")


def test_an_undisturbed_run_stores_everything() -> None:
    whole = run(0, SHORT)
    assert whole.ended
    assert len(whole.memory.points) == ENTITIES * FRAMES + ENTITIES + 2


@pytest.mark.parametrize(
    "how", [{"settings": SHORT}, {"settings": TIGHT, "limit": 900}, {"settings": SHORT, "read_only": True}]
)
def test_a_pipeline_with_a_file_keeps_its_promise_when_cancelled_before_any_step(how: dict[str, Any]) -> None:
    for at in range(1 + Random(len(how)).randrange(STRIDE), run(0, **how).cut.steps + 1, STRIDE):
        run(at, **how)
