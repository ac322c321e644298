"""The gaps in the database: what is told of them, when, and that the books know."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import trio
from attrs import define, evolve, field
from trio.testing import MockClock

from ingest.core import reports
from ingest.core.coverage import Cause
from ingest.core.gap_points import GapPoint
from ingest.core.store import Batch, Codec, Store, Verdict
from ingest.simulator import faults as f
from ingest.simulator.recorder_faults import SilentHistory
from ingest.simulator.script import happen
from tests.integration.house import MORNING
from tests.integration.test_cancellation_disk import Tokens
from tests.integration.test_gaps import FILLED, SPARE, House, house

START_NS = int(MORNING.timestamp()) * 10**9


@define(eq=False)
class Shaded(Tokens):
    """A store that takes gaps, too, and keeps them apart."""

    gaps: list[GapPoint] = field(factory=list)
    spread: int = 0
    """How far apart the times of one batch were at most, in nanoseconds."""

    def store(self) -> Store[Any, Any]:
        return Store(
            "memory", Codec(self.encode, lambda items: 200 * len(items), self.seal, lambda gap: gap), self.deliver
        )

    async def deliver(self, batch: Batch[Any]) -> Verdict:
        verdict = await super().deliver(batch)
        if not self.down:
            taken = self.batches.pop()
            self.gaps += [each for each in taken.payload if isinstance(each, GapPoint)]
            states = tuple(each for each in taken.payload if not isinstance(each, GapPoint))
            self.spread = max(self.spread, taken.newest_ns - taken.oldest_ns)
            self.batches.append(evolve(taken, payload=states))
        return verdict

    @property
    def shown(self) -> dict[tuple[Cause, int], GapPoint]:
        """What a database would hold: of each place what was told last."""
        return {gap.place: gap for gap in self.gaps}


def shaded(it: House) -> Shaded:
    it.memory = made = Shaded(seconds=0.01)
    return made


async def test_a_gap_is_told_when_it_opens_and_when_it_is_filled(tmp_path: Path, autojump_clock: MockClock) -> None:
    async with house(tmp_path / "state.db") as it, trio.open_nursery() as nursery:
        memory = shaded(it)
        async with it.living() as pipeline:
            await it.work()
            nursery.start_soon(happen, it.server, SilentHistory(40.0))
            await trio.sleep(1)
            await happen(it.server, f.Drop())
            await it.work()
            await trio.sleep(30)
            assert [gap.state for gap in memory.shown.values()] == ["open"]
            await trio.sleep(2 * FILLED)
            books = pipeline.books()
        assert it.missing == []
        (gap,) = it.gaps
        (shown,) = memory.shown.values()
        assert (shown.state, shown.time_ns, shown.end_ns) == ("filled", gap.from_ns, gap.to_ns)
        assert (shown.spans, shown.left, shown.filled) == (gap.spans, 0, gap.filled)
        assert shown.home == "home"
        added = [each.count for each in it.told if isinstance(each, reports.Added)]
        assert sum(added) == len(memory.gaps) == books["made"]
        assert len(memory.gaps) >= 2


async def test_what_is_told_survives_an_outage_of_the_database_in_the_spool(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    async with house(tmp_path / "state.db") as it:
        memory = shaded(it)
        async with it.living():
            await it.work()
            memory.down = True
            await happen(it.server, f.Drop())
            await it.work()
            await trio.sleep(2 * FILLED)
        assert memory.gaps == []
        memory.down = False
        async with it.living():
            await trio.sleep(60)
        assert [gap.state for gap in memory.shown.values()] == ["filled"] * 2
        assert {cause for cause, _ in memory.shown} == {Cause.CONNECTION, Cause.STOPPED}
        assert it.missing == []


async def closed(it: House) -> None:
    """Wait until the ledger says that the gap there is, is filled."""
    with trio.fail_after(3600):
        while not (it.gaps and it.gaps[0].left == 0):  # noqa: ASYNC110  a file has no event
            await trio.sleep(1)


async def drop(it: House, nursery: trio.Nursery) -> None:
    """Miss something, which the history tells after a while only."""
    nursery.start_soon(happen, it.server, SilentHistory(40.0))
    await trio.sleep(1)
    await happen(it.server, f.Drop())
    await it.work()


async def test_the_newest_batch_overtakes_the_oldest_and_the_database_ends_with_the_truth(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    async with house(tmp_path / "state.db") as it, trio.open_nursery() as nursery:
        memory = shaded(it)
        async with it.living():
            memory.down = True
            await it.work(20)
            await trio.sleep(15)
            await drop(it, nursery)
            await closed(it)
            await trio.sleep(11)
            memory.down = False
            await trio.sleep(120)
        assert [gap.state for gap in memory.gaps] == ["filled", "open", "filled"]


async def test_what_a_run_before_left_in_the_spool_is_not_the_last_word(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    async with house(tmp_path / "state.db") as it, trio.open_nursery() as nursery:
        memory = shaded(it)
        async with it.living():
            memory.down = True
            await drop(it, nursery)
            await closed(it)

        async def come_back() -> None:
            """When the first batch of the next run, which tells that it is filled, is the newest."""
            await trio.sleep(6)
            memory.down = False

        nursery.start_soon(come_back)
        async with it.living():
            await trio.sleep(100)
        assert [gap.state for gap in memory.gaps if gap.cause is Cause.CONNECTION] == ["filled", "open", "filled"]


async def test_what_was_evicted_is_told_again_when_all_that_waited_is_stored(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    async with house(tmp_path / "state.db") as it:
        memory = shaded(it)
        async with it.living(limits=evolve(SPARE, disk=8)):
            memory.down = True
            await happen(it.server, f.Drop())
            await trio.sleep(20)
            for _ in range(6):
                await it.work()
                await trio.sleep(3)
            memory.down = False
            await trio.sleep(60)
            await it.work()
            await trio.sleep(FILLED)
        assert {gap.cause for gap in it.gaps} == {Cause.CONNECTION, Cause.EVICTED}
        assert {gap.cause for gap in memory.shown.values()} == {Cause.CONNECTION, Cause.EVICTED}


async def test_a_start_tells_all_again_in_a_home_where_nothing_happens(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    """The times of old gaps are not those of the batch: what evicts it must not tell of a gap that long."""
    async with house(tmp_path / "state.db") as it:
        memory = shaded(it)
        for _ in range(3):
            async with it.living():
                await it.work()
                await trio.sleep(5)
            await trio.sleep(3600)
            await it.work()
        async with it.living():
            await trio.sleep(FILLED)
        before = memory.shown
        memory.gaps.clear()
        memory.spread = 0
        async with it.living():
            await trio.sleep(FILLED)
        assert {place: gap.state for place, gap in memory.shown.items() if place in before} == dict.fromkeys(
            before, "filled"
        )
        assert memory.spread < 60 * 10**9


async def test_a_store_without_gaps_is_told_of_none(tmp_path: Path, autojump_clock: MockClock) -> None:
    async with house(tmp_path / "state.db") as it, it.living() as pipeline:
        await happen(it.server, f.Drop())
        await it.work()
        await trio.sleep(FILLED)
        assert pipeline.books()["made"] == 0
        assert pipeline.batcher.telling is None
