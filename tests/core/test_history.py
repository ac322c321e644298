from __future__ import annotations

import json
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw

from ingest.core import history, wire
from ingest.core.coverage import Span
from ingest.core.history import Row, changes_of, in_order
from ingest.core.state import nanoseconds
from ingest.core.wire import Malformed
from ingest.simulator.history import Past, Question, compressed
from tests.core.rows import BEGIN, KEYS, decoded, ns, pasts, spans, told, truth
from tests.golden.replay import VERSIONS, recorded

KEY = "sensor.a"


def rows_in(raw: object) -> dict[str, list[Row | Malformed]]:
    text = Raw(raw if isinstance(raw, bytes) else json.dumps(raw).encode())
    listed = history.listed(text)
    return {key: list(history.rows_of(raws)) if isinstance(raws, list) else [raws] for key, raws in listed}


def rows(*told: tuple[float, str | None]) -> list[Row]:
    """Rows of (seconds, state)."""
    return [made(at, state) for at, state in told]


def made(at: float, state: str | None, **more: Any) -> Row:
    moment = history.moment(at)
    return Row(state, nanoseconds(moment), moment, moment, **more)


def span(after: float, before: float) -> Span:
    return Span(KEY, KEY, round(after * 1e9), round(before * 1e9))


def seen(changes: list[Any]) -> list[tuple[float, str | None, str | None]]:
    return [
        (
            change.time_fired.timestamp(),
            change.data.new_state and change.data.new_state.state,
            change.data.old_state and change.data.old_state.state,
        )
        for change in changes
    ]


@pytest.mark.parametrize("version", VERSIONS)
def test_every_recorded_float_is_the_time_of_an_event(version: str) -> None:
    _, _, times = recorded(version, "history")
    pairs = json.loads(times)
    assert len(pairs) >= 99
    assert [history.moment(at) for at, _ in pairs] == [datetime.fromisoformat(iso) for _, iso in pairs]


def test_rounding_would_be_wrong() -> None:
    """Otherwise the recorded floats would show nothing."""
    wrong = []
    for version in VERSIONS:
        pairs = json.loads(recorded(version, "history")[2])
        wrong.append(sum(round(at * 1e6) * 1000 != nanoseconds(history.moment(at)) for at, _ in pairs))
    assert wrong == [0, 16, 9]


@pytest.mark.parametrize("version", VERSIONS)
def test_recorded_answers_of_both_apis_say_the_same(version: str) -> None:
    frame, body, _ = recorded(version, "history")
    (envelope,) = wire.envelopes(frame)
    assert isinstance(envelope, wire.Envelope)
    compressed_rows = rows_in(bytes(envelope.result))
    full_rows = {rows[0]["entity_id"]: rows for rows in json.loads(body)}
    assert list(compressed_rows) == list(full_rows)
    assert sum(map(len, compressed_rows.values())) >= 85
    removals = 0
    for key, found in compressed_rows.items():
        for row, other in zip(found, full_rows[key], strict=True):
            assert isinstance(row, Row)
            removals += row.state is None
            times = [datetime.fromisoformat(other[name]) for name in ("last_updated", "last_changed")]
            assert (row.state or "", row.updated, row.changed) == (other["state"], *times)
            assert json.loads(bytes(row.attributes)) == other["attributes"]
    assert removals == 3


@pytest.mark.parametrize("version", VERSIONS)
def test_recorded_rows_become_changes_with_their_predecessors(version: str) -> None:
    (envelope,) = wire.envelopes(recorded(version, "history")[0])
    assert isinstance(envelope, wire.Envelope)
    found = decoded(bytes(envelope.result))["sensor.lab_rest_1"]
    inside = changes_of(Span("sensor.lab_rest_1", "x", found[0].time_ns, found[-1].time_ns), found)
    assert len(inside) == len(found) - 2
    for change, (before, row) in zip(inside, pairwise(found[:-1]), strict=True):
        old, new = change.data.old_state, change.data.new_state
        assert (old.state if old else None) == before.state
        assert (new.state if new else None) == row.state
        assert change.time_fired == row.updated
        if new:
            assert (new.last_changed, new.last_updated) == (row.changed, row.updated)
            assert (new.context.id, bytes(change.context)) == (None, b"{}")


