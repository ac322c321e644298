from __future__ import annotations

import pytest
from attrs import define

from ingest.core.home_clock import LITTLE_NS, SILENCE_NS, HomeClock

SECOND = 10**9
MARGIN = 65 * SECOND
NOON = 43_200 * SECOND
HOUR = 3_600 * SECOND


@define
class Wall:
    ns: int = NOON

    def __call__(self) -> int:
        return self.ns


def test_nothing_is_past_of_which_nothing_is_known() -> None:
    clock = HomeClock(Wall())
    assert (clock.now_ns(), clock.past_ns(MARGIN), clock.known) == (NOON, 0, False)


@pytest.mark.parametrize("ours_is_ahead", [0, 600 * SECOND, -600 * SECOND])
def test_our_clock_proves_nothing_before_a_change_was_heard(ours_is_ahead: int) -> None:
    wall = Wall(NOON + ours_is_ahead)
    clock = HomeClock(wall)
    clock.read(NOON - 30 * SECOND)
    for passed in (0, 2 * SECOND):
        wall.ns = NOON + ours_is_ahead + passed
        assert clock.past_ns(MARGIN) <= NOON - 30 * SECOND + passed
    wall.ns = NOON + ours_is_ahead + MARGIN
    assert clock.past_ns(MARGIN) == NOON - 30 * SECOND + MARGIN
    clock.heard(NOON + MARGIN)
    assert clock.past_ns(MARGIN) == clock.now_ns() == NOON + MARGIN


def test_what_is_asked_for_reaches_as_far_as_a_snapshot_does() -> None:
    clock = HomeClock(Wall())
    clock.read(NOON + 600 * SECOND)
    assert (clock.now_ns(), clock.known) == (NOON + 600 * SECOND, False)


@pytest.mark.parametrize("live", [False, True])
def test_a_state_from_the_future_proves_nothing_at_first(*, live: bool) -> None:
    """Home Assistant's clock was ahead for one change, before the session or in it."""
    wall = Wall()
    clock = HomeClock(wall)
    clock.read(NOON if live else NOON + HOUR)
    if live:
        clock.heard(NOON + HOUR)
    wall.ns += 2 * SECOND
    assert clock.past_ns(MARGIN) == NOON + 2 * SECOND


def test_a_clock_that_is_set_back_is_believed_anew() -> None:
    wall = Wall()
    clock = HomeClock(wall)
    clock.read(NOON)
    wall.ns += MARGIN
    clock.heard(NOON + HOUR)
    clock.heard(NOON + HOUR - LITTLE_NS)
    assert clock.past_ns(MARGIN) == NOON + HOUR
    clock.heard(NOON + MARGIN)
    assert clock.past_ns(MARGIN) == clock.now_ns() == NOON + MARGIN


def test_what_came_tells_more_than_a_state_from_the_future_in_the_snapshot() -> None:
    wall = Wall()
    clock = HomeClock(wall)
    clock.read(NOON + HOUR)
    wall.ns += MARGIN
    clock.heard(NOON + MARGIN)
    assert clock.past_ns(MARGIN) == clock.now_ns() == NOON + MARGIN


def test_only_the_first_snapshot_of_a_session_tells_what_time_it_is() -> None:
    wall = Wall()
    clock = HomeClock(wall)
    clock.read(NOON)
    wall.ns += MARGIN
    clock.read(NOON + HOUR)
    assert clock.past_ns(MARGIN) == NOON + MARGIN


def test_a_home_without_states_has_no_time() -> None:
    wall = Wall()
    clock = HomeClock(wall)
    clock.read(0)
    wall.ns += MARGIN
    assert clock.past_ns(MARGIN) == MARGIN


def test_ours_has_to_do_where_nothing_was_heard_for_long_after_the_snapshot() -> None:
    wall = Wall()
    clock = HomeClock(wall)
    told = [clock.is_silent]
    clock.read(NOON)
    for more in (SILENCE_NS - 1, 1):
        wall.ns += more
        told.append(clock.is_silent)
    clock.heard(NOON + HOUR)
    assert [*told, clock.is_silent] == [False, False, True, False]
