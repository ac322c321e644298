from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.core.coverage import UNNAMED, Cause, Missed, Span
from ingest.core.evicted import ALONE, TOO_MANY, Named, Owners, Trail, keep_longer, missed
from ingest.core.room import ENTITIES

Live = list[tuple[str, int]]


def owners(*states: tuple[str, int], live: bool = True) -> tuple[Named, ...]:
    found = Owners()
    for name, time_ns in states:
        found.add(name, f"sensor.{name}", time_ns, live=live)
    return found.all


def live(name: str, first: int, last: int) -> Named:
    return Named(name, f"sensor.{name}", first, last)


def span(name: str, after: int, before: int) -> Span:
    return Span(f"sensor.{name}", name, after, before)


def test_live_states_of_an_entity_are_named_together_and_others_alone() -> None:
    assert owners(("a", 1_000), ("b", 2_000), ("a", 5_000)) == (live("a", 1_000, 5_000), live("b", 2_000, 2_000))
    alone = [Named("a", "sensor.a", each, each, live=False) for each in (1_000, 5_000)]
    assert list(owners(("a", 1_000), ("a", 5_000), live=False)) == alone


def test_a_clock_that_was_set_back_begins_anew() -> None:
    """Between the two may lie what was stored an hour ago."""
    assert owners(("a", 9_000), ("a", 2_000), ("a", 3_000)) == (live("a", 9_000, 9_000), live("a", 2_000, 3_000))


def test_who_was_renamed_is_asked_for_by_the_last_name() -> None:
    found = Owners()
    found.add("a", "sensor.old", 1_000, live=True)
    found.add("a", "sensor.new", 2_000, live=True)
    assert found.all == (Named("a", "sensor.new", 1_000, 2_000),)


def test_what_follows_without_a_break_makes_a_span_longer() -> None:
    trail = Trail()
    assert trail.spans([live("a", 1_000, 2_000)]) == [span("a", 999, 2_001)]
    assert trail.spans([live("a", 3_000, 4_000), live("b", 3_000, 3_000)]) == [
        span("a", 999, 4_001),
        span("b", 2_999, 3_001),
    ]
    trail.cut()
    assert trail.spans([live("a", 6_000, 6_000)]) == [span("a", 5_999, 6_001)]


def test_what_is_older_than_what_went_before_stands_by_itself() -> None:
    trail = Trail()
    trail.spans([live("a", 5_000, 8_000)])
    assert trail.spans([live("a", 1_000, 2_000)]) == [span("a", 999, 2_001)]
    assert trail.spans([live("a", 9_000, 9_000)]) == [span("a", 4_999, 9_001)]


def test_a_state_that_was_told_does_not_make_a_span_longer() -> None:
    trail = Trail()
    trail.spans([live("a", 1_000, 2_000)])
    assert trail.spans([Named("a", "sensor.a", 7_000, 7_000, live=False)]) == [span("a", 6_998, 7_001)]
    assert trail.spans([live("a", 3_000, 3_000)]) == [span("a", 999, 3_001)]


def test_of_too_many_entities_spans_stay_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ingest.core.evicted.ENTITIES", 1)
    trail = Trail()
    trail.spans([live("a", 1_000, 1_000), live("b", 1_000, 1_000)])
    assert trail.spans([live("a", 2_000, 2_000), live("b", 2_000, 2_000)]) == [
        span("a", 999, 2_001),
        span("b", 1_999, 2_001),
    ]
    assert ENTITIES > 10_000


def test_neither_of_two_spans_ends_earlier_than_it_did() -> None:
    for order in ((2_001, 9_001), (9_001, 2_001)):
        spans: dict[tuple[str, int], Span] = {}
        for before in order:
            keep_longer(spans, span("a", 999, before))
        assert list(spans.values()) == [span("a", 999, 9_001)]


