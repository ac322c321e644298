"""Event rates: exact for types, fading for entities, and bounded."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.core import reports
from ingest.core.event_rates import BUSIEST, DOMAINS, ENTITIES, GATHERED, LASTING, SPANS, EventRatesFold
from ingest.core.judged import Judged
from ingest.core.state import Change, Source, StateData
from tests.core.test_health import WALL

START = 1_000_000.0


def judged(*entity_ids: str, source: Source = Source.LIVE) -> Judged:
    return Judged(source, [Change(StateData(each), WALL) for each in entity_ids], [None] * len(entity_ids))


def test_before_anything_came_every_rate_is_zero() -> None:
    rates = EventRatesFold(START).look(START)
    assert rates.rates == {"1m": 0, "5m": 0, "15m": 0}
    assert (rates.by_type, rates.by_domain, rates.by_entity) == ({}, {}, {})


def test_a_steady_stream_has_the_same_rate_over_every_span_from_the_first_minute_on() -> None:
    fold = EventRatesFold(START)
    for second in range(2000):
        now = START + second
        fold.add(reports.Received(4, Source.LIVE), now)
        fold.hear(judged("light.a", "light.b", "light.a", "sensor.c"), now)
        if second in {60, 400, 1999}:
            found = fold.look(now)
            assert found.rates == pytest.approx(dict.fromkeys(found.rates, 4), rel=0.1)
            assert found.by_domain["light"] == pytest.approx(dict.fromkeys(found.rates, 3), rel=0.1)
            assert found.by_entity["sensor.c"] == pytest.approx(dict.fromkeys(found.rates, 1), rel=0.1)
    assert found.by_type["state_changed"].total == 8000
    assert next(iter(found.by_entity)) == "light.a"


def test_what_comes_together_counts_each() -> None:
    fold = EventRatesFold(START)
    for tenth in range(3000):
        fold.hear(judged("light.a", "light.b", "light.a"), START + tenth / 10)
    found = fold.look(START + 300)
    assert found.by_entity["light.a"] == pytest.approx(dict.fromkeys(found.rates, 20), rel=0.02)
    assert found.by_domain["light"] == pytest.approx(dict.fromkeys(found.rates, 30), rel=0.02)


def test_what_is_over_is_over() -> None:
    """HomeIQ's rate was the mean since the start."""
    fold = EventRatesFold(START)
    for second in range(600):
        fold.add(reports.Received(10, Source.LIVE), START + second)
        fold.hear(judged("light.a"), START + second)
    later = fold.look(START + 660)
    assert later.rates["1m"] == 0
    assert later.rates["5m"] == pytest.approx(8, rel=0.05)
    assert later.by_entity["light.a"]["1m"] < 0.4 < later.by_entity["light.a"]["15m"]
    assert fold.look(START + 3000).by_entity["light.a"]["1m"] < 1e-9


def test_only_live_events_are_events_of_the_home() -> None:
    fold = EventRatesFold(START)
    fold.add(reports.Received(500, Source.SNAPSHOT), START)
    fold.add(reports.Received(7, Source.BACKFILL), START)
    fold.hear(judged("light.a", source=Source.SNAPSHOT), START)
    found = fold.look(START + 50)
    assert found.rates["1m"] == 0
    assert {name: each.total for name, each in found.by_type.items()} == {"snapshot": 500, "backfill": 7}
    assert found.by_type["snapshot"].rates["1m"] == 10
    assert found.by_entity == {}


