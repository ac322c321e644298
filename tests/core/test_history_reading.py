from __future__ import annotations

from typing import Any

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from ingest.core import recorder
from ingest.core.coverage import Settled, Span
from ingest.core.history_progress import Recorded
from ingest.core.history_query import SECOND_NS
from ingest.core.history_reading import MARGIN_NS, Piece, Reading
from ingest.core.history_witness import Answer
from ingest.core.recorder import Recorder
from ingest.core.state import Change
from ingest.simulator.history import Past
from tests.core.rows import IDLE, asked, gaps, pasts, spans, told, truth
from tests.core.test_history import made, span

KEY = "sensor.a"
LATER = 10**6 * SECOND_NS
OTHER = Span("sensor.b", "b", 1000 * SECOND_NS, 3000 * SECOND_NS, 2)


def read(reading: Reading, past: Past, most: int = 10**6) -> list[Piece]:
    pieces: list[Piece] = []
    for _ in range(most):
        if reading.done:
            break
        pieces += reading.take(asked(past, reading.ask()))
    return pieces


def said(*rows: tuple[float, str | None], unreadable: int = 0, told: Recorder = IDLE, now: float = 10**6) -> Answer:
    recorded = Recorded([made(at, state) for at, state in rows], unreadable)
    return Answer({KEY: recorded}, told, round(now * 1e9))


def settled(reading: Reading, answer: Answer) -> Settled | None:
    """What the only span of a reading that is through with one answer came to."""
    reading.ask()
    pieces = reading.take(answer)
    assert reading.done
    return pieces[-1].settled if pieces else None


@given(st.data())
def test_whatever_the_windows_every_change_comes_once_with_its_predecessor(data: st.DataObject) -> None:
    past = data.draw(pasts())
    given_spans = data.draw(spans(past))
    width = data.draw(st.sampled_from([1_000, 1_000_000, SECOND_NS, 3600 * SECOND_NS]))
    entities, target = data.draw(st.integers(1, 4)), data.draw(st.integers(1, 20))
    reading = Reading.of(given_spans, 2**62, entities=entities, width_ns=width, target=target)
    found: dict[int, list[Change]] = {each.id: [] for each in given_spans}
    ends = {}
    for piece in read(reading, past):
        assert piece.span.id not in ends
        found[piece.span.id] += piece.changes
        if piece.settled:
            ends[piece.span.id] = piece.settled
    assert reading.waiting == []
    for each in given_spans:
        assert [told(change) for change in found[each.id]] == truth(past, each)
        assert ends[each.id] == Settled(each.id, len(found[each.id]))


@given(st.data())
def test_a_reading_that_was_lost_goes_on_where_its_spans_stand(data: st.DataObject) -> None:
    past = data.draw(pasts())
    given_spans = data.draw(spans(past))
    left = {each.id: each for each in given_spans}
    found: dict[int, list[Change]] = {each.id: [] for each in given_spans}
    for most in (*data.draw(st.lists(st.integers(0, 3), max_size=5)), 10**6):
        for piece in read(Reading.of(left.values(), 2**62, width_ns=SECOND_NS, target=3), past, most):
            found[piece.span.id] += piece.changes
            left[piece.span.id] = piece.span
            if piece.settled:
                del left[piece.span.id]
    assert left == {}
    for each in given_spans:
        assert [told(change) for change in found[each.id]] == truth(past, each)


def test_a_span_moves_to_the_last_change_given() -> None:
    reading = Reading.of([span(10, 2000)], 0)
    reading.ask()
    (piece,) = reading.take(said((10, "a"), (20, "b"), (30, "c")))
    assert piece.span == span(30, 2000)
    assert piece.settled is None
    assert not reading.done
    (piece,) = reading.take(said((30, "c"), (2000, "d")))
    assert (piece.span, piece.changes, piece.settled) == (span(30, 2000), [], Settled(0, 2))


