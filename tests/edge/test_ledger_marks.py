"""Marks that move together are one value until they are folded: nobody sees a difference to a row for each."""

from __future__ import annotations

import os
import sqlite3
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from random import Random

import msgspec
import pytest
from attrs import define
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ingest.core.coverage import LATEST, MICROSECOND, TURNED_BACK, Mark, Note, Settled
from ingest.core.importing import BETWEEN
from ingest.core.marks import UNKNOWN
from ingest.core.moved import Moves, Row, moves_of, packed, unpacked
from ingest.core.sealing import compressed
from ingest.core.store import Batch
from ingest.edge import ledger_marks
from ingest.edge.aside import SetAside
from ingest.edge.free_space import NO_FLOOR, Floor
from ingest.edge.ledger_bounds import Bound
from ingest.edge.ledger_entity import known_of
from ingest.edge.ledger_file import Due, LedgerFile
from ingest.edge.ledger_marks import MOST, OFTEN, UNFOLDED, fold, fold_many, is_packed, stored_marks
from ingest.edge.ledger_rows import write_note
from ingest.edge.spool_file import Table
from ingest.edge.spool_gone import tell_purged
from ingest.edge.spool_rows import Key
from ingest.edge.sqlite import Connection, Damaged, DiskFails, in_memory, open_reader, pragma, transaction
from ingest.edge.state_file import open_state
from ingest.edge.state_versions import VERSION
from tests.edge.ledgers import KEY, ledger_in, mark, opening

NAMES = ["a", "b", "c", "d"]
OTHER = Key("cottage", "influxdb")


def waiting(connection: Connection, key: Key = KEY) -> int:
    whose = (key.home, key.store)
    return int(connection.execute("SELECT count(*) FROM moved WHERE home = ? AND store = ?", whose).fetchone()[0])


# ---- as a row for each, as it was until version 6 ----------------------------------------------------------------


_ROWS = """
CREATE TABLE mark (
    home TEXT NOT NULL, store TEXT NOT NULL, registry_id TEXT NOT NULL, entity_id TEXT NOT NULL,
    time_ns INTEGER NOT NULL, first_ns INTEGER NOT NULL, PRIMARY KEY (home, store, registry_id)
) STRICT, WITHOUT ROWID
"""
_MARK = """
INSERT INTO mark (home, store, registry_id, entity_id, time_ns, first_ns) VALUES (?, ?, ?, ?, ?, ?)
ON CONFLICT DO UPDATE SET
    time_ns = excluded.time_ns, entity_id = excluded.entity_id, first_ns = min(first_ns, excluded.first_ns)
WHERE excluded.time_ns >= mark.time_ns
"""
_NOBODYS = "DELETE FROM mark WHERE home = ? AND store = ? AND registry_id = ? AND time_ns <= ?"
_DOUBTED = f"""
UPDATE mark SET time_ns = time_ns - 1
WHERE home = ? AND store = ? AND time_ns BETWEEN ? AND ? AND time_ns % {MICROSECOND} <> {UNKNOWN}
"""
_STORED = "SELECT registry_id, entity_id, time_ns, iif(first_ns = time_ns, 0, first_ns) FROM mark WHERE home = ? AND store = ?"