@st.composite
def spools(draw: st.DrawFn) -> list[tuple[Live, bool]]:
    """Batches of live states in their order, and whether each went; the others were delivered."""
    time, batches = 0, []
    for _ in range(draw(st.integers(1, 12))):
        states = []
        for name in draw(st.lists(st.sampled_from("abc"), max_size=5)):
            time += draw(st.sampled_from([1_000, 2_000]))
            states.append((name, time))
        batches.append((states, draw(st.booleans())))
    return batches


def told(batches: Sequence[tuple[Live, bool]]) -> list[Span]:
    """What is missing at the end: a span that begins where another does is that one, told later."""
    trail, spans = Trail(), dict[tuple[str, int], Span]()
    for states, went in batches:
        if not went:
            trail.cut()
            continue
        for each in trail.spans(owners(*states)):
            keep_longer(spans, each)
    return list(spans.values())


@given(spools(), st.data())
def test_of_what_was_delivered_in_part_only_the_rest_is_missing(
    batches: list[tuple[Live, bool]], data: st.DataObject
) -> None:
    trail, spans = Trail(), dict[tuple[str, int], Span]()
    missing: dict[tuple[str, int], bool] = {}
    for states, _ in batches:
        found = Owners()
        for name, time_ns in states:
            missing[name, time_ns] = went = data.draw(st.booleans())
            if went:
                found.add(name, f"sensor.{name}", time_ns, live=True)
            else:
                found.pass_over(name, f"sensor.{name}", time_ns)
        for gap in missed(found.all, 0, 1, trail):
            for each in gap.spans:
                keep_longer(spans, each)
    for (name, time_ns), went in missing.items():
        found_in = [each for each in spans.values() if each.registry_id == name]
        assert any(each.after_ns < time_ns < each.before_ns for each in found_in) == went


@given(spools())
def test_spans_hold_what_went_and_nothing_that_was_delivered(batches: list[tuple[Live, bool]]) -> None:
    spans = told(batches)
    for states, went in batches:
        for name, time_ns in states:
            assert any(each.registry_id == name and each.after_ns < time_ns < each.before_ns for each in spans) == went


@given(spools())
def test_a_spool_that_is_full_for_long_leaves_one_span_an_entity(batches: list[tuple[Live, bool]]) -> None:
    spans = told([(states, True) for states, _ in batches])
    assert len(spans) == len({name for states, _ in batches for name, _ in states})


def test_the_gaps_of_a_batch() -> None:
    named = [live("a", 1_000, 2_000)]
    assert missed(named, 1_000, 3_000, Trail()) == (Missed(Cause.EVICTED, 1_000, 3_000, [span("a", 999, 2_001)]),)
    assert missed([], 1_000, 3_000, Trail()) == ()


def test_of_what_cannot_be_read_it_is_not_known_whose_it_was_and_nothing_grows_over_it() -> None:
    trail = Trail()
    missed([live("a", 1_000, 1_000)], 1_000, 1_000, trail)
    assert missed(None, 2_000, 3_000, trail) == (Missed(Cause.EVICTED, 2_000, 3_000, why=UNNAMED),)
    assert trail.spans([live("a", 4_000, 4_000)]) == [span("a", 3_999, 4_001)]


def test_too_many_states_from_the_history_are_not_named_one_by_one() -> None:
    alone = [Named("b", "sensor.b", each, each, live=False) for each in range(5_000, 5_000 + 1_000 * ALONE + 1, 1_000)]
    few, many = alone[:ALONE], alone
    (gap,) = missed(few, 1, 2, Trail())
    assert (len(gap.spans), gap.why) == (ALONE, "")
    gaps = missed([live("a", 1_000, 1_000), *many], 1_000, 10**7, Trail())
    assert gaps == (
        Missed(Cause.EVICTED, 1_000, 10**7, [span("a", 999, 1_001)]),
        Missed(Cause.EVICTED, 5_000, alone[-1].newest_ns, why=TOO_MANY),
    )
    assert [each.why for each in missed(many, 1_000, 10**7, Trail())] == [TOO_MANY]
