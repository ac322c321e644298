from __future__ import annotations

import pytest

from ingest.core.filter_settings import FilterSettings, Pattern
from ingest.core.point import Facts
from ingest.core.rules import Decision, Rules


def decision(
    settings: FilterSettings, entity_id: str, device_class: str | None = None, area: str | None = None
) -> Decision:
    return Rules(settings).decide(entity_id, device_class, Facts("id", area_id=area))


def passes(pattern: Pattern, entity_id: str, device_class: str | None = None, area: str | None = None) -> bool:
    return decision(FilterSettings("include", (pattern,)), entity_id, device_class, area).passed


def test_without_rules_everything_is_stored() -> None:
    assert decision(FilterSettings(), "light.a") == Decision(passed=True, rule="no pattern")


def test_include_without_patterns_stores_nothing() -> None:
    assert decision(FilterSettings("include"), "light.a") == Decision(passed=False, rule="no pattern")


@pytest.mark.parametrize(
    ("glob", "entity_id", "agrees"),
    [
        ("sensor.*_battery", "sensor.door_battery", True),
        ("sensor.*_battery", "sensor.door_battery_level", False),
        ("sensor.*_battery", "binary_sensor.door_battery", False),
        ("*.a?c", "light.abc", True),
        ("light.[ab]", "light.c", False),
        ("light.[!ab]", "light.c", True),
        ("Light.*", "light.c", False),
        ("light.a+", "light.a+", True),
    ],
)
def test_globs_on_the_entity_id(glob: str, entity_id: str, agrees: bool) -> None:
    assert passes(Pattern(entity_id=glob), entity_id) is agrees


def test_the_other_keys_are_exact() -> None:
    assert passes(Pattern(domain="light"), "light.a")
    assert not passes(Pattern(domain="light*"), "light.a")
    assert passes(Pattern(device_class="battery"), "sensor.a", "battery")
    assert not passes(Pattern(device_class="battery"), "sensor.a")
    assert passes(Pattern(area_id="attic"), "sensor.a", None, "attic")
    assert not passes(Pattern(area_id="attic"), "sensor.a", None, "Attic")


def test_all_keys_of_a_pattern_must_agree() -> None:
    pattern = Pattern(domain="sensor", area_id="attic")
    assert passes(pattern, "sensor.a", None, "attic")
    assert not passes(pattern, "sensor.a", None, "cellar")
    assert not passes(pattern, "light.a", None, "attic")


def test_match_any_is_content_with_one() -> None:
    pattern = Pattern(domain="sensor", area_id="attic", match="any")
    assert passes(pattern, "light.a", None, "attic")
    assert passes(pattern, "sensor.a", None, "cellar")
    assert not passes(pattern, "light.a", None, "cellar")


@pytest.mark.parametrize("match", ["all", "any"])
def test_a_pattern_without_keys_agrees_with_nothing(match: str) -> None:
    assert not passes(Pattern(match="any" if match == "any" else "all"), "light.a")


def test_exclude_leaves_out_what_a_pattern_names_and_says_which() -> None:
    settings = FilterSettings(patterns=(Pattern(domain="update"), Pattern(entity_id="sensor.*", area_id="attic")))
    assert decision(settings, "update.a") == Decision(passed=False, rule="pattern 1: domain=update")
    attic = decision(settings, "sensor.a", None, "attic")
    assert attic == Decision(passed=False, rule="pattern 2: entity_id=sensor.* and area_id=attic")
    assert decision(settings, "light.a").passed


@pytest.mark.parametrize("mode", ["include", "exclude"])
def test_an_exception_wins_over_both_modes(mode: str) -> None:
    exception = Pattern(entity_id="sensor.front_door_battery", device_class="battery", match="any")
    settings = FilterSettings(
        "include" if mode == "include" else "exclude", (Pattern(entity_id="sensor.*_battery"),), (exception,)
    )
    expected = Decision(passed=True, rule="exception 1: entity_id=sensor.front_door_battery or device_class=battery")
    assert decision(settings, "sensor.front_door_battery") == expected
    assert decision(settings, "light.a", "battery") == expected


def test_a_decision_is_made_anew_when_device_class_or_area_changes() -> None:
    rules = Rules(FilterSettings(patterns=(Pattern(device_class="battery"), Pattern(area_id="attic"))))
    nowhere, attic = Facts("id"), Facts("id", area_id="attic")
    decisions = [
        rules.decide("sensor.a", device_class, facts).passed
        for device_class, facts in [(None, nowhere), ("battery", nowhere), (None, nowhere), (None, attic)]
    ]
    assert decisions == [True, False, True, False]


def test_the_memory_is_bounded_and_decisions_stay_right() -> None:
    rules = Rules(FilterSettings(patterns=(Pattern(domain="update"),)), entities=1)
    for entity_id in ("light.a", "update.b", "light.a", "light.a"):
        assert rules.decide(entity_id, None, Facts("id")).passed is entity_id.startswith("light")
    assert len(rules._known) == 1


def test_a_rule_that_lets_through_may_have_a_heartbeat() -> None:
    settings = FilterSettings(
        patterns=(Pattern(domain="update"),),
        exceptions=(Pattern(domain="light", heartbeat=900.0), Pattern(domain="sensor", heartbeat=60.0)),
    )
    assert decision(settings, "light.a").heartbeat_ns == 900 * 10**9
    assert [decision(settings, name).heartbeat_ns for name in ("switch.a", "update.a")] == [None, None]
    assert Rules(settings).intervals == {900 * 10**9, 60 * 10**9}
    assert Rules(FilterSettings(patterns=(Pattern(domain="update", heartbeat=60.0),))).intervals == frozenset()


def test_what_was_never_looked_at_may_pass_unless_the_rules_are_certain() -> None:
    facts, attic = Facts("id"), Facts("id", area_id="attic")
    certain = Rules(FilterSettings(patterns=(Pattern(domain="update"), Pattern(area_id="attic"))))
    assert [certain.may_pass(*each) for each in (("light.a", facts), ("update.b", facts), ("light.a", attic))] == [
        True, False, False,
    ]  # fmt: skip
    rules = Rules(FilterSettings("include", (Pattern(device_class="battery"),)))
    assert rules.may_pass("sensor.a", facts)
    rules.decide("sensor.a", None, facts)
    assert not rules.may_pass("sensor.a", facts)
    assert rules.may_pass("sensor.a", attic)
