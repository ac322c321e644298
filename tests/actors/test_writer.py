from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise

import pytest
import trio
from attrs import evolve
from trio.testing import MockClock

from ingest.actors.writer import CAP, REFUSED_DELAY, Writer
from ingest.core import reports
from ingest.core.coverage import Mark, Note
from ingest.core.point import Point
from ingest.core.reports import Report
from ingest.core.store import Batch, Codec, Delivered, Keep, Rejection, Store, Verdict
from ingest.runtime.link import EMPTY, Weight
from ingest.runtime.spool import MemorySpool

CODEC: Codec[Point, bytes] = Codec(lambda point: point, len, lambda _: b"")


def batch(number: int) -> Batch[bytes]:
    return Batch(b"%d" % number, 10, 100, number, number)


class Database:
    """A store that answers as it is told, then takes everything. A delivery takes a second."""

    def __init__(self, *verdicts: Verdict) -> None:
        self.verdicts: Iterator[Verdict] = iter(verdicts)
        self.asked: list[tuple[int, float]] = []
        self.stored: list[int] = []

    async def deliver(self, given: Batch[bytes]) -> Verdict:
        self.asked.append((int(given.payload), trio.current_time()))
        await trio.sleep(1)
        verdict = next(self.verdicts, Delivered())
        if isinstance(verdict, Delivered):
            self.stored.append(int(given.payload))
        return verdict


async def write(
    database: Database, *numbers: int, chance: Callable[[], float] = lambda: 0.5
) -> tuple[list[Report], MemorySpool[Batch[bytes]]]:
    """Let a writer deliver these batches, until the closed spool is empty."""
    emitted: list[Report] = []
    spool: MemorySpool[Batch[bytes]] = MemorySpool(10**6, lambda each: Weight(each.count, each.size))
    for number in numbers:
        await spool.put(batch(number))
    spool.close()
    await Writer(Store("db", CODEC, database.deliver), spool, emitted.append, chance).run()
    return emitted, spool


async def test_what_a_delivered_batch_proves_is_written_down_after_it_is_in_the_store(
    autojump_clock: MockClock,
) -> None:
    database, emitted = Database(Keep("not now")), list[Report]()
    spool: MemorySpool[Batch[bytes]] = MemorySpool(10**6, lambda each: Weight(each.count, each.size))
    proved: list[tuple[Note, list[int]]] = []

    async def note(given: Note) -> None:
        proved.append((given, list(database.stored)))

    noting = Note([Mark("a", "sensor.a", 5)])
    await spool.put(evolve(batch(1), note=noting))
    await spool.put(batch(2))
    spool.close()
    await Writer(Store("db", CODEC, database.deliver), spool, emitted.append, lambda: 0.5, note=note).run()
    assert [each for each, _ in proved] == [noting]
    assert all(1 in stored for _, stored in proved)


async def test_what_is_delivered_leaves_the_spool_though_a_stop_comes_before_it_is_noted(
    autojump_clock: MockClock,
) -> None:
    """Else it would be stored and in the spool: counted twice, and told to be lost."""
    database, emitted = Database(), list[Report]()
    spool: MemorySpool[Batch[bytes]] = MemorySpool(10**6, lambda each: Weight(each.count, each.size))

    async def hang(_: Note) -> None:
        await trio.sleep_forever()

    for number in (1, 2):
        await spool.put(evolve(batch(number), note=Note([Mark("a", "sensor.a", 5)])))
    with trio.move_on_after(30):
        await Writer(Store("db", CODEC, database.deliver), spool, emitted.append, lambda: 0.5, note=hang).run()
    assert (len(database.stored), kinds(emitted)) == (1, ["Stored"])
    assert spool.held.events == 10


def kinds(emitted: list[Report]) -> list[str]:
    return [type(report).__name__ for report in emitted]


async def test_everything_is_delivered_once_and_the_writer_ends_with_the_spool(autojump_clock: MockClock) -> None:
    database = Database()
    emitted, spool = await write(database, 1, 2, 3)
    assert database.stored == [3, 1, 2]
    assert emitted == [reports.Stored("db", 10, 1.0, number, number) for number in (3, 1, 2)]
    assert spool.held.events == 0


