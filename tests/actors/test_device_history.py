from __future__ import annotations

import json

import pytest
import trio
from msgspec import Raw
from trio.testing import MockClock

from ingest.actors.batcher import Batcher, Limits
from ingest.actors.device_history import DeviceHistory
from ingest.core import reports
from ingest.core.point import PointFrame
from ingest.core.registries import PART, RegistryLists
from ingest.core.registry_points import RegistryPoint
from ingest.core.reports import Report
from ingest.core.store import Batch, Codec
from ingest.runtime.link import Link, Overflow, Weight
from ingest.runtime.spool import MemorySpool


def lists(count: int, name: str = "Lamp") -> RegistryLists:
    devices = [Raw(json.dumps({"id": f"d{number}", "name": name}).encode()) for number in range(count)]
    entities = [
        Raw(json.dumps({"entity_id": f"light.n{number}", "device_id": f"d{number // 2}"}).encode())
        for number in range(2 * count)
    ]
    return RegistryLists(devices, entities)


def encode(point: RegistryPoint) -> str | None:
    if point.texts.get("name") == "broken":
        raise ValueError
    return f"{point.measurement} {point.tags} {point.number} {point.time_ns}"


CODEC: Codec[str, tuple[str, ...]] = Codec(str, lambda items: sum(map(len, items)), tuple, registry=encode)


class Stage:
    """The history, a batcher and a spool."""

    def __init__(self, room: int = 10**9) -> None:
        self.emitted: list[Report] = []
        self.now_ns = 5
        self.history = DeviceHistory(lambda: self.now_ns)
        self.link: Link[PointFrame] = Link("db", Weight(10**6, 10**9), lambda each: Weight(len(each.points), each.size))
        self.spool: MemorySpool[Batch[tuple[str, ...]]] = MemorySpool(
            room, lambda batch: Weight(batch.count, batch.size)
        )
        self.batcher = Batcher("db", CODEC, self.spool, Limits(max_points=700, max_age=1.0), self.emitted.append)
        self.batcher.registry = self.history.take

    async def run(self, nursery: trio.Nursery) -> None:
        nursery.start_soon(self.history.run, self.link.sender(Overflow.BLOCK))
        nursery.start_soon(self.batcher.run, self.link.receiver())

    @property
    def written(self) -> list[str]:
        return [item for batch in self.spool.batches for item in batch.payload]


async def test_a_reading_goes_through_batches_a_part_at_a_time(autojump_clock: MockClock) -> None:
    stage = Stage()
    async with trio.open_nursery() as nursery:
        await stage.run(nursery)
        stage.history.hear(lists(1500))
        await trio.sleep(10)
        assert len(stage.written) == 4500
        assert stage.written[0] == "devices {'device_id': 'd0'} 2 5"
        added = [each.count for each in stage.emitted if isinstance(each, reports.Added)]
        assert max(added) == PART
        assert sum(added) == 4500
        nursery.cancel_scope.cancel()


async def test_a_second_reading_writes_what_changed_at_its_own_time(autojump_clock: MockClock) -> None:
    stage = Stage()
    async with trio.open_nursery() as nursery:
        await stage.run(nursery)
        stage.history.hear(lists(3))
        await trio.sleep(10)
        stage.now_ns = 9
        stage.history.hear(lists(3))
        await trio.sleep(10)
        assert len(stage.written) == 9
        stage.history.hear(lists(3, "Lämp"))
        await trio.sleep(10)
        assert [each.rpartition(" ")[2] for each in stage.written[9:]] == ["9"] * 3
        assert {batch.newest_ns for batch in stage.spool.batches} == {5, 9}
        nursery.cancel_scope.cancel()


async def test_one_that_cannot_be_encoded_is_a_dead_letter(autojump_clock: MockClock) -> None:
    stage = Stage()
    async with trio.open_nursery() as nursery:
        await stage.run(nursery)
        stage.history.hear(lists(1, "broken"))
        await trio.sleep(10)
        (letter,) = [each for each in stage.emitted if isinstance(each, reports.DeadLetter)]
        assert letter.entity_id == "devices"
        assert len(stage.written) == 2
        nursery.cancel_scope.cancel()


async def test_without_a_batcher_it_waits_and_holds_one_part(autojump_clock: MockClock) -> None:
    stage = Stage()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(stage.history.run, stage.link.sender(Overflow.BLOCK))
        stage.history.hear(lists(350))
        await trio.sleep(1000)
        assert len(stage.history.take()) == PART
        await trio.sleep(1000)
        assert len(stage.history.take()) == 100
        await trio.sleep(1)
        assert len(stage.history.take()) == PART
        nursery.cancel_scope.cancel()


async def test_its_end_of_the_link_is_closed_with_it(autojump_clock: MockClock) -> None:
    stage = Stage()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(stage.history.run, stage.link.sender(Overflow.BLOCK))
        await trio.sleep(1)
        nursery.cancel_scope.cancel()
    with pytest.raises(trio.EndOfChannel):
        await stage.link.receiver().receive()
