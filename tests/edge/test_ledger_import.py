from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from ingest.core.coverage import Cause, Gap, Mark, Note, Progress, Settled
from ingest.core.importing import Wanted
from ingest.core.ledger import Coverage
from ingest.core.store import Batch
from ingest.edge.ledger_file import Due, LedgerFile
from ingest.edge.ledger_file import told as told_of
from ingest.edge.ledger_import import Far
from ingest.edge.spool_file import Table
from ingest.edge.spool_rows import Key
from ingest.edge.state_versions import MIGRATIONS
from ingest.edge.totals_file import Totals
from tests.edge.ledgers import KEY, ledger_in, mark, next_spans, opening, told

SECOND = 10**9


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[LedgerFile]:
    with ledger_in(tmp_path / "state.db") as ledger:
        yield ledger


def begin(ledger: LedgerFile, since: int, *names: str, again: bool = False, whole: bool = False) -> Gap | None:
    """An import until 100 s."""
    entities = [Mark(name, f"sensor.{name}", 0) for name in names]
    return ledger.begin_import(Wanted(since * SECOND, 100 * SECOND, entities, again, whole))


def spans(ledger: LedgerFile) -> list[tuple[str, int, int]]:
    return [(each.registry_id, each.after_ns, each.before_ns) for each in next_spans(ledger, 99)]


def settle_all(ledger: LedgerFile, why: str = "") -> None:
    ledger.settle([Settled(each.id, 3, why) for each in next_spans(ledger, 99)])


def test_an_import_ends_where_an_entity_was_stored_first(ledger: LedgerFile) -> None:
    ledger.move_marks([mark("a", 50 * SECOND)])
    ledger.move_marks([mark("a", 70 * SECOND), mark("old", 5 * SECOND)])
    gap = begin(ledger, 10, "a", "old", "new")
    assert gap is not None
    assert (gap.cause, told(gap)) == (
        Cause.IMPORTED, (10 * SECOND, 100 * SECOND + 1000, Progress.OPEN, 2, 2, 0),
    )  # fmt: skip
    after = 10 * SECOND - 1
    assert spans(ledger) == [("a", after, 50 * SECOND), ("new", after, 100 * SECOND + 500)]


def test_what_was_imported_or_is_being_imported_is_not_asked_for_again(ledger: LedgerFile) -> None:
    ledger.move_marks([mark("a", 50 * SECOND)])
    assert begin(ledger, 10, "a", "new") is not None
    assert begin(ledger, 10, "a", "new") is None
    assert begin(ledger, 12, "a", "new") is None
    assert begin(ledger, 5, "a") is not None
    assert ("a", 5 * SECOND - 1, 10 * SECOND - 500) in spans(ledger)
    assert [gap.spans for gap in ledger.gaps()] == [3]
    settle_all(ledger)
    assert begin(ledger, 5, "a") is None
    assert begin(ledger, 10, "new") is None
    assert [mark.registry_id for mark in ledger.load().marks] == ["a"]


def test_an_eviction_puts_the_newest_state_in_doubt_and_not_the_oldest(ledger: LedgerFile) -> None:
    ledger.move_marks([mark("a", 50 * SECOND)])
    table = Table(ledger.connection, ledger.path, KEY)
    table.put(Batch(b"x", 1, 1, 70 * SECOND, 70 * SECOND, Note([mark("a", 70 * SECOND)])), 0, 0, (), ())
    table.put(Batch(b"x", 1, 1, 80 * SECOND, 80 * SECOND), 0, 1, (), ())
    assert ledger.load().marks == [Mark("a", "sensor.a", 70 * SECOND - 1, 50 * SECOND)]
    ledger.move_marks([mark("a", 90 * SECOND)])
    begin(ledger, 10, "a")
    assert spans(ledger) == [("a", 10 * SECOND - 1, 50 * SECOND)]
    assert ledger.load().marks == [Mark("a", "sensor.a", 90 * SECOND, 50 * SECOND)]


def test_again_asks_for_everything_once(ledger: LedgerFile) -> None:
    ledger.move_marks([mark("a", 50 * SECOND)])
    ledger.move_marks([mark("a", 70 * SECOND)])
    begin(ledger, 10, "a")
    gap = begin(ledger, 10, "a", again=True)
    assert gap is not None
    assert (gap.spans, gap.left) == (1, 1)
    assert spans(ledger) == [("a", 10 * SECOND - 1, 70 * SECOND + 1)]


