from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from attrs import evolve

from ingest.core.coverage import FOREVER, Cause, Mark, Missed, Note, Progress, Settled, Span
from ingest.core.ledger import Coverage, Opening, Remembered
from ingest.core.marks import REMOVED
from ingest.core.store import Batch
from ingest.edge.ledger_bounds import Bound
from ingest.edge.ledger_file import Due, LedgerFile, listed
from ingest.edge.ledger_file import told as told_of
from ingest.edge.ledger_marks import doubt_marks
from ingest.edge.spool_file import Table
from ingest.edge.spool_rows import Key, Placed
from tests.edge.ledgers import KEY, ledger_in, mark, next_spans, opening, span, told

HOUR = 3_600 * 10**9


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[LedgerFile]:
    with ledger_in(tmp_path / "state.db") as ledger:
        yield ledger


def ids(ledger: LedgerFile) -> list[int]:
    return [each.id for each in next_spans(ledger, 1000)]


# ---- marks and coverage ------------------------------------------------------------------------------------------


def test_marks_move_and_never_back(ledger: LedgerFile) -> None:
    assert (ledger.load().marks, ledger.load().coverage) == ([], None)
    ledger.move_marks([mark("a", 5), mark("b", 7)])
    ledger.move_marks([mark("a", 4), Mark("b", "sensor.renamed", 7), mark("c", 1)])
    assert ledger.load().marks == [mark("a", 5), Mark("b", "sensor.renamed", 7), mark("c", 1)]


def test_a_home_that_is_new_was_known_until_the_last_other_one_was(ledger: LedgerFile) -> None:
    """It may be the old name of it: then what came since is missing. Nothing else of it is known."""
    new = evolve(ledger, key=Key("flat", KEY.store))
    assert new.load() == Remembered([], None)
    ledger.write(Due(heard_ns=30, stopped=True))
    assert new.load().coverage == Coverage(30, 30, stopped=True)
    ledger.write(Due(note=Note([mark("a", 40)]), heard_ns=35))
    assert new.load() == Remembered([], Coverage(40, 40, stopped=False))
    assert evolve(new, key=Key("flat", "embedded")).load().coverage is None, "another database never had it"
    ledger.write(Due(note=Note([mark("from the future", HOUR * 24)]), heard_ns=45))
    assert new.load() == Remembered([], Coverage(45, 45, stopped=False))
    new.write(Due(heard_ns=50))
    assert new.load().coverage == Coverage(50, 50, stopped=False)


def test_a_mark_of_nobody_goes_unless_its_id_came_back_since(ledger: LedgerFile) -> None:
    nobodys = Mark("a", "", 5)
    ledger.move_marks([mark("a", 5), mark("b", 5), Mark("a2", "sensor.a", 7), nobodys])
    assert ledger.load().marks == [Mark("a2", "sensor.a", 7), mark("b", 5)]
    ledger.move_marks([Mark("b2", "sensor.b", 8), Mark("b", "", 5), mark("b", 9)])
    ledger.move_marks([nobodys, Mark("b", "", 8)])
    assert ledger.load().marks == [Mark("a2", "sensor.a", 7), Mark("b", "sensor.b", 9, 5), Mark("b2", "sensor.b", 8)]


def test_a_home_is_known_since_the_first_time_and_until_the_last(ledger: LedgerFile) -> None:
    for heard in (10, 20, 40, 30):
        ledger.write(Due(heard_ns=heard))
    assert ledger.load().coverage == Coverage(10, 30, stopped=False), "it goes back with the home's clock"
    ledger.write(Due(stopped=True))
    assert ledger.load().coverage == Coverage(10, 30, stopped=True)
    ledger.write(Due(heard_ns=40))
    assert ledger.load().coverage == Coverage(10, 40, stopped=False)
    ledger.write(Due(heard_ns=50, stopped=True))
    assert ledger.load().coverage == Coverage(10, 50, stopped=True)


