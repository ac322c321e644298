from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.core.coverage import Span
from ingest.core.history_query import (
    FIRST_NS,
    GROWTH,
    NARROWEST_NS,
    SECOND_NS,
    TARGET,
    WIDEST_NS,
    Query,
    following,
    narrower,
    queries,
    wider,
)

DAY_NS = 86_400 * SECOND_NS


def span(entity_id: str, after: int, before: int, number: int = 0) -> Span:
    """A span in seconds."""
    return Span(entity_id, entity_id, after * SECOND_NS, before * SECOND_NS, number)


def windows(query: Query | None, rows: int) -> list[Query]:
    """Every question of a group when each is answered with so many rows."""
    found = []
    while query is not None:
        found.append(query)
        query = following(query, rows)
    return found


def test_every_default_that_drops_or_invents_rows_is_declined() -> None:
    (query,) = queries([span("a.b", 10, 20)])
    assert query.fields() == {
        "start_time": "1970-01-01T00:00:09.999000+00:00",
        "end_time": "1970-01-01T00:00:20.001000+00:00",
        "entity_ids": ["a.b"],
        "significant_changes_only": False,
        "include_start_time_state": False,
        "minimal_response": False,
        "no_attributes": False,
    }


def test_many_entities_are_asked_for_in_groups() -> None:
    asked = queries([span(f"a.{number}", 0, 10) for number in range(120)])
    assert [len(query.entity_ids) for query in asked] == [50, 50, 20]


def test_two_spans_of_one_entity_are_one_entity_and_two_equal_spans_one() -> None:
    (query,) = queries([span("a.b", 0, 10, 1), span("a.b", 5, 20, 2), span("a.b", 5, 20, 2)], entities=1)
    assert query.entity_ids == ["a.b"]
    assert len(query.spans) == 2


