"""A pattern with a mode of its own: of several patterns the first that names an entity decides, and says how."""

from __future__ import annotations

import pytest

from ingest.config import filter_kinds
from ingest.config.kinds import Wrong
from ingest.config.load import load
from ingest.core.filter_settings import Pattern
from ingest.core.point import Attributes, Facts
from ingest.core.rules import Rules
from ingest.errors import Problems

NESTED = [
    {"entity_id": "light.hall"},
    {"entity_id": ["light.*", "light.hall"], "mode": "exclude"},
    {"domain": ["light", "switch"]},
]


def passed(entity_id: str, **filter_: object) -> bool:
    settings = load(None, {}, {"filter." + key: value for key, value in filter_.items()}).settings
    return Rules(settings.filter).decide(entity_id, Attributes(), Facts("id")).passed


def test_what_is_let_through_what_is_left_out_of_it_and_what_is_let_through_of_that() -> None:
    assert passed("light.hall", mode="include", patterns=NESTED)
    assert not passed("light.attic", mode="include", patterns=NESTED)
    assert passed("switch.attic", mode="include", patterns=NESTED)
    assert not passed("sensor.attic", mode="include", patterns=NESTED)


def test_an_exception_wins_over_a_pattern_with_a_mode() -> None:
    assert passed("light.attic", mode="include", patterns=NESTED, exceptions=[{"entity_id": "light.attic"}])


def test_it_is_read_and_shown() -> None:
    kind = filter_kinds.patterns()
    found = kind.parse([{"domain": "a", "mode": "Exclude"}, {"domain": "b"}])
    assert found == (Pattern(domain="a", mode="exclude"), Pattern(domain="b"))
    assert kind.show(found) == [{"domain": "a", "mode": "exclude"}, {"domain": "b"}]


def test_an_exception_has_no_mode_and_there_are_but_two() -> None:
    with pytest.raises(Wrong, match='the unknown key "mode"'):
        filter_kinds.exceptions().parse([{"domain": "a", "mode": "include"}])
    with pytest.raises(Wrong, match=r'pattern 1 has mode = "both", which is neither include nor exclude'):
        filter_kinds.patterns().parse([{"domain": "a", "mode": "both"}])


def test_a_heartbeat_belongs_to_what_is_let_through_whoever_says_so() -> None:
    beating = {"domain": "a", "heartbeat": "15m"}
    with pytest.raises(Problems, match="a pattern that leaves entities out has a heartbeat"):
        load(None, {}, {"filter.mode": "include", "filter.patterns": [{**beating, "mode": "exclude"}]})
    given = {"filter.patterns": [{**beating, "mode": "include"}]}
    (warning,) = load(None, {}, {"store.kind": "embedded", **given}).warnings
    assert "the embedded store has no heartbeats" in warning


def test_the_name_of_a_rule_shows_the_first_of_many_texts() -> None:
    many = [{"domain": [f"domain_{number}" for number in range(100)]}]
    settings = load(None, {}, {"filter.patterns": many}).settings
    decision = Rules(settings.filter).decide("domain_99.a", Attributes(), Facts("id"))
    assert decision.rule == "pattern 1: domain=domain_0|domain_1|domain_2|domain_3|domain_4|95 more"
