from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from trio.testing import MockClock

from ingest.core.store import Batch
from ingest.runtime.link import Weight
from ingest.runtime.spool import MemorySpool, Spool
from tests.runtime.spools import SpoolContract, batch, keep, numbers, put, take


def memory(limit: int) -> MemorySpool[Batch[bytes]]:
    return MemorySpool(limit, lambda each: Weight(each.count, each.size))


class TestMemorySpool(SpoolContract):
    @staticmethod
    @asynccontextmanager
    async def opened(limit: int) -> AsyncGenerator[Spool[Batch[bytes]]]:
        yield memory(limit)

    @staticmethod
    async def listed(spool: Spool[Batch[bytes]]) -> list[int]:
        assert isinstance(spool, MemorySpool)
        return numbers(spool.batches)


async def test_a_purge_takes_what_is_not_claimed(autojump_clock: MockClock) -> None:
    spool = memory(1000)
    await put(spool, 1, 2, 3)
    async with spool.claim() as claimed:
        assert numbers(spool.purge()) == [1, 2]
        assert numbers(spool.batches) == [int(claimed.payload)] == [3]
        assert spool.held == Weight(1, 10)
        assert spool.purge() == ()
    assert spool.held == Weight(0, 0)


async def test_its_size_counts_every_byte_and_every_batch(autojump_clock: MockClock) -> None:
    spool = memory(35)
    await put(spool, 1, 2, 3)
    assert (spool.held.size, spool.held.events) == (30, 3)
    async with spool.claim():
        assert (spool.held.size, spool.held.events) == (30, 3)
    assert (spool.held.size, spool.held.events) == (20, 2)
    await keep(spool)
    assert spool.held.size == sum(each.size for each in spool.batches) == 20
    await spool.put(batch(4, 30))
    assert (spool.held.size, spool.held.events) == (30, 1)
    await take(spool)
    assert (spool.held.size, spool.held.events) == (0, 0)
