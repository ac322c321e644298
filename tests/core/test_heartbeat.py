from __future__ import annotations

from attrs import frozen
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from ingest.core.heartbeat import AT_ONCE, SILENT, Heartbeats, next_after
from ingest.core.point import Attributes, Facts, Kind, Point
from ingest.core.state import Context, Source

EVERY = 10


def point(time_ns: int, state: str = "on", entity_id: str = "light.a") -> Point:
    return Point(
        entity_id, time_ns, state, Facts("r"), Attributes("{}"), 1.0, "off", 5.0, Kind.CHANGED, Context("01"), None
    )


def same(known: Point) -> tuple[Point, int | None]:
    return known, EVERY


def begun(*points: Point, until: int = 0, every: int = EVERY) -> Heartbeats:
    """In a session that is known to have stood until then."""
    made = Heartbeats()
    made.begin()
    for each in points:
        assert made.see(each, every) == []
    made.complete()
    made.reach(until)
    return made


def reached(heartbeats: Heartbeats, until: int) -> list[tuple[int, str]]:
    heartbeats.reach(until)
    return said(heartbeats.take(1000, same))


def said(points: list[Point]) -> list[tuple[int, str]]:
    return [(each.time_ns, each.state) for each in points]


def test_a_value_is_said_again_at_the_multiples_of_the_interval() -> None:
    heartbeats = begun(point(3), until=7)
    assert reached(heartbeats, 9) == []
    assert reached(heartbeats, 10) == [(10, "on")]
    assert reached(heartbeats, 29) == [(20, "on")]
    assert reached(heartbeats, 29) == []


def test_a_heartbeat_says_the_value_and_whose_it_is_and_nothing_of_a_change() -> None:
    heartbeats = begun(point(3), until=7)
    heartbeats.reach(10)
    (made,) = heartbeats.take(1, same)
    blank = replace(point(10), previous_state=None, duration=None, kind=None, context=None, origin=Source.HEARTBEAT)
    assert made == blank
    assert made.attributes is heartbeats._standing["light.a"].point.attributes


def test_a_change_brings_what_was_due_before_it() -> None:
    heartbeats = begun(point(3), until=7)
    assert said(heartbeats.see(point(25, "off"), EVERY)) == [(10, "on"), (20, "on")]
    assert reached(heartbeats, 30) == [(30, "off")]
    assert heartbeats.see(point(40, "on"), EVERY) == [], "that time has its own state"
    assert reached(heartbeats, 41) == []


def test_a_value_that_is_not_known_is_not_said_again() -> None:
    for state in sorted(SILENT):
        heartbeats = begun(point(3), until=7)
        assert said(heartbeats.see(point(15, state), EVERY)) == [(10, "on")]
        assert reached(heartbeats, 100) == []
        heartbeats.see(point(101, "on"), EVERY)
        assert reached(heartbeats, 110) == [(110, "on")]


def test_an_entity_whose_rule_has_none_has_none() -> None:
    heartbeats = begun(point(3), until=7)
    assert said(heartbeats.see(point(15), None)) == [(10, "on")]
    assert reached(heartbeats, 100) == []


def test_nothing_is_made_before_it_is_known_since_when_the_session_stands() -> None:
    heartbeats = Heartbeats()
    heartbeats.begin()
    heartbeats.see(point(3), EVERY)
    assert heartbeats.see(point(25, "off"), EVERY) == []
    heartbeats.complete()
    assert reached(heartbeats, 47) == []
    assert reached(heartbeats, 50) == [(50, "off")]


def test_between_two_sessions_there_is_none() -> None:
    heartbeats = begun(point(3), until=7)
    heartbeats.begin()
    heartbeats.confirm("light.a", 3)
    heartbeats.complete()
    assert reached(heartbeats, 37) == []
    assert reached(heartbeats, 40) == [(40, "on")]


def test_without_a_session_nothing_is_gone() -> None:
    heartbeats = Heartbeats()
    heartbeats.see(point(3), EVERY)
    heartbeats.complete()
    heartbeats.reach(5)
    assert reached(heartbeats, 10) == [(10, "on")]


def test_what_is_not_in_the_snapshot_is_gone() -> None:
    heartbeats = begun(point(3), point(4, entity_id="light.b"), until=7)
    heartbeats.begin()
    heartbeats.confirm("light.b", 4)
    heartbeats.confirm("light.c", 4)
    heartbeats.complete()
    heartbeats.reach(9)
    heartbeats.reach(10)
    assert [each.entity_id for each in heartbeats.take(10, same)] == ["light.b"]


def test_a_newer_state_that_is_known_and_was_never_made_into_a_point_confirms_nothing() -> None:
    heartbeats = begun(point(3), until=7)
    heartbeats.begin()
    heartbeats.confirm("light.a", 5)
    heartbeats.complete()
    heartbeats.reach(9)
    assert reached(heartbeats, 100) == []


def test_what_was_dropped_stands_again_with_a_newer_state() -> None:
    heartbeats = begun(point(3), point(3, entity_id="light.b"), until=7)
    heartbeats.lose({"light.a": 15})
    heartbeats.see(point(12, "late"), EVERY)
    heartbeats.reach(20)
    assert {each.entity_id for each in heartbeats.take(10, same)} == {"light.b"}
    heartbeats.see(point(22, "off"), EVERY)
    heartbeats.reach(30)
    assert {each.entity_id: each.state for each in heartbeats.take(10, same)} == {"light.a": "off", "light.b": "on"}


