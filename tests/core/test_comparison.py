from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from ingest.core.comparison import Comparison, Finding, Side, step_of
from ingest.core.comparison_fields import Difference
from ingest.core.influxql import Stored

T = 1_795_422_795_356_242_000


def stored(time_ns: int, value: float = 1.0, entity_id: str = "sensor.a", **fields: float | str) -> Stored:
    return Stored(entity_id, time_ns, "W", {"value": value, **fields}, {})


def found(ours: list[Stored], theirs: list[Stored], *, whole: bool = True) -> list[Finding]:
    return list(Comparison(whole).span(ours, theirs))


def test_what_is_the_same_is_counted() -> None:
    comparison = Comparison(whole=True)
    assert list(comparison.span([stored(T), stored(T + 10**9, 2)], [stored(T), stored(T + 10**9, 2)])) == []
    assert (comparison.ours, comparison.theirs, comparison.same) == (2, 2, 2)
    assert comparison.entities == {"sensor.a"}
    assert comparison.times == [T, T + 10**9]


def test_what_one_side_holds_and_what_differs() -> None:
    theirs = stored(T + 2_000, 3, device_class_str="power", state_class_str="measurement")
    assert found([stored(T), stored(T + 1_000, 2)], [stored(T, 5), theirs]) == [
        Finding(Side.BOTH, "sensor.a", T, "1", (Difference("value", 1, 5),)),
        Finding(Side.THEIRS, "sensor.a", T + 2_000, "3", device_class="power", unit="W", state_class="measurement"),
        Finding(Side.OURS, "sensor.a", T + 1_000, "2"),
    ]


def test_a_measurement_that_is_the_entity_is_no_unit() -> None:
    theirs = Stored("light.a", T, "light.a", {"state": "on"}, {})
    assert found([], [theirs]) == [Finding(Side.THEIRS, "light.a", T, "on")]


def test_class_and_unit_may_be_tags_and_the_class_in_the_measurement() -> None:
    tags = {"device_class": "battery", "unit_of_measurement": "%", "state_class": "measurement"}
    tagged = Stored("sensor.a", T, "mine", {"value": 1.0}, tags)
    by_class = Stored("sensor.b", T, "sensor__battery", {"value": 1.0, "unit_of_measurement_str": "%"}, {})
    by_domain = Stored("sensor.c", T, "sensor", {"value": 1.0}, {})
    told = {
        each.entity_id: (each.device_class, each.unit, each.state_class)
        for each in found([], [tagged, by_class, by_domain])
    }
    assert told == {
        "sensor.a": ("battery", "%", "measurement"),
        "sensor.b": ("battery", "%", None),
        "sensor.c": (None, None, None),
    }


def test_a_client_that_reckons_with_floats_is_off_by_less_than_a_microsecond() -> None:
    assert found([stored(T)], [stored(T - 242)]) == []
    assert found([stored(T)], [stored(T + 250)]) == []


def test_times_that_are_cut_are_the_same_and_hide_what_came_before_in_the_same_step() -> None:
    base = T // 10**9 * 10**9
    theirs = [stored(base + number * 10**9, number) for number in range(10)]
    ours = [stored(base + number * 10**9 + 123_456_000, number) for number in range(10)]
    assert found(ours, theirs) == []
    hidden = stored(base + 5 * 10**9 + 1_000, 99)
    assert found([*ours, hidden], theirs) == [Finding(Side.OURS, "sensor.a", hidden.time_ns, "99", shared=True)]


def test_the_fields_of_points_that_became_one_are_those_of_all() -> None:
    base = T // 10**9 * 10**9
    others = [stored(base + number * 10**9, number) for number in range(1, 10)]
    ours = [stored(base + 1_000, 1, x=1.0), stored(base + 2_000, 2), *others]
    theirs = [stored(base, 2, x=1.0), *others]
    assert [each.shared for each in found(ours, theirs)] == [True]


def test_a_whole_step_that_floats_made_one_step_too_early() -> None:
    base = T // 10**6 * 10**6
    theirs = [stored(base + number * 10**7, number) for number in range(9)] + [stored(base + 10**9 - 10**6, 7)]
    ours = [stored(base + number * 10**7, number) for number in range(9)] + [stored(base + 10**9, 7)]
    assert found(ours, theirs) == []


def test_how_coarse_the_times_are_is_only_believed_of_enough_of_them() -> None:
    assert step_of([10**9] * 7, 1_000) == 1_000
    assert step_of([number * 10**9 for number in range(8)], 1_000) == 10**9
    assert step_of([number * 10**6 for number in range(8)], 1_000) == 10**6
    assert step_of([number * 10**3 for number in range(8)], 10**9) == 1_000
    assert step_of([], 10**9) == 10**9


def test_the_same_again_is_remembered_from_span_to_span() -> None:
    comparison = Comparison(whole=True)
    list(comparison.span([], [stored(T)]))
    (again,) = comparison.span([], [stored(T + 1_000)])
    (other,) = comparison.span([], [stored(T + 2_000, 2)])
    assert (again.again, other.again) == (True, False)


def test_of_another_schema_only_the_state_is_compared() -> None:
    ours = Stored("light.a", T, "", {"state": "on", "value": 1.0, "origin": "snapshot"}, {})
    theirs = Stored("light.a", T, "light.a", {"state": "on", "value": 1.0, "brightness": 3.0}, {"source": "HA"})
    assert found([ours], [theirs], whole=False) == []
    number = Stored("light.a", T, "lx", {"value": 1.0}, {})
    assert found([ours], [number], whole=False) == []


@given(
    st.lists(
        st.tuples(st.sampled_from("abc"), st.integers(0, 50), st.integers(-250, 250)), unique_by=lambda each: each[:2]
    ),
    st.sets(st.integers(0, 60)),
    st.sets(st.integers(0, 60)),
)
def test_every_point_is_the_same_or_found_once(
    made: list[tuple[str, int, int]], lost_here: set[int], lost_there: set[int]
) -> None:
    points = [(f"sensor.{name}", T + at * 1_000, off) for name, at, off in made]
    ours = [stored(at, number, name) for number, (name, at, _) in enumerate(points) if number not in lost_here]
    theirs = [
        stored(at + off, number, name) for number, (name, at, off) in enumerate(points) if number not in lost_there
    ]
    comparison = Comparison(whole=True)
    differing = list(comparison.span(ours, theirs))
    both = len(points) - len({*lost_here, *lost_there} & set(range(len(points))))
    assert comparison.same == both
    assert {each.side for each in differing} <= {Side.OURS, Side.THEIRS}
    assert sum(each.side is Side.OURS for each in differing) == len(ours) - both
    assert sum(each.side is Side.THEIRS for each in differing) == len(theirs) - both
    assert {each.time_ns % 1_000 for each in differing} <= {0}