def test_each_home_and_store_has_its_own(ledger: LedgerFile) -> None:
    other = LedgerFile(ledger.connection, ledger.path, Key("cottage", "influxdb"))
    for each, time_ns in ((ledger, 1), (other, 2)):
        each.write(Due([opening(time_ns, 9, "a")], Note([mark("a", time_ns)]), heard_ns=time_ns, stopped=True))
    assert [each.load().marks for each in (ledger, other)] == [[mark("a", 1)], [mark("a", 2)]]
    assert [len(each.gaps()) for each in (ledger, other)] == [1, 1]
    assert [each.after_ns for each in next_spans(ledger, 9)] == [1]
    assert [(key.home, gap.from_ns) for key, gap in listed(ledger.connection)] == [("home", 1), ("cottage", 2)]


# ---- gaps --------------------------------------------------------------------------------------------------------


def test_a_gap_without_spans_had_nothing_in_it(ledger: LedgerFile) -> None:
    ledger.open_gap(opening(1, 5))
    assert [told(gap) for gap in ledger.gaps()] == [(1, 5, Progress.FILLED, 0, 0, 0)]


def test_a_gap_of_which_nothing_can_be_had_says_why(ledger: LedgerFile) -> None:
    ledger.open_gap(opening(1, 5, "a", "b", why="nobody knows"))
    (gap,) = ledger.gaps()
    assert (told(gap), gap.why) == ((1, 5, Progress.UNFILLABLE, 2, 0, 0), "nobody knows")
    assert next_spans(ledger, 9) == []


def test_gaps_of_one_cause_that_touch_become_one_and_spans_keep_their_ids(ledger: LedgerFile) -> None:
    ledger.open_gap(opening(10, 20, "a"))
    ledger.open_gap(opening(30, 40, "b", "c"))
    ledger.open_gap(opening(32, 50, "d", cause=Cause.SHED))
    before = {each.id: each for each in next_spans(ledger, 9)}
    ledger.settle([Settled(before_id(ledger, "b"), 4)])
    ledger.open_gap(opening(20, 30, "e"))
    assert [(gap.cause, *told(gap)) for gap in ledger.gaps()] == [
        (Cause.CONNECTION, 10, 40, Progress.FILLING, 4, 3, 4),
        (Cause.SHED, 32, 50, Progress.OPEN, 1, 1, 0),
    ]
    left = {each.id: each for each in next_spans(ledger, 9)}
    assert [each.registry_id for each in left.values()] == ["a", "c", "e", "d"]
    assert all(left[each] == before[each] for each in before if each in left)


def before_id(ledger: LedgerFile, name: str) -> int:
    return next(each.id for each in next_spans(ledger, 99) if each.registry_id == name)


def test_a_settled_gap_does_not_grow(ledger: LedgerFile) -> None:
    ledger.open_gap(opening(10, 20, "a"))
    ledger.settle([Settled(each, 1) for each in ids(ledger)])
    ledger.open_gap(opening(15, 25, "a"))
    assert [told(gap)[:3] for gap in ledger.gaps()] == [(10, 20, Progress.FILLED), (15, 25, Progress.OPEN)]


def test_the_same_gap_twice_is_one(ledger: LedgerFile) -> None:
    for _ in range(2):
        ledger.open_gap(opening(10, 20, "a", "b"))
    assert [told(gap) for gap in ledger.gaps()] == [(10, 20, Progress.OPEN, 2, 2, 0)]


# ---- filling -----------------------------------------------------------------------------------------------------


def test_the_oldest_gap_comes_first_and_what_is_under_way_is_left_out(ledger: LedgerFile) -> None:
    ledger.open_gap(opening(100, 200, "x", "y"))
    ledger.open_gap(opening(1, 5, "a", "b", cause=Cause.KILLED))
    assert [each.registry_id for each in next_spans(ledger, 3)] == ["a", "b", "x"]
    taken = {each.id for each in next_spans(ledger, 3)}
    assert [each.registry_id for each in next_spans(ledger, 3, taken)] == ["y"]
    assert next_spans(ledger, 1)[0] == Span("sensor.a", "a", 1, 5, next_spans(ledger, 1)[0].id)


def test_progress_follows_the_spans(ledger: LedgerFile) -> None:
    ledger.open_gap(opening(1, 5, "a", "b"))
    first, second = ids(ledger)
    assert [told(gap) for gap in ledger.settle([Settled(first, 3)])] == [(1, 5, Progress.FILLING, 2, 1, 3)]
    assert ledger.settle([Settled(first, 3), Settled(999, 1)]) == []
    assert [told(gap) for gap in ledger.settle([Settled(second, 2)])] == [(1, 5, Progress.FILLED, 2, 0, 5)]
    assert next_spans(ledger, 9) == []


