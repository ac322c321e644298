from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.core import wire
from ingest.core.state import EPOCH, Frame, Source, from_snapshot, moment_of, nanoseconds, split
from tests.core.changes import LATER, LATER_NS, NOON, change, raw, state

zones = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
moments = st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30), timezones=zones)  # noqa: DTZ001  `timezones` says it


@given(moments)
def test_nanoseconds_are_exact_to_the_microsecond(moment: datetime) -> None:
    count = nanoseconds(moment)
    assert count % 1000 == 0
    assert EPOCH + timedelta(microseconds=count // 1000) == moment


@given(moments, moments)
def test_nanoseconds_keep_the_order(first: datetime, second: datetime) -> None:
    assert (nanoseconds(first) < nanoseconds(second)) is (first < second)


def test_a_recorded_time() -> None:
    assert nanoseconds(moment_of(change(state("a.b", "on")))) == LATER_NS
    assert nanoseconds(datetime(1969, 12, 31, 23, 59, 59, 999999, tzinfo=UTC)) == -1000


def test_a_naive_time_is_no_time() -> None:
    with pytest.raises(TypeError):
        nanoseconds(datetime(2026, 11, 23))  # noqa: DTZ001  that is the point


def test_a_removals_time_is_when_it_was_fired() -> None:
    assert moment_of(change(None, state("a.b", "on", updated=NOON))) == datetime.fromisoformat(LATER)


def test_a_state_of_a_snapshot_is_a_change_without_a_predecessor() -> None:
    known = wire.state(raw(state("a.b", "on", changed=NOON)))
    made = from_snapshot(known)
    assert (made.data.old_state, made.data.new_state) == (None, known)
    assert moment_of(made) == known.last_updated


@given(st.integers(0, 40), st.integers(1, 12), st.integers(0, 100_000))
def test_a_split_frame_is_the_same_changes_in_the_same_order(count: int, most: int, size: int) -> None:
    changes = [change(state(f"a.{number}", "on")) for number in range(count)]
    parts = split(Frame(changes, size, Source.SNAPSHOT), most)
    assert [each for part in parts for each in part.changes] == changes
    assert all(0 < len(part.changes) <= most for part in parts if count)
    assert {part.source for part in parts} == {Source.SNAPSHOT}
    assert size - len(parts) < sum(part.size for part in parts) <= size