def test_what_lies_between_spans_is_not_asked_for() -> None:
    asked = queries([span("a.b", 0, 10, 1), span("a.b", 100, 110, 2), span("a.c", 105, 120, 3)])
    assert [(query.from_ns // SECOND_NS, query.to_ns // SECOND_NS) for query in asked] == [(0, 10), (100, 120)]


def test_a_long_span_is_asked_for_in_windows_that_meet() -> None:
    (first,) = queries([span("a.b", 0, 10 * 86_400)])
    asked = windows(first, TARGET // 2)
    assert asked[0].from_ns == 0
    assert asked[-1].to_ns == 10 * DAY_NS
    assert all(query.to_ns == later.from_ns for query, later in pairwise(asked))
    assert [query.width_ns for query in asked[:4]] == [FIRST_NS, 2 * FIRST_NS, 4 * FIRST_NS, 8 * FIRST_NS]


def test_windows_grow_in_a_quiet_time_and_shrink_in_a_busy_one() -> None:
    assert wider(FIRST_NS, 0) == wider(FIRST_NS, 1) == GROWTH * FIRST_NS
    assert wider(FIRST_NS, TARGET) == FIRST_NS
    assert wider(FIRST_NS, 100 * TARGET) == FIRST_NS // 100
    assert wider(WIDEST_NS, 0) == WIDEST_NS
    assert wider(NARROWEST_NS, 10**9) == NARROWEST_NS
    assert narrower(NARROWEST_NS) == NARROWEST_NS
    assert narrower(FIRST_NS) == FIRST_NS // GROWTH


def test_an_entity_is_asked_for_from_the_beginning_of_its_span_to_its_end_only() -> None:
    (first,) = queries(
        [span("a.b", 0, 1000), span("a.c", 950, 3000), span("a.d", 2000, 2500)], width_ns=900 * SECOND_NS
    )
    asked = windows(first, TARGET)
    assert [query.entity_ids for query in asked] == [["a.b"], ["a.b", "a.c"], ["a.c", "a.d"], ["a.c"]]


@pytest.mark.parametrize("before", [5 * 86_400, 100 * 86_400])
def test_one_entity_that_was_quiet_for_days_does_not_make_the_busy_be_asked_for_days(before: int) -> None:
    end = 101 * 86_400
    busy = [span(f"a.busy_{number}", end - 90 - number, end) for number in range(49)]
    (first,) = queries([span("a.quiet", end - before, end), *busy])
    asked = windows(first, 0)
    assert {len(query.entity_ids) for query in asked} == {1, 50}
    (last,) = [query for query in asked if len(query.entity_ids) == 50]
    assert (last.from_ns, last.to_ns) == ((end - 90 - 48) * SECOND_NS - 1, end * SECOND_NS)
    assert len(asked) < 12


def test_where_others_begin_a_window_is_as_narrow_as_the_first() -> None:
    day = 86_400
    busy = [span(f"a.busy_{number}", 10 * day + number, 30 * day) for number in range(49)]
    (first,) = queries([span("a.quiet", 0, 30 * day), *busy])
    asked = windows(first, 0)
    (joined,) = [place for place, query in enumerate(asked) if query.from_ns == 10 * DAY_NS - 1]
    widths = [query.to_ns - query.from_ns for query in asked[joined : joined + 3]]
    assert widths == [FIRST_NS, GROWTH * FIRST_NS, GROWTH**2 * FIRST_NS]
    assert all(len(query.entity_ids) == 1 for query in asked[:joined])


def test_entities_that_were_quiet_for_ever_longer_are_asked_for_in_few_questions() -> None:
    end = 40 * 86_400
    given = [span(f"a.{number}", end - 70_000 * (50 - number), end) for number in range(50)]
    (first,) = queries(given)
    asked = windows(first, 0)
    assert len(asked) <= 40
    for query in asked:
        begun = [each for each in given if query.from_ns < each.after_ns <= query.to_ns]
        rest = given[-1].after_ns - query.from_ns
        assert all(each.after_ns - query.from_ns <= max(FIRST_NS, rest // 4) for each in begun)


def test_a_span_that_holds_nothing_is_asked_for_all_the_same() -> None:
    for before in (10, 9):
        (query,) = queries([span("a.b", 10, before)])
        assert (query.from_ns, query.to_ns) == (10 * SECOND_NS, 10 * SECOND_NS)
        assert query.through(query.spans[0])
        assert following(query, 0) is None


def test_no_spans_no_questions() -> None:
    assert queries([]) == []


spans = st.builds(
    lambda name, after, length, number: span(f"a.{name}", after, after + length, number),
    st.integers(0, 9),
    st.integers(0, 10**6),
    st.integers(1, 10**6),
    st.integers(0, 10**6),
)


@given(st.lists(spans, max_size=30), st.integers(1, 5), st.lists(st.integers(0, 3 * TARGET), min_size=1))
def test_every_moment_of_every_span_is_asked_for_once(given_spans: list[Span], entities: int, rows: list[int]) -> None:
    asked: dict[Span, list[Query]] = {each: [] for each in given_spans}
    for first in queries(given_spans, entities=entities):
        query: Query | None = first
        turn = 0
        while query is not None:
            assert len(query.entity_ids) <= entities
            for each in query.spans:
                if each.after_ns <= query.to_ns:
                    assert each.entity_id in query.entity_ids
                    asked[each].append(query)
            # A home that is always busy would be asked for second by second, and a span here may be weeks long.
            query = following(query, rows[turn] if turn < len(rows) else 0)
            turn += 1
    for each, found in asked.items():
        assert found[0].from_ns <= each.after_ns
        assert found[-1].through(each)
        assert not any(query.through(each) for query in found[:-1])
        assert all(query.to_ns == later.from_ns for query, later in pairwise(found))


@pytest.mark.parametrize("seconds", [0, 1, 1_795_422_102])
def test_times_are_exact(seconds: int) -> None:
    (query,) = queries([Span("a.b", "a.b", seconds * SECOND_NS + 123_456_000, seconds * SECOND_NS + 999_999_000)])
    assert str(query.fields()["start_time"]).endswith(".122456+00:00")