def test_the_busiest_are_told_and_who_was_silent_longest_is_forgotten() -> None:
    """In a home of more entities than are remembered, the busy one comes last and with others."""
    fold = EventRatesFold(START)
    names = [f"sensor.{number}" for number in range(3 * ENTITIES)]
    for second in range(0, 600, 10):
        shown = names[second % 100 * ENTITIES // 40 :][:ENTITIES]
        fold.hear(judged(*shown, "sensor.busy", "sensor.busy"), START + second)
        assert len(list(fold._entities._known())) < 3 * ENTITIES
    found = fold.look(START + 600)
    assert len(found.by_entity) == BUSIEST
    assert next(iter(found.by_entity)) == "sensor.busy"
    assert found.by_entity["sensor.busy"] == pytest.approx(dict.fromkeys(found.rates, 0.2), rel=0.1)


def test_of_as_many_as_are_remembered_none_is_forgotten() -> None:
    fold = EventRatesFold(START)
    names = [f"sensor.{number}" for number in range(ENTITIES - 1)]
    for frame in range(80):
        fold.hear(judged(*names[frame % 8 :: 8]), START + 2 * frame)
    fold.look(START + 160)
    assert {name for name, _ in fold._entities._known()} == set(names)


def test_nor_of_as_many_domains() -> None:
    fold = EventRatesFold(START)
    for second in range(5 * DOMAINS):
        fold.hear(judged(f"domain_{second % (DOMAINS - 1)}.a"), START + second)
    fold.look(START + 5 * DOMAINS)
    assert len(list(fold._domains._known())) == DOMAINS - 1


def test_what_is_gathered_is_bounded() -> None:
    fold = EventRatesFold(START)
    for frame in range(100):
        fold.hear(judged(*(f"sensor.{frame}_{number}" for number in range(256))), START)
        assert len(fold._gathered) < GATHERED + 256


def test_the_busiest_are_those_of_the_longest_span() -> None:
    fold = EventRatesFold(START)
    for second in range(900):
        fold.hear(judged("light.steady"), START + second)
    fold.hear(judged(*["light.sudden"] * 200), START + 900)
    found = fold.look(START + 900).by_entity
    assert list(found) == ["light.steady", "light.sudden"]
    assert found["light.sudden"]["1m"] > found["light.steady"]["1m"]


def test_who_came_before_the_others_fades_with_them() -> None:
    """More come in between than are remembered at least, and then an hour is over, in which a weight has grown."""
    fold = EventRatesFold(START)
    for second in range(60):
        fold.hear(judged("light.a"), START + second)
    fold.hear(judged(*(f"sensor.{number}" for number in range(ENTITIES))), START + 60)
    before = fold.look(START + LASTING - 10).by_entity["light.a"]
    fold.hear(judged("light.b"), START + LASTING + 10)
    fold.hear(judged("light.b"), START + LASTING + 20)
    after = fold.look(START + LASTING + 20).by_entity["light.a"]
    assert "light.a" in fold._entities._before
    for span, tau in SPANS.items():
        assert after[span] == pytest.approx(before[span] * math.exp(-30 / tau), rel=0.05)


@pytest.mark.parametrize("later", [1, 10, 59])
def test_rates_are_right_right_after_an_hour(later: int) -> None:
    fold = EventRatesFold(START)
    for second in range(round(LASTING) + later):
        fold.hear(judged("light.a"), START + second)
    found = fold.look(START + LASTING + later).by_entity["light.a"]
    assert found == pytest.approx(dict.fromkeys(found, 1), rel=0.03)


def test_rates_are_right_after_hours_of_events_and_after_days_of_none() -> None:
    fold, now = EventRatesFold(START), START
    for _ in range(3):
        for _ in range(20_000):
            now += 1
            fold.hear(judged("light.a", "light.b", "light.a"), now)
        found = fold.look(now)
        assert found.by_entity["light.a"] == pytest.approx(dict.fromkeys(found.rates, 2), rel=0.02)
        assert found.by_domain["light"] == pytest.approx(dict.fromkeys(found.rates, 3), rel=0.02)
        now += 300_000
        assert all(rate < 1e-9 for rate in fold.look(now).by_entity["light.a"].values())


@pytest.mark.parametrize("wait", [LASTING - 1, LASTING, LASTING + 1, 40 * LASTING])
def test_an_event_weighs_the_same_whenever_it_came(wait: float) -> None:
    """Of two folds one has begun long ago."""
    old, young = EventRatesFold(START), EventRatesFold(START)
    old.hear(judged("light.long_ago"), START)
    for fold in (old, young):
        for second in range(30):
            fold.hear(judged("light.a"), START + wait + second)
    there, here = (fold.look(START + wait + 60).by_entity["light.a"] for fold in (old, young))
    assert there == pytest.approx(here)


@given(st.lists(st.tuples(st.floats(0, 400), st.sampled_from("abc")), max_size=60))
def test_no_rate_is_ever_more_than_all_that_came(steps: list[tuple[float, str]]) -> None:
    fold, now = EventRatesFold(START), START
    for wait, name in steps:
        now += wait
        fold.add(reports.Received(1, Source.LIVE), now)
        fold.hear(judged(f"light.{name}"), now)
    found = fold.look(now)
    for rates in (found.rates, *found.by_entity.values(), *found.by_domain.values()):
        assert all(0 <= rate <= len(steps) for rate in rates.values())