@pytest.mark.parametrize(
    ("filled", "whys", "progress", "why"),
    [
        ((3, 0), ("", "excluded"), Progress.PARTLY, "excluded (1)"),
        ((0, 0), ("", "excluded"), Progress.PARTLY, "excluded (1)"),
        ((0, 0), ("excluded", "excluded"), Progress.UNFILLABLE, "excluded (2)"),
        ((2, 0), ("purged before then", "excluded"), Progress.PARTLY, "purged before then (1); excluded (1)"),
    ],
)
def test_what_could_not_be_had_is_named(
    ledger: LedgerFile, filled: tuple[int, ...], whys: tuple[str, ...], progress: Progress, why: str
) -> None:
    ledger.open_gap(opening(1, 5, "a", "b"))
    ledger.settle([Settled(*each) for each in zip(ids(ledger), filled, whys, strict=True)])
    (gap,) = ledger.gaps()
    assert (gap.progress, sorted(gap.why.split("; "))) == (progress, sorted(why.split("; ")))
    assert [each.why for each in told_of(ledger.connection, gap.id)] == list(whys)


def test_reopening_covers_all_that_was_stored_since(ledger: LedgerFile) -> None:
    """A removal is the last state that is missed."""
    ledger.move_marks([mark("a", 5_000), mark("b", 8_000), mark("old", 4_999), mark("removed", 9_000 + REMOVED)])
    gap = ledger.reopen(5_000)
    assert gap is not None
    assert (gap.cause, told(gap)) == (Cause.REOPENED, (5_000, 9_000, Progress.OPEN, 3, 3, 0))
    assert [(each.registry_id, each.after_ns, each.before_ns) for each in next_spans(ledger, 9)] == [
        ("a", 4_999, 5_001),
        ("b", 4_999, 8_001),
        ("removed", 4_999, 9_001),
    ]
    assert ledger.reopen(9_100) is None


# ---- bounds ------------------------------------------------------------------------------------------------------


def test_of_too_many_gaps_filled_ones_go_and_the_others_are_told_in_one(tmp_path: Path) -> None:
    with ledger_in(tmp_path / "state.db", Bound(gaps=3)) as ledger:
        ledger.open_gap(opening(1, 2, "a"))
        ledger.open_gap(opening(10, 12))
        ledger.open_gap(opening(20, 22, "b", why="no"))
        ledger.open_gap(opening(30, 32, "c"))
        assert [gap.from_ns for gap in ledger.gaps()] == [1, 20, 30]
        ledger.open_gap(opening(40, 42, "d"))
        assert [(gap.from_ns, gap.to_ns, gap.cause) for gap in ledger.gaps()] == [
            (1, 22, Cause.SEVERAL),
            (30, 32, Cause.CONNECTION),
            (40, 42, Cause.CONNECTION),
        ]
        several = ledger.gaps()[0]
        assert several.why == "2 gaps are told in one: the ledger was full"
        assert told(several) == (1, 22, Progress.UNFILLABLE, 2, 0, 0)
        assert [each.registry_id for each in next_spans(ledger, 9)] == ["c", "d"]


@pytest.mark.parametrize("way", ["a batch", "a note", "an eviction"])
def test_the_bounds_are_kept_whatever_opens_a_gap(tmp_path: Path, way: str) -> None:
    with ledger_in(tmp_path / "state.db", Bound(gaps=3, spans=4)) as ledger:
        table = Table(ledger.connection, ledger.path, KEY, bound=ledger.bound)
        for number in range(8):
            at = number * HOUR
            note = Note(missed=[Missed(Cause.SHED, at, at + 1, [span("a", at, at + 1), span("b", at, at + 1)])])
            match way:
                case "a batch":
                    changed = table.put(Batch(b"x", 1, 1, at, at, note), 0, 0, (), ()).gaps
                case "a note":
                    changed = ledger.write(Due(note=note))
                case _:
                    changed = table.put(Batch(b"x", 1, 1, at, at), 0, 1, (), ()).gaps
            assert list(changed.gaps) == ledger.gaps() or not changed.whole
        assert len(ledger.gaps()) <= 3
        assert len(next_spans(ledger, 99)) <= 4
        assert ledger.gaps()[0].cause is Cause.SEVERAL


