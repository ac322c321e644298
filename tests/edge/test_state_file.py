from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, closing, suppress
from functools import partial
from operator import add
from pathlib import Path

import pytest
import trio

from ingest.core.coverage import Mark
from ingest.core.ledger import Remembered
from ingest.core.store import Batch
from ingest.edge.aside import SetAside
from ingest.edge.catalog_file import CatalogFile, Kept
from ingest.edge.disk_spool import DiskSpool, Limits
from ingest.edge.ledger_file import LedgerFile
from ingest.edge.ledger_marks import stored_marks
from ingest.edge.lock import Held, locked
from ingest.edge.spool_file import Table
from ingest.edge.spool_rows import Key
from ingest.edge.sqlite import pragma
from ingest.edge.state import LEAST, State, opened_state, room
from ingest.edge.state_file import CACHE_KIB, KEPT_ASIDE, open_state
from ingest.edge.state_read import state_read
from ingest.edge.state_versions import VERSION
from ingest.edge.totals_file import Account, accounts
from ingest.errors import Refused

KEY = Key("home", "influxdb")

VERSION_1 = """
CREATE TABLE batch (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    home TEXT NOT NULL,
    store TEXT NOT NULL,
    put_ns INTEGER NOT NULL,
    oldest_ns INTEGER NOT NULL,
    newest_ns INTEGER NOT NULL,
    count INTEGER NOT NULL,
    size INTEGER NOT NULL,
    payload BLOB NOT NULL
) STRICT;
CREATE INDEX batch_of ON batch (home, store, id);
CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;
PRAGMA user_version = 1;
"""
"""A state file as version 1 made it: this text is never changed."""


VERSION_2 = (
    VERSION_1
    + """
CREATE TABLE dead_letter (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    home TEXT NOT NULL,
    store TEXT NOT NULL,
    at_ns INTEGER NOT NULL,
    line TEXT NOT NULL,
    reason TEXT NOT NULL,
    UNIQUE (home, store, line)
) STRICT;
CREATE TABLE total (
    home TEXT NOT NULL,
    name TEXT NOT NULL,
    value INTEGER NOT NULL,
    PRIMARY KEY (home, name)
) STRICT, WITHOUT ROWID;
INSERT INTO dead_letter (home, store, at_ns, line, reason) VALUES ('home', 'influxdb', 1, 'm v=1 1', 'conflict');
PRAGMA user_version = 2;
"""
)
"""As version 2 made it, with a dead letter: this text is never changed either."""

VERSION_3 = (
    VERSION_2
    + """
DROP TABLE total;
CREATE TABLE total (
    home TEXT NOT NULL,
    store TEXT NOT NULL,
    name TEXT NOT NULL,
    value INTEGER NOT NULL,
    PRIMARY KEY (home, store, name)
) STRICT, WITHOUT ROWID;
CREATE TABLE account (
    home TEXT NOT NULL,
    store TEXT NOT NULL,
    since_ns INTEGER NOT NULL,
    bytes_per_second REAL,
    PRIMARY KEY (home, store)
) STRICT, WITHOUT ROWID;
INSERT INTO total VALUES ('home', 'influxdb', 'stored', 7);
INSERT INTO account VALUES ('home', 'influxdb', 5, 1.5);
PRAGMA user_version = 3;
"""
)
"""As version 3 made it, with totals: this text is never changed either."""