@define(eq=False)
class Rows:
    """What version 6 did, statement by statement, in a database of its own."""

    connection: Connection

    def move(self, key: Key, marks: Sequence[Mark]) -> None:
        rows = [(key.home, key.store, each.registry_id, each.entity_id, each.time_ns, each.oldest_ns) for each in marks]
        nobodys = {registry_id: time_ns for _, _, registry_id, entity_id, time_ns, _ in rows if not entity_id}
        for *row, first_ns in [row for row in rows if row[3]]:
            if first_ns == TURNED_BACK:
                self.connection.execute(_MARK.partition("WHERE")[0], (*row, row[-1]))
            else:
                self.connection.execute(_MARK, (*row, first_ns))
        self.connection.executemany(_NOBODYS, [(key.home, key.store, *each) for each in nobodys.items()])

    def doubt(self, key: Key, oldest_ns: int, newest_ns: int) -> None:
        self.connection.execute(_DOUBTED, (key.home, key.store, oldest_ns, newest_ns))

    def purge(self, key: Key, oldest_ns: int, newest_ns: int) -> None:
        self.doubt(key, oldest_ns, newest_ns)

    def know(self, key: Key, name: str, after_ns: int) -> None:
        self.connection.execute(
            "INSERT INTO mark VALUES (?, ?, ?, ?, -1, ?) ON CONFLICT DO UPDATE SET first_ns = min(first_ns, excluded.first_ns)",
            (key.home, key.store, name, f"sensor.{name}", after_ns + 1 - BETWEEN),
        )

    def keep(self, key: Key, most: int) -> None:
        whose = (key.home, key.store)
        (count,) = self.connection.execute("SELECT count(*) FROM mark WHERE home = ? AND store = ?", whose).fetchone()
        oldest = self.connection.execute(
            "SELECT home, store, registry_id FROM mark WHERE home = ? AND store = ?"
            " ORDER BY time_ns % 1000 = 1 DESC, time_ns LIMIT ?",
            (*whose, max(0, count - most)),
        ).fetchall()
        self.connection.executemany("DELETE FROM mark WHERE home = ? AND store = ? AND registry_id = ?", oldest)

    def stored(self, key: Key) -> dict[str, Mark]:
        return {row[0]: Mark(*row) for row in self.connection.execute(_STORED, (key.home, key.store))}


@contextmanager
def rows() -> Iterator[Rows]:
    with closing(in_memory()) as connection:
        connection.execute(_ROWS)
        yield Rows(connection)


def opened(path: Path) -> tuple[Connection, SetAside | None]:
    connection, aside = open_state(path, lambda: 0)
    connection.execute("PRAGMA synchronous = OFF")
    return connection, aside


class KilledError(Exception):
    """In the middle of a transaction."""


# Times that meet, are unknown, in doubt or not there; beginnings before, at and after them; names that nobody has.
TIMES = st.one_of(st.integers(0, 12), st.sampled_from([999, 1000, 1001, -1]))
MARKS = st.builds(
    Mark,
    st.sampled_from(NAMES),
    st.sampled_from(["sensor.x", "sensor.y", ""]),
    TIMES,
    st.one_of(st.sampled_from([0, TURNED_BACK]), TIMES),
)
NOTES = st.lists(MARKS, max_size=5)
KEYS = st.sampled_from([KEY, KEY, OTHER])
TOLD = st.tuples(KEYS, st.integers(0, 12), st.integers(0, 6))
STEPS = st.one_of(
    st.tuples(st.sampled_from(["move", "move", "move", "put", "within"]), st.tuples(KEYS, NOTES)),
    st.tuples(st.sampled_from(["doubt", "purge"]), TOLD),
    st.tuples(st.just("know"), st.tuples(KEYS, st.sampled_from(NAMES), st.integers(0, 12))),
    st.tuples(st.sampled_from(["fold", "keep", "stop", "reload", "carry", "look"]), st.tuples(KEYS)),
)
FEW = 3


