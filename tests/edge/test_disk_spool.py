from __future__ import annotations

import tempfile
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import trio

from ingest.core.reports import Report
from ingest.core.store import Batch
from ingest.edge.disk_spool import DiskSpool, Limits
from ingest.edge.spool_file import Table
from ingest.edge.spool_rows import Key
from ingest.edge.state_file import open_state
from ingest.runtime.lane import InlineLane
from ingest.runtime.link import Weight
from ingest.runtime.spool import Spool
from tests.runtime.spools import SpoolContract

KEY = Key("home", "influxdb")
SINGLE = Weight(1, 1)


def now_ns() -> int:
    return int(trio.current_time() * 1e9)


@asynccontextmanager
async def on_disk(
    folder: Path, limit: int, emitted: list[Report] | None = None, gather: Weight = SINGLE
) -> AsyncGenerator[DiskSpool]:
    connection, _ = open_state(folder / "state.db", now_ns)
    table = Table(connection, folder / "state.db", KEY)
    told: list[Report] = [] if emitted is None else emitted
    spool = DiskSpool(table, InlineLane(), Limits(limit, 100, gather), b"".join, now_ns, told.append)
    await spool.load()
    try:
        yield spool
    finally:
        connection.close()


class TestDiskSpool(SpoolContract):
    @staticmethod
    @asynccontextmanager
    async def opened(limit: int) -> AsyncGenerator[Spool[Batch[bytes]]]:
        with tempfile.TemporaryDirectory() as folder:
            async with on_disk(Path(folder), limit) as spool:
                yield spool

    @staticmethod
    async def listed(spool: Spool[Batch[bytes]]) -> list[int]:
        assert isinstance(spool, DiskSpool)
        rows = list(spool.table.oldest(set()))
        return [int(payload) for payload in spool.table.payloads(rows)]
