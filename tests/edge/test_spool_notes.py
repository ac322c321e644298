"""What batches prove reaches the ledger with them, also when the file fails on the way, and never before it is true."""

from __future__ import annotations

import sqlite3
import tempfile
from pathlib import Path

import pytest
import trio
from attrs import evolve
from hypothesis import given, settings
from hypothesis import strategies as st
from trio.testing import MockClock

from ingest.core.coverage import Gap, Note, Progress, Settled
from ingest.core.store import Batch
from ingest.edge import ledger_marks
from ingest.edge.disk_spool import RETRY, Limits
from ingest.edge.free_space import Floor
from ingest.edge.last_flush import last_flush
from ingest.edge.ledger_file import LedgerFile
from ingest.edge.sqlite import pragma
from ingest.runtime.link import Weight
from ingest.runtime.spool import FRESH
from tests.edge.ledgers import mark, next_spans, opening, told
from tests.edge.test_disk_spool_faults import Opened, opened
from tests.runtime.spools import batch


def noting(number: int, *settled: Settled, name: str = "a") -> Batch[bytes]:
    return evolve(batch(number), note=Note([mark(name, number)], settled))


def ledger_of(it: Opened) -> LedgerFile:
    return LedgerFile(it.spool.table.connection, it.spool.table.path, it.spool.table.key)


def marks(it: Opened) -> dict[str, int]:
    return {each.registry_id: each.time_ns for each in ledger_of(it).load().marks}


async def take(it: Opened) -> int:
    async with it.spool.claim() as claimed:
        return int(claimed.payload)


async def test_a_batch_takes_its_note_to_disk(tmp_path: Path, autojump_clock: MockClock) -> None:
    async with opened(tmp_path) as it:
        changed: list[Gap] = []
        it.spool.notes.noted = lambda told: changed.extend(told.gaps)
        ledger_of(it).open_gap(opening(1, 5, "a"))
        (span,) = next_spans(ledger_of(it), 9)
        await it.spool.put(noting(1))
        assert (marks(it), changed) == ({"a": 1}, [])
        await it.spool.put(noting(2, Settled(span.id, 7)))
        assert [told(gap) for gap in changed] == [(1, 5, Progress.FILLED, 1, 0, 7)]
        assert marks(it) == {"a": 2}


async def test_below_the_floor_of_free_space_too(tmp_path: Path, autojump_clock: MockClock) -> None:
    async with opened(tmp_path, Limits(10_000, 1_000, Weight(1, 1))) as it:
        for number in range(20):
            await it.spool.put(evolve(batch(number), payload=b"x" * 10_000))
        it.spool.floor = Floor(10, lambda: 5)
        await it.spool.put(noting(20))
        assert marks(it) == {"a": 20}