def test_they_are_taken_in_portions_and_what_is_forgotten_meanwhile_is_not() -> None:
    heartbeats = begun(*(point(3, entity_id=f"light.{number}") for number in range(5)), until=7)
    heartbeats.reach(10)
    assert len(heartbeats.take(2, same)) == 2
    assert heartbeats
    heartbeats.forget(["light.2", "light.9"])
    assert [each.entity_id for each in heartbeats.take(10, same)] == ["light.3", "light.4"]
    assert not heartbeats


def test_a_clock_that_jumps_makes_only_a_few() -> None:
    heartbeats = begun(point(3), until=7)
    assert len(reached(heartbeats, 10**6)) == AT_ONCE
    assert reached(heartbeats, 10**6 + EVERY) == [(10**6 + EVERY, "on")]


def test_a_clock_that_is_set_back_does_not_end_them() -> None:
    heartbeats = begun(point(3), until=7)
    assert reached(heartbeats, 1010)[-1] == (100, "on")
    assert heartbeats.see(point(1012, "off", "light.b"), EVERY) == []
    assert reached(heartbeats, 25) == []
    assert heartbeats.see(point(27, "off", "light.c"), EVERY) == []
    heartbeats.reach(30)
    assert {each.entity_id: each.time_ns for each in heartbeats.take(10, same)} == {"light.a": 30, "light.c": 30}
    assert heartbeats.see(point(45, "off"), EVERY)[-1].time_ns == 40


def test_they_do_not_fill_the_memory() -> None:
    heartbeats = Heartbeats(2)
    for number in range(4):
        heartbeats.see(point(number, entity_id=f"light.{number}"), EVERY)
    heartbeats.lose({f"light.{number}": 1 for number in range(4)})
    assert (len(heartbeats._standing), len(heartbeats._lost)) == (0, 2)
    for number in range(4, 8):
        heartbeats.see(point(number, entity_id=f"light.{number}"), EVERY)
    assert list(heartbeats._standing) == ["light.6", "light.7"]


@given(st.integers(-(2**62), 2**62), st.integers(1, 10**14))
def test_the_next_multiple_is_later_and_not_by_more_than_the_interval(time_ns: int, interval_ns: int) -> None:
    due_ns = next_after(time_ns, interval_ns)
    assert due_ns % interval_ns == 0
    assert 0 < due_ns - time_ns <= interval_ns


@frozen
class Act:
    """What happens at a time: a state, a proof, or the end of a session and the beginning of the next."""

    kind: str
    state: str = ""


ACTS = st.one_of(
    st.builds(Act, st.just("state"), st.sampled_from(["on", "off", "unavailable", "removed"])),
    st.builds(Act, st.just("proof")),
    st.builds(Act, st.just("session")),
)


@given(st.lists(st.tuples(st.integers(1, 35), ACTS), max_size=40))
def test_each_heartbeat_says_what_was_true_then_in_a_session_that_stood(given_acts: list[tuple[int, Act]]) -> None:
    """And between two proofs of a session there is one at each multiple, unless nothing is known or a state is there."""
    heartbeats = begun(until=0)
    states: dict[int, str] = {}
    made: list[tuple[int, str]] = []
    windows: list[tuple[int, int]] = []
    now, proven, first = 0, 0, False
    for step, act in given_acts:
        now += step
        match act.kind:
            case "state":
                states[now] = act.state
                made += said(heartbeats.see(point(now, act.state), EVERY))
            case "proof":
                made += reached(heartbeats, now)
                if not first:
                    windows.append((proven, now))
                proven, first = now, False
            case _:
                heartbeats.begin()
                for at in [max(states)] if states else []:
                    heartbeats.confirm("light.a", at)
                heartbeats.complete()
                first = True

    def held(time: int) -> str:
        return next((state for at, state in sorted(states.items(), reverse=True) if at < time), "removed")

    assert len({time for time, _ in made}) == len(made)
    assert all(time % EVERY == 0 and state == held(time) and time not in states for time, state in made)
    expected = {
        (time, held(time))
        for start, end in windows
        for time in range(next_after(start, EVERY), end + 1, EVERY)
        if time not in states and held(time) not in SILENT
    }
    assert expected <= set(made)


def test_other_intervals_hold_from_then_on_and_what_stands_goes_on() -> None:
    heartbeats = begun(point(3), point(4, entity_id="light.b"), point(5, entity_id="light.c"), until=7)
    every = {"light.a": 4, "light.b": EVERY, "light.c": None}

    def other(known: Point) -> tuple[Point, int | None]:
        return known, every[known.entity_id]

    heartbeats.renew(other)
    heartbeats.reach(13)
    assert sorted((each.entity_id, each.time_ns) for each in heartbeats.take(1000, other)) == [
        ("light.a", 8), ("light.a", 12), ("light.b", 10),
    ]  # fmt: skip


def test_before_a_session_is_known_to_stand_other_intervals_begin_at_the_value() -> None:
    heartbeats = Heartbeats()
    heartbeats.see(point(3), EVERY)
    heartbeats.renew(lambda known: (known, 2))
    assert heartbeats._standing["light.a"].due_ns == 4


def test_they_are_made_as_the_entity_is_known_when_they_are_due() -> None:
    heartbeats = begun(point(3), point(4, entity_id="light.b"), until=7)
    heartbeats.reach(10)
    moved = Facts("r", area_id="cellar")
    made = heartbeats.take(
        10, lambda known: (replace(known, facts=moved), None if known.entity_id == "light.b" else EVERY)
    )
    assert [(each.entity_id, each.facts) for each in made] == [("light.a", moved)]
    assert list(heartbeats._standing) == ["light.a"]
