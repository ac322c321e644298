"""Where a gap begins, also where one state is from a future that Home Assistant's clock was set back from."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.actors.upkeep import HEARD
from ingest.core.beginning import LAG_NS, Beginning, known_until
from ingest.core.coverage import FOREVER, Cause, Mark, Span
from ingest.core.home_clock import LITTLE_NS
from ingest.core.reconcile import Reconciler

SECOND = 10**9
FUTURE = 10**6
"""A second: eleven days after the others."""


def mark(name: str, second: int) -> Mark:
    return Mark(name, name, second * SECOND)


def left_behind(heard: int, *marks: Mark) -> Reconciler:
    """What a new run knows of one that heard until then, as it was written down."""
    reconciler = Reconciler()
    reconciler.remember({each.registry_id: each for each in marks}, Cause.KILLED, heard * SECOND)
    return reconciler


def hold(reconciler: Reconciler, session: int, *snapshot: Mark) -> tuple[int, int]:
    """A session in which nothing comes live; returns when the gap before it began and ended, in seconds."""
    reconciler.enter(session, max(each.time_ns for each in snapshot))
    for each in snapshot:
        if not reconciler.knows(each.registry_id, each.entity_id, each.time_ns):
            reconciler.see(each, live=False)
    found = reconciler.complete()
    assert found is not None
    (missed,) = reconciler.note().missed
    assert (missed.from_ns, missed.to_ns) == (found.from_ns, found.to_ns)
    return found.from_ns // SECOND, found.to_ns // SECOND


def test_what_is_written_down_once_a_minute_lags_no_more_than_that() -> None:
    assert LAG_NS >= HEARD * SECOND + LITTLE_NS


@given(st.integers(0, 10**15), st.integers(0, 10**15) | st.just(FOREVER))
def test_a_gap_begins_no_later_than_the_marks_say_and_hardly_after_what_was_heard(
    newest_ns: int, heard_ns: int
) -> None:
    begins = Beginning.after(newest_ns, heard_ns)
    assert begins.since_ns <= begins.from_ns <= begins.newest_ns
    if newest_ns:
        assert begins.from_ns <= newest_ns
    assert begins.from_ns <= heard_ns + LAG_NS
    assert begins.from_ns in {newest_ns, heard_ns, 0}
    assert known_until(newest_ns, FOREVER) == newest_ns


def test_the_marks_tell_more_than_what_was_written_down_up_to_a_minute_before() -> None:
    assert hold(left_behind(50, mark("a.a", 110)), 1, mark("a.a", 110)) == (110, 110)


@pytest.mark.parametrize("changed", [False, True])
def test_a_state_from_the_future_does_not_date_the_gap_before_a_run(*, changed: bool) -> None:
    reconciler = left_behind(50, mark("a.a", 50), mark("a.ghost", FUTURE))
    assert hold(reconciler, 1, mark("a.a", 90 if changed else 50), mark("a.ghost", FUTURE)) == (
        50,
        90 if changed else 50,
    )


def test_a_session_in_which_nothing_comes_is_not_known_until_a_future_that_its_snapshot_holds() -> None:
    known = mark("a.a", 50), mark("a.ghost", FUTURE)
    reconciler = left_behind(50, *known)
    for session in (1, 2, 3):
        assert hold(reconciler, session, *known) == (50, 50)
        assert reconciler.heard_ns == 50 * SECOND
    assert hold(reconciler, 4, mark("a.a", 90), mark("a.ghost", FUTURE)) == (50, 90)
    assert reconciler.heard_ns == 90 * SECOND


def test_before_the_first_session_no_more_is_known_than_the_run_before_wrote_down() -> None:
    assert left_behind(50, mark("a.a", 50), mark("a.ghost", FUTURE)).heard_ns == 50 * SECOND
    assert left_behind(50, mark("a.a", 70)).heard_ns == 50 * SECOND, "that run ended before its snapshot, perhaps"
    assert left_behind(50, mark("a.a", 40)).heard_ns == 40 * SECOND
    assert Reconciler().heard_ns is None


def test_marks_that_are_read_late_begin_the_gap_where_everything_was_known_until() -> None:
    reconciler = Reconciler()
    reconciler.forget_nothing()
    reconciler.enter(1)
    reconciler.see(mark("a.a", 90))
    marks = {each.registry_id: each for each in (mark("a.a", 50), mark("a.ghost", FUTURE))}
    reconciler.remember(marks, Cause.STOPPED, 50 * SECOND)
    (missed,) = reconciler.note().missed
    assert (missed.from_ns, missed.to_ns) == (50 * SECOND, 90 * SECOND)
    assert Span("a.a", "a.a", 50 * SECOND, 90 * SECOND) in missed.spans


def test_a_gap_that_begins_early_makes_no_restart_of_home_assistant() -> None:
    """A home that was silent for long and told something just before the service was killed."""
    reconciler = left_behind(50, mark("a.a", 2_000))
    assert hold(reconciler, 1, mark("a.a", 2_000)) == (50, 50)
    assert reconciler.restarted_ns is None
    reconciler = left_behind(50, mark("a.a", 2_000))
    assert hold(reconciler, 1, mark("a.a", 2_001)) == (50, 2_001)
    assert reconciler.restarted_ns == 2_001 * SECOND
