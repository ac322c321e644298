from __future__ import annotations

import sqlite3
import threading
from pathlib import Path

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from ingest.core.reports import Evicted
from ingest.edge.disk_spool import Limits
from ingest.edge.last_flush import last_flush
from ingest.runtime.lane import ThreadLane
from ingest.runtime.link import Weight
from tests.edge.test_disk_spool_faults import Opened, opened
from tests.runtime.spools import batch


def nobody() -> None:
    raise AssertionError("nothing hangs here")


async def failed(it: Opened, *batches: int) -> None:
    it.disk.writing = sqlite3.SQLITE_FULL
    for number in batches:
        await it.spool.put(batch(number))
    it.told.clear()


async def test_what_memory_holds_is_on_disk_in_the_end(tmp_path: Path, autojump_clock: MockClock) -> None:
    async with opened(tmp_path) as it:
        await failed(it, 1, 2)
        it.disk.writing = 0
        await last_flush(it.spool, nobody, it.told.append)
        assert (it.rows(), it.events) == (2, ["SpoolRecovered"])


async def test_what_is_lost_stays_countable(tmp_path: Path, autojump_clock: MockClock) -> None:
    async with opened(tmp_path) as it:
        await failed(it, 1, 2)
        await last_flush(it.spool, nobody, it.told.append)
        assert it.events == []
        assert it.spool.volatile.events == 2


async def test_what_goes_for_it_is_said(tmp_path: Path, autojump_clock: MockClock) -> None:
    async with opened(tmp_path, Limits(20, 1000)) as it:
        await it.spool.put(batch(1))
        await failed(it, 2, 3)
        it.disk.writing = 0
        await last_flush(it.spool, nobody, it.told.append)
        assert [report for report in it.told if isinstance(report, Evicted)] == [
            Evicted("influxdb", 1, 1, 1, counted=1)
        ]
        assert it.spool.held == Weight(2, 20)


async def test_what_was_delivered_and_could_not_be_deleted_does_not_come_again(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    async with opened(tmp_path) as it:
        await it.spool.put(batch(1))
        async with it.spool.claim():
            it.disk.deleting = sqlite3.SQLITE_IOERR
        assert (it.rows(), it.spool.held.events) == (1, 0)
        it.disk.deleting = 0
        await last_flush(it.spool, nobody, it.told.append)
        assert it.rows() == 0


@pytest.mark.slow
async def test_a_disk_that_hangs_is_left_behind(tmp_path: Path) -> None:
    lane, go_on = ThreadLane(), threading.Event()
    async with opened(tmp_path) as it:
        await it.spool.memory.put(batch(1))
        it.spool.lane = lane
        async with trio.open_nursery() as nursery:

            async def hang() -> None:
                with pytest.raises(trio.BrokenResourceError):
                    await lane(go_on.wait, 10)

            nursery.start_soon(hang)
            await wait_all_tasks_blocked()
            with trio.fail_after(5):
                await last_flush(it.spool, lane.give_up, it.told.append)
        assert it.events == ["SpoolFailing"]
        assert it.spool.volatile.events == 1
    go_on.set()