def test_of_too_many_spans_those_of_settled_gaps_go_first(tmp_path: Path) -> None:
    with ledger_in(tmp_path / "state.db", Bound(spans=3)) as ledger:
        ledger.open_gap(opening(1, 2, "a", "b"))
        ledger.settle([Settled(each, 5) for each in ids(ledger)])
        ledger.open_gap(opening(10, 12, "c", "d"))
        filled, left = ledger.gaps()
        assert (told(filled), told_of(ledger.connection, filled.id)) == ((1, 2, Progress.FILLED, 2, 0, 10), [])
        assert told(left) == (10, 12, Progress.OPEN, 2, 2, 0)
        ledger.open_gap(opening(20, 22, "e", "f"))
        assert [each.registry_id for each in next_spans(ledger, 9)] == ["e", "f"]
        assert [gap.cause for gap in ledger.gaps()] == [Cause.CONNECTION, Cause.SEVERAL, Cause.CONNECTION]
        ledger.open_gap(opening(30, 32, "g", "h", "i", "j"))
        several = ledger.gaps()[1]
        assert (several.why[:2], told(several)) == ("3 ", (10, 32, Progress.UNFILLABLE, 8, 0, 0))
        assert next_spans(ledger, 9) == []


def fill(ledger: LedgerFile, at: int, names: str, cause: Cause = Cause.CONNECTION, why: str = "") -> None:
    """A gap of these entities, and each is settled."""
    ledger.open_gap(evolve(opening(at, at + 2, *names), cause=cause))
    ledger.settle([Settled(each, 1, why) for each in ids(ledger)])


def kept(ledger: LedgerFile) -> list[int]:
    """How many spans each gap has."""
    return [len(told_of(ledger.connection, gap.id)) for gap in ledger.gaps()]


def test_of_filled_gaps_the_newest_say_whose_they_were(tmp_path: Path) -> None:
    with ledger_in(tmp_path / "state.db", Bound(filled=5)) as ledger:
        for number in range(6):
            fill(ledger, 10 * number, "abc"[: 1 + number % 3])
        ledger.open_gap(opening(100, 102, "x", "y", "z", "u", "v"))
        assert [told(gap)[3:] for gap in ledger.gaps()] == [*[(1, 0, 1), (2, 0, 2), (3, 0, 3)] * 2, (5, 5, 0)]
        assert kept(ledger) == [0, 0, 0, 0, 2, 3, 5]


def test_what_is_newer_is_told_by_when_it_was_and_leaves_no_room_for_what_is_older_and_small(tmp_path: Path) -> None:
    with ledger_in(tmp_path / "state.db", Bound(filled=5)) as ledger:
        for at, names in ((30, "abc"), (10, "a"), (20, "abcde")):
            fill(ledger, at, names)
        ledger.open_gap(opening(40, 42, "z"))
        assert kept(ledger) == [0, 0, 3, 1]


def test_the_newest_filled_gap_keeps_all_its_spans(tmp_path: Path) -> None:
    with ledger_in(tmp_path / "state.db", Bound(filled=2)) as ledger:
        fill(ledger, 0, "abc")
        fill(ledger, 10, "abc")
        ledger.move_marks([mark("d", 25)])
        assert ledger.reopen(20) is not None
        assert kept(ledger) == [0, 3, 1]


@pytest.mark.parametrize(("cause", "why"), [(Cause.IMPORTED, ""), (Cause.REOPENED, ""), (Cause.STOPPED, "not there")])
def test_what_was_asked_for_by_hand_or_lacks_something_keeps_its_spans(tmp_path: Path, cause: Cause, why: str) -> None:
    with ledger_in(tmp_path / "state.db", Bound(filled=1)) as ledger:
        fill(ledger, 0, "abc", cause, why)
        for at in (10, 20, 30):
            fill(ledger, at, "a")
        assert kept(ledger) == [3, 0, 1, 1]


def test_each_home_keeps_its_own_filled_gaps(tmp_path: Path) -> None:
    with ledger_in(tmp_path / "state.db", Bound(filled=2)) as ledger:
        other = LedgerFile(ledger.connection, ledger.path, Key("cottage", "influxdb"), ledger.bound)
        for at in (0, 10):
            for each in (ledger, other):
                fill(each, at, "ab")
        other.open_gap(opening(20, 22, "z"))
        assert (kept(ledger), kept(other)) == ([2, 2], [0, 2, 1])


