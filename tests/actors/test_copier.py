from __future__ import annotations

from collections.abc import Iterator, Sequence

import pytest
import trio
from attrs import define, field

from ingest.actors.bringing import ATTEMPTS, CAP
from ingest.actors.copier import Copied, Copier
from ingest.core.homeiq import Encoder
from ingest.core.point import Attributes, Facts, Point
from ingest.core.store import Batch, Codec, Delivered, Keep, Rejection, Store, Verdict
from ingest.errors import Refused, Transient
from ingest.runtime.lane import InlineLane

SCHEMA = Encoder()
POINTS = [Point("sensor.a", at, str(at), Facts("r"), Attributes(), float(at)) for at in range(100)]


@define
class Database:
    """Keeps lines as a database does: one for each series and time. `answers` come first, then all is delivered."""

    answers: list[Verdict] = field(factory=list)
    lines: set[bytes] = field(factory=set)
    sent: int = 0

    def store(self, codec: Codec[bytes, bytes] | None = None) -> Store[bytes, bytes]:
        plain: Codec[bytes, bytes] = Codec(SCHEMA.line, lambda items: sum(map(len, items)), b"\n".join)
        return Store("database", codec or plain, self.deliver)

    async def deliver(self, batch: Batch[bytes]) -> Verdict:
        await trio.lowlevel.checkpoint()
        self.sent += batch.count
        verdict = self.answers.pop(0) if self.answers else Delivered()
        if isinstance(verdict, Delivered):
            self.lines.update(batch.payload.split(b"\n"))
        return verdict


def pages(after: int = -1) -> Iterator[tuple[int, Sequence[Point]]]:
    for start in range(after + 1, 100, 10):
        yield start + 9, POINTS[start : start + 10]


def copier(store: Store[bytes, bytes], told: list[Copied] | None = None, waits: list[float] | None = None) -> Copier:
    def waiting(_: Keep, delay: float) -> None:
        if waits is not None:
            waits.append(delay)

    heard: list[Copied] = [] if told is None else told
    return Copier(store, InlineLane(), heard.append, waiting, lambda: 0.999)


ALL = {SCHEMA.line(point) for point in POINTS}


async def test_everything_is_copied_and_told() -> None:
    database, told, reached = Database(), list[Copied](), list[int]()
    copied = await copier(database.store(), told).run(pages(), reached.append)
    assert database.lines == ALL
    assert copied == told[-1] == Copied(points=100)
    assert reached == list(range(9, 100, 10))


@pytest.mark.parametrize("deliveries", range(12))
async def test_cut_off_anywhere_and_resumed_nothing_is_lost(deliveries: int) -> None:
    database, reached = Database(), [-1]
    left = iter(range(deliveries))
    with trio.CancelScope() as scope:

        async def cut(batch: Batch[bytes]) -> Verdict:
            if next(left, None) is None:
                scope.cancel()
            return await database.deliver(batch)

        await copier(Store("database", database.store().codec, cut)).run(pages(), reached.append)
    assert scope.cancelled_caught == (deliveries < 10)
    await copier(database.store()).run(pages(reached[-1]), reached.append)
    assert database.lines == ALL


async def test_an_outage_is_waited_for(autojump_clock: trio.testing.MockClock) -> None:
    waits: list[float] = []
    database = Database([Keep("down"), Keep("busy", retry_after=45.0), Delivered()])
    await copier(database.store(), waits=waits).run(pages(), lambda _: None)
    assert database.lines == ALL
    assert waits[1] == pytest.approx(45.0)


async def test_a_long_outage_is_told_and_what_is_done_stays_done(autojump_clock: trio.testing.MockClock) -> None:
    waits: list[float] = []
    reached: list[int] = []
    database = Database([Delivered(), *[Keep("down")] * ATTEMPTS])
    with pytest.raises(Transient, match="goes on where it stopped"):
        await copier(database.store(), waits=waits).run(pages(), reached.append)
    assert reached == [9]
    assert len(waits) == ATTEMPTS - 1
    assert max(waits) <= CAP


async def test_what_a_person_must_mend_ends_it() -> None:
    database = Database([Keep("unauthorised", remedy="Make a token")])
    with pytest.raises(Refused, match="Make a token"):
        await copier(database.store()).run(pages(), lambda _: None)


async def test_refused_and_declined_points_are_counted() -> None:
    def odd(point: Point) -> bytes | None:
        return None if point.time_ns % 2 or point.time_ns < 10 else SCHEMA.line(point)

    refusals = Delivered(tuple(Rejection(f"line {at}", "conflict") for at in range(4)))
    database = Database([refusals])
    copied = await copier(database.store(Codec(odd, lambda items: sum(map(len, items)), b"\n".join))).run(
        pages(), lambda _: None
    )
    assert (copied.points, copied.declined, copied.refused, len(copied.rejected)) == (100, 55, 4, 3)
    assert database.sent == 45


async def test_a_search_that_comes_nearer_is_no_failure() -> None:
    database, waits = Database([*[Keep("looking for lines", progress=True)] * 2 * ATTEMPTS]), list[float]()
    copied = await copier(database.store(), waits=waits).run(pages(), lambda _: None)
    assert (copied, database.lines, waits) == (Copied(points=100), ALL, [])
