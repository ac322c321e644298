"""What a state file that is set aside knew of coverage goes on in the new one, as far as it can be read."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from ingest.core.coverage import FOREVER, Cause, Note, Progress, Settled
from ingest.core.importing import Wanted
from ingest.core.ledger import Coverage, Opening
from ingest.edge.aside import SetAside
from ingest.edge.ledger_carry import DAMAGED, NOT_BROUGHT
from ingest.edge.ledger_file import Due, LedgerFile
from ingest.edge.spool_file import Table
from ingest.edge.spool_rows import Key
from ingest.edge.sqlite import Connection
from ingest.edge.state_file import open_state
from ingest.edge.state_versions import VERSION
from tests.cli.waiting import lines, spooled, waiting_lines
from tests.edge.ledgers import KEY, ledger_in, mark, next_spans, opening, span, told

TWO = [mark("a", 1), mark("b", 4)]
MARKS = [mark(f"e{number:04}", number) for number in range(2000)]


def written(path: Path) -> Path:
    """A file with batches and a ledger: one gap half filled, one filled."""
    spooled(path, lines(3), lines(4, 3))
    with ledger_in(path) as ledger:
        ledger.write(Due([opening(1, 5, "a", "b")], Note(MARKS), heard_ns=10, stopped=True))
        ledger.settle([Settled(next_spans(ledger, 1)[0].id, 3)])
        ledger.open_gap(opening(10, 15, *(each.registry_id for each in MARKS[:900]), cause=Cause.KILLED))
        ledger.settle([Settled(each.id, 1) for each in next_spans(ledger, 2000) if each.after_ns == 10])
    return path


def change(path: Path, statement: str) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(statement)


def reopened(path: Path) -> tuple[Connection, LedgerFile, SetAside | None]:
    connection, aside = open_state(path, lambda: 10**18)
    return connection, LedgerFile(connection, path, KEY), aside


def overwrite(path: Path, table: str) -> None:
    """A leaf page of the table."""
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        (size,) = connection.execute("PRAGMA page_size").fetchone()
        pages = leaves(connection, path, table, size)
    with path.open("r+b") as file:
        file.seek((pages[len(pages) // 2] - 1) * size)
        file.write(b"\xa5" * size)


def leaves(connection: Connection, path: Path, table: str, size: int) -> list[int]:
    """The pages that hold the table's rows, as its root says."""
    (root,) = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = ?", (table,)).fetchone()
    content = path.read_bytes()
    page = content[(root - 1) * size : root * size]
    assert page[0] in {2, 5}, "it fits into one page"
    cells = int.from_bytes(page[3:5])
    places = [int.from_bytes(page[12 + 2 * cell : 14 + 2 * cell]) for cell in range(cells)]
    return [int.from_bytes(page[place : place + 4]) for place in places]


def test_a_newer_file_that_is_set_aside_hands_its_ledger_on(tmp_path: Path) -> None:
    path = written(tmp_path / "state.db")
    change(path, f"PRAGMA user_version = {VERSION + 1}")
    connection, ledger, aside = reopened(path)
    with closing(connection):
        assert aside is not None
        assert (ledger.load().marks, ledger.load().coverage) == (MARKS, Coverage(10, 10, stopped=True))
        first, second, missing = ledger.gaps()
        assert told(first) == (1, 5, Progress.FILLING, 2, 1, 3)
        assert told(second) == (10, 15, Progress.FILLED, 900, 0, 900)
        assert (missing.cause, missing.progress) == (Cause.UNREADABLE, Progress.UNFILLABLE)
        assert "spool recover" in missing.why
        assert aside.kept_as.name in missing.why
        assert [each.registry_id for each in next_spans(ledger, 9)] == ["b"]


@pytest.mark.parametrize("table", ["mark", "span"])
def test_a_damaged_ledger_costs_what_it_hit_and_no_batches(tmp_path: Path, table: str) -> None:
    path = written(tmp_path / "state.db")
    overwrite(path, table)
    connection, ledger, aside = reopened(path)
    with closing(connection):
        assert aside is not None
        assert "malformed" in aside.reason
        marks = ledger.load().marks
        assert (set(marks) < set(MARKS) and len(marks) > 1000) if table == "mark" else marks == MARKS
        assert ledger.load().coverage == Coverage(10, 10, stopped=True)
        assert told(ledger.gaps()[0]) == (1, 5, Progress.FILLING, 2, 1, 3)
        assert Table(connection, path, KEY).held().events == 7
    assert waiting_lines(path) == lines(7)
    connection, _, aside = reopened(path)
    connection.close()
    assert aside is None