def test_of_too_many_marks_those_that_have_not_moved_for_longest_go(tmp_path: Path) -> None:
    with ledger_in(tmp_path / "state.db", Bound(marks=2)) as ledger:
        ledger.move_marks([mark("a", 9), mark("b", 1), mark("c", 5)])
        ledger.open_gap(opening(1, 2))
        assert ledger.load().marks == [mark("a", 9), mark("c", 5)]


def test_of_too_many_marks_those_of_who_is_gone_go_first(tmp_path: Path) -> None:
    with ledger_in(tmp_path / "state.db", Bound(marks=2)) as ledger:
        ledger.move_marks([mark("a", 9_000), mark("gone", 8_001), mark("c", 5_000), mark("left", 7_001)])
        ledger.open_gap(opening(1, 2))
        assert ledger.load().marks == [mark("a", 9_000), mark("c", 5_000)]


def test_what_was_folded_in_memory_goes_into_the_same_row(ledger: LedgerFile) -> None:
    for from_ns, to_ns, count in ((5, 9, 4), (1, 6, 3)):
        ledger.open_gap(Opening(Cause.SEVERAL, from_ns, to_ns, gaps=count))
    (gap,) = ledger.gaps()
    assert (gap.from_ns, gap.to_ns, gap.why[:2]) == (1, 9, "7 ")


# ---- all or nothing ----------------------------------------------------------------------------------------------


class Breaks(Exception):  # noqa: N818  the process dies here
    pass


def breaking() -> Iterator[Settled]:
    yield Settled(1, 1)
    raise Breaks


def test_what_breaks_off_in_the_middle_has_not_been(ledger: LedgerFile) -> None:
    ledger.open_gap(opening(1, 5, "a", "b"))
    table = Table(ledger.connection, ledger.path, KEY)
    before = ledger.connection.execute("SELECT * FROM gap JOIN span ON gap_id = gap.id").fetchall()
    for attempt in (
        lambda note: ledger.write(Due([opening(3, 9, "c")], note, 7)),
        lambda note: table.put(Batch(b"x", 1, 1, 1, 1, note), 1, 0, (), ()),
        table.note,
    ):
        with pytest.raises(Breaks):
            attempt(Note([mark("a", 9)], breaking()))  # type: ignore[arg-type]  # it breaks, as a sequence would not
        assert ledger.connection.execute("SELECT * FROM gap JOIN span ON gap_id = gap.id").fetchall() == before
        assert (ledger.load().marks, ledger.load().coverage, table.held().events) == ([], None, 0)


def test_a_note_is_in_the_transaction_of_its_batch(ledger: LedgerFile) -> None:
    ledger.open_gap(opening(1, 5, "a"))
    table = Table(ledger.connection, ledger.path, KEY)
    statements: list[str] = []
    connection = ledger.connection
    assert isinstance(connection, sqlite3.Connection)
    connection.set_trace_callback(statements.append)
    placed = table.put(Batch(b"x", 1, 1, 1, 1, Note([mark("a", 9)], [Settled(1, 2)])), 1, 0, (), ())
    connection.set_trace_callback(None)
    assert [each for each in statements if each in {"BEGIN IMMEDIATE", "COMMIT"}] == ["BEGIN IMMEDIATE", "COMMIT"]
    assert isinstance(placed, Placed)
    assert [told(gap) for gap in placed.gaps.gaps] == [(1, 5, Progress.FILLED, 1, 0, 2)]
    assert ledger.load().marks == [mark("a", 9)]


CHILD = """
import sys, itertools
from pathlib import Path
from ingest.core.coverage import Mark, Note
from ingest.core.store import Batch
from ingest.edge.spool_file import Table
from ingest.edge.spool_rows import Key
from ingest.edge.state_file import open_state
path = Path(sys.argv[1])
connection, _ = open_state(path, lambda: 0)
table = Table(connection, path, Key("home", "influxdb"))
for number in itertools.count(1):
    marks = [Mark(str(each), "sensor.a", number) for each in range(50)]
    table.put(Batch(b"x" * 500, 1, 500, number, number, Note(marks)), 0, 0, (), ())
    print(number, flush=True)
"""