async def test_what_is_kept_is_tried_again_until_it_is_stored(autojump_clock: MockClock) -> None:
    database = Database(*[Keep("down")] * 5)
    emitted, _ = await write(database, 1, 2)
    assert sorted(database.stored) == [1, 2]
    assert kinds(emitted) == ["StoreWaiting"] * 5 + ["StoreRecovered", "Stored", "Stored"]


async def test_a_failing_store_is_asked_with_growing_pauses(autojump_clock: MockClock) -> None:
    emitted, _ = await write(Database(*[Keep("down")] * 9), 1, chance=lambda: 0.999)
    waits = [each.retry_in for each in emitted if isinstance(each, reports.StoreWaiting)]
    assert [round(wait) for wait in waits] == [1, 2, 4, 8, 16, 32, 60, 60, 60]
    assert max(waits) <= CAP


SEARCHING = Keep("looking for refused lines, 3 found", progress=True)


async def test_what_comes_nearer_goes_on_at_once_and_is_no_failure(autojump_clock: MockClock) -> None:
    database = Database(Keep("down"), *[SEARCHING] * 9, Keep("down"))
    emitted, _ = await write(database, 1)
    waits = [each for each in emitted if isinstance(each, reports.StoreWaiting)]
    assert [(each.retry_in, each.breaker) for each in waits] == [(0.5, "closed")] * 2
    assert kinds(emitted)[:3] == ["StoreWaiting", "StoreRecovered", "StoreSearching"]
    assert emitted[2] == reports.StoreSearching("db", "looking for refused lines, 3 found", 10)
    assert kinds(emitted)[-2:] == ["StoreRecovered", "Stored"]
    assert trio.current_time() == 0.5 + 0.5 + len(database.asked)


async def test_the_servers_own_wish_is_respected(autojump_clock: MockClock) -> None:
    database = Database(Keep("busy", retry_after=120.0))
    await write(database, 1)
    (_, first), (_, second) = database.asked
    assert second - first >= 121


async def test_what_needs_a_person_is_tried_once_a_minute(autojump_clock: MockClock) -> None:
    database = Database(*[Keep("the token is not valid", remedy="Make a new one.")] * 3)
    emitted, _ = await write(database, 1)
    waiting = [each for each in emitted if isinstance(each, reports.StoreWaiting)]
    assert [each.retry_in for each in waiting] == [REFUSED_DELAY] * 3
    assert "Make a new one." in waiting[0].text()


async def test_a_waiting_store_says_how_much_waits(autojump_clock: MockClock) -> None:
    emitted, _ = await write(Database(Keep("down")), 1, 2, 3)
    assert emitted[0] == reports.StoreWaiting("db", "down", "", 0.5, 30)


async def test_a_recovery_is_told_once_with_how_long_it_took(autojump_clock: MockClock) -> None:
    emitted, _ = await write(Database(*[Keep("down")] * 3), 1, 2)
    (recovered,) = [each for each in emitted if isinstance(each, reports.StoreRecovered)]
    assert recovered.after == pytest.approx(0.5 + 1 + 1 + 1 + 2 + 1, abs=0.1)


async def test_a_second_outage_starts_with_short_pauses_again(autojump_clock: MockClock) -> None:
    verdicts: list[Verdict] = [*[Keep("down")] * 6, Delivered(), Keep("down")]
    emitted, _ = await write(Database(*verdicts), 1, 2)
    waits = [each.retry_in for each in emitted if isinstance(each, reports.StoreWaiting)]
    assert waits[-1] == 0.5


async def test_rejected_lines_are_named_and_the_rest_is_stored(autojump_clock: MockClock) -> None:
    rejection = Rejection("line", "field type conflict")
    emitted, spool = await write(Database(Delivered((rejection, rejection))), 1)
    assert emitted == [reports.Rejected("db", (rejection, rejection)), reports.Stored("db", 8, 1.0, 1, 1)]
    assert spool.held.events == 0