def test_a_question_without_an_answer_asks_for_less_each_time_and_recovers() -> None:
    reading = Reading.of([span(0, 864_000)], 0)
    first, second, third = reading.ask(), reading.ask(), reading.ask()
    assert [each.from_ns for each in (first, second, third)] == [0, 0, 0]
    assert [each.to_ns * 16 // first.to_ns for each in (first, second, third)] == [16, 4, 1]
    assert reading.take(said((0, "a"))) == []
    fourth = reading.ask()
    assert (fourth.from_ns, fourth.to_ns) == (0, third.to_ns + fourth.width_ns), "from the newest row on"
    assert fourth.width_ns < first.width_ns


def test_the_last_row_kept_does_not_keep_its_answer_alive() -> None:
    reading = Reading.of([span(0, 2000)], 0)
    reading.ask()
    answer = said((0, "a"), (1, "b"))
    reading.take(answer)
    (progress,) = reading._progress.values()
    assert progress.last is not None
    assert progress.last == evolve(answer.entities[KEY].rows[1], attributes=progress.last.attributes)
    assert progress.last.attributes is not answer.entities[KEY].rows[1].attributes


def test_what_lies_beyond_a_window_comes_with_the_next_one() -> None:
    """Two rows of one microsecond, of which the end of the question cut one off."""
    reading = Reading.of([span(0, 2000)], 0, width_ns=1000 * SECOND_NS)
    reading.ask()
    assert reading.take(said((0, "a"), (1000.0005, "b"))) == []
    reading.ask()
    (piece,) = reading.take(said((1000.0005, "b"), (1000.0005, "c"), (2000, "d")))
    assert [change.data.new_state and change.data.new_state.state for change in piece.changes] == ["b", "c"]


def test_an_end_that_came_beyond_a_window_does_not_tell_that_what_came_before_it_did() -> None:
    """The entity was renamed between two questions, and another's last row is still there."""
    mine = span(10, 910.0005)
    reading = Reading.of([mine, evolve(OTHER, after_ns=11 * SECOND_NS)], 0, width_ns=900 * SECOND_NS)
    reading.ask()
    rows = [made(10, "a"), made(910.0002, "lost"), made(910.0005, "c")]
    reading.take(Answer({KEY: Recorded(rows), "sensor.b": Recorded([made(910, "x")])}, IDLE, LATER))
    reading.ask()
    pieces = reading.take(Answer({"sensor.b": Recorded([made(910, "x"), made(3000, "y")])}, IDLE, LATER))
    assert [piece.settled.why for piece in pieces if piece.settled and piece.span.id == mine.id] == [recorder.NO_END]


def test_a_later_row_is_final_at_once() -> None:
    behind = Recorder(recording=True, thread_running=True, backlog=500)
    answer = said((10, "a"), (20, "b"), (30, "c"), told=behind, now=31)
    assert settled(Reading.of([span(10, 30)], 15 * SECOND_NS), answer) == Settled(0, 1)


def test_a_span_may_end_just_after_a_state_that_is_part_of_it() -> None:
    through = evolve(span(10, 30), before_ns=30 * SECOND_NS + 1)
    for now, rows in ((31, [(10, "a"), (30, "c")]), (31, [(10, "a"), (20, "b"), (30, "c")])):
        answer = said(*rows, told=Recorder(recording=True, thread_running=True, backlog=500), now=now)
        assert settled(Reading.of([through], 15 * SECOND_NS), answer) == Settled(0, len(rows) - 1)
    before = said((10, "a"), (29.999999, "b"), now=10**6)
    assert settled(Reading.of([through], 15 * SECOND_NS), before) == Settled(0, 1, recorder.NO_END)


@pytest.mark.parametrize(
    ("now", "backlog", "known"), [(94, 0, False), (95, 0, True), (95, 1, False), (95, None, False), (10**6, 1, False)]
)
def test_without_a_later_row_time_and_an_empty_backlog_make_it_final(
    now: float, backlog: int | None, known: bool
) -> None:
    told = Recorder(recording=True, thread_running=True, backlog=backlog)
    reading = Reading.of([span(10, 30)], 15 * SECOND_NS)
    result = settled(reading, said((10, "a"), (20, "b"), told=told, now=now))
    assert result == (Settled(0, 1, recorder.NO_END) if known else None)
    assert reading.waiting == ([] if known else [span(20, 30)])
    assert MARGIN_NS == 65 * SECOND_NS


@pytest.mark.parametrize(
    ("rows", "why"),
    [
        (((10, "a"), (20, "b"), (30, "c")), ""),
        (((10, "a"), (30, "c")), ""),
        (((10, "a"), (20, None)), ""),
        (((10, "a"), (31, "d")), ""),
        (((10, "a"),), recorder.NO_END),
        (((5, "z"), (20, "b"), (30, "c")), recorder.NO_BEGINNING),
        (((14, "b"), (30, "c")), ""),
        (((20, "b"), (30, "c")), recorder.PURGED),
        (((30, "c"),), recorder.PURGED),
        ((), recorder.NOT_KEPT),
    ],
)
def test_the_ends_tell_what_is_lacking(rows: tuple[tuple[float, str | None], ...], why: str) -> None:
    result = settled(Reading.of([span(10, 30)], 15 * SECOND_NS), said(*rows))
    inside = sum(10 < at < 30 for at, _ in rows)
    assert result == Settled(0, inside, why)


def new(after: float, before: float) -> Span:
    """What is missing of an entity that was not known when its gap began."""
    return evolve(span(after, before), after_ns=int(after * SECOND_NS) + 1)


def test_the_span_of_a_new_entity_has_no_state_at_its_beginning() -> None:
    assert settled(Reading.of([new(10, 30)], 10 * SECOND_NS), said((20, "b"), (30, "c"))) == Settled(0, 1)


def test_the_entity_that_changed_last_before_the_gap_has_a_state_at_its_beginning() -> None:
    result = settled(Reading.of([span(10, 30)], 10 * SECOND_NS), said((20, "b"), (30, "c")))
    assert result == Settled(0, 1, recorder.PURGED)


def test_what_was_reopened_is_filled_when_its_last_state_came() -> None:
    reopened = Span("sensor.a", "sensor.a", 10 * SECOND_NS - 1, 30 * SECOND_NS + 1)
    result = settled(Reading.of([reopened], 10 * SECOND_NS, 40 * SECOND_NS, by_hand=True), said((20, "b"), (30, "c")))
    assert result == Settled(0, 2)


@pytest.mark.parametrize("before", [1, 2], ids=["lost live", "lost alone"])
def test_what_was_lost_begins_just_before_a_state_that_is_part_of_it(before: int) -> None:
    lost = Span(KEY, KEY, 10 * SECOND_NS - before, 30 * SECOND_NS + 1)
    for rows, why in (
        (((10, "a"), (20, "b"), (30, "c")), ""),
        (((20, "b"), (30, "c")), recorder.PURGED),
        (((5, "z"), (20, "b"), (30, "c")), recorder.NO_BEGINNING),
    ):
        result = settled(Reading.of([lost], 10 * SECOND_NS, 40 * SECOND_NS), said(*rows))
        assert result == Settled(0, sum(at >= 10 for at, _ in rows), why)


def test_what_lacks_its_first_state_is_not_read_until_somewhere() -> None:
    """It is read again as a whole after a crash."""
    for first, whole in ((10, True), (11, False)):
        reading = Reading.of([Span(KEY, KEY, 10 * SECOND_NS - 1, 2000 * SECOND_NS)], 10 * SECOND_NS)
        reading.ask()
        (piece,) = reading.take(said((first, "a"), (20, "b")))
        assert (piece.whole, piece.proof is not None) == (whole, whole)


def test_what_had_come_is_looked_for_at_each_question() -> None:
    """The recorder threw away what is older than an hour between two of them."""
    reading = Reading.of([new(10, 9000)], 10 * SECOND_NS)
    reading.ask()
    (piece,) = reading.take(said((20, "a"), (800, "b")))
    assert piece.proof is not None
    assert reading.ask().from_ns == 800 * SECOND_NS
    (piece,) = reading.take(said((4000, "c")))
    assert (piece.proof, [each.data.old_state for each in piece.changes]) == (None, [None])
    assert settled(reading, said((4000, "c"), (9000, "d"))) == Settled(0, 3, recorder.PURGED)


def test_no_question_reaches_back_over_the_beginning_of_another_span() -> None:
    """What came before is stored, and may be much."""
    others = Span("sensor.b", "b", 1000 * SECOND_NS, 3000 * SECOND_NS)
    reading = Reading.of([span(10, 3000), others], 2000 * SECOND_NS)
    first = reading.ask()
    reading.take(said((10, "a")))
    second = reading.ask()
    assert others in second.begun
    assert second.from_ns == first.to_ns


def joined() -> Reading:
    """Two rows of one entity came until 900 s. Of the window after that, in which another's span begins, two rows come."""
    reading = Reading.of([span(10, 3000), OTHER], 2000 * SECOND_NS)
    reading.ask()
    reading.take(said((10, "a"), (20, "b")))
    assert OTHER in reading.ask().begun
    second = Answer({KEY: Recorded([made(1500, "d")]), "sensor.b": Recorded([made(1000, "x")])}, IDLE, LATER)
    assert reading.take(second) == []
    return reading


def at_the_end(reading: Reading) -> dict[str, str]:
    """Why something is lacking, by entity, after the rest came."""
    rows = {KEY: [made(1500, "d"), made(3000, "e")], "sensor.b": [made(3000, "y")]}
    pieces = []
    while not reading.done:
        reading.ask()
        pieces += reading.take(Answer({key: Recorded(each) for key, each in rows.items()}, IDLE, LATER))
    return {piece.span.entity_id: piece.settled.why for piece in pieces if piece.settled}


def test_before_the_window_in_which_another_joins_is_believed_the_last_row_is_looked_for_alone() -> None:
    reading = joined()
    query = reading.ask()
    assert (query.entity_ids, query.from_ns, query.to_ns) == ([KEY], 20 * SECOND_NS, 20 * SECOND_NS)
    (piece,) = reading.take(said((20, "b")))
    assert [each.time_fired.timestamp() for each in piece.changes] == [1500]
    assert piece.changes[0].data.old_state is not None
    assert at_the_end(reading) == {KEY: "", "sensor.b": ""}


def test_what_was_purged_before_another_joins_is_told_of_who_was_there_before() -> None:
    """The row of 950 s went, with all that came before it; the beginning of the other's span came."""
    reading = joined()
    reading.ask()
    (piece,) = reading.take(said())
    assert piece.changes[0].data.old_state is None
    assert reading.purged
    assert at_the_end(reading) == {KEY: recorder.PURGED, "sensor.b": ""}


def test_a_question_for_the_last_row_alone_is_repeated_as_it_is() -> None:
    reading = joined()
    assert reading.ask() == reading.ask()
    reading.take(said((20, "b")))
    assert reading.ask().to_ns == 3000 * SECOND_NS


def test_who_is_renamed_on_the_way_is_in_doubt_alone() -> None:
    reading = Reading.of([span(10, 3000), evolve(OTHER, after_ns=11 * SECOND_NS)], 2000 * SECOND_NS)
    reading.ask()
    reading.take(
        Answer({KEY: Recorded([made(10, "a"), made(20, "b")]), "sensor.b": Recorded([made(11, "x")])}, IDLE, LATER)
    )
    reading.ask()
    assert reading.take(Answer({"sensor.b": Recorded([made(1500, "y"), made(3000, "z")])}, IDLE, LATER)) == []
    query = reading.ask()
    assert (query.entity_ids, query.from_ns, query.to_ns) == (["sensor.b"], 11 * SECOND_NS, 11 * SECOND_NS)
    pieces = reading.take(Answer({"sensor.b": Recorded([made(11, "x")])}, IDLE, LATER))
    assert {piece.span.entity_id: piece.settled for piece in pieces} == {
        KEY: Settled(0, 1, recorder.PURGED),
        "sensor.b": Settled(2, 1),
    }
    assert not reading.purged


@pytest.mark.parametrize(("kept", "why"), [((), recorder.PURGED), ((11,), "")])
def test_a_row_that_cannot_be_read_tells_nothing_of_the_others(kept: tuple[int, ...], why: str) -> None:
    """It may be the newest one that had come, or any other: what was purged is told by the next entity's."""
    reading = Reading.of([span(10, 3000), evolve(OTHER, after_ns=11 * SECOND_NS)], 2000 * SECOND_NS)
    reading.ask()
    first = {KEY: Recorded([made(10, "a"), made(20, "b")]), "sensor.b": Recorded([made(11, "x")])}
    reading.take(Answer(first, IDLE, LATER))
    reading.ask()
    second = {KEY: Recorded([made(3000, "d")], unreadable=1), "sensor.b": Recorded([made(3000, "z")])}
    assert reading.take(Answer(second, IDLE, LATER)) == []
    assert reading.ask().entity_ids == ["sensor.b"]
    pieces = reading.take(Answer({"sensor.b": Recorded([made(at, "x") for at in kept])}, IDLE, LATER))
    assert {piece.span.entity_id: piece.settled and piece.settled.why for piece in pieces} == {
        KEY: recorder.UNREADABLE,
        "sensor.b": why,
    }


@given(st.data())
def test_what_is_purged_on_the_way_is_told(data: st.DataObject) -> None:
    past, expected, reading, pieces = underway(data)
    times = sorted(row.at for rows in past._rows.values() for row in rows)
    oldest = data.draw(st.sampled_from([0, *(at + 1 for at in times)]))
    for rows in past._rows.values():
        while rows and rows[0].at < oldest:
            rows.popleft()
    pieces += read(reading, past)
    for each in expected:
        found, why = come_of(each, pieces)
        assert why or [row[:-1] for row in found] == [row[:-1] for row in expected[each]]
        # A predecessor is the right one, or none.
        right = {row[:-1]: row[-1] for row in expected[each]}
        assert all(row[-1] in {None, right[row[:-1]]} for row in found)


@given(st.data())
def test_what_goes_away_of_one_entity_tells_nothing_of_the_others(data: st.DataObject) -> None:
    """It is renamed on the way: what the recorder had of it is another's from then on."""
    past, expected, reading, pieces = underway(data)
    renamed = data.draw(st.sampled_from([each.entity_id for each in expected] or [KEY]))
    known = [each for each in reading._progress.values() if each.span.entity_id != renamed and each.last is not None]
    past._rows.pop(renamed, None)
    pieces += read(reading, past)
    for each in expected:
        found, why = come_of(each, pieces)
        assert why or found == expected[each]
        assert not (known and why and each.entity_id != renamed)


def underway(data: st.DataObject) -> tuple[Past, dict[Span, list[tuple[Any, ...]]], Reading, list[Piece]]:
    """A past, what was missed of it by span, and a reading that has got so far."""
    past = data.draw(pasts())
    given_spans, since_ns = data.draw(gaps(past))
    reading = Reading.of(given_spans, since_ns, width_ns=data.draw(st.sampled_from([1000, SECOND_NS])), target=3)
    pieces = read(reading, past, data.draw(st.integers(0, 20)))
    return past, {each: truth(past, each) for each in given_spans}, reading, pieces


def come_of(span: Span, pieces: list[Piece]) -> tuple[list[tuple[Any, ...]], str]:
    """The states that came of a span, and why not all of them did."""
    mine = [piece for piece in pieces if piece.span.id == span.id]
    settled = [piece.settled for piece in mine if piece.settled is not None]
    assert len(settled) == 1
    return [told(change) for piece in mine for change in piece.changes], settled[0].why


@pytest.mark.parametrize(
    ("until", "rows", "why"),
    [
        (30, ((10, "a"), (20, "b")), ""),
        (31, ((10, "a"), (20, "b")), recorder.NO_END),
        (30, ((5, "z"), (20, "b")), recorder.NO_BEGINNING),
        (30, (), recorder.NOT_KEPT),
    ],
)
def test_a_span_that_ends_with_its_gap_has_no_state_at_its_end(
    until: int, rows: tuple[tuple[float, str | None], ...], why: str
) -> None:
    reading = Reading.of([span(10, 30)], 15 * SECOND_NS, until * SECOND_NS)
    result = settled(reading, said(*rows))
    assert result is not None
    assert result.why == why


def test_a_span_that_is_its_gap_misses_nothing() -> None:
    assert settled(Reading.of([new(10, 30)], 10 * SECOND_NS, 30 * SECOND_NS), said()) == Settled(0, 0)


def test_what_other_entities_show_tells_left_out_from_not_kept() -> None:
    reading = Reading.of([span(10, 30), Span("sensor.b", "b", 9 * SECOND_NS, 40 * SECOND_NS)], 15 * SECOND_NS)
    reading.ask()
    rows = [made(9, "x"), made(40, "y")]
    pieces = reading.take(Answer({"sensor.b": Recorded(rows)}, IDLE, LATER))
    assert [piece.settled for piece in pieces] == [Settled(0, 0), Settled(0, 0, recorder.NOT_RECORDED)]


def test_an_end_that_is_younger_than_what_is_kept_was_never_recorded() -> None:
    """Everything was purged after the span began; of another entity there is a row since then, before the span ends."""
    for oldest, why in ((29, recorder.NOT_RECORDED), (31, recorder.NOT_KEPT)):
        reading = Reading.of([span(10, 30)], 15 * SECOND_NS)
        reading.ask()
        (piece,) = reading.take(Answer({"sensor.b": Recorded([made(oldest, "x")])}, IDLE, LATER))
        assert piece.settled == Settled(0, 0, why)


def test_a_span_without_an_end_needs_a_row_as_old_as_its_beginning() -> None:
    for oldest, why in ((15, recorder.NOT_RECORDED), (16, recorder.NOT_KEPT)):
        reading = Reading.of([span(10, 30)], 15 * SECOND_NS, 30 * SECOND_NS)
        reading.ask()
        (piece,) = reading.take(Answer({"sensor.b": Recorded([made(oldest, "x")])}, IDLE, LATER))
        assert piece.settled == Settled(0, 0, why)


def test_who_is_asked_about_alone_is_told_by_what_the_others_showed_before() -> None:
    reading = Reading.of([span(10, 30)], 15 * SECOND_NS, known_ns=29 * SECOND_NS)
    assert settled(reading, said()) == Settled(0, 0, recorder.NOT_RECORDED)


def test_a_recorder_that_is_switched_off_is_the_reason() -> None:
    off = Recorder(recording=False, thread_running=True, backlog=0)
    assert settled(Reading.of([span(10, 30)], 0), said(told=off)) == Settled(0, 0, recorder.SWITCHED_OFF)
    assert settled(Reading.of([span(10, 30)], 0), said((10, "a"), told=off)) == Settled(0, 0, recorder.SWITCHED_OFF)
    assert settled(Reading.of([span(10, 30)], 0), said((10, "a"), (30, "c"), told=off)) == Settled(0, 0)


def test_rows_that_cannot_be_read_are_the_reason() -> None:
    answer = said((10, "a"), (20, "b"), (30, "c"), unreadable=1)
    assert settled(Reading.of([span(10, 30)], 0), answer) == Settled(0, 1, recorder.UNREADABLE)


def test_who_is_gone_was_waited_for_before_it_was_asked_about() -> None:
    """How far to ask is a guess, and a clock that is late must not keep it open."""
    reading = Reading.of([span(10, 30)], 10 * SECOND_NS, 30 * SECOND_NS)
    assert settled(reading, said((10, "a"), (20, None), now=0)) == Settled(0, 1)


def test_a_late_clock_never_makes_anything_final() -> None:
    reading = Reading.of([span(10, 30)], 0)
    assert settled(reading, said((10, "a"), now=0)) is None
    assert reading.waiting == [span(10, 30)]