def test_a_kill_leaves_marks_and_batches_in_step(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    for pause in (0.0, 0.003, 0.006):
        child = subprocess.Popen([sys.executable, "-c", CHILD, str(path)], stdout=subprocess.PIPE)
        assert child.stdout is not None
        while int(child.stdout.readline()) < 5:
            pass
        time.sleep(pause)
        os.kill(child.pid, signal.SIGKILL)
        child.wait()
        child.stdout.close()
        with ledger_in(path) as ledger:
            newest = next(iter(Table(ledger.connection, path, KEY).newest(()))).newest_ns
            assert {each.time_ns for each in ledger.load().marks} == {newest}
            ledger.connection.execute("DELETE FROM batch")
            ledger.connection.executescript("DELETE FROM mark; DELETE FROM moved")


def test_spans_of_one_entity_may_lie_side_by_side(ledger: LedgerFile) -> None:
    """The state between them is one that we have: it is not to be filled."""
    ledger.open_gap(Opening(Cause.SHED, 10, 30, [span("a", 10, 20), span("a", 20, 30)]))
    assert [(each.after_ns, each.before_ns) for each in next_spans(ledger, 9)] == [(10, 20), (20, 30)]


def test_what_has_no_end_ends_where_it_is_asked_for_anew(ledger: LedgerFile) -> None:
    """Where no state is known, that is: what was shed of it meanwhile says nothing of the rest."""
    endless = Span("sensor.a", "a", 5_000, FOREVER)
    ledger.open_gap(Opening(Cause.STOPPED, 5_000, 6_000, [endless]))
    ledger.open_gap(Opening(Cause.SHED, 7_000, 7_000, [Span("sensor.a", "a", 6_999, 7_001)]))
    ledger.open_gap(Opening(Cause.CONNECTION, 9_000, 9_000, [Span("sensor.a", "a", 9_001, FOREVER)]))
    ends = {each.after_ns: each.before_ns for each in next_spans(ledger, 9)}
    assert ends == {5_000: 9_002, 6_999: 7_001, 9_001: FOREVER}


@pytest.mark.parametrize(
    ("read", "why", "back", "rest"),
    [(7_500, "", 9_000, 7_499), (9_500, "", 9_000, 8_999), (7_500, "it lacks something", 9_000, 5_000)],
)
def test_who_is_back_after_it_was_asked_for_is_asked_for_from_there_on(
    ledger: LedgerFile, read: int, why: str, back: int, rest: int
) -> None:
    """Of which something was lacking is asked for as a whole; and what another home has settled says nothing."""
    ledger.open_gap(Opening(Cause.CONNECTION, 5_000, 6_000, [Span("sensor.a", "a", 5_000, FOREVER)]))
    (endless,) = next_spans(ledger, 9)
    ledger.settle([Settled(endless.id, 1, why, before_ns=read)])
    others = evolve(ledger, key=Key("cabin", "influxdb"))
    for each in (ledger, others):
        each.open_gap(Opening(Cause.CONNECTION, 5_000, 6_000, [Span("sensor.a", "a", 5_000, back)]))
    assert [(each.after_ns, each.rest_ns, each.before_ns) for each in next_spans(ledger, 9)] == [(5_000, rest, back)]
    assert [each.rest_ns for each in next_spans(others, 9)] == [5_000]


def test_where_no_state_is_none_is_in_doubt(ledger: LedgerFile) -> None:
    ledger.move_marks([mark("a", 5_000), mark("gone", 5_001)])
    doubt_marks(ledger.connection, ledger.key, 4_000, 6_000)
    assert [(each.registry_id, each.time_ns) for each in ledger.load().marks] == [("a", 4_999), ("gone", 5_001)]


def test_a_span_that_is_told_anew_has_the_name_that_its_entity_has_now(ledger: LedgerFile) -> None:
    for cause in (Cause.CONNECTION, Cause.EVICTED):
        for number, name in enumerate(("sensor.old", "sensor.new")):
            ledger.write(Due([Opening(cause, 10, 20, [Span(name, cause.name, 10, 20 + number)])]))
    assert {(each.entity_id, each.before_ns) for each in next_spans(ledger, 5)} == {("sensor.new", 21)}
