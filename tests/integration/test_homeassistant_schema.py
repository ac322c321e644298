"""The schema `homeassistant` in the whole pipeline: what it does not write is counted, and gaps are filled all the same."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import trio
from attrs import define
from trio.testing import MockClock

from ingest.core.homeassistant import NOT_WRITTEN, Profile, homeassistant
from ingest.core.point import Point
from ingest.core.state import Source
from ingest.core.store import Codec, Store
from ingest.simulator import faults as f
from ingest.simulator.script import happen
from tests.integration.test_cancellation_disk import Tokens
from tests.integration.test_gaps import FILLED, House, house, restart_home_assistant


@define(eq=False)
class Dashboards(Tokens):
    """A store that keeps the points of which the schema writes a line."""

    def store(self) -> Store[Point, Any]:
        line = homeassistant(Profile()).encode

        def encode(point: Point) -> Point | None:
            return None if line(point) is None else self.encode(point)

        return Store("memory", Codec(encode, lambda items: 200 * len(items), self.seal), self.deliver)


def truth(it: House) -> set[tuple[str, int]]:
    """What the home did and the schema writes."""
    said = (each for each in it.home.truth() if each.new is not None and each.new.state not in NOT_WRITTEN)
    return {(each.entity_id, each.new.updated * 1000) for each in said if each.new is not None}


async def test_everything_that_it_writes_is_stored_through_a_restart_and_an_outage(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    async with house(tmp_path / "state.db") as it:
        it.memory = Dashboards(seconds=0.01)
        async with it.living() as pipeline:
            await it.work()
            await restart_home_assistant(it)
            await happen(it.server, f.Drop())
            await it.work()
            await trio.sleep(FILLED)
            books = pipeline.books()
        stored = {(point.entity_id, point.time_ns) for point in it.memory.points}
        assert truth(it) <= stored
        assert len(truth(it)) < len(it.truth)
        assert books["filtered"] > 0
        assert it.points(Source.BACKFILL)
        assert not NOT_WRITTEN & {point.state for point in it.memory.points}
        assert it.gaps
        assert {gap.progress.value for gap in it.gaps} == {"filled"}