def test_an_import_of_everything_is_where_the_home_is_known_from(ledger: LedgerFile) -> None:
    other = LedgerFile(ledger.connection, ledger.path, Key("cottage", "influxdb"))
    for each in (ledger, other):
        each.write(Due(heard_ns=40 * SECOND))
    begin(ledger, 10, "a")
    assert ledger.load().coverage == Coverage(40 * SECOND, 40 * SECOND, stopped=False)
    begin(ledger, 10, "b", whole=True)
    assert ledger.load().coverage == Coverage(10 * SECOND, 40 * SECOND, stopped=False)
    assert (other.gaps(), other.load().coverage) == ([], Coverage(40 * SECOND, 40 * SECOND, stopped=False))


def test_what_was_missed_does_not_wait_for_an_import(ledger: LedgerFile) -> None:
    begin(ledger, 10, "a")
    ledger.open_gap(opening(20 * SECOND, 30 * SECOND, "b"))
    found = ledger.next_gap(9)
    assert found is not None
    assert found[0].cause is Cause.CONNECTION
    assert [each.registry_id for each in next_spans(ledger, 9)] == ["b", "a"]


# ---- how far it is ------------------------------------------------------------------------------------------------


def test_a_span_is_read_on_from_where_it_is_known(ledger: LedgerFile) -> None:
    begin(ledger, 10, "a", "b")
    first, _ = next_spans(ledger, 9)
    for until, found in ((20, 5), (30, 9), (25, 7)):
        ledger.settle([Settled(first.id, found, until_ns=until * SECOND)])
    read = next_spans(ledger, 9)[0]
    assert (read.after_ns, read.rest_ns, read.found) == (first.after_ns, 30 * SECOND, 9)
    (gap,) = ledger.gaps()
    far = ledger.how_far([gap.id], 100 * SECOND)
    assert (far.spans, far.settled, far.states) == (2, 0, 9)
    assert far.share == pytest.approx(20 / 180, rel=1e-6)
    ledger.settle([Settled(first.id, 12), Settled(first.id, 99, until_ns=90 * SECOND)])
    assert [gap.filled for gap in ledger.gaps()] == [12]
    far = ledger.how_far([gap.id], 100 * SECOND)
    assert (far.settled, far.states) == (1, 12)
    settle_all(ledger)
    assert ledger.how_far([gap.id], 100 * SECOND).share == 1.0


def test_of_nothing_everything_is_done() -> None:
    assert Far().share == 1.0
    assert Far(spans=1).share == 0.0


def test_what_could_not_be_had_is_asked_for_again(ledger: LedgerFile) -> None:
    ledger.open_gap(opening(1, 5, "a", "b"))
    ledger.open_gap(opening(10, 15, "c"))
    ledger.open_gap(opening(20, 25, why="nobody knows whose"))
    ledger.settle(
        [Settled(each.id, 2, "" if each.registry_id == "a" else "it was off") for each in next_spans(ledger, 9)]
    )
    assert [gap.progress for gap in ledger.gaps()] == [Progress.PARTLY, Progress.PARTLY, Progress.UNFILLABLE]
    assert len(ledger.ask_again()) == 2
    assert [told(gap)[2:] for gap in ledger.gaps()] == [
        (Progress.OPEN, 2, 1, 4),
        (Progress.OPEN, 1, 1, 2),
        (Progress.UNFILLABLE, 0, 0, 0),
    ]
    assert [each.registry_id for each in next_spans(ledger, 9)] == ["b", "c"]
    settle_all(ledger)
    assert [(gap.progress, gap.filled, gap.why) for gap in ledger.gaps()[:2]] == [
        (Progress.FILLED, 5, ""),
        (Progress.FILLED, 3, ""),
    ]
    assert ledger.ask_again() == frozenset()