@define
class Story:
    """The same things done to a state file and to rows; `kill`: each transaction of the file may be cut off at its end."""

    path: Path
    connection: Connection
    rows: Rows
    kill: bool = False

    def ledger(self, key: Key) -> LedgerFile:
        return LedgerFile(self.connection, self.path, key, Bound(marks=FEW))

    def table(self, key: Key) -> Table:
        return Table(self.connection, self.path, key, bound=Bound(marks=FEW))

    @contextmanager
    def cut_off(self) -> Iterator[Connection]:
        with suppress(KilledError), transaction(self.connection):
            yield self.connection
            if self.kill:
                raise KilledError

    def move(self, key: Key, marks: list[Mark]) -> None:
        with self.cut_off() as connection:
            write_note(connection, key, Note(marks))
        fold_many(self.connection, self.path)
        if not self.kill:
            self.rows.move(key, marks)

    def put(self, key: Key, marks: list[Mark]) -> None:
        self.table(key).put(Batch(b"x", 1, 1, 0, 0, Note(marks)), 0, 0, (), ())
        self.rows.move(key, marks)

    def within(self, key: Key, marks: list[Mark]) -> None:
        """On a full disk, where the oldest batches go for a new one; there may be none that make the room."""
        table = self.table(key)
        oldest = list(table.oldest(()))
        placed = table.put_within(Batch(b"x", 1, 1, 0, 0, Note(marks)), 0, 0, (), (), evict=False)
        assert not waiting(self.connection, key)
        if placed is not None:
            self.rows.move(key, marks)
        else:
            assert list(table.oldest(())) == oldest

    def doubt(self, key: Key, first: int, long: int) -> None:
        with self.cut_off() as connection:
            ledger_marks.doubt_marks(connection, key, first, first + long)
        if not self.kill:
            self.rows.doubt(key, first, first + long)

    def purge(self, key: Key, first: int, long: int) -> None:
        with self.cut_off() as connection:
            tell_purged(connection, key, [(first, first + long)], Bound(marks=FEW))
        if not self.kill:
            self.rows.purge(key, first, first + long)
            self.rows.keep(key, FEW)

    def know(self, key: Key, name: str, after: int) -> None:
        """An import of that entity alone is settled."""
        (gap_id,) = self.connection.execute(
            "INSERT INTO gap (home, store, cause, from_ns, to_ns, progress, why, spans, unsettled, filled)"
            " VALUES (?, ?, 'imported', 1, 2, 'open', '', 1, 1, 0) RETURNING id",
            (key.home, key.store),
        ).fetchall()[0]
        (span_id,) = self.connection.execute(
            "INSERT INTO span (gap_id, entity_id, registry_id, after_ns, before_ns) VALUES (?, ?, ?, ?, 20) RETURNING id",
            (gap_id, f"sensor.{name}", name, after),
        ).fetchall()[0]
        with self.cut_off() as connection:
            write_note(connection, key, Note(settled=[Settled(span_id, 1)]))
        if not self.kill:
            self.rows.know(key, name, after)
        self.connection.execute("DELETE FROM span WHERE gap_id = ?", (gap_id,))
        self.connection.execute("DELETE FROM gap WHERE id = ?", (gap_id,))

    def fold(self, key: Key) -> None:
        with self.cut_off() as connection:
            fold(connection, key)
        assert self.kill or not waiting(self.connection, key)

    def keep(self, key: Key) -> None:
        self.ledger(key).write(Due([opening(1, 2)]))
        self.rows.keep(key, FEW)

    def stop(self, key: Key) -> None:
        self.ledger(key).write(Due(heard_ns=1, stopped=True))
        assert not waiting(self.connection, key)

    def reload(self, _: Key) -> None:
        self.connection.close()
        self.connection, aside = opened(self.path)
        assert aside is None

    def carry(self, _: Key) -> None:
        """The file is set aside, as one of a later version is; what was imported is not doubted by it."""
        self.connection.execute("DELETE FROM batch")
        self.connection.execute(f"PRAGMA user_version = {VERSION + 1}")
        self.connection.close()
        self.connection, aside = opened(self.path)
        assert aside is not None
        for path in self.path.parent.glob("*.damaged-*"):
            path.unlink()

    def look(self, key: Key) -> None:
        with closing(open_reader(self.path)) as reader:
            assert stored_marks(reader, key) == self.rows.stored(key)

    def check(self) -> None:
        for key in (KEY, OTHER):
            assert stored_marks(self.connection, key) == self.rows.stored(key)
        assert waiting(self.connection, KEY) + waiting(self.connection, OTHER) < ledger_marks.MOST


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(STEPS, st.booleans()), max_size=25), st.sampled_from([1, 3, 100]))
@example([(("move", (KEY, [Mark("a", "sensor.x", 5, 2), Mark("a", "", 5)])), False)], 100)
def test_marks_are_the_same_as_with_a_row_for_each(
    steps: list[tuple[tuple[str, tuple[object, ...]], bool]], most: int
) -> None:
    with pytest.MonkeyPatch.context() as patch, tempfile.TemporaryDirectory() as folder, rows() as plain:
        patch.setattr(ledger_marks, "MOST", most)
        patch.setattr(ledger_marks, "OFTEN", most)
        patch.setattr(ledger_marks, "TOGETHER", 2)
        path = Path(folder) / "state.db"
        story = Story(path, opened(path)[0], plain)
        try:
            for (step, what), kill in steps:
                story.kill = kill
                getattr(story, step)(*what)
                story.check()
        finally:
            story.connection.close()