async def test_what_waits_in_memory_proves_nothing_until_it_is_on_disk(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    async with opened(tmp_path) as it:
        it.disk.writing = sqlite3.SQLITE_FULL
        await it.spool.put(noting(1))
        await it.spool.put(noting(2, name="b"))
        assert marks(it) == {}
        it.disk.writing = 0
        await trio.sleep(RETRY)
        await it.spool.put(noting(3))
        assert marks(it) == {"a": 3, "b": 2}


async def test_what_is_delivered_straight_from_memory_is_written_by_the_next_put(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    async with opened(tmp_path) as it:
        ledger_of(it).open_gap(opening(1, 5, "x"))
        (span,) = next_spans(ledger_of(it), 9)
        it.disk.writing = sqlite3.SQLITE_FULL
        await it.spool.put(noting(1))
        await it.spool.put(noting(2, Settled(span.id, 3), name="b"))
        assert sorted([await take(it), await take(it)]) == [1, 2]
        assert (marks(it), bool(it.spool.notes)) == ({}, True)
        await it.spool.put(noting(3))
        assert await take(it) == 3
        it.disk.writing = 0
        await trio.sleep(RETRY)
        await it.spool.put(batch(4))
        assert (marks(it), bool(it.spool.notes)) == ({"a": 3, "b": 2}, False)
        assert [told(gap)[2:] for gap in ledger_of(it).gaps()] == [(Progress.FILLED, 1, 0, 3)]


async def test_on_a_file_that_works_again_it_need_not_wait_for_a_put(tmp_path: Path, autojump_clock: MockClock) -> None:
    async with opened(tmp_path) as it:
        it.disk.writing = sqlite3.SQLITE_FULL
        await it.spool.put(noting(1))
        it.disk.writing = 0
        await trio.sleep(RETRY)
        assert await take(it) == 1
        assert (marks(it), bool(it.spool.notes)) == ({"a": 1}, False)


async def test_the_last_flush_writes_it(tmp_path: Path, autojump_clock: MockClock) -> None:
    async with opened(tmp_path) as it:
        it.disk.writing = sqlite3.SQLITE_FULL
        await it.spool.put(noting(1))
        assert await take(it) == 1
        it.disk.writing = 0
        assert it.spool.notes
        await last_flush(it.spool, lambda: None, it.told.append)
        assert (marks(it), bool(it.spool.notes)) == ({"a": 1}, False)


async def test_what_is_evicted_before_it_was_on_disk_proves_nothing(tmp_path: Path, autojump_clock: MockClock) -> None:
    async with opened(tmp_path, Limits(10_000, 25)) as it:
        it.disk.writing = sqlite3.SQLITE_FULL
        ledger_of(it).open_gap(opening(1, 5, "x"))
        (span,) = next_spans(ledger_of(it), 9)
        await it.spool.put(noting(1, Settled(span.id, 3), name="old"))
        for number in (2, 3, 4):
            await it.spool.put(noting(number))
        it.disk.writing = 0
        await trio.sleep(RETRY)
        await it.spool.put(batch(5))
        assert marks(it) == {"a": 4}
        assert next_spans(ledger_of(it), 9) == [span]


async def test_what_is_evicted_from_the_disk_is_not_known_to_be_stored_any_more(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    async with opened(tmp_path, Limits(20, 1000)) as it:
        await it.spool.put(noting(12, name="old"))
        for number in (13, 14):
            await it.spool.put(noting(number))
        assert marks(it) == {"a": 14, "old": 11}


@pytest.mark.parametrize("free", [20, 5])
@pytest.mark.parametrize("table", ["moved", "mark"])
async def test_a_damaged_ledger_does_not_keep_points_from_the_disk(
    tmp_path: Path, autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch, table: str, free: int
) -> None:
    """Met when a mark moves, or when what moved is folded into the rows; also where the file may not grow."""
    monkeypatch.setattr(ledger_marks, "OFTEN", 1)
    async with opened(tmp_path) as it:
        connection = it.spool.table.connection
        (root,) = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = ?", (table,)).fetchone()
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        connection.execute("PRAGMA cache_size = 0")
        with (tmp_path / "state.db").open("r+b") as file:
            file.seek((root - 1) * pragma(connection, "page_size"))
            file.write(b"\xa5" * 4096)
        connection.execute("PRAGMA shrink_memory")
        it.spool.floor = Floor(10, lambda: free)
        assert it.spool.notes.taken()
        await it.spool.put(noting(1))
        assert not it.spool.notes.taken()
        assert (it.rows(), it.spool.volatile.events) == (1, 0)
        assert "malformed" in it.spool.table.scars.reason


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_whatever_the_disk_does_the_mark_is_that_of_the_newest_batch_that_was_safe(data: st.DataObject) -> None:
    async def main(folder: Path) -> None:
        codes = st.sampled_from([0, 0, sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR])
        async with opened(folder, Limits(10_000, data.draw(st.sampled_from([25, 1000])), Weight(1, 1))) as it:
            given: set[int] = set()
            lost: set[int] = set()
            for number in range(1, data.draw(st.integers(2, 12), "batches")):
                it.disk.writing, it.disk.deleting = data.draw(codes), data.draw(codes)
                lost |= {each.oldest_ns for each in await it.spool.put(noting(number))}
                given.add(number)
                await trio.sleep(data.draw(st.sampled_from([0, RETRY, FRESH])))
                if it.spool.held.events and data.draw(st.booleans(), "take"):
                    await take(it)
                assert marks(it).get("a", 0) <= max(given - lost, default=0)
            it.disk.writing = it.disk.deleting = 0
            await trio.sleep(10 * RETRY)
            lost |= {each.oldest_ns for each in await it.spool.put(batch(99))}
            await last_flush(it.spool, lambda: None, it.told.append)
            assert marks(it).get("a", 0) == max(given - lost, default=0)

    with tempfile.TemporaryDirectory() as folder:
        trio.run(main, Path(folder), clock=MockClock(autojump_threshold=0))
