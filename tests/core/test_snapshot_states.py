from __future__ import annotations

import pytest

from ingest.core.snapshot_states import NEAR_NS, STATES, SnapshotStates


def told(*states: tuple[str, int], entities: int = 9) -> SnapshotStates:
    made = SnapshotStates(entities)
    for registry_id, time_ns in states:
        made.add(registry_id, time_ns)
    return made


def known(made: SnapshotStates, *states: tuple[str, int]) -> list[bool]:
    return [made.knows(*state) for state in states]


def test_what_a_snapshot_told_is_known_until_it_is_lost() -> None:
    made = told(("a", 1), ("a", 5), ("b", 5))
    assert known(made, ("a", 1), ("a", 2), ("a", 5), ("c", 5)) == [True, False, True, False]
    made.lose("a", 5)
    made.lose("c", 5)
    assert known(made, ("a", 1), ("a", 5), ("b", 5)) == [True, False, True]


def test_states_of_a_time_are_forgotten_together() -> None:
    made = told(("a", 1), ("a", 5), ("b", 5), ("c", 9))
    made.forget(2, 8)
    assert known(made, ("a", 1), ("a", 5), ("b", 5), ("c", 9)) == [True, False, False, True]
    made.clear()
    assert known(made, ("a", 1), ("c", 9)) == [False, False]


def test_it_is_bounded() -> None:
    made = told(*(("a", each) for each in range(STATES + 2)), ("b", 1), ("c", 1), entities=2)
    assert known(made, ("a", STATES + 1), ("b", 1), ("c", 1)) == [False, True, True]
    assert known(told(*(("a", each) for each in range(STATES + 1))), ("a", 0), ("a", 1)) == [False, True]


def test_times_of_losses_are_remembered() -> None:
    made = told()
    made.miss(5, 9)
    made.forget(7, 12)
    assert [made.is_lost(each) for each in (4, 5, 12, 13)] == [False, True, True, False]


def test_what_lies_far_apart_is_not_lost_in_between() -> None:
    made, far = told(), 10 * NEAR_NS
    for each in (far, 3 * far, 0):
        made.miss(each, each + 1)
    assert [made.is_lost(each) for each in (0, far, 3 * far)] == [True, True, True]
    assert not made.is_lost(2 * far)


def test_of_too_many_losses_the_oldest_two_become_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ingest.core.snapshot_states.TIMES", 2)
    made, far = told(), 10 * NEAR_NS
    for each in (3 * far, 2 * far, 5 * far):
        made.miss(each, each + 1)
    assert [made.is_lost(each * far + far // 2) for each in range(5)] == [False, False, True, False, False]
    assert [made.is_lost(each * far) for each in (2, 3, 5)] == [True, True, True]
