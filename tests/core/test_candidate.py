from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.core.backoff import Breaker
from ingest.core.candidate import (
    HEALTHY,
    REFUSED_DELAY,
    Standing,
    ended,
    exhausted,
    failed,
    next_attempt,
    refused,
)

chances = st.floats(0, 1, exclude_max=True)
caps = st.floats(0.1, 100_000)
times = st.floats(0, 1e9)
standings = st.builds(Standing, st.integers(0, 100), times, st.booleans())


def almost_one() -> float:
    return 0.999999


@given(standings, times, caps, chances)
def test_a_failure_counts_and_waits(standing: Standing, now: float, cap: float, chance: float) -> None:
    after = failed(standing, now, cap, lambda: chance)
    assert after.failures == standing.failures + 1
    assert now <= after.retry_at <= now + cap + 1e-6 * now
    assert not after.refused


@given(standings, times, caps, chances)
def test_a_healthy_session_forgives_what_was_before(standing: Standing, now: float, cap: float, chance: float) -> None:
    assert ended(standing, HEALTHY, now, cap, lambda: chance).failures == 1
    assert ended(standing, HEALTHY - 0.1, now, cap, lambda: chance).failures == standing.failures + 1


@given(standings, times)
def test_a_refused_token_is_asked_again_in_an_hour_however_often_it_was_refused(standing: Standing, now: float) -> None:
    after = refused(refused(standing, now), now)
    assert (after.failures, after.retry_at, after.refused) == (standing.failures + 2, now + REFUSED_DELAY, True)


@given(st.lists(standings, min_size=1, max_size=5), times)
def test_the_next_attempt_is_the_first_that_may_be_tried_else_the_soonest(all_of: list[Standing], now: float) -> None:
    index, delay = next_attempt(all_of, now)
    due = [at for at, standing in enumerate(all_of) if standing.retry_at <= now]
    assert delay >= 0
    assert index == (due[0] if due else min(range(len(all_of)), key=lambda at: all_of[at].retry_at))
    assert (delay == 0) is bool(due)


def test_the_order_of_the_candidates_is_a_preference() -> None:
    primary, secondary = Standing(), Standing()
    assert next_attempt([primary, secondary], 5.0) == (0, 0.0)
    assert next_attempt([failed(primary, 5.0, 300, almost_one), secondary], 5.0) == (1, 0.0)


def test_a_refused_candidate_does_not_hold_up_the_other() -> None:
    index, delay = next_attempt([Standing(1, 7.0), refused(Standing(), 5.0)], 5.0)
    assert (index, delay) == (0, 2.0)


def test_the_breaker_opens_at_the_threshold_and_is_half_open_when_the_wait_is_over() -> None:
    assert Standing(4, 10.0).breaker(0.0, 5) is Breaker.CLOSED
    assert Standing(5, 10.0).breaker(0.0, 5) is Breaker.OPEN
    assert Standing(5, 10.0).breaker(10.0, 5) is Breaker.HALF_OPEN
    assert refused(Standing(), 0.0).breaker(0.0, 5) is Breaker.OPEN


@pytest.mark.parametrize(
    ("failures", "retries", "spent"),
    [([0], 0, False), ([1], 0, True), ([3], 3, False), ([4], 3, True), ([4, 3], 3, False), ([99], -1, False)],
)
def test_retries_are_spent_when_every_candidate_failed_once_more_often(
    failures: list[int], retries: int, *, spent: bool
) -> None:
    assert exhausted([Standing(count) for count in failures], retries) is spent