def test_of_what_did_not_come_over_no_state_is_known_to_be_stored(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    spooled(path, lines(3), lines(4, 3))
    with ledger_in(path) as ledger:
        ledger.write(Due(note=Note([mark("before", 0), mark("a", 3), mark("b", 6)]), heard_ns=1))
    change(path, "UPDATE batch SET oldest_ns = id * 2, newest_ns = id * 3")
    change(path, "UPDATE batch SET payload = x'00' WHERE id = 1")
    change(path, "INSERT INTO meta VALUES ('damaged', 'malformed')")
    connection, ledger, aside = reopened(path)
    with closing(connection):
        assert aside is not None
        assert (aside.brought, aside.unreadable) == (4, 1)
        assert {each.registry_id: each.time_ns for each in ledger.load().marks} == {"before": 0, "a": 2, "b": 5}
        (gap,) = ledger.gaps()
        assert (gap.cause, gap.from_ns, gap.to_ns, gap.why) == (Cause.UNREADABLE, 2, 6, NOT_BROUGHT)


def test_where_nobody_can_say_what_waited_everything_is_in_doubt(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    spooled(path, *(lines(1, number) for number in range(3000)))
    with ledger_in(path) as ledger:
        ledger.write(Due(note=Note([mark("a", 2), mark("b", 60_000)]), heard_ns=1))
    change(path, "UPDATE batch SET oldest_ns = id, newest_ns = id")
    overwrite(path, "batch")
    connection, ledger, aside = reopened(path)
    with closing(connection):
        assert aside is not None
        assert 0 < (aside.brought or 0) < 3000
        (gap,) = ledger.gaps()
        assert (gap.cause, gap.to_ns, gap.why) == (Cause.UNREADABLE, 60_000, NOT_BROUGHT)
        assert ledger.load().marks[-1].time_ns == 59_999


def test_spans_that_are_gone_are_not_to_be_had(tmp_path: Path) -> None:
    path = written(tmp_path / "state.db")
    change(path, f"DELETE FROM span WHERE registry_id IN ('a', 'b'); PRAGMA user_version = {VERSION + 1}")
    connection, ledger, _ = reopened(path)
    with closing(connection):
        gap = ledger.gaps()[0]
        assert (told(gap), gap.why) == ((1, 5, Progress.PARTLY, 2, 0, 3), f"{DAMAGED} (1)")


def test_spans_whose_gap_is_gone_make_one_of_their_own(tmp_path: Path) -> None:
    path = written(tmp_path / "state.db")
    change(
        path,
        "INSERT INTO mark VALUES ('home', 'influxdb', 'b', 'sensor.b', 1, 1);"
        f"DELETE FROM gap; DELETE FROM batch; PRAGMA user_version = {VERSION + 1}",
    )
    connection, ledger, _ = reopened(path)
    with closing(connection):
        (gap,) = ledger.gaps()
        assert (gap.cause, told(gap)) == (Cause.UNREADABLE, (1, 5, Progress.OPEN, 1, 1, 0))
        (rows,) = connection.execute("SELECT count(*) FROM span").fetchone()
        assert rows == 1


def test_spans_without_an_end_do_not_make_a_gap_that_lasts_forever(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    with ledger_in(path) as ledger:
        ledger.write(
            Due([Opening(Cause.KILLED, 1, 5, [span("a", 1, FOREVER), span("b", 0, 4)])], Note(TWO), heard_ns=9)
        )
        ledger.open_gap(Opening(Cause.CONNECTION, 20, 25, [span("a", 20, FOREVER)]))
    change(path, f"DELETE FROM gap; PRAGMA user_version = {VERSION + 1}")
    connection, ledger, _ = reopened(path)
    with closing(connection):
        first, second = ledger.gaps()
        assert told(first) == (0, 4, Progress.OPEN, 2, 2, 0)
        assert told(second) == (20, 20, Progress.OPEN, 1, 1, 0)
        assert [each.before_ns for each in next_spans(ledger, 9)] == [FOREVER, 4, FOREVER]


def imported(path: Path) -> None:
    """An import of an entity of which nothing is stored; its gap is gone."""
    with ledger_in(path) as ledger:
        ledger.write(Due(note=Note(TWO), heard_ns=9_000))
        assert ledger.begin_import(Wanted(2_000, 7_000, [mark("new", 0)])) is not None
    change(path, f"DELETE FROM gap; PRAGMA user_version = {VERSION + 1}")


def test_spans_of_an_entity_of_which_nothing_is_stored_go_on_where_there_is_one_home(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    imported(path)
    connection, ledger, _ = reopened(path)
    with closing(connection):
        (gap,) = ledger.gaps()
        assert (gap.cause, told(gap)) == (Cause.UNREADABLE, (1_999, 7_500, Progress.OPEN, 1, 1, 0))
        assert [each.entity_id for each in next_spans(ledger, 9)] == ["sensor.new"]


def test_of_several_homes_each_is_told_that_spans_may_be_its_own(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    imported(path)
    other = Key("cottage", "influxdb")
    change(path, "INSERT INTO account VALUES ('cottage', 'influxdb', 1, NULL)")
    connection, ledger, _ = reopened(path)
    with closing(connection):
        for each in (ledger, LedgerFile(connection, path, other)):
            (gap,) = each.gaps()
            assert (gap.cause, gap.why) == (Cause.UNREADABLE, DAMAGED)
            assert told(gap) == (1_999, 7_500, Progress.UNFILLABLE, 1, 0, 0)
            assert next_spans(each, 9) == []


def test_a_ledger_that_is_not_there_is_made_anew(tmp_path: Path) -> None:
    path = written(tmp_path / "state.db")
    change(path, "DROP TABLE span")
    connection, ledger, aside = reopened(path)
    with closing(connection):
        assert aside is not None
        assert [gap.progress for gap in ledger.gaps()] == [Progress.PARTLY, Progress.FILLED]
        assert ledger.load().marks == MARKS
    assert waiting_lines(path) == lines(7)


def test_what_nobody_could_have_written_is_left_out(tmp_path: Path) -> None:
    path = written(tmp_path / "state.db")
    change(path, f"UPDATE gap SET cause = 'no such' WHERE id = 1; PRAGMA user_version = {VERSION + 1}")
    connection, ledger, _ = reopened(path)
    with closing(connection):
        first, second = ledger.gaps()[:2]
        assert (first.cause, told(first)) == (Cause.UNREADABLE, (1, 5, Progress.OPEN, 1, 1, 0))
        assert (second.cause, second.from_ns) == (Cause.KILLED, 10)


@pytest.mark.parametrize(
    ("statement", "reason"),
    [
        ("UPDATE span SET entity_id = CAST(x'7365a5' AS TEXT) WHERE id = 2", "column 'entity_id'"),
        ("UPDATE gap SET why = CAST(x'a5' AS TEXT) WHERE id = 1", "column 'why'"),
        ("UPDATE mark SET entity_id = CAST(x'a5' AS TEXT) WHERE time_ns = 3", "column 'entity_id'"),
        ("UPDATE gap SET cause = 'no such' WHERE id = 1", "1 row of the ledger cannot be what was written"),
        ("UPDATE gap SET progress = 'opeo' WHERE id < 3", "2 rows of the ledger cannot be what was written"),
    ],
)
def test_what_nobody_could_have_written_is_left_behind_at_the_start(
    tmp_path: Path, statement: str, reason: str
) -> None:
    path = written(tmp_path / "state.db")
    change(path, statement)
    connection, ledger, aside = reopened(path)
    with closing(connection):
        assert aside is not None
        assert reason in aside.reason
        assert len(ledger.load().marks) >= len(MARKS) - 1
        ledger.next_gap(5)
    assert waiting_lines(path) == lines(7)
    connection, _, aside = reopened(path)
    connection.close()
    assert aside is None


def test_a_ledger_of_an_earlier_version_is_handed_on_without_the_columns_that_it_has_not(tmp_path: Path) -> None:
    path = written(tmp_path / "state.db")
    change(path, f"ALTER TABLE span DROP COLUMN had; PRAGMA user_version = {VERSION + 1}")
    connection, ledger, aside = reopened(path)
    with closing(connection):
        assert aside is not None
        assert [told(each) for each in ledger.gaps()][:2] == [
            (1, 5, Progress.FILLING, 2, 1, 3), (10, 15, Progress.FILLED, 900, 0, 900),
        ]  # fmt: skip


# ---- an end that is gone -----------------------------------------------------------------------------------------


def with_many_batches(path: Path) -> int:
    """A ledger, and so many points in batches whose pages are the rest of the file."""
    written(path)
    spooled(path, *(lines(50, 50 * number) for number in range(300)))
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        (points,) = connection.execute("SELECT sum(count) FROM batch").fetchone()
    return int(points)


def check_that_losses_are_told(path: Path, points: int) -> None:
    """The whole ledger is there; what of the batches is not is said, and lies in a gap."""
    connection, ledger, aside = reopened(path)
    with closing(connection):
        assert aside is not None
        assert len(ledger.load().marks) == len(MARKS)
        causes = [gap.cause for gap in ledger.gaps()]
        assert {Cause.CONNECTION, Cause.KILLED} <= set(causes)
        assert aside.brought is not None
        assert (aside.brought == points) == (Cause.UNREADABLE not in causes)
        assert (aside.brought < points) == (aside.unreadable > 0)
        assert (aside.brought < points) == ("cannot be read" in aside.report().text())


@pytest.mark.parametrize("left", [0.99, 0.95, 0.9, 0.75, 0.5])
def test_a_file_that_lost_its_end_has_its_ledger_still(tmp_path: Path, left: float) -> None:
    """As after a copy that was cut off."""
    path = tmp_path / "state.db"
    points = with_many_batches(path)
    os.truncate(path, int(path.stat().st_size * left) // 4096 * 4096)
    check_that_losses_are_told(path, points)


@pytest.mark.parametrize(("begin", "end"), [(0.99, 1), (0.9, 1), (0.75, 1), (0.7, 0.9), (0.6, 0.8), (0.5, 1)])
@pytest.mark.parametrize("with_what", [b"\0", b"\xa5"], ids=["zeros", "garbage"])
def test_of_batches_that_no_way_leads_to_it_is_said_that_there_were_some(
    tmp_path: Path, begin: float, end: float, with_what: bytes
) -> None:
    path = tmp_path / "state.db"
    points, size = with_many_batches(path), 4096
    pages = path.stat().st_size // size
    with path.open("r+b") as file:
        file.seek(int(pages * begin) * size)
        file.write(with_what * ((int(pages * end) - int(pages * begin)) * size))
    check_that_losses_are_told(path, points)