@given(st.data())
def test_the_changes_of_a_span_are_the_truths_rows_strictly_inside(data: st.DataObject) -> None:
    past = data.draw(pasts())
    for each in data.draw(spans(past)):
        reach = data.draw(st.integers(1, 5_000_000))
        asked = Question(each.after_ns // 1000 - reach, each.before_ns // 1000 + reach, KEYS, False, False)
        found = decoded(compressed(past, asked)).get(each.entity_id, [])
        assert [told(change) for change in changes_of(each, found)] == truth(past, each)


def test_the_ends_are_not_inside() -> None:
    assert seen(changes_of(span(1, 4), rows((1, "a"), (2, "b"), (3, "c"), (4, "d"), (5, "e")))) == [
        (2, "b", "a"),
        (3, "c", "b"),
    ]
    assert changes_of(span(1, 2), rows((1, "a"), (2, "b"))) == []
    assert changes_of(span(1, 2), []) == []


def test_a_predecessor_is_never_from_before_the_span() -> None:
    """The state at 2 is not recorded: what was before it is not what was before 3."""
    assert seen(changes_of(span(2, 9), rows((1, "a"), (3, "c")))) == [(3, "c", None)]
    assert seen(changes_of(span(2, 9), rows((3, "c")), made(1, "a"))) == [(3, "c", None)]
    assert seen(changes_of(span(2, 9), rows((3, "c")), made(2, "b"))) == [(3, "c", "b")]


def test_a_removal_and_what_comes_after_it() -> None:
    found = rows((1, "a"), (2, None), (3, "c"), (4, None), (5, ""))
    assert seen(changes_of(span(1, 6), found)) == [(2, None, "a"), (3, "c", None), (4, None, "c"), (5, "", None)]


def test_rows_out_of_order_and_twice_are_sorted_and_once() -> None:
    found = in_order(rows((3, "c"), (1, "a"), (2, "b"), (3, "c"), (2, "b")))
    assert [row.state for row in found] == ["a", "b", "c"]


def test_different_rows_of_one_time_all_stay_in_their_order() -> None:
    found = in_order(rows((1, "a"), (2, "b"), (2, "c"), (2, "b")))
    assert [row.state for row in found] == ["a", "b", "c", "b"]
    assert seen(changes_of(span(1, 3), found)) == [(2, "b", "a"), (2, "c", "b"), (2, "b", "c")]
    assert seen(changes_of(span(2, 9), [*found, made(3, "d")])) == [(3, "d", "b")]


def test_attributes_and_last_changed_make_a_difference() -> None:
    first, second = made(2, "b", attributes=Raw(b"{}")), made(2, "b", attributes=Raw(b'{"x":1}'))
    assert len(in_order([first, second])) == 2


def test_a_row_that_cannot_be_read_costs_the_next_one_its_predecessor_only() -> None:
    answer = {KEY: [{"s": "a", "lu": 1.0}, {"s": "b", "lu": "soon"}, {"s": "c", "lu": 3.0}, {"s": "d", "lu": 4.0}]}
    a, b, c, d = rows_in(answer)[KEY]
    assert isinstance(b, Malformed)
    good = [row for row in (a, c, d) if isinstance(row, Row)]
    assert seen(changes_of(span(1, 9), good)) == [(3, "c", None), (4, "d", "c")]


@pytest.mark.parametrize(
    "bad", [7, None, {}, {"s": 5, "lu": 1.0}, {"s": "a"}, {"s": "a", "lu": 1e300}, {"s": "a", "lu": 1.0, "lc": "x"}, []]
)
def test_what_is_no_row_is_reported(bad: object) -> None:
    assert [type(row) for row in rows_in({KEY: [bad, {"s": "a", "lu": 1}]})[KEY]] == [Malformed, Row]


@pytest.mark.parametrize("bad", [5, None, "x", b"{"])
def test_what_is_no_answer_is_refused(bad: object) -> None:
    with pytest.raises(Malformed):
        rows_in(bad)


def test_an_entity_whose_rows_are_none_costs_the_others_nothing() -> None:
    found = rows_in({"a.a": {}, "a.b": [{"s": "on", "lu": 1.0}]})
    assert [type(each[0]) for each in found.values()] == [Malformed, Row]


def test_whole_seconds_are_times_too() -> None:
    (row,) = rows_in({KEY: [{"s": "a", "lu": 1795422239}]})[KEY]
    assert isinstance(row, Row)
    assert row.updated == row.changed == datetime.fromtimestamp(1795422239, UTC)


@given(pasts(keys=(KEY,)))
def test_what_is_decoded_is_what_was_recorded(past: Past) -> None:
    raw = compressed(past, Question(BEGIN - 1, 2**52, (KEY,), False, False))
    assert [row.time_ns for row in decoded(raw).get(KEY, [])] == [ns(row.at) for row in past.rows(KEY)]
