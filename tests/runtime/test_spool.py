from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from trio.testing import MockClock

from ingest.core.store import Batch
from ingest.runtime.spool import MemorySpool, Spool
from tests.runtime.spools import SpoolContract, batch, keep, put, take


def memory(limit: int) -> MemorySpool[Batch[bytes]]:
    return MemorySpool(limit, lambda each: each.size)


class TestMemorySpool(SpoolContract):
    @staticmethod
    @asynccontextmanager
    async def opened(limit: int) -> AsyncGenerator[Spool[Batch[bytes]]]:
        yield memory(limit)


async def test_its_size_counts_every_byte_and_every_batch(autojump_clock: MockClock) -> None:
    spool = memory(35)
    await put(spool, 1, 2, 3)
    assert (spool.size, len(spool)) == (30, 3)
    async with spool.claim():
        assert (spool.size, len(spool)) == (30, 3)
    assert (spool.size, len(spool)) == (20, 2)
    await keep(spool)
    assert spool.size == sum(each.size for each in spool.batches) == 20
    await spool.put(batch(4, 30))
    assert (spool.size, len(spool)) == (30, 1)
    await take(spool)
    assert (spool.size, len(spool)) == (0, 0)
