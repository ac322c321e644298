"""Many batches through one deliverer, into a database that changes its mind: nothing is lost, nothing wrongly refused."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TypeAlias

import trio
from attrs import Factory, define, frozen
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.core.influx_answer import Answer
from ingest.core.store import Delivered, Keep, Verdict
from ingest.edge.influx_deliver import Deliverer
from tests.edge.refusing import SHARD, WAYS, Database, batch

VALUES = {"float": b"1.5", "integer": b"1i", "string": b'"on"', "boolean": b"true"}
FIELDS = (b"a", b"b", b"c")
LINE = st.tuples(st.sampled_from(FIELDS), st.sampled_from(sorted(VALUES)), st.booleans())
"""Field, type, and whether the line is malformed."""

Drawn: TypeAlias = tuple[bytes, str, bool]
Home: TypeAlias = list[list[Drawn]]

TYPES = st.tuples(
    st.sampled_from([None, 0, 1]), st.sampled_from([name.decode() for name in FIELDS]), st.sampled_from(sorted(VALUES))
)


@frozen
class Phase:
    """How the database is for a while, and which batches are tried meanwhile. `hiccup`: that request finds it down."""

    types: list[tuple[int | None, str, str]]
    mood: str
    hiccup: int | None
    tried: list[slice]


PHASES = st.builds(
    Phase,
    st.lists(TYPES, max_size=3),
    st.sampled_from(["well", "well", "alike", "down"]),
    st.none() | st.integers(1, 12),
    st.lists(st.builds(slice, st.integers(0, 3), st.integers(1, 4)), min_size=1, max_size=5),
)


@define
class Play:
    """One deliverer, one database, and what became of each batch."""

    database: Database
    batches: list[list[bytes]]
    to: Deliverer
    verdicts: dict[int, Delivered] = Factory(dict)

    async def phase(self, given: Phase) -> None:
        database = self.database
        database.types = {(shard, name): exists for shard, name, exists in given.types}
        database.alike = given.mood == "alike"
        database.down = Answer(503, "later") if given.mood == "down" else None
        database.down_at = None if given.hiccup is None else database.requests + given.hiccup
        for gathered in given.tried:
            await self.deliver(gathered)

    async def deliver(self, gathered: slice) -> Verdict | None:
        """Several batches in one, as a claim makes it of those that wait."""
        waiting = [number for number in range(len(self.batches))[gathered] if number not in self.verdicts]
        if not waiting:
            return None
        before, lines = self.database.requests, [line for number in waiting for line in self.batches[number]]
        verdict = await self.to.deliver(batch(lines))
        assert self.database.requests - before <= self.to.budget + 3
        if isinstance(verdict, Delivered):
            self._delivered(waiting, lines, verdict)
        return verdict

    def _delivered(self, waiting: list[int], lines: list[bytes], verdict: Delivered) -> None:
        assert {each.line.encode() for each in verdict.rejected} <= set(lines)
        for number in waiting:
            mine = tuple(each for each in verdict.rejected if each.line.encode() in self.batches[number])
            self.verdicts[number] = Delivered(mine)

    async def finish(self) -> None:
        """The database is well from here on: every batch has to come to an end, soon."""
        self.database.down = self.database.down_at = None
        self.database.alike = False
        assert await self.to.deliver(batch([b"other z=1 1"])) == Delivered()
        for number, lines in enumerate(self.batches):
            before, attempts = self.database.requests, 0
            while number not in self.verdicts:
                attempts += 1
                assert attempts <= len(lines) + 3
                verdict = await self.deliver(slice(number, number + 1))
                assert isinstance(verdict, Delivered) or (isinstance(verdict, Keep) and verdict.progress)
            # A tree with a leaf for each line, and in each attempt a line that was taken before.
            assert self.database.requests - before <= 2 * len(lines) + 3 + 2 * attempts

    def check(self) -> None:
        for number, lines in enumerate(self.batches):
            rejected = [each.line.encode() for each in self.verdicts[number].rejected]
            assert len(rejected) == len(set(rejected))
            assert set(rejected) <= self.database.condemned
            assert set(lines) - set(rejected) <= self.database.stored
            assert set(rejected) <= set(lines)


def play(home: Home, way: str, limit: int, budget: int) -> Play:
    """Lines that alternate between two shards in each batch; no two are the same."""
    batches: list[list[bytes]] = []
    malformed: set[bytes] = set()
    for number, drawn in enumerate(home):
        lines = [
            b"m %s=%s %d" % (name, VALUES[kind], SHARD * (place % 2) + number * 15 + place // 2)
            for place, (name, kind, _) in enumerate(drawn)
        ]
        malformed.update(line for line, (_, _, bad) in zip(lines, drawn, strict=True) if bad)
        batches.append(lines)
    database = Database(malformed, way, limit)
    return Play(database, batches, Deliverer(database.post, time.time_ns, budget))


@settings(max_examples=300)
@given(
    st.lists(st.lists(LINE, min_size=1, max_size=30), min_size=1, max_size=4),
    st.sampled_from(WAYS),
    st.sampled_from([1, 7, 1000]),
    st.sampled_from([5, 200]),
    st.lists(PHASES, max_size=6),
)
def test_whatever_the_database_does_a_line_is_stored_or_rightly_rejected_within_bounded_requests(
    home: Home, way: str, limit: int, budget: int, phases: Sequence[Phase]
) -> None:
    played = play(home, way, limit, budget)

    async def run() -> None:
        for each in phases:
            await played.phase(each)
        await played.finish()

    trio.run(run)
    played.check()