async def test_a_cancelled_delivery_keeps_the_batch(autojump_clock: MockClock) -> None:
    database = Database()
    emitted: list[Report] = []
    spool: MemorySpool[Batch[bytes]] = MemorySpool(10**6, lambda each: Weight(each.count, each.size))
    await spool.put(batch(1))
    with trio.move_on_after(0.5):
        await Writer(Store("db", CODEC, database.deliver), spool, emitted.append, lambda: 0.5).run()
    assert [int(each.payload) for each in spool.batches] == [1]
    assert (database.stored, emitted) == ([], [])


async def test_a_store_that_breaks_is_a_bug_and_keeps_the_batch(autojump_clock: MockClock) -> None:
    async def broken(_batch: Batch[bytes]) -> Verdict:
        raise ZeroDivisionError

    spool: MemorySpool[Batch[bytes]] = MemorySpool(10**6, lambda each: Weight(each.count, each.size))
    await spool.put(batch(1))
    with pytest.raises(ZeroDivisionError):
        await Writer(Store("db", CODEC, broken), spool, lambda _: None, lambda: 0.5).run()
    assert len(spool.batches) == 1


async def test_what_is_refused_is_buried_before_the_batch_leaves_the_spool(autojump_clock: MockClock) -> None:
    rejection = Rejection("line", "field type conflict")
    spool: MemorySpool[Batch[bytes]] = MemorySpool(10**6, lambda each: Weight(each.count, each.size))
    await spool.put(batch(1))
    spool.close()
    buried: list[tuple[Sequence[Rejection], int]] = []

    async def bury(rejections: Sequence[Rejection]) -> None:
        await trio.sleep(1)
        buried.append((rejections, len(spool.batches)))

    store = Store("db", CODEC, Database(Delivered((rejection,))).deliver)
    await Writer(store, spool, lambda _: None, lambda: 0.5, bury=bury).run()
    assert (buried, len(spool.batches)) == ([((rejection,), 1)], 0)


async def test_at_a_stop_a_search_is_left_where_it_is_when_what_waits_is_on_disk(autojump_clock: MockClock) -> None:
    spool = Lasting(10**6, lambda each: Weight(each.count, each.size))
    await spool.put(batch(1))
    spool.close()
    database = Database(*[SEARCHING] * 9)
    await Writer(Store("db", CODEC, database.deliver), spool, lambda _: None, lambda: 0.5).run()
    assert (len(database.asked), spool.held.events) == (1, 10)


class Lasting(MemorySpool[Batch[bytes]]):
    """A spool whose batches outlive the process."""

    @property
    def volatile(self) -> Weight:
        return EMPTY


async def test_a_person_may_hurry_it_and_the_pauses_grow_anew(autojump_clock: MockClock) -> None:
    database = Database(*[Keep("down", retry_after=3600.0)] + [Keep("down")] * 3)
    spool: MemorySpool[Batch[bytes]] = MemorySpool(10**6, lambda each: Weight(each.count, each.size))
    writer = Writer(Store("db", CODEC, database.deliver), spool, lambda _: None, lambda: 1.0, 1)
    writer.hurry()
    await spool.put(batch(1))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(writer.run)
        await trio.sleep(5)
        writer.hurry()
        await trio.sleep(100)
        spool.close()
    times = [at for _, at in database.asked]
    assert [later - before for before, later in pairwise(times)] == [5, 2, 3, 5]


@pytest.mark.parametrize(("patient", "asked"), [(False, 1), (True, 3)])
async def test_at_a_stop_what_is_on_disk_is_left_there(autojump_clock: MockClock, *, patient: bool, asked: int) -> None:
    spool = Lasting(10**6, lambda each: Weight(each.count, each.size))
    await spool.put(batch(1))
    database = Database(Keep("down", retry_after=100.0), Keep("down", retry_after=100.0))
    emitted: list[Report] = []
    writer = Writer(Store("db", CODEC, database.deliver), spool, emitted.append, lambda: 0.5, patient=patient)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(writer.run)
        await trio.sleep(10)
        spool.close()
    assert len(database.asked) == asked
    assert spool.held.events == (0 if patient else 10)
