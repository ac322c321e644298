"""Damage that is met while the service runs costs what it hit, once; the next start brings the rest into a new file."""

from __future__ import annotations

import os
import random
import tracemalloc
from collections.abc import AsyncGenerator, Callable, Iterable
from contextlib import asynccontextmanager, closing, suppress
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import trio
from attrs import define
from trio.testing import MockClock

from ingest.core import reports
from ingest.core.reports import Report
from ingest.core.sealing import joined, resealed, unsealed, whole
from ingest.core.store import Batch
from ingest.edge import free_space, renew, state_file
from ingest.edge.aside import SetAside, kept_aside
from ingest.edge.bring import Room, bring
from ingest.edge.disk_spool import RETRY, DiskSpool, Limits
from ingest.edge.late import LateConnection
from ingest.edge.letter_file import Letters
from ingest.edge.salvage import open_salvage
from ingest.edge.spool_around import DAMAGED
from ingest.edge.spool_file import Table
from ingest.edge.spool_rows import Key
from ingest.edge.sqlite import Damaged, transaction
from ingest.edge.state_file import open_state
from ingest.errors import Refused
from ingest.runtime.lane import InlineLane
from ingest.runtime.link import EMPTY, Weight
from tests.cli.waiting import buried, spooled
from tests.cli.waiting import opened as opened_file
from tests.runtime.spools import Stay, fail

PAGE = 4096
LINES = 1000
EACH = Limits(10**9, 10**6, Weight(LINES, 10**9))
"""A claim takes one batch."""


def batch_of(number: int) -> list[bytes]:
    """Lines that compress badly: the payload takes several pages."""
    chance = random.Random(number)
    return [b"m,n=%d v=%d %d" % (number, chance.randrange(10**18), number) for _ in range(LINES)]


def written(path: Path, count: int = 8) -> list[bytes]:
    spooled(path, *(batch_of(number) for number in range(count)))
    with opened_file(path) as connection:
        return [payload for (payload,) in connection.execute("SELECT payload FROM batch ORDER BY id")]


def overwrite(path: Path, place: int, size: int = PAGE) -> None:
    with path.open("r+b") as file:
        file.seek(place)
        file.write(b"\xa5" * size)


def page_of(path: Path, content: bytes) -> int:
    place = path.read_bytes().index(content)
    return place - place % PAGE


def break_the_chain(path: Path, payload: bytes) -> None:
    """SQLite cannot read it."""
    overwrite(path, page_of(path, payload[PAGE : PAGE + 100]), 4)


def break_the_content(path: Path, payload: bytes) -> None:
    """SQLite reads it, and it is not what it was."""
    overwrite(path, page_of(path, payload[-100:]) + 8, 50)


@define
class Opened:
    spool: DiskSpool
    told: list[Report]

    async def claims(self) -> list[int]:
        """The batches that are handed out, by number, until nothing is left."""
        found = []
        with trio.move_on_after(10 * RETRY):
            while True:
                async with self.spool.claim() as claimed:
                    found += sorted({int(line.split()[0].partition(b"=")[2]) for line in unsealed(claimed.payload)})
        return found

    @property
    def unreadable(self) -> list[reports.Unreadable]:
        return [report for report in self.told if isinstance(report, reports.Unreadable)]

    def mark(self) -> list[tuple[str]]:
        connection = self.spool.table.connection
        return connection.execute("SELECT value FROM meta WHERE name = ?", (DAMAGED,)).fetchall()


def now_ns() -> int:
    return 2 * 10**18


@asynccontextmanager
async def opened(path: Path) -> AsyncGenerator[Opened]:
    told: list[Report] = []
    connection, _ = open_state(path, now_ns)
    with closing(connection):
        table = Table(connection, path, Key("home", "influxdb"))
        spool = DiskSpool(table, InlineLane(), EACH, joined, now_ns, told.append, whole)
        await spool.load()
        yield Opened(spool, told)


@pytest.mark.parametrize("spoil", [break_the_chain, break_the_content])
async def test_what_cannot_be_read_is_counted_once_and_the_rest_delivered(
    tmp_path: Path, autojump_clock: MockClock, spoil: object
) -> None:
    path = tmp_path / "state.db"
    payloads = written(path)
    assert callable(spoil)
    for number in (0, 1, 5):
        spoil(path, payloads[number])
    async with opened(path) as it:
        assert it.spool.held.events == 8 * LINES
        assert await it.claims() == [2, 3, 4, 6, 7]
        assert [(each.count, each.oldest_ns, each.newest_ns) for each in it.unreadable] == [
            (LINES, number, number) for number in (0, 1, 5)
        ]
        assert it.spool.held == EMPTY
        assert it.mark()
        assert not it.spool.failing
        await it.spool.put(Batch(payloads[3], LINES, 10, 3, 3))
        assert await it.claims() == [3]
        assert len(it.unreadable) == 3


