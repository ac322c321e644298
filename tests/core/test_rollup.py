from __future__ import annotations

import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.core.rollup import STATES, Bucket, Hour, Sample, begins, fold, is_word, summarise

S = 10**9
HOUR = 3600 * S


def number(value: float) -> tuple[str, float | None]:
    return str(value), value


STATES_OF = st.one_of(
    st.floats(-100, 100).map(lambda value: number(round(value, 2))),
    st.sampled_from([("unavailable", None), ("heat", None), ("on", 1.0), ("off", 0.0)]),
)
LIVES = st.lists(st.tuples(st.integers(0, 24 * 3600 - 1), STATES_OF), min_size=1, unique_by=lambda one: one[0]).map(
    lambda life: [(at * S, *said) for at, said in sorted(life)]
)


def by_the_second(samples: list[Sample], start: int, end: int) -> tuple[float, float]:
    """(area, seconds), from the definition: what held is summed between any two changes."""
    area = seconds = 0.0
    for (at, _, value), following in zip(samples, [*samples[1:], (end, "", None)], strict=True):
        lasted = max(0, min(following[0], end) - max(at, start)) / S
        if value is not None:
            area, seconds = area + value * lasted, seconds + lasted
    return area, seconds


def test_the_mean_is_weighted_by_time() -> None:
    hour = summarise([(0, "20", 20.0), (59 * 60 * S, "80", 80.0)], HOUR)
    assert hour.area / hour.seconds == pytest.approx(21.0)
    assert (hour.low, hour.high, hour.last_value, hour.changes) == (20.0, 80.0, 80.0, 2)


def test_an_unavailable_spell_counts_for_nothing() -> None:
    hour = summarise([(0, "20", 20.0), (600 * S, "unavailable", None), (1800 * S, "30", 30.0)], HOUR)
    assert hour.seconds == pytest.approx(2400)
    assert hour.area == pytest.approx(20 * 600 + 30 * 1800)
    assert hour.states == {"unavailable": 1200.0}


def test_words_get_their_seconds_and_numbers_do_not() -> None:
    hour = summarise([(0, "on", 1.0), (900 * S, "off", 0.0), (1000 * S, "on", 1.0)], HOUR)
    assert hour.states == {"on": 3500.0, "off": 100.0}
    assert summarise([(0, "-1.5", -1.5), (S, ".5", 0.5), (2 * S, "+3", 3.0)], HOUR).states == {}


@pytest.mark.parametrize(
    ("state", "value", "word"), [("on", 1.0, True), ("5", 5.0, False), ("2026-01-01", None, True), ("", None, True)]
)
def test_what_a_word_is(state: str, value: float | None, word: bool) -> None:
    assert is_word(state, value) is word


def test_new_texts_each_time_do_not_grow_an_hour() -> None:
    samples: list[Sample] = [(at * S, f"text {at}" + "x" * 1000, None) for at in range(100)]
    kept = summarise(samples, HOUR).states
    assert len(kept) == STATES
    assert max(map(len, kept)) <= 64
    assert max(kept.values()) == pytest.approx(3600 - 99)


def test_nothing_cannot_be_summarised() -> None:
    with pytest.raises(ValueError, match="nothing"):
        summarise([], HOUR)


@given(LIVES)
def test_summaries_agree_with_the_definition(life: list[Sample]) -> None:
    end = 24 * HOUR
    done = summarise(life, end)
    area, seconds = by_the_second(life, 0, end)
    assert math.isclose(done.area, area, rel_tol=1e-9, abs_tol=1e-6)
    assert math.isclose(done.seconds, seconds, rel_tol=1e-9)
    values = [value for _, _, value in life if value is not None]
    assert (done.low, done.high) == ((min(values), max(values)) if values else (None, None))


def hours_of(life: list[Sample]) -> list[Hour]:
    starts = sorted({at // HOUR for at, _, _ in life})
    return [summarise([one for one in life if one[0] // HOUR == hour], (hour + 1) * HOUR) for hour in starts]


def alike(one: Bucket, other: Bucket) -> bool:
    def near(a: float | None, b: float | None) -> bool:
        return a == b or (a is not None and b is not None and math.isclose(a, b, rel_tol=1e-9, abs_tol=1e-9))

    return (
        (one.start_ns, one.end_ns, one.changes, one.low, one.high, one.last_value, one.last_state)
        == (other.start_ns, other.end_ns, other.changes, other.low, other.high, other.last_value, other.last_state)
    ) and near(one.mean, other.mean)


@given(LIVES, st.sampled_from([1, 2, 3, 24]), st.none() | STATES_OF)
def test_kept_hours_and_changes_give_the_same_buckets(
    life: list[Sample], hours: int, said: tuple[str, float | None] | None
) -> None:
    before = None if said is None else (-5 * S, *said)
    of_changes = list(fold(life, 0, 24 * HOUR, hours * HOUR, before))
    of_hours = list(fold(hours_of(life), 0, 24 * HOUR, hours * HOUR, before))
    assert all(alike(one, other) for one, other in zip(of_changes, of_hours, strict=True))


@given(LIVES, st.integers(60, 90_000))
def test_buckets_cover_the_span_and_count_every_change(life: list[Sample], every: int) -> None:
    buckets = list(fold(life, 0, 24 * HOUR, every * S))
    assert [buckets[0].start_ns, buckets[-1].end_ns] == [0, 24 * HOUR]
    assert all(one.end_ns == other.start_ns for one, other in pairwise(buckets))
    assert sum(bucket.changes for bucket in buckets) == len(life)


def test_a_quiet_bucket_holds_what_was_before() -> None:
    (bucket,) = fold([], 0, HOUR, HOUR, (-HOUR, "19.5", 19.5))
    assert (bucket.low, bucket.mean, bucket.high, bucket.last_state, bucket.changes) == (19.5, 19.5, 19.5, "19.5", 0)


def test_what_nobody_knows_is_not_invented() -> None:
    (bucket,) = fold([], 0, HOUR, HOUR)
    assert (bucket.low, bucket.mean, bucket.last_state, bucket.states) == (None, None, None, {})


def test_a_change_at_the_very_end_has_no_time_but_is_seen() -> None:
    (bucket,) = fold([(HOUR - 1, "5", 5.0)], 0, HOUR, HOUR)
    assert bucket.mean == pytest.approx(5.0)


def test_where_a_part_begins() -> None:
    assert begins((7, "on", 1.0)) == begins(summarise([(7, "on", 1.0)], HOUR)) == 7
