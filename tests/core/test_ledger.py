from __future__ import annotations

import pytest

from ingest.core.coverage import TURNED_BACK, Cause, Gap, Mark, Note, Progress, Settled, Span
from ingest.core.ledger import Opening, Owed, folded, outcome, summary
from ingest.core.moved import Moves, Row, moves_of


def gap(number: int, progress: Progress, filled: int = 0) -> Gap:
    return Gap(number, Cause.KILLED, number * 10, number * 10 + 5, progress, filled=filled)


@pytest.mark.parametrize(
    ("spans", "filled", "reasons", "expected"),
    [
        (0, 0, {}, (Progress.FILLED, "")),
        (3, 0, {}, (Progress.FILLED, "")),
        (3, 7, {"excluded": 1}, (Progress.PARTLY, "excluded (1)")),
        (3, 0, {"excluded": 1}, (Progress.PARTLY, "excluded (1)")),
        (3, 1, {"excluded": 3}, (Progress.PARTLY, "excluded (3)")),
        (3, 0, {"excluded": 1, "purged": 2}, (Progress.UNFILLABLE, "purged (2); excluded (1)")),
        (9, 0, {str(n): 1 for n in range(9)}, (Progress.UNFILLABLE, "0 (1); 1 (1); 2 (1); 3 (1); 4 (1); other reasons (4)")),
    ],
)  # fmt: skip
def test_what_becomes_of_a_gap_is_said_with_its_reasons(
    spans: int, filled: int, reasons: dict[str, int], expected: tuple[Progress, str]
) -> None:
    assert outcome(spans, filled, reasons) == expected


def test_what_is_owed_merges_and_marks_never_go_back() -> None:
    owed = Owed()
    assert not owed
    owed.add(Note([Mark("a", "s.a", 5)], [Settled(1, 3)]))
    owed.add(Note([Mark("a", "s.old", 4), Mark("b", "s.b", 1)], [Settled(1, 3), Settled(2, 0, "purged")]))
    assert owed
    assert owed.spans == {1, 2}
    note = owed.take()
    assert note == Note((Mark("a", "s.a", 5), Mark("b", "s.b", 1)), (Settled(1, 3), Settled(2, 0, "purged")))
    assert (bool(owed), owed.take()) == (False, Note((), ()))
    owed.add(Note([Mark("a", "s.new", 6)]))
    owed.add(note)
    assert owed.take().marks == (Mark("a", "s.new", 6), Mark("b", "s.b", 1))


@pytest.mark.parametrize("back_ns", [None, 130])
@pytest.mark.parametrize("together", [True, False])
def test_an_entity_that_goes_after_its_mark_was_turned_back_leaves_no_row(back_ns: int | None, together: bool) -> None:
    """Such as with another id for life, soon after the clock was set back; or it comes again, later by the clock that counts."""
    rows, owed = {"a": Row("s.a", 7200, 3)}, Owed()

    def disk() -> None:
        moves = Moves()
        moves.add(moves_of(owed.take().marks))
        moves.onto(rows)

    told = [Mark("a", "s.a", 110, TURNED_BACK), Mark("a", "", 111)]
    for mark in (*told, *([] if back_ns is None else [Mark("a", "s.a", back_ns)])):
        owed.add(Note([mark]))
        if not together:
            disk()
    disk()
    assert rows == ({} if back_ns is None else {"a": Row("s.a", 130, 130 if not together else 3)})


def test_what_is_given_back_was_true_before_what_came_since() -> None:
    owed = Owed()
    owed.add(Note([Mark("a", "s.a", 9, TURNED_BACK), Mark("b", "s.b", 9, TURNED_BACK), Mark("b", "", 9)]))
    taken = owed.take()
    owed.add(Note([Mark("a", "s.a", 12), Mark("b", "s.b", 10)]))
    owed.give_back(taken)
    assert owed.take().marks == (Mark("a", "s.a", 12, TURNED_BACK), Mark("b", "s.b", 10, TURNED_BACK))


def test_openings_that_are_folded_tell_from_when_to_when_and_how_many() -> None:
    span = Span("s.a", "a", 1, 2)
    one = folded([Opening(Cause.SHED, 5, 9, [span]), Opening(Cause.KILLED, 1, 3)])
    assert one == Opening(Cause.SEVERAL, 1, 9, gaps=2)
    assert folded([one, Opening(Cause.SHED, 20, 30)]) == Opening(Cause.SEVERAL, 1, 30, gaps=3)


def test_the_summary_counts_by_progress_and_knows_the_oldest_that_is_left() -> None:
    states = [Progress.FILLED, Progress.FILLING, Progress.OPEN, Progress.PARTLY]
    found = summary(gap(number, progress, filled=number) for number, progress in enumerate(states))
    assert found.counts == {
        Progress.OPEN: 1, Progress.FILLING: 1, Progress.FILLED: 1, Progress.PARTLY: 1, Progress.UNFILLABLE: 0,
    }  # fmt: skip
    assert (found.oldest_left_ns, found.filled) == (10, 6)
    assert summary([]).oldest_left_ns is None
