from __future__ import annotations

from typing import Any

import pytest

from ingest.core.filter_settings import KEYS, FilterSettings, Override, Pattern
from ingest.core.point import Attributes, Facts
from ingest.core.rules import Decision, Rules
from ingest.core.treatment import USUAL, Treatment

PLAIN = Attributes()


def decision(
    settings: FilterSettings, entity_id: str, device_class: str | None = None, area: str | None = None
) -> Decision:
    return Rules(settings).decide(entity_id, Attributes(device_class=device_class), Facts("id", area_id=area))


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
        rules.decide("sensor.a", Attributes(device_class=device_class), facts).passed
        for device_class, facts in [(None, nowhere), ("battery", nowhere), (None, nowhere), (None, attic)]
    ]
    assert decisions == [True, False, True, False]


def test_the_memory_is_bounded_and_decisions_stay_right() -> None:
    rules = Rules(FilterSettings(patterns=(Pattern(domain="update"),)), entities=1)
    for entity_id in ("light.a", "update.b", "light.a", "light.a"):
        assert rules.decide(entity_id, PLAIN, Facts("id")).passed is entity_id.startswith("light")
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
    rules.decide("sensor.a", PLAIN, facts)
    assert not rules.may_pass("sensor.a", facts)
    assert rules.may_pass("sensor.a", attic)


FACTS = Facts(
    "id",
    "the device",
    "attic",
    "diagnostic",
    "zha",
    floor_id="top",
    labels=("export", "solar"),
    disabled=False,
    hidden=True,
)
ATTRIBUTES = Attributes(device_class="power", unit="W", state_class="measurement")


@pytest.mark.parametrize(
    ("pattern", "agrees"),
    [
        (Pattern(floor_id="top"), True),
        (Pattern(floor_id="ground"), False),
        (Pattern(label="solar"), True),
        (Pattern(label=("heating", "export")), True),
        (Pattern(label="sol"), False),
        (Pattern(device_id="the device"), True),
        (Pattern(device_id="another"), False),
        (Pattern(integration="zha"), True),
        (Pattern(integration=("hue", "mqtt")), False),
        (Pattern(entity_category="diagnostic"), True),
        (Pattern(entity_category="config"), False),
        (Pattern(unit="W"), True),
        (Pattern(unit="w"), False),
        (Pattern(state_class="measurement"), True),
        (Pattern(state_class="total"), False),
        (Pattern(disabled=False), True),
        (Pattern(disabled=True), False),
        (Pattern(hidden=True), True),
        (Pattern(hidden=False), False),
        (Pattern(domain=("light", "sensor"), area_id=("attic", "cellar")), True),
        (Pattern(entity_id=("light.*", "*.a")), True),
        (Pattern(entity_id=("light.*", "*.b")), False),
        (Pattern(unit="W", label="heating"), False),
        (Pattern(unit="W", label="heating", match="any"), True),
    ],
)
def test_everything_that_is_known_of_an_entity_can_be_asked(pattern: Pattern, agrees: bool) -> None:
    assert Rules(FilterSettings("include", (pattern,))).decide("sensor.a", ATTRIBUTES, FACTS).passed is agrees


@pytest.mark.parametrize("key", [key for key in KEYS if key not in {"disabled", "hidden"}])
def test_what_is_not_known_agrees_with_nothing(key: str) -> None:
    asked: dict[str, Any] = {key: "x"}
    rules = Rules(FilterSettings("include", (Pattern(**asked),)))
    assert not rules.decide("sensor.a", PLAIN, Facts("id")).passed


def test_a_rule_of_several_texts_says_them_all() -> None:
    settings = FilterSettings(patterns=(Pattern(domain=("light", "switch"), hidden=True),))
    rule = Rules(settings).decide("light.a", PLAIN, Facts("id", hidden=True)).rule
    assert rule == "pattern 1: domain=light|switch and hidden=true"


def test_a_decision_is_made_anew_when_anything_changes_that_is_asked() -> None:
    rules = Rules(FilterSettings(patterns=(Pattern(label="x"), Pattern(unit="W"), Pattern(state_class="total"))))
    plain, labelled = Facts("id"), Facts("id", labels=("x",))
    watts, total = Attributes(unit="W"), Attributes(state_class="total")
    asked = [
        (PLAIN, plain),
        (PLAIN, labelled),
        (PLAIN, plain),
        (watts, plain),
        (total, plain),
        (Attributes("{}"), plain),
    ]
    assert [rules.decide("sensor.a", *each).passed for each in asked] == [True, False, True, False, False, True]


def test_overrides_say_how_what_is_stored_is_written_and_the_first_that_says_a_thing_counts() -> None:
    rules = Rules(
        FilterSettings(
            patterns=(Pattern(domain="update"),),
            exceptions=(Pattern(entity_id="light.own", heartbeat=600.0),),
            overrides=(
                Override(Pattern(entity_id="light.a"), measurement="lamps"),
                Override(Pattern(domain="light"), attributes=("brightness",), measurement="lights", heartbeat=60.0),
                Override(Pattern(entity_id="*"), attributes="none", ignore=("icon",)),
            ),
        )
    )
    lamp, other, own, update = (
        rules.decide(entity_id, PLAIN, Facts("id")) for entity_id in ("light.a", "switch.b", "light.own", "update.c")
    )
    assert lamp.treatment == Treatment(("brightness",), "lamps", ("icon",))
    assert lamp.overrides == ("override 1: entity_id=light.a", "override 2: domain=light", "override 3: entity_id=*")
    assert other.treatment == Treatment("none", None, ("icon",))
    assert update == Decision(passed=False, rule="pattern 1: domain=update")
    assert [each.heartbeat_ns for each in (lamp, other, own)] == [60 * 10**9, None, 600 * 10**9]
    assert rules.intervals == {60 * 10**9, 600 * 10**9}


def test_without_an_override_nothing_is_different() -> None:
    assert decision(FilterSettings(), "light.a").treatment is USUAL


def test_what_only_a_state_tells_is_not_certain() -> None:
    for pattern in (Pattern(unit="W"), Pattern(state_class="total")):
        assert Rules(FilterSettings("include", (pattern,))).may_pass("sensor.a", Facts("id"))
    assert not Rules(FilterSettings("include", (Pattern(label="x"),))).may_pass("sensor.a", Facts("id"))


def test_every_rule_and_override_that_agrees_is_named() -> None:
    rules = Rules(
        FilterSettings(
            patterns=(Pattern(domain="light"), Pattern(entity_id="light.*"), Pattern(domain="sensor")),
            exceptions=(Pattern(area_id="attic"),),
            overrides=(
                Override(Pattern(domain="light"), heartbeat=60.0),
                Override(Pattern(domain="sensor"), heartbeat=60.0),
            ),
        )
    )
    agreeing, overrides = rules.agreeing("light.a", Attributes(), Facts("r", area_id="attic"))
    assert agreeing == ("exception 1: area_id=attic", "pattern 1: domain=light", "pattern 2: entity_id=light.*")
    assert overrides == ("override 1: domain=light",)


def test_what_was_decided_is_known_until_the_entity_is_gone() -> None:
    rules = Rules(FilterSettings(patterns=(Pattern(domain="light"),)))
    assert "light.a" not in rules
    decision = rules.decide("light.a", Attributes(), Facts("r"))
    assert rules.decided() == (("light.a", Attributes(), decision),)
    assert "light.a" in rules
    rules.forget("light.a")
    rules.forget("light.a")
    assert rules.decided() == ()