def test_what_came_stays_counted_though_the_recorder_has_purged_it_meanwhile(ledger: LedgerFile) -> None:
    ledger.open_gap(opening(1, 5, "a", "b", "c"))
    settle_all(ledger, "it was off")
    for counts in ((0, 7, 3), (3, 0, 0), (4, 8, 1)):
        before = ledger.gaps()[0].filled
        assert len(ledger.ask_again()) == 3
        (gap,) = ledger.gaps()
        assert (gap.progress, gap.left, gap.filled) == (Progress.OPEN, 3, before)
        assert ledger.how_far([gap.id], 10).states == before
        for each, count in zip(next_spans(ledger, 9), counts, strict=True):
            ledger.settle([Settled(each.id, 0, until_ns=each.after_ns + 1)])
            ledger.settle([Settled(each.id, count, "it is purged")])
            assert ledger.gaps()[0].filled >= before
    (gap,) = ledger.gaps()
    assert (gap.progress, gap.filled) == (Progress.PARTLY, 4 + 8 + 3)
    assert [each.filled for each in told_of(ledger.connection, gap.id)] == [4, 8, 3]


def test_what_came_stays_counted_when_everything_is_asked_for_again(ledger: LedgerFile) -> None:
    ledger.move_marks([mark("a", 50 * SECOND)])
    begin(ledger, 10, "a", "b")
    settle_all(ledger, "it was off")
    ledger.ask_again()
    gap = begin(ledger, 10, "a", "b", again=True)
    assert gap is not None
    assert (gap.spans, gap.left, gap.filled) == (2, 2, 6)
    ledger.settle([Settled(each.id, 1 if each.registry_id == "a" else 9) for each in next_spans(ledger, 9)])
    assert [told(each)[2:] for each in ledger.gaps()] == [(Progress.FILLED, 2, 0, 12)]


def test_what_came_stays_counted_in_the_place_of_a_damaged_file(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    with ledger_in(path) as ledger:
        ledger.open_gap(opening(1, 5, "a"))
        settle_all(ledger, "it was off")
        ledger.ask_again()
        ledger.connection.execute("PRAGMA user_version = 99")
    with ledger_in(path) as ledger:
        assert [told(gap)[2:] for gap in ledger.gaps()] == [(Progress.OPEN, 1, 1, 3)]
        ledger.settle([Settled(each.id, 0, "it is purged") for each in next_spans(ledger, 9)])
        assert [told(gap)[2:] for gap in ledger.gaps()] == [(Progress.PARTLY, 1, 0, 3)]


def test_a_longer_import_ends_before_the_shorter_one_where_no_state_need_be(ledger: LedgerFile) -> None:
    begin(ledger, 10, "new")
    settle_all(ledger)
    begin(ledger, 5, "new")
    assert spans(ledger) == [("new", 5 * SECOND - 1, 10 * SECOND - 500)]


def test_what_a_version_without_marks_stored_is_not_asked_for_but_again(tmp_path: Path) -> None:
    """Its first snapshot would make everything look missing that was stored live before."""
    path = tmp_path / "state.db"
    with closing(sqlite3.connect(path)) as older:
        for version in (1, 2, 3):
            older.executescript(MIGRATIONS[version])
        older.execute("INSERT INTO account VALUES (?, ?, ?, NULL)", (KEY.home, KEY.store, 30 * SECOND))
        older.executescript("PRAGMA user_version = 3")
    with ledger_in(path) as ledger:
        ledger.move_marks([mark("a", 90 * SECOND), mark("old", 20 * SECOND)])
        assert begin(ledger, 40, "a", "old", "new") is None
        assert begin(ledger, 10, "a", "old", "new") is not None
        after = 10 * SECOND - 1
        expected = [("a", after, 30 * SECOND), ("old", after, 20 * SECOND), ("new", after, 30 * SECOND)]
        assert spans(ledger) == expected
        begin(ledger, 40, "a", again=True)
        assert ("a", 40 * SECOND - 1, 90 * SECOND + 1) in spans(ledger)
    with ledger_in(path, key=Key("cottage", "influxdb")) as other:
        begin(other, 40, "a")
        assert spans(other) == [("a", 40 * SECOND - 1, 100 * SECOND + 500)]


def test_nor_what_was_stored_with_a_file_that_is_set_aside(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    with ledger_in(path) as ledger:
        Totals(ledger.connection, path, KEY).opened(30 * SECOND)
        ledger.connection.execute("PRAGMA user_version = 99")
    with ledger_in(path) as ledger:
        assert begin(ledger, 40, "a") is None
        assert begin(ledger, 10, "a") is not None
    with ledger_in(path) as ledger:
        ledger.connection.execute("DELETE FROM account")
        ledger.connection.execute("PRAGMA user_version = 99")
    with ledger_in(path) as ledger:
        assert begin(ledger, 40, "b") is None