@settings(max_examples=300, deadline=None)
@given(
    st.lists(NOTES, max_size=8), st.lists(st.builds(Mark, st.sampled_from(NAMES), st.just("sensor.x"), TIMES, TIMES))
)
def test_moves_that_make_no_difference_go_and_the_others_make_the_same(
    notes: list[list[Mark]], first: list[Mark]
) -> None:
    with rows() as plain:
        plain.move(KEY, first)
        before = dict[str, Row]()
        for name, *row in plain.connection.execute("SELECT registry_id, entity_id, time_ns, first_ns FROM mark"):
            before[name] = Row(*row)
        moves = Moves()
        for note in notes:
            plain.move(KEY, note)
            moves.add(moves_of(note))
        moves.onto(before)
        after = plain.connection.execute("SELECT registry_id, entity_id, time_ns, first_ns FROM mark").fetchall()
        assert {name: tuple(row) for name, row in before.items()} == {name: tuple(row) for name, *row in after}


def test_of_an_entity_that_goes_on_one_move_is_left() -> None:
    moves = Moves()
    for time in range(1, 100):
        moves.add([("a", "sensor.a", time, 1)])
    assert list(moves) == [("a", "sensor.a", 99, 1)]


# ---- how many, and where -----------------------------------------------------------------------------------------


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[LedgerFile]:
    with ledger_in(tmp_path / "state.db") as opened:
        yield opened


def traced(connection: Connection, begins: str) -> list[str]:
    """The statements of that beginning, as they are run."""
    said: list[str] = []
    assert isinstance(connection, sqlite3.Connection)
    connection.set_trace_callback(lambda each: said.append(each) if each.lstrip().startswith(begins) else None)
    return said


def in_rows(connection: Connection) -> int:
    return int(connection.execute("SELECT count(*) FROM mark").fetchone()[0])


def settled(ledger: LedgerFile, marks: Sequence[Mark]) -> None:
    """Their rows are there."""
    ledger.move_marks(marks)
    with transaction(ledger.connection):
        fold(ledger.connection, KEY)


def test_values_of_a_small_home_are_folded_with_the_first_look(ledger: LedgerFile) -> None:
    for start in (0, OFTEN):
        for number in range(1, OFTEN):
            ledger.move_marks([mark("a", start + number), mark("b", start + number)])
            assert (waiting(ledger.connection), in_rows(ledger.connection)) == (number, 2 if start else 0)
        ledger.move_marks([mark("a", start + OFTEN)])
        assert (waiting(ledger.connection), in_rows(ledger.connection)) == (0, 2)
    assert ledger.load().marks == [Mark("a", "sensor.a", 2 * OFTEN, 1), Mark("b", "sensor.b", 2 * OFTEN - 1, 1)]


def test_and_those_of_any_home_are_bounded_in_their_number(ledger: LedgerFile) -> None:
    settled(ledger, [mark(f"{number}", 1) for number in range(2_000)])
    for number in range(1, MOST):
        ledger.move_marks([mark("a", number)])
        assert waiting(ledger.connection) == number
    ledger.move_marks([mark("a", MOST)])
    assert waiting(ledger.connection) == 0
    assert ledger.load().marks[-1] == Mark("a", "sensor.a", MOST, 1)


