"""What is in doubt on disk is what is in doubt in memory, of removals, too; and where a span without an end ends."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from ingest.core.coverage import FOREVER, Cause, Mark, Settled, Span
from ingest.core.importing import Wanted
from ingest.core.ledger import Opening
from ingest.core.marks import REMOVED, is_absent
from ingest.core.recorder import Recorder, Seen, lacking
from ingest.edge.ledger_file import LedgerFile
from ingest.edge.ledger_marks import doubt_marks
from ingest.edge.spool_gone import tell_purged
from tests.edge.ledgers import ledger_in, mark, next_spans

S = 10**9


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[LedgerFile]:
    with ledger_in(tmp_path / "state.db") as ledger:
        yield ledger


@pytest.mark.parametrize("newest_ns", [5_000, 6_000])
@pytest.mark.parametrize("how", ["evicted", "purged"])
def test_a_removal_that_was_dropped_is_asked_for_from_just_before_it(
    ledger: LedgerFile, newest_ns: int, how: str
) -> None:
    ledger.move_marks([Mark("a", "sensor.a", 5_000 + REMOVED, 2_000)])
    if how == "evicted":
        doubt_marks(ledger.connection, ledger.key, 4_000, newest_ns)
    else:
        tell_purged(ledger.connection, ledger.key, [(4_000, newest_ns)])
    assert [each.time_ns for each in ledger.load().marks] == [5_000 - 1]


def test_who_is_absent_stays_absent_when_states_are_dropped(ledger: LedgerFile) -> None:
    ledger.move_marks([mark("a", 5_001)])
    tell_purged(ledger.connection, ledger.key, [(4_000, 6_000)])
    assert all(map(is_absent, ledger.load().marks))


def test_what_is_in_doubt_twice_is_in_doubt_as_once(ledger: LedgerFile) -> None:
    ledger.move_marks([mark("a", 5_000)])
    for _ in range(2):
        doubt_marks(ledger.connection, ledger.key, 4_000, 6_000)
    assert [each.time_ns for each in ledger.load().marks] == [4_999]


def test_a_second_import_of_who_was_removed_does_not_say_filled_where_the_recorder_has_nothing(
    ledger: LedgerFile,
) -> None:
    ledger.move_marks([Mark("a", "sensor.a", 50 * S + REMOVED, 40 * S)])
    ledger.begin_import(Wanted(10 * S, 100 * S, [Mark("a", "sensor.a", 0)], again=True))
    [span] = next_spans(ledger, 9)
    assert span.before_ns == 50 * S + 1
    told = Recorder(recording=False, backlog=0)
    assert lacking(span, Seen(), told, begins_ns=None, since_ns=10 * S, until_ns=100 * S, oldest_ns=S)


def test_a_span_without_an_end_ends_where_a_later_one_begins(ledger: LedgerFile) -> None:
    """The history told a state of who is gone; before that was settled the service was restarted, and the entity is back."""
    ledger.open_gap(Opening(Cause.STOPPED, 1_000, 2_000, [Span("sensor.a", "a", 1_000, FOREVER)]))
    [first] = next_spans(ledger, 9)
    ledger.settle([Settled(first.id, 1, until_ns=5_000)])
    ledger.open_gap(Opening(Cause.STOPPED, 6_000, 9_000, [Span("sensor.a", "a", 5_000, 9_000)]))
    assert [(each.after_ns, each.before_ns) for each in next_spans(ledger, 9)] == [(1_000, 5_001), (5_000, 9_000)]


@pytest.mark.parametrize("before_ns", [9_000, FOREVER])
def test_a_span_without_an_end_ends_where_a_later_one_begins_before_a_state_that_was_dropped(
    ledger: LedgerFile, before_ns: int
) -> None:
    """As above, and the spool dropped what the history told: else the first would read over what comes live from 9 µs on."""
    ledger.open_gap(Opening(Cause.STOPPED, 1_000, 2_000, [Span("sensor.a", "a", 1_000, FOREVER)]))
    ledger.move_marks([mark("a", 5_000)])
    doubt_marks(ledger.connection, ledger.key, 5_000, 5_000)
    [doubted] = ledger.load().marks
    ledger.open_gap(Opening(Cause.STOPPED, 6_000, 9_000, [Span("sensor.a", "a", doubted.time_ns, before_ns)]))
    assert [(each.after_ns, each.before_ns) for each in next_spans(ledger, 9)] == [(1_000, 5_000), (4_999, before_ns)]