VERSION_4 = (
    VERSION_3
    + """
CREATE TABLE mark (
    home TEXT NOT NULL,
    store TEXT NOT NULL,
    registry_id TEXT NOT NULL,
    entity_id TEXT NOT NULL,
    time_ns INTEGER NOT NULL, first_ns INTEGER NOT NULL,
    PRIMARY KEY (home, store, registry_id)
) STRICT, WITHOUT ROWID;
CREATE TABLE gap (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    home TEXT NOT NULL,
    store TEXT NOT NULL,
    cause TEXT NOT NULL,
    from_ns INTEGER NOT NULL, to_ns INTEGER NOT NULL,
    progress TEXT NOT NULL,
    why TEXT NOT NULL,
    spans INTEGER NOT NULL,
    unsettled INTEGER NOT NULL,
    filled INTEGER NOT NULL,
    folded INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX gap_of ON gap (home, store, from_ns);
CREATE TABLE span (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    gap_id INTEGER NOT NULL,
    entity_id TEXT NOT NULL,
    registry_id TEXT NOT NULL,
    after_ns INTEGER NOT NULL,
    before_ns INTEGER NOT NULL,
    done_ns INTEGER NOT NULL DEFAULT 0, found INTEGER NOT NULL DEFAULT 0,
    filled INTEGER,
    why TEXT NOT NULL DEFAULT ''
) STRICT;
CREATE INDEX span_of ON span (gap_id, registry_id);
CREATE INDEX span_from ON span (registry_id, after_ns);
CREATE TABLE coverage (
    home TEXT NOT NULL,
    store TEXT NOT NULL,
    since_ns INTEGER NOT NULL,
    heard_ns INTEGER NOT NULL,
    stopped INTEGER NOT NULL,
    PRIMARY KEY (home, store)
) STRICT, WITHOUT ROWID;
CREATE TABLE unmarked (
    home TEXT NOT NULL,
    store TEXT NOT NULL,
    since_ns INTEGER NOT NULL,
    PRIMARY KEY (home, store)
) STRICT, WITHOUT ROWID;
INSERT INTO unmarked SELECT home, store, since_ns FROM account;
INSERT INTO mark VALUES ('home', 'influxdb', 'r1', 'light.a', 9, 5);
INSERT INTO gap VALUES (3, 'home', 'influxdb', 'connection', 5, 9, 'open', '', 1, 1, 0, 0);
INSERT INTO span VALUES (4, 3, 'light.a', 'r1', 5, 9, 0, 0, NULL, '');
INSERT INTO coverage VALUES ('home', 'influxdb', 5, 9, 0);
PRAGMA user_version = 4;
"""
)
"""As version 4 made it, with a ledger: this text is never changed either."""

VERSION_5 = (
    VERSION_4
    + """
ALTER TABLE span ADD COLUMN had INTEGER NOT NULL DEFAULT 0;
UPDATE span SET had = 2;
PRAGMA user_version = 5;
"""
)
"""As version 5 made it: this text is never changed either."""

VERSION_6 = (
    VERSION_5
    + """
CREATE TABLE catalog (
    home TEXT PRIMARY KEY NOT NULL,
    as_of_ns INTEGER NOT NULL,
    crc INTEGER NOT NULL,
    payload BLOB NOT NULL
) STRICT;
INSERT INTO catalog VALUES ('home', 8, 2212294583, x'31');
PRAGMA user_version = 6;
"""
)
"""As version 6 made it, with a catalog: this text is never changed either."""


def now_ns() -> int:
    return 1_700_000_000_000_000_000


def old_file(path: Path, batches: int, script: str = VERSION_1) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
        connection.execute("PRAGMA journal_mode = WAL")
        connection.executescript(script)
        rows = [("home", "influxdb", number, number, number, 2, 10, b"%d;" % number) for number in range(batches)]
        connection.executemany(
            "INSERT INTO batch (home, store, put_ns, oldest_ns, newest_ns, count, size, payload)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            rows,
        )
        connection.commit()


def used_file(path: Path, batches: int = 200) -> None:
    connection, _ = open_state(path, now_ns)
    with closing(connection):
        table = Table(connection, path, KEY)
        for number in range(batches):
            table.put(Batch(b"x" * 1000, 1, 1000, number, number), number, 0, (), ())


def tables(connection: sqlite3.Connection) -> set[str]:
    return {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}


@asynccontextmanager
async def opened(path: Path) -> AsyncGenerator[tuple[State, list[SetAside]]]:
    told: list[SetAside] = []
    async with opened_state(path, now_ns, told.append) as state:
        yield state, told


# ---- versions ----------------------------------------------------------------------------------------------------