def test_and_in_their_bytes_together(ledger: LedgerFile, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a large home's busiest minutes so many would be much to read and to hold in memory."""
    marks = [mark(os.urandom(16).hex(), 1) for _ in range(100)]
    settled(ledger, [*marks, *(mark(f"{number}", 1) for number in range(10_000))])
    monkeypatch.setattr(ledger_marks, "SIZE", len(packed(marks)) * OFTEN * 3 // 2)
    for number in range(1, 2 * OFTEN):
        ledger.move_marks(marks)
        assert waiting(ledger.connection) == number
    ledger.move_marks(marks)
    assert waiting(ledger.connection) == 0


@pytest.mark.parametrize("entities", [500, 3_000, 10_000])
def test_a_row_is_written_for_several_moves_however_large_the_home_is(ledger: LedgerFile, entities: int) -> None:
    """Batches of a hundred points: with every 32nd 2,700 rows of 10,000 were written for 3,200 moves."""
    random, names = Random(1), [os.urandom(16).hex() for _ in range(entities)]
    settled(ledger, [mark(each, 1) for each in names])
    written, moved = traced(ledger.connection, "INSERT INTO mark"), 0
    for time in range(2, 600):
        ledger.move_marks([Mark(each, f"sensor.{each}", time, 1) for each in random.choices(names, k=100)])
        moved = moved if waiting(ledger.connection) else 100 * (time - 1)
    assert moved > 2.4 * len(written) > 2.4 * entities * 0.9


def test_a_file_without_room_for_rows_takes_batches_all_the_same(ledger: LedgerFile) -> None:
    """Every entity is new, and its row takes more than its mark in a value: what cannot be folded goes on waiting."""
    table, connection = Table(ledger.connection, ledger.path, KEY), ledger.connection
    rows = []

    def put(time_ns: int, marks: Sequence[Mark]) -> None:
        rows.append(table.put(Batch(b"x", 1, 1, time_ns, time_ns, Note(marks)), 0, 0, (), ()).row)

    for _ in range(OFTEN - 1):
        put(1, [mark(os.urandom(16).hex(), 1) for _ in range(40)])
    limit = pragma(connection, "page_count") + 12
    assert pragma(connection, f"max_page_count = {limit}") == limit
    tried = traced(connection, "SELECT DISTINCT home, store FROM moved")
    names = [os.urandom(16).hex() for _ in range(40)]
    for time_ns in range(2, 12):
        put(time_ns, [mark(each, time_ns) for each in names])
    assert (len(tried), waiting(connection), in_rows(connection)) == (1, OFTEN + 9, 0)
    assert (list(table.oldest(())), table.scars.reason) == (rows, "")
    assert len(ledger.load().marks) == 40 * OFTEN
    pragma(connection, f"max_page_count = {9 * limit}")
    for _ in range(OFTEN - 9):
        put(99, [mark(names[0], 99)])
    assert (len(tried), waiting(connection), in_rows(connection)) == (2, 0, 40 * OFTEN)


@pytest.mark.parametrize("below", [True, False], ids=["below the floor", "at its last page"])
def test_a_file_without_room_for_a_batch_takes_it_where_values_wait(ledger: LedgerFile, below: bool) -> None:
    """Their rows are there, so that folded they are as many pages for batches."""
    table, connection = Table(ledger.connection, ledger.path, KEY), ledger.connection
    marks = [mark(os.urandom(16).hex(), 1) for _ in range(100)]
    settled(ledger, [*marks, *(mark(f"{number}", 1) for number in range(10_000))])
    for _ in range(MOST - 1):
        ledger.move_marks(marks)
    wanted = Batch(os.urandom(40_000), 1, 1, 1, 1, Note(marks)), 0, 0, (), ()
    pages = pragma(connection, "page_count")
    if below:
        placed = Floor(10, lambda: 5).put(table, wanted, evict=False)
    else:
        pragma(connection, f"max_page_count = {pages}")
        with pytest.raises(DiskFails):
            table.put(*wanted)
        placed = table.put(*wanted)
    assert pragma(connection, "page_count") == pages
    assert list(table.oldest(())) == [placed.row]


def test_where_folding_fails_again_and_again_a_batch_says_so(
    ledger: LedgerFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What waits is bounded in any case."""
    table, tried = Table(ledger.connection, ledger.path, KEY), []

    def failing(_connection: Connection, key: Key) -> None:
        tried.append(key)
        error = sqlite3.OperationalError("disk I/O error")
        error.sqlite_errorcode = sqlite3.SQLITE_IOERR
        raise error

    monkeypatch.setattr(ledger_marks, "fold", failing)
    for number in range(UNFOLDED):
        table.put(Batch(b"x", 1, 1, number, number, Note([mark("a", number)])), 0, 0, (), ())
    assert (waiting(ledger.connection), len(tried)) == (UNFOLDED, UNFOLDED // OFTEN)
    for _ in range(3):
        with pytest.raises(DiskFails):
            table.put(Batch(b"x", 1, 1, 999, 999, Note([mark("a", 999)])), 0, 0, (), ())
    assert (waiting(ledger.connection), len(list(table.oldest(())))) == (UNFOLDED, UNFOLDED)


def test_rows_that_cannot_be_written_do_not_bring_a_batch_twice(
    ledger: LedgerFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When they are found damaged, the batch is on disk with its note, and would be put once more without."""
    table = Table(ledger.connection, ledger.path, KEY)

    def damaged(_connection: Connection, _key: Key) -> None:
        error = sqlite3.DatabaseError("database disk image is malformed")
        error.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
        raise error

    monkeypatch.setattr(ledger_marks, "fold", damaged)
    monkeypatch.setattr(ledger_marks, "OFTEN", 1)
    placed = NO_FLOOR.put(table, (Batch(b"x", 1, 1, 1, 1, Note([mark("a", 1)])), 0, 0, (), ()), evict=True)
    assert list(table.oldest(())) == [placed.row]
    assert table.scars.ledger
    table.scars.ledger = False
    table.note(Note([mark("a", 2)]))
    assert table.scars.ledger
    ledger.move_marks([mark("a", 3)])
    assert ledger.load().marks == [Mark("a", "sensor.a", 3, 1)]


def test_and_each_in_its_bytes(ledger: LedgerFile, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ledger_marks, "LARGEST", 9_000)
    names = [os.urandom(16).hex() for _ in range(400)]
    ledger.move_marks([mark(each, 1) for each in names[:200]])
    assert waiting(ledger.connection) == 1
    ledger.move_marks([mark(each, 2) for each in names])
    assert (waiting(ledger.connection), in_rows(ledger.connection)) == (0, 400)
    assert {(each.time_ns, each.first_ns) for each in ledger.load().marks} == {(2, 1), (2, 0)}


def test_a_note_without_marks_leaves_no_value(ledger: LedgerFile) -> None:
    ledger.write(Due([opening(1, 5, "a")], heard_ns=3))
    assert waiting(ledger.connection) == 0


def test_marks_that_come_with_a_gap_are_no_value_first(ledger: LedgerFile, monkeypatch: pytest.MonkeyPatch) -> None:
    """The bound of marks is one of rows: what moved before is folded, too."""
    ledger.move_marks([mark("a", 1)])

    def never(_: Sequence[Mark]) -> bytes:
        raise AssertionError

    monkeypatch.setattr(ledger_marks, "packed", never)
    ledger.write(Due([opening(1, 5, "a")], Note([mark("a", 6)])))
    assert (waiting(ledger.connection), in_rows(ledger.connection)) == (0, 1)
    assert ledger.load().marks == [Mark("a", "sensor.a", 6, 1)]


def test_of_two_homes_each_has_its_own(ledger: LedgerFile) -> None:
    ledger.move_marks([mark("a", 1)])
    other = LedgerFile(ledger.connection, ledger.path, OTHER)
    other.move_marks([mark("a", 2)])
    other.write(Due(heard_ns=3, stopped=True))
    assert (waiting(ledger.connection), waiting(ledger.connection, OTHER)) == (1, 0)
    assert (ledger.load().marks, other.load().marks) == ([mark("a", 1)], [mark("a", 2)])


def test_a_full_disk_gets_no_value_that_waits(ledger: LedgerFile) -> None:
    """A file that does not grow has the rows that are there, which take no more room."""
    table = Table(ledger.connection, ledger.path, KEY)
    names = [os.urandom(16).hex() for _ in range(2_000)]
    table.put(Batch(os.urandom(300_000), 1, 1, 1, 1, Note([mark(each, 1) for each in names])), 0, 0, (), ())
    with transaction(ledger.connection):
        fold(ledger.connection, KEY)
    pages = pragma(ledger.connection, "page_count")
    for number in range(2, 20):
        note = Note([mark(each, number) for each in names])
        assert table.put_within(Batch(os.urandom(100_000), 1, 1, number, number, note), 0, 0, (), (), evict=True)
        assert waiting(ledger.connection) == 0
    assert pragma(ledger.connection, "page_count") <= pages + 2
    assert {each.time_ns for each in ledger.load().marks} == {19}


def test_a_file_that_takes_no_page_more_has_room_to_fold(ledger: LedgerFile) -> None:
    """Rows of who is new take the place of the values that told of them."""
    names = [os.urandom(16).hex() for _ in range(1_000)]
    for number in range(1, 6):
        ledger.move_marks([mark(each, number) for each in names])
    pages = pragma(ledger.connection, "page_count")
    assert pragma(ledger.connection, f"max_page_count = {pages}") == pages
    with transaction(ledger.connection):
        fold(ledger.connection, KEY)
    assert (waiting(ledger.connection), in_rows(ledger.connection)) == (0, 1_000)


def test_a_stop_whose_disk_takes_no_more_is_written_all_the_same(
    ledger: LedgerFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_connection: Connection, _key: Key, _within: float) -> None:
        error = sqlite3.OperationalError("database or disk is full")
        error.sqlite_errorcode = sqlite3.SQLITE_FULL
        raise error

    ledger.move_marks([mark("a", 1)])
    ledger.write(Due(heard_ns=3))
    monkeypatch.setattr("ingest.edge.ledger_file.fold", full)
    ledger.write(Due(stopped=True))
    remembered = ledger.load()
    assert remembered.coverage is not None
    assert remembered.coverage.stopped
    assert (remembered.marks, waiting(ledger.connection)) == ([mark("a", 1)], 1)


def test_a_stop_does_not_wait_for_very_many_marks(ledger: LedgerFile, monkeypatch: pytest.MonkeyPatch) -> None:
    ledger.move_marks([mark("a", 1), mark("b", 1)])
    ledger.write(Due(heard_ns=3))
    monkeypatch.setattr("ingest.edge.ledger_file.FOLDING", -1.0)
    monkeypatch.setattr(ledger_marks, "TOGETHER", 1)
    ledger.write(Due(stopped=True))
    remembered = ledger.load()
    assert remembered.coverage is not None
    assert remembered.coverage.stopped
    assert (remembered.marks, waiting(ledger.connection)) == ([mark("a", 1), mark("b", 1)], 1)
    assert in_rows(ledger.connection) == 0


# ---- damage ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "wrong",
    [b"", b"x", None, 5, packed([mark("a", 1)])[:-1], packed([mark("a", 1)])[:-9] + b"x" * 9],
    ids=["empty", "no gzip", "nothing", "number", "cut", "other checksum"],
)
def test_what_nobody_packed_is_not_marks(wrong: object) -> None:
    assert not is_packed(wrong)


@pytest.mark.parametrize(
    "wrong",
    [(["a"], ["b"], ["c"], [0]), (["a"], ["b"], [1]), (["a"], ["b"], [1], []), (["a"], ["b"], [1], [None]), {}, "abcd"],
    ids=["no number", "too few", "too short", "nothing", "no columns", "a text"],
)
def test_nor_is_what_has_another_shape(wrong: object) -> None:
    assert not is_packed(compressed(msgspec.msgpack.encode(wrong)))


@given(
    st.lists(
        st.builds(Mark, st.text(), st.text(), st.integers(-LATEST, LATEST), st.integers(-LATEST, LATEST)), min_size=1
    )
)
def test_marks_come_out_as_they_were_packed(marks: list[Mark]) -> None:
    assert list(unpacked(packed(marks))) == moves_of(marks)


@given(st.lists(MARKS, min_size=1, max_size=30), st.data())
def test_no_bit_of_damage_makes_other_marks(marks: list[Mark], data: st.DataObject) -> None:
    value = bytearray(packed(marks))
    value[data.draw(st.integers(0, len(value) - 1), "byte")] ^= 1 << data.draw(st.integers(0, 7), "bit")
    if is_packed(bytes(value)):  # it is in what gzip's header says of nothing that matters, such as a time
        assert list(unpacked(bytes(value))) == moves_of(marks)


def test_a_time_that_no_row_holds_is_refused_before_it_is_written(ledger: LedgerFile) -> None:
    with pytest.raises(OverflowError):
        ledger.move_marks([mark("a", LATEST + 1)])
    assert waiting(ledger.connection) == 0


def spoil(ledger: LedgerFile) -> None:
    """One bit of the second value of three is another one."""
    for number in (1, 2, 3):
        ledger.move_marks([mark(str(number), number * 1_000), mark("each", number * 1_000)])
    (value,) = ledger.connection.execute("SELECT marks FROM moved WHERE id = 2").fetchone()
    spoilt = bytes([*value[:20], value[20] ^ 1, *value[21:]])
    ledger.connection.execute("UPDATE moved SET marks = ? WHERE id = 2", (spoilt,))


def test_damage_is_met_and_no_mark_is_wrong(ledger: LedgerFile) -> None:
    spoil(ledger)
    with pytest.raises(Damaged, match="number 2"):
        ledger.load()
    with pytest.raises(Damaged, match="number 2"):
        known_of(ledger.connection, KEY, "each", "sensor.each")
    assert (waiting(ledger.connection), in_rows(ledger.connection)) == (3, 0)


def test_with_damage_a_gap_is_written_and_a_full_spool_drops_its_oldest(tmp_path: Path) -> None:
    """What waits for the next start is lost with the process, and the marks go on meanwhile."""
    path = tmp_path / "state.db"
    with ledger_in(path) as ledger:
        table = Table(ledger.connection, path, KEY)
        for number in (3_000, 1_000, 2_000):
            table.put(Batch(b"x", 1, 1, number, number), 0, 0, (), ())
        spoil(ledger)
        placed = table.put(Batch(b"x", 1, 1, 9_000, 9_000, Note([mark("each", 9_000)])), 0, 1, (), ())
        assert [row.oldest_ns for row in placed.evicted] == [3_000]
        ledger.write(Due([opening(4_000, 8_000, "each")]))
        assert table.purge(list(table.oldest(()))).whole
        found = stored_marks(ledger.connection, KEY)
        assert {name: each.time_ns for name, each in found.items()} == {"1": 999, "3": 2_999, "each": 8_999}
        assert [gap.from_ns for gap in ledger.gaps()] == [1_000, 3_000, 4_000]
    connection, aside = open_state(path, lambda: 10**18)
    with closing(connection):
        assert aside is not None
        assert "number 2" in aside.reason
        assert stored_marks(connection, KEY) == found
    connection, aside = open_state(path, lambda: 10**18)
    connection.close()
    assert aside is None


@pytest.mark.parametrize("number", [0, -1, 2**63 - 1])
def test_a_value_with_a_number_that_nobody_gave_is_marks_all_the_same(ledger: LedgerFile, number: int) -> None:
    ledger.move_marks([mark("a", 1)])
    with transaction(ledger.connection):
        fold(ledger.connection, KEY)
    ledger.move_marks([mark("a", 2)])
    ledger.move_marks([mark("b", 3)])
    ledger.connection.execute("UPDATE moved SET id = ? WHERE id = 1", (number,))
    expected = [Mark("a", "sensor.a", 2, 1), mark("b", 3)]
    assert ledger.load().marks == expected
    ledger.move_marks([mark("c", 4)])
    with transaction(ledger.connection):
        fold(ledger.connection, KEY)
    assert ledger.load().marks == [*expected, mark("c", 4)]


def test_the_next_start_has_what_is_sound_in_a_new_file(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    with ledger_in(path) as ledger:
        spoil(ledger)
    connection, aside = open_state(path, lambda: 10**18)
    with closing(connection):
        assert aside is not None
        assert "1 row of the ledger" in aside.reason
        found = stored_marks(connection, KEY)
        assert {name: each.time_ns for name, each in found.items()} == {"1": 1_000, "3": 3_000, "each": 3_000}
        assert waiting(connection) == 0
    connection, aside = open_state(path, lambda: 10**18)
    connection.close()
    assert aside is None


def test_a_page_of_them_that_cannot_be_read_costs_what_was_on_it(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    with ledger_in(path) as ledger:
        for number in range(1, 32):
            ledger.move_marks([mark(os.urandom(16).hex(), number) for _ in range(100)])
        (size,) = ledger.connection.execute("PRAGMA page_size").fetchone()
        ledger.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        (root,) = ledger.connection.execute("SELECT rootpage FROM sqlite_master WHERE name = 'moved'").fetchone()
    content = path.read_bytes()
    page = content[(root - 1) * size : root * size]
    assert page[0] == 5, "it has pages below it"
    middle = int.from_bytes(page[3:5]) // 2
    place = int.from_bytes(page[12 + 2 * middle : 14 + 2 * middle])
    leaf = int.from_bytes(page[place : place + 4])
    with path.open("r+b") as file:
        file.seek((leaf - 1) * size)
        file.write(b"\xa5" * size)
    connection, aside = open_state(path, lambda: 10**18)
    with closing(connection):
        assert aside is not None
        assert 1500 <= len(stored_marks(connection, KEY)) < 3100
