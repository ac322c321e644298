"""What the filter did, by rule, over reloads."""

from __future__ import annotations

from datetime import timedelta

from ingest.core.filter_counts import FilterCountsFold
from ingest.core.filter_settings import FilterSettings, Pattern
from ingest.core.judged import Judged
from ingest.core.point import Attributes, Facts, Point
from ingest.core.rules import Rules
from ingest.core.state import Change, Source, State, StateData, from_snapshot
from ingest.core.tally import EARLIER, Tally
from tests.core.changes import together
from tests.core.test_health import WALL

FACTS, NOTHING = Facts("r"), Attributes("{}")
RULES = Rules(FilterSettings("exclude", (Pattern(domain="update"),), (Pattern(entity_id="update.core"),)))
EXCEPTION, PATTERN = "exception 1: entity_id=update.core", "pattern 1: domain=update"


def judged(entity_id: str, rules: Rules) -> Judged:
    decision = rules.decide(entity_id, NOTHING, FACTS)
    new = State(entity_id, "on", WALL, WALL)
    change = Change(StateData(entity_id, None, new), WALL)
    if not decision.passed:
        return Judged(Source.LIVE, [change], [decision.rule])
    return Judged(Source.LIVE, [change], [Point(entity_id, 1, "on", FACTS, NOTHING)], [decision.rule])


def test_states_are_counted_by_the_rule_that_decided() -> None:
    fold = FilterCountsFold(RULES)
    fold.hear(together(*(judged(each, RULES) for each in ("light.a", "update.a", "update.core", "light.a"))), RULES)
    fold.hear(Judged(Source.SNAPSHOT, [Change(StateData("light.a"), WALL)], [None]), RULES)
    found = fold.look(RULES)
    assert (found.passed, found.excepted, found.filtered, found.total) == (3, 1, 1, 4)
    assert found.passed_by == {"no pattern": 2, EXCEPTION: 1}
    assert found.filtered_by == {PATTERN: 1}


def test_what_an_exception_let_through_stays_counted_when_it_is_no_more() -> None:
    fold = FilterCountsFold(RULES)
    fold.hear(together(judged("update.core", RULES), judged("light.a", RULES)), RULES)
    assert fold.look(RULES).excepted == 1
    found = fold.look(Rules(FilterSettings()))
    assert (found.excepted, found.passed, found.passed_by) == (1, 2, {EARLIER: 1, "no pattern": 1})


def test_rules_that_are_no_more_are_counted_under_one_name_however_often_they_change() -> None:
    fold, before = FilterCountsFold(RULES), RULES
    tally = Tally()
    tally.by_rule.update({PATTERN: 1, "schema": 5})
    fold.hear(together(judged("update.a", RULES)), RULES)
    for number in range(50):
        rules = Rules(FilterSettings("exclude", (Pattern(domain=f"domain_{number}"),)))
        fold.hear(together(judged(f"domain_{number}.a", rules), judged("light.a", rules)), rules)
        tally.retire(before.ended(rules))
        tally.by_rule[f"pattern 1: domain=domain_{number}"] += 1
        before = rules
    found = fold.look(rules)
    assert found.filtered_by == {EARLIER: 50, "pattern 1: domain=domain_49": 1}
    assert found.passed_by == {"no pattern": 50}
    assert tally.by_rule == {EARLIER: 50, "pattern 1: domain=domain_49": 1, "schema": 5}
    last = Rules(FilterSettings())
    assert fold.look(last).filtered_by == {EARLIER: 51}


def snapshot(*parts: Judged, later: int = 0) -> Judged:
    """The same as a snapshot tells it, each state so many seconds newer."""
    found = together(*parts)
    states = [(each.data.entity_id, WALL + timedelta(seconds=later)) for each in found.changes]
    changes = [from_snapshot(State(entity_id, "on", moment, moment)) for entity_id, moment in states]
    return Judged(Source.SNAPSHOT, changes, found.verdicts, found.rules)


def test_what_a_snapshot_tells_again_counts_once_also_under_other_rules() -> None:
    fold = FilterCountsFold(RULES)
    fold.hear(judged("update.a", RULES), RULES)
    for _ in range(3):
        fold.hear(snapshot(judged("update.a", RULES), judged("update.b", RULES)), RULES)
    assert fold.look(RULES).filtered_by == {PATTERN: 2}
    fold.hear(snapshot(judged("update.a", RULES), later=1), RULES)
    assert fold.look(RULES).filtered_by == {PATTERN: 3}
    fold.hear(judged("update.a", RULES), RULES)  # live, whatever its time is
    only = Rules(FilterSettings("include"))
    fold.hear(snapshot(judged("update.a", only), judged("update.b", only), judged("light.a", only)), only)
    assert fold.look(only).filtered_by == {EARLIER: 4, "no pattern": 1}


def test_of_what_is_left_out_so_many_are_remembered_and_the_first_is_forgotten() -> None:
    fold = FilterCountsFold(RULES, entities=2)
    for each in ("update.a", "light.a", "update.b", "update.a", "update.c"):
        fold.hear(judged(each, RULES), RULES)
    assert fold.look(RULES).filtered == 4
    fold.hear(snapshot(*(judged(each, RULES) for each in ("update.b", "update.c"))), RULES)
    assert fold.look(RULES).filtered == 4
    fold.hear(snapshot(judged("update.a", RULES)), RULES)
    assert fold.look(RULES).filtered == 5


def test_a_rule_that_does_the_opposite_under_the_same_name_is_another() -> None:
    """With the filter's mode, and with a pattern's own, which its name does not tell."""
    fold = FilterCountsFold(RULES)
    fold.hear(together(*(judged(each, RULES) for each in ("light.a", "update.a", "update.core"))), RULES)
    only = Rules(FilterSettings("include", (Pattern(domain="update"),), (Pattern(entity_id="update.core"),)))
    found = fold.look(only)
    assert (found.passed_by, found.filtered_by) == ({EARLIER: 1, EXCEPTION: 1}, {EARLIER: 1})
    fold.hear(together(*(judged(each, only) for each in ("light.a", "update.a"))), only)
    without = Rules(FilterSettings("include", (Pattern(domain="update", mode="exclude"),)))
    assert only.ended(without) == {PATTERN, EXCEPTION}
    found = fold.look(without)
    assert (found.passed_by, found.filtered_by) == ({EARLIER: 3}, {EARLIER: 1, "no pattern": 1})
