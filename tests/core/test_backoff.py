from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.core.backoff import FIRST_DELAY, Breaker, backoff, breaker_at

chances = st.floats(0, 1, exclude_max=True)
caps = st.floats(0.1, 100_000)


def almost_one() -> float:
    return 0.999999


@given(st.integers(1, 10_000), caps, chances)
def test_a_delay_is_never_negative_nor_beyond_the_cap(failures: int, cap: float, chance: float) -> None:
    assert 0 <= backoff(failures, cap, lambda: chance) <= cap


@given(st.integers(1, 10_000), caps)
def test_the_bound_only_grows(failures: int, cap: float) -> None:
    assert backoff(failures, cap, almost_one) <= backoff(failures + 1, cap, almost_one)


def test_the_bound_doubles_from_the_first_delay() -> None:
    bounds = [backoff(failures, 300, lambda: 0.5) * 2 for failures in range(1, 12)]
    assert bounds[:5] == [FIRST_DELAY * factor for factor in (1, 2, 4, 8, 16)]
    assert bounds[-1] == 300


@pytest.mark.parametrize(("now", "state"), [(0.0, Breaker.OPEN), (9.9, Breaker.OPEN), (10.0, Breaker.HALF_OPEN)])
def test_an_open_breaker_is_half_open_when_the_wait_is_over(now: float, state: Breaker) -> None:
    assert breaker_at(now, 10.0, is_open=True) is state
    assert breaker_at(now, 10.0, is_open=False) is Breaker.CLOSED
