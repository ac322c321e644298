from __future__ import annotations

from ingest.core.told import STATES, Told


def told(*states: tuple[str, int], entities: int = 9) -> Told:
    made = Told(entities)
    for registry_id, time_ns in states:
        made.add(registry_id, time_ns)
    return made


def known(made: Told, *states: tuple[str, int]) -> list[bool]:
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