async def test_what_was_put_a_moment_ago_is_not_believed_when_its_count_has_become_another(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    async with opened(tmp_path / "state.db") as it:
        for number in range(2):
            await it.spool.put(resealed(batch_of(number)))
        it.spool.table.connection.execute("UPDATE batch SET count = count + 1 WHERE id = 2")
        assert await it.claims() == [0]
        assert sum(each.count for each in it.unreadable) == LINES
        assert it.spool.held == EMPTY


async def test_within_one_claim_only_the_broken_ones_are_left_out(tmp_path: Path, autojump_clock: MockClock) -> None:
    path = tmp_path / "state.db"
    payloads = written(path)
    break_the_chain(path, payloads[2])
    break_the_content(path, payloads[4])
    async with opened(path) as it:
        it.spool._reader.gather = Weight(10**6, 10**9)
        async with it.spool.claim() as claimed:
            assert claimed.count == len(unsealed(claimed.payload)) == 6 * LINES
        assert [each.count for each in it.unreadable] == [2 * LINES]
        assert it.spool.held == EMPTY


def leaves(path: Path) -> list[int]:
    """The places of the pages in which the rows of `batch` begin."""
    content = path.read_bytes()
    return [
        at for at in range(0, len(content), PAGE) if content[at] == 0x0D and content.count(b"influxdb", at, at + PAGE)
    ]


async def test_rows_that_nothing_leads_to_are_counted_when_the_others_are_delivered(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    """Damaged while it is open: `look_through` has seen the file whole."""
    path = tmp_path / "state.db"
    written(path, 60)
    async with opened(path) as it:
        it.spool.table.connection.execute("PRAGMA cache_size = 0")
        overwrite(path, leaves(path)[1])
        found = await it.claims()
        assert 0 < len(found) < 60
        (lost,) = it.unreadable
        assert lost.count == (60 - len(found)) * LINES
        assert set(found) < set(range(60))
        assert it.spool.held == EMPTY


@define
class Pathless(LateConnection):
    """Nothing leads to the least id, nor through the whole table; what is asked for by its id is there."""

    asked: int = 0

    def execute(self, sql: str, parameters: Any = (), /) -> Any:
        self.asked += 1
        if "min(id)" in sql or "ORDER BY id" in sql:
            raise Damaged("malformed")
        return super().execute(sql, parameters)


def test_how_far_down_nothing_is_left_is_asked_for_once(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    with opened_file(path) as inner:
        inner.execute("INSERT INTO sqlite_sequence VALUES ('batch', 400)")
        connection = Pathless(inner)
        table = Table(connection, path, Key("home", "influxdb"))
        for number in range(3):
            table.put(Batch(b"x", 1, 1, number, number), 0, 0, (), ())
        found = [row.id for row in table.oldest(())]
        assert (found, connection.asked > 400) == ([402, 403, 404], True)
        connection.asked = 0
        assert [row.id for row in table.oldest(())] == found
        assert connection.asked < 20
        table.remove(found)
        for _ in range(2):
            connection.asked = 0
            assert list(table.oldest(())) == []
            assert (table.newest(()), connection.asked < 20) == ([], True)
        table.put(Batch(b"x", 1, 1, 7, 7), 0, 0, (), ())
        assert [row.oldest_ns for row in table.oldest(())] == [7]


async def test_a_damaged_file_that_cannot_be_marked_is_used_all_the_same(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    path = tmp_path / "state.db"
    break_the_chain(path, written(path)[0])
    for _ in range(2):
        async with opened(path) as it:
            it.spool.table.connection.execute("PRAGMA query_only = ON")
            with suppress(Stay):
                async with it.spool.claim() as claimed:
                    assert claimed.oldest_ns == 1
                    fail()
            assert ([each.oldest_ns for each in it.unreadable], it.mark()) == ([0], [])
    assert kept_aside(path) == []


def aside_of(path: Path) -> tuple[int, SetAside | None]:
    connection, aside = open_state(path, now_ns)
    with closing(connection):
        (count,) = connection.execute("SELECT count(*) FROM batch").fetchone()
        assert connection.execute("SELECT * FROM meta WHERE name = ?", (DAMAGED,)).fetchall() == []
    return count, aside


def marked(path: Path, spoilt: Iterable[int] = ()) -> None:
    payloads = written(path)
    buried(path, ("m v=1 1", "conflict"))
    for number in spoilt:
        break_the_chain(path, payloads[number])
    with opened_file(path) as connection:
        connection.execute("INSERT INTO meta VALUES (?, 'malformed')", (DAMAGED,))


def test_the_next_start_brings_what_is_readable_into_a_new_file(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    marked(path, [0, 3])
    count, aside = aside_of(path)
    assert aside is not None
    assert (count, aside.brought, aside.unreadable, aside.reason) == (6, 6 * LINES, 2, "malformed")
    assert kept_aside(path) == [aside.kept_as]
    assert "6000 points of it were brought over, at least 2 rows cannot be read" in aside.report().text()
    with opened_file(path) as connection:
        assert connection.execute("SELECT count(*) FROM dead_letter").fetchone() == (1,)
    assert aside_of(path) == (6, None)


NEVER_WRITTEN = ["count = -91", "count = 0", "size = -1", "newest_ns = NULL", "put_ns = 'x'", "payload = 'x'"]
"""What damage makes of a row, and SQLite reads without a word."""


def spoil_row(path: Path, what: str) -> None:
    """As SQLite itself would refuse to write it."""
    with opened_file(path) as connection:
        sql: str = connection.execute("SELECT sql FROM sqlite_master WHERE name = 'batch'").fetchone()[0]
        loose = sql.replace(" NOT NULL", "").replace(") STRICT", ")")
        connection.execute("PRAGMA writable_schema = ON")
        connection.execute("UPDATE sqlite_master SET sql = ? WHERE name = 'batch'", (loose,))
        connection.execute("PRAGMA writable_schema = RESET")
        connection.execute(f"UPDATE batch SET {what} WHERE id = 3")
        connection.execute("PRAGMA writable_schema = ON")
        connection.execute("UPDATE sqlite_master SET sql = ? WHERE name = 'batch'", (sql,))


@pytest.mark.parametrize("what", NEVER_WRITTEN)
def test_a_row_that_nobody_wrote_so_makes_the_start_begin_a_new_file(tmp_path: Path, what: str) -> None:
    path = tmp_path / "state.db"
    written(path, 5)
    spoil_row(path, what)
    count, aside = aside_of(path)
    assert aside is not None
    assert aside.reason == "1 row of the spool cannot be what was written"
    brought = 5 if what.startswith(("count", "size")) else 4
    assert (count, aside.brought, aside.unreadable) == (brought, brought * LINES, 5 - brought)
    assert aside_of(path) == (brought, None)


def test_a_row_that_its_index_does_not_list_makes_the_start_begin_a_new_file(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    written(path, 5)
    with opened_file(path) as connection:
        connection.execute("CREATE TABLE other (home, store)")
        connection.execute("CREATE INDEX other_of ON other (home, store)")
        (root,) = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = 'other_of'").fetchone()
        connection.execute("PRAGMA writable_schema = ON")
        connection.execute("UPDATE sqlite_master SET rootpage = ? WHERE name = 'batch_of'", (root,))
        connection.execute("DELETE FROM sqlite_master WHERE name LIKE 'other%'")
    count, aside = aside_of(path)
    assert aside is not None
    assert aside.reason == "5 rows of the spool cannot be what was written"
    assert (count, aside.brought, aside.unreadable) == (5, 5 * LINES, 0)


@pytest.mark.parametrize("what", NEVER_WRITTEN)
async def test_where_it_stays_it_counts_nowhere_and_the_file_says_that_it_is_damaged(
    tmp_path: Path, autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    path = tmp_path / "state.db"
    written(path, 5)
    spoil_row(path, what)
    monkeypatch.setattr(state_file, "renew", lambda *_: None)
    async with opened(path) as it:
        assert it.spool.held.events == 4 * LINES
        assert len([each for each in it.told if isinstance(each, reports.StateDamaged)]) == 1
        assert await it.claims() == [0, 1, 3, 4]
        assert it.spool.held == EMPTY
        assert len(it.mark()) == 1


def test_a_start_that_was_cut_off_before_the_new_file_had_its_name_is_finished(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    written(path, 3)
    path.rename(path.with_name("state.db.new"))
    assert aside_of(path) == (3, None)


def test_into_a_new_file_come_batches_that_nothing_but_their_lines_tells_apart(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    written(path)
    with opened_file(path) as connection:
        connection.execute("UPDATE batch SET put_ns = 1, oldest_ns = 1, newest_ns = 1")
        connection.execute("INSERT INTO meta VALUES (?, 'malformed')", (DAMAGED,))
    connection, aside = open_state(path, now_ns)
    with closing(connection):
        assert connection.execute("SELECT count(DISTINCT payload) FROM batch").fetchone() == (8,)
    assert aside is not None


def test_beside_what_waits_they_come_as_well_and_once(tmp_path: Path) -> None:
    path, present = tmp_path / "old.db", tmp_path / "state.db"
    written(path)
    written(present, 1)
    with opened_file(path) as connection:
        connection.execute("UPDATE batch SET put_ns = 1, oldest_ns = 1, newest_ns = 1")
    for came, known in ((8, 0), (0, 8)):
        with closing(open_salvage(path)) as salvage, opened_file(present) as connection:
            brought = bring(salvage, Letters(connection, present), Room(present, 10**9))
            assert (brought.batches, brought.known) == (came, known)


@pytest.mark.parametrize("place", [None, 0.5])
def test_reading_what_is_left_takes_little_memory_however_many_batches_there_are(
    tmp_path: Path, place: float | None
) -> None:
    path, count = tmp_path / "state.db", 20_000
    payload = resealed([b"m v=1 1"]).payload
    with opened_file(path) as connection, transaction(connection):
        row = "INSERT INTO batch VALUES (?, 'home', 'influxdb', 1, 1, 1, 1, 1, ?)"
        connection.executemany(row, ((2**40 + number, payload) for number in range(count)))
    if place is not None:
        overwrite(path, int(path.stat().st_size * place) // PAGE * PAGE)
    for looked in (True, False):
        with closing(open_salvage(path)) as salvage:
            tracemalloc.start()
            points = salvage.points() if looked else sum(each.batch.count for each in salvage.batches())
            _, peak = tracemalloc.get_traced_memory()
            tracemalloc.stop()
        assert count - 100 < points <= count
        assert peak < 60 * count


def test_where_no_second_file_can_be_made_the_damaged_one_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "state.db"
    marked(path)

    def full(*_: object) -> None:
        raise Refused("no space")

    monkeypatch.setattr(renew, "bring", full)
    connection, aside = open_state(path, now_ns)
    with closing(connection):
        assert connection.execute("SELECT count(*) FROM batch").fetchone() == (8,)
    assert aside is None
    assert sorted(each.name for each in tmp_path.iterdir() if "-" not in each.name) == ["state.db"]


async def test_rows_that_cannot_be_deleted_do_not_stop_a_put(tmp_path: Path, autojump_clock: MockClock) -> None:
    path = tmp_path / "state.db"
    payloads = written(path)
    break_the_chain(path, payloads[0])
    async with opened(path) as it:
        it.spool.limits = Limits(it.spool.on_disk.size, 0)
        evicted = await it.spool.put(Batch(payloads[1], LINES, 10, 1, 1))
        assert [each.oldest_ns for each in evicted] == [0]
        assert it.spool.memory.held == EMPTY
        assert await it.claims() == [1, 1, 2, 3, 4, 5, 6, 7]
        assert it.unreadable == []


async def test_damage_that_a_put_meets_is_marked_too(tmp_path: Path, autojump_clock: MockClock) -> None:
    path = tmp_path / "state.db"
    payloads = written(path, 60)
    async with opened(path) as it:
        it.spool.table.connection.execute("PRAGMA cache_size = 0")
        overwrite(path, leaves(path)[-1])
        await it.spool.put(Batch(payloads[0], LINES, 10, 0, 0))
        assert it.spool.memory.held.events == LINES
        assert [type(report).__name__ for report in it.told] == ["SpoolFailing", "StateDamaged"]
        assert it.mark()


async def test_a_claim_that_is_cut_off_while_it_marks_has_claimed_nothing(
    tmp_path: Path, autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "state.db"
    break_the_content(path, written(path, 3)[0])
    async with opened(path) as it, trio.open_nursery() as nursery:
        scope = trio.CancelScope()
        slow = InlineLane(1.0)

        async def lane(work: Callable[..., Any], *args: Any) -> Any:
            if work == it.spool.table.mark:
                scope.cancel()
            return await slow(work, *args)

        monkeypatch.setattr(it.spool._mark, "lane", lane)

        async def claims() -> None:
            with scope:
                async with it.spool.claim():
                    raise AssertionError("it was cut off")

        nursery.start_soon(claims)
        await trio.sleep(10)
        assert scope.cancelled_caught
        assert it.spool._claimed == set()
        monkeypatch.undo()
        assert await it.claims() == [1, 2]


async def test_a_mark_that_cannot_be_written_is_not_tried_at_every_claim(
    tmp_path: Path, autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "state.db"
    break_the_content(path, written(path)[0])
    async with opened(path) as it:
        tried: list[float] = []

        async def lane(*_: Any) -> None:
            tried.append(trio.current_time())
            raise Refused("read-only")

        monkeypatch.setattr(it.spool._mark, "lane", lane)
        assert await it.claims() == [*range(1, 8)]
        assert 1 <= len(tried) <= 10
        assert all(later - one >= RETRY for one, later in pairwise(tried))


def spoil(path: Path, chance: random.Random) -> None:
    """Anywhere but in the first pages, without which it is no database."""
    pages = path.stat().st_size // PAGE
    with path.open("r+b") as file:
        for _ in range(chance.choice([1, 1, 2, 5])):
            within = chance.choice([0, 0, chance.randrange(PAGE)])
            file.seek(chance.randrange(2, pages) * PAGE + within)
            file.write(chance.randbytes(min(chance.choice([1, 4, 20, PAGE]), PAGE - within)))


@pytest.mark.parametrize("seed", range(12))
async def test_whatever_is_damaged_every_point_is_delivered_or_counted_and_none_is_made_up(
    tmp_path: Path, autojump_clock: MockClock, seed: int
) -> None:
    path, chance = tmp_path / "state.db", random.Random(seed)
    written(path, 20)
    async with opened(path) as it:
        it.spool.table.connection.execute("PRAGMA cache_size = 0")
        spoil(path, chance)
        it.spool._reader.gather = chance.choice([EACH.gather, Weight(3 * LINES, 10**9)])
        await it.spool.put(resealed(batch_of(20)))
        found = await it.claims()
        assert len(set(found)) == len(found)
        assert len(found) * LINES + sum(each.count for each in it.unreadable) == 21 * LINES
        assert it.spool.held == EMPTY
    async with opened(path) as it:
        await it.claims()
        assert it.spool.held == EMPTY


async def test_where_the_disk_is_nearly_full_the_damaged_file_goes_on_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "state.db"
    written(path)
    with opened_file(path) as connection:
        connection.execute("INSERT INTO meta VALUES (?, 'malformed')", (DAMAGED,))
    monkeypatch.setattr(free_space, "free_bytes", lambda _: PAGE)
    async with opened(path) as it:
        assert it.told == [reports.StateDamaged(str(path), "malformed")]
        assert not it.spool.failing
    assert kept_aside(path) == []
    monkeypatch.undo()
    assert aside_of(path)[1] is not None


def test_of_a_file_that_was_cut_off_what_is_left_can_be_read(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    written(path)
    os.truncate(path, path.stat().st_size * 3 // 4)
    with closing(open_salvage(path)) as salvage:
        assert 0 < salvage.points() <= 8 * LINES
        found = [unsealed(each.batch.payload) for each in salvage.batches()]
    assert found
    assert all(list(each) == batch_of(number) for number, each in enumerate(found))


def test_a_row_that_cannot_be_looked_into_below_the_floor_is_gone_around(tmp_path: Path) -> None:
    """SQLite gives the transaction up in which it met that; the next one takes the row after it."""
    path = tmp_path / "state.db"
    payloads = written(path)
    break_the_chain(path, payloads[0])
    connection, _ = open_state(path, now_ns)
    with closing(connection):
        table, coming = Table(connection, path, Key("home", "influxdb")), Batch(payloads[1], LINES, 10, 1, 1)
        with pytest.raises(Damaged):
            table.put_within(coming, 0, 0, (), (), evict=True)
        assert table.held().events == 8 * LINES
        placed = table.put_within(coming, 0, 0, (), (), evict=True)
        assert placed is not None
        assert [row.oldest_ns for row in placed.evicted] == [1]
