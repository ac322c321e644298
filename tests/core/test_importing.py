from __future__ import annotations

from ingest.core.coverage import Mark
from ingest.core.importing import NOTHING, Wanted, chosen, known, spans_of, whole_microseconds
from ingest.core.marks import bearers

SINCE, UNTIL = 10_000, 90_000


def entity(name: str, first: int = NOTHING, newest: int = NOTHING) -> Mark:
    return Mark(name, f"sensor.{name}", newest, first)


def asked(*entities: Mark, pending: dict[str, int] | None = None, again: bool = False) -> dict[str, tuple[int, int]]:
    spans = spans_of(Wanted(SINCE, UNTIL, entities, again), pending or {})
    return {each.registry_id: (each.after_ns, each.before_ns) for each in spans}


def test_everything_before_the_first_stored_state_is_asked_for() -> None:
    found = asked(entity("a", 50_000, 70_000), entity("b", newest=60_000), entity("new"))
    assert found == {"a": (9_999, 50_000), "b": (9_999, 60_000), "new": (9_999, UNTIL + 500)}


def test_what_is_stored_since_then_is_not_asked_for() -> None:
    assert asked(entity("a", SINCE, 70_000), entity("b", 5_000, 70_000)) == {}


def test_what_is_asked_for_already_is_not_asked_for_again() -> None:
    """The first state that is asked for lies a nanosecond after the pending span's beginning, at the earliest, and the new span ends between two microseconds before."""
    entities = entity("a", 50_000, 70_000), entity("new")
    assert asked(*entities, pending={"a": 29_999, "new": 29_999}) == {"a": (9_999, 29_500), "new": (9_999, 29_500)}
    assert asked(*entities, pending={"a": 9_999, "new": 3_999}) == {}


def test_again_means_everything_to_the_newest_state_included() -> None:
    entities = entity("a", 20_000, 70_000), entity("new"), entity("old", 1_000, 5_000)
    assert asked(*entities, pending={"a": 9_999}, again=True) == {"a": (9_999, 70_001), "new": (9_999, UNTIL + 500)}


def test_what_another_entity_did_under_the_name_is_stored_as_that_ones() -> None:
    """It was deleted, and a new one got its name: before that the new one had another, or was not there at all."""
    gone = Mark("gone", "sensor.a", 60_000, 30_000)

    def both(
        entity: Mark, *, again: bool = False, pending: dict[str, int] | None = None
    ) -> set[tuple[str, str, int, int]]:
        spans = spans_of(Wanted(SINCE, UNTIL, [entity], again), pending or {}, [gone, entity])
        return {(each.registry_id, each.entity_id, each.after_ns, each.before_ns) for each in spans}

    before = ("gone", "sensor.a", 9_999, 30_000)
    assert both(Mark("new", "sensor.a", 80_000, 50_000)) == {before}
    assert both(Mark("new", "sensor.a", 80_000, 70_000)) == {before, ("new", "sensor.a", 60_500, 70_000)}
    assert both(Mark("new", "sensor.a", NOTHING)) == {before, ("new", "sensor.a", 60_500, UNTIL + 500)}
    assert both(Mark("new", "sensor.a", 80_000, 50_000), again=True) == {before, ("new", "sensor.a", 60_500, 80_001)}
    assert both(Mark("new", "sensor.a", 80_000, 50_000), pending={"gone": 9_999}) == set()
    assert both(Mark("new", "sensor.other", 80_000, 50_000)) == {("new", "sensor.other", 9_999, 50_000)}
    back = Mark("back", "sensor.a", 80_000, 20_000)
    assert both(back) == {("back", "sensor.a", 9_999, 20_000)}, "it had the name before the other one"


def test_what_two_know_of_an_entity_is_its_oldest_and_its_newest_state() -> None:
    assert known(entity("a", 30, 70), None) == entity("a", 30, 70)
    assert known(entity("a", 30, 70), entity("a", 20, -1)) == entity("a", 20, 70)
    assert known(entity("a"), entity("a", 20, 60)) == entity("a", 20, 60)
    assert known(entity("a", newest=80), entity("a", newest=60)) == entity("a", 60, 80)
    assert known(entity("a"), entity("a")) == entity("a")


def test_entities_are_chosen_by_globs_and_rules_each_once() -> None:
    entities = [entity("a"), entity("b"), Mark("a", "sensor.renamed", 0), Mark("c", "light.c", 0)]

    def names(*globs: str, rule: str = "") -> list[str]:
        return [each.entity_id for each in chosen(entities, globs, lambda each: each.entity_id != rule)]

    assert names() == ["sensor.a", "sensor.b", "light.c"]
    assert names(rule="sensor.b") == ["sensor.a", "light.c"]
    assert names("light.*", "sensor.[b-z]") == ["sensor.b", "light.c"]
    assert names("sensor") == []


def test_times_are_home_assistants() -> None:
    assert whole_microseconds(1_234_567) == 1_234_000


def test_a_name_that_two_ids_had_is_asked_for_once() -> None:
    marks = {each.registry_id: each for each in (Mark("old", "a.a", 5), Mark("new", "a.a", 9), Mark("b", "b.b", 1))}
    assert bearers(marks) == [Mark("new", "a.a", 9), Mark("b", "b.b", 1)]
