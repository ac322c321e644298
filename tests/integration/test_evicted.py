"""A spool that overflows for a long time: in the end the store knows everything, and the ledger says where it came from."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import trio
from attrs import define, evolve, field
from trio.testing import MockClock

from ingest.core import homeiq, reports, rows, sealing
from ingest.core.coverage import Cause, Gap, Progress
from ingest.core.point import Point
from ingest.core.state import Source
from ingest.core.store import Batch, Codec, Store, Verdict
from ingest.edge.disk_spool import Limits
from ingest.simulator import faults as f
from ingest.simulator import recorder_faults as r
from ingest.simulator.script import happen
from tests.core.points import point_of
from tests.integration.house import Memory
from tests.integration.test_gaps import FILLED, House, house

ROOM = 30_000
"""Bytes: some three hundred changes."""

OUTAGE = 40
"""Times five seconds, in each of which the home does sixty things."""


@define(eq=False)
class Database(Memory):
    """A store of lines, as an InfluxDB is one."""

    lines: dict[bytes, Point] = field(factory=dict)
    _codec: Codec[sealing.Line, bytes] = field(factory=homeiq.homeiq)

    def line(self, point: Point) -> sealing.Line | None:
        line = self._codec.encode(point)
        if line is not None:
            self.lines[sealing.uncut(line)] = self.encode(point)
        return line

    async def deliver(self, batch: Batch[Any]) -> Verdict:
        points = tuple(self.lines[line] for line in sealing.unsealed(batch.payload))
        return await super().deliver(evolve(batch, payload=points))

    def store(self) -> Store[Any, Any]:
        return Store("memory", evolve(self._codec, encode=self.line), self.deliver)


@define(eq=False)
class Embedded(Memory):
    """A store of rows, as the embedded one is."""

    async def deliver(self, batch: Batch[Any]) -> Verdict:
        return await super().deliver(evolve(batch, payload=tuple(map(point_of, batch.payload))))

    def store(self) -> Store[Any, Any]:
        return Store("memory", evolve(rows.CODEC, encode=lambda point: rows.row_of(self.encode(point))), self.deliver)


def evicted(it: House) -> int:
    return sum(report.count for report in it.told if isinstance(report, reports.Evicted))


def gaps(it: House) -> list[Gap]:
    return [gap for gap in it.gaps if gap.cause is Cause.EVICTED]


def poorer(it: House) -> list[Point]:
    """What the history wrote over something that came live or was told by a snapshot."""
    seen: dict[tuple[str, int], bool] = defaultdict(bool)
    found = []
    for point in it.memory.points:
        place = point.entity_id, point.time_ns
        if point.origin is not Source.BACKFILL:
            seen[place] = True
        elif seen[place]:
            found.append(point)
    return found


async def outage(it: House, during: Callable[[int], Awaitable[None]] | None = None) -> None:
    it.memory.down = True
    for number in range(OUTAGE):
        await it.work()
        if during is not None:
            await during(number)
        await trio.sleep(5)
    it.memory.down = False


async def filled(it: House) -> None:
    """Wait until nothing is missing any more, at most half an hour."""
    with trio.move_on_after(1800):
        while it.missing or any(gap.left for gap in it.gaps):  # noqa: ASYNC110  nobody says when
            await trio.sleep(5)


KINDS = [
    pytest.param(Database, {"limits": Limits(ROOM, ROOM)}, id="a database"),
    pytest.param(Embedded, {"spooled": False, "spool_memory": 3 * ROOM}, id="the embedded store"),
]


@pytest.mark.parametrize(("kind", "spool"), KINDS)
async def test_what_a_full_spool_drops_is_filled_from_the_history(
    tmp_path: Path, autojump_clock: MockClock, kind: type[Memory], spool: dict[str, Any]
) -> None:
    async with house(tmp_path / "state.db", kind()) as it, it.living(**spool):
        await outage(it)
        assert evicted(it) > 1_000
        await filled(it)
        assert it.missing == []
        (gap,) = gaps(it)
        assert (gap.progress, gap.why, gap.filled) == (Progress.FILLED, "", evicted(it))
        assert gap.spans <= 2 * len(it.home.states)
        assert poorer(it) == []


@pytest.mark.parametrize(("kind", "spool"), KINDS)
async def test_a_session_that_ends_meanwhile_takes_nothing_away(
    tmp_path: Path, autojump_clock: MockClock, kind: type[Memory], spool: dict[str, Any]
) -> None:
    """A snapshot tells what went again: the history does not write over it."""

    async def drop(number: int) -> None:
        if number % 9 == 0:
            await happen(it.server, f.Drop())

    async with house(tmp_path / "state.db", kind()) as it, it.living(**spool):
        await outage(it, drop)
        await filled(it)
        assert it.missing == []
        assert {gap.progress for gap in it.gaps} == {Progress.FILLED}
        assert poorer(it) == []


async def test_the_service_may_end_in_between(tmp_path: Path, autojump_clock: MockClock) -> None:
    async with house(tmp_path / "state.db", Database()) as it:
        for killed in (True, False):
            async with it.living(killed=killed, limits=Limits(ROOM, ROOM)):
                await outage(it)
                it.memory.down = True
        it.memory.down = False
        async with it.living(limits=Limits(ROOM, ROOM)):
            await trio.sleep(FILLED)
            await filled(it)
        assert it.missing == []
        assert {gap.progress for gap in it.gaps} == {Progress.FILLED}


async def test_what_the_recorder_leaves_out_is_said(tmp_path: Path, autojump_clock: MockClock) -> None:
    async with house(tmp_path / "state.db", Database()) as it, it.living(limits=Limits(ROOM, ROOM)):
        await happen(it.server, r.Exclude(("sensor.burst_0003",)))
        await outage(it)
        await filled(it)
        (gap,) = gaps(it)
        assert (gap.progress, gap.filled) == (Progress.PARTLY, evicted(it) - len(it.missing))
        assert "Home Assistant's recorder has nothing of the entity then" in gap.why
        assert {entity_id for entity_id, _ in it.missing} == {"sensor.burst_0003"}