def test_little_of_the_file_is_kept_in_memory(tmp_path: Path) -> None:
    """What SQLite keeps grows with what it has seen of the file, and looks like a leak for as long."""
    connection, _ = open_state(tmp_path / "state.db", lambda: 0)
    with closing(connection):
        assert pragma(connection, "cache_size") == -CACHE_KIB


@pytest.mark.parametrize("script", [VERSION_1, VERSION_2, VERSION_3, VERSION_4, VERSION_5, VERSION_6])
async def test_an_older_file_with_a_full_spool_is_upgraded_and_delivered(tmp_path: Path, script: str) -> None:
    old_file(tmp_path / "state.db", 500, script)
    async with opened(tmp_path / "state.db") as (state, told):
        assert told == []
        assert pragma(state.connection, "user_version") == VERSION
        spool = DiskSpool(
            Table(state.connection, state.path, KEY), state.lane, Limits(10**9, 10**6), b"".join, now_ns, print
        )
        assert (await spool.load()).events == 1000
        spool.close()
        payloads = b""
        with suppress(trio.EndOfChannel):
            while True:
                async with spool.claim() as claimed:
                    payloads += claimed.payload
        assert payloads == b"".join(b"%d;" % number for number in range(500))


def test_totals_of_version_3_stay_and_coverage_begins(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    old_file(path, 1, VERSION_3)
    connection, _ = open_state(path, now_ns)
    with closing(connection):
        assert accounts(connection) == {KEY: Account(5, {"stored": 7}, 1.5)}
        ledger = LedgerFile(connection, path, KEY)
        assert (ledger.load(), ledger.gaps()) == (Remembered([], None), [])


@pytest.mark.parametrize("script", [VERSION_2, VERSION_3, VERSION_4, VERSION_5, VERSION_6])
def test_dead_letters_of_older_versions_stay(tmp_path: Path, script: str) -> None:
    old_file(tmp_path / "state.db", 1, script)
    connection, _ = open_state(tmp_path / "state.db", now_ns)
    with closing(connection):
        assert connection.execute("SELECT line, reason FROM dead_letter").fetchall() == [("m v=1 1", "conflict")]


@pytest.mark.parametrize("script", [VERSION_1, VERSION_2, VERSION_3, VERSION_4, VERSION_5, VERSION_6])
def test_an_upgraded_file_is_as_a_new_one(tmp_path: Path, script: str) -> None:
    old_file(tmp_path / "old.db", 3, script)
    found = []
    for name in ("old.db", "new.db"):
        connection, _ = open_state(tmp_path / name, now_ns)
        with closing(connection):
            found.append(sorted(connection.execute("SELECT type, name, sql FROM sqlite_master").fetchall(), key=str))
    assert found[0] == found[1]


def test_a_ledger_of_version_4_stays_and_no_catalog_is_known(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    old_file(path, 1, VERSION_4)
    connection, _ = open_state(path, now_ns)
    with closing(connection):
        ledger = LedgerFile(connection, path, KEY)
        assert [(gap.id, gap.left) for gap in ledger.gaps()] == [(3, 1)]
        assert [(span.id, span.entity_id) for span in (ledger.next_gap(5, set()) or ((), ()))[1]] == [(4, "light.a")]
        assert [mark.time_ns for mark in ledger.load().marks] == [9]
        assert CatalogFile(connection, path, "home").read() is None


def test_marks_and_catalog_of_version_6_stay_and_marks_move_on(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    old_file(path, 1, VERSION_6)
    with state_read(path) as older:
        assert stored_marks(older, KEY) == {"r1": Mark("r1", "light.a", 9, 5)}
    connection, _ = open_state(path, now_ns)
    with closing(connection):
        assert CatalogFile(connection, path, "home").read() == Kept(8, b"1")
        LedgerFile(connection, path, KEY).move_marks([Mark("r1", "light.b", 11), Mark("r2", "light.c", 12)])
        assert stored_marks(connection, KEY) == {"r1": Mark("r1", "light.b", 11, 5), "r2": Mark("r2", "light.c", 12)}


def test_a_file_that_cannot_be_upgraded_stays_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    old_file(path, 5)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE total (something TEXT)")
    opened_anew, aside = open_state(path, now_ns)
    opened_anew.close()
    assert aside is not None
    assert "total already exists" in aside.reason
    with closing(sqlite3.connect(aside.kept_as)) as connection:
        assert (pragma(connection, "user_version"), tables(connection) & {"dead_letter"}) == (1, set())
        assert connection.execute("SELECT count(*) FROM batch").fetchone() == (5,)


# ---- what cannot be used -----------------------------------------------------------------------------------------


def cut(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def overwrite_the_middle(path: Path) -> None:
    with path.open("r+b") as file:
        file.seek(4096 * 8)
        file.write(os.urandom(4096 * 20))


def overwrite_the_beginning(path: Path) -> None:
    with path.open("r+b") as file:
        file.write(b"not a database at all" * 100)


def drop_the_table(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("DROP TABLE batch")


def drop_the_index(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("DROP INDEX batch_of")


def from_the_future(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(f"PRAGMA user_version = {VERSION + 1}")


@pytest.mark.parametrize(
    "spoil",
    [cut, overwrite_the_middle, overwrite_the_beginning, drop_the_table, drop_the_index, from_the_future],
)
async def test_what_cannot_be_used_is_set_aside_and_the_service_runs(tmp_path: Path, spoil: object) -> None:
    path = tmp_path / "state.db"
    used_file(path)
    assert callable(spoil)
    spoil(path)
    size = path.stat().st_size
    async with opened(path) as (state, told):
        assert [each.path for each in told] == [path]
        assert told[0].kept_as.stat().st_size == size
        assert told[0].reason
        assert Table(state.connection, state.path, KEY).held().events == 0


@pytest.mark.parametrize("step_s", [1, -86400])
def test_of_the_files_set_aside_the_last_three_are_kept_wherever_our_clock_is(tmp_path: Path, step_s: int) -> None:
    path = tmp_path / "state.db"
    kept = []
    for number in range(KEPT_ASIDE + 2):
        path.write_bytes(b"not a database, and long enough to be looked at " * 50)
        connection, aside = open_state(path, partial(add, now_ns(), number * step_s * 10**9))
        connection.close()
        assert aside is not None
        kept.append(aside.kept_as)
    assert [each.exists() for each in kept] == [False, False, True, True, True]


def test_a_folder_in_its_place_is_refused_in_words(tmp_path: Path) -> None:
    (tmp_path / "state.db").mkdir()
    with pytest.raises(Refused, match="cannot be opened"):
        open_state(tmp_path / "state.db", now_ns)


# ---- the lock ----------------------------------------------------------------------------------------------------


async def test_the_lock_is_held_while_the_file_is_open(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    async with opened(path):
        with pytest.raises(Held, match="another process"), locked(path, remedy="Stop it."):
            pass
    with locked(path, remedy="Stop it."):
        pass


async def test_a_file_whose_lane_gave_up_is_closed_all_the_same(tmp_path: Path) -> None:
    async with opened(tmp_path / "state.db") as (state, _):
        state.give_up()
    with pytest.raises(sqlite3.ProgrammingError):
        state.connection.execute("SELECT 1")


# ---- its size ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("free", "taken", "wanted", "limit"),
    [
        (10 * 2**30, 0, 2**31, 2**30),
        (100 * 2**30, 0, 2**31, 2**31),
        (9 * 2**30, 2**30, 2**31, 2**30),
        (0, 50 * 2**20, 2**31, 50 * 2**20),
        (0, 50 * 2**20, 2**20, 2**20),
        (0, 0, 2**31, LEAST),
    ],
)
def test_a_spool_may_take_a_tenth_of_what_is_free_and_never_less_than_it_holds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, free: int, taken: int, wanted: int, limit: int
) -> None:
    class Usage:
        def __init__(self, _: Path) -> None:
            self.free = free

    monkeypatch.setattr(shutil, "disk_usage", Usage)
    path = tmp_path / "state.db"
    if taken:
        with path.open("wb") as file:
            file.truncate(taken)
    assert room(path, wanted) == limit
