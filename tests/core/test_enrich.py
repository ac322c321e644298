from __future__ import annotations

from typing import Any

import msgspec
import pytest
from attrs import evolve
from msgspec import Raw
from msgspec.structs import replace

from ingest.core.attributes import Drops
from ingest.core.catalog import Catalog
from ingest.core.enrich import Enricher
from ingest.core.point import Attributes, Facts, Kind, Point
from ingest.core.state import Change, Context, Source, from_snapshot
from tests.core.changes import LATER_NS, NOON, change, state

FACTS = Facts("id-1", "device-1", "attic", platform="demo")
CATALOG = Catalog({"sensor.a": FACTS})
LATER_ON = "2026-11-23T12:00:09.000000+00:00"


def point(made: Change, source: Source = Source.LIVE, catalog: Catalog = CATALOG) -> Point:
    return Enricher(Drops()).point(made, source, catalog)


def before(value: str, **attributes: Any) -> dict[str, Any]:
    return state("sensor.a", value, changed=NOON, updated=NOON, **attributes)


def test_a_change_becomes_a_point_with_all_that_is_known() -> None:
    made = change(state("sensor.a", "21.5", device_class="temperature", unit_of_measurement="°C"), before("21"))
    attributes = Attributes('{"device_class": "temperature", "unit_of_measurement": "°C"}', "temperature", "°C")
    assert point(made) == Point(
        "sensor.a",
        LATER_NS,
        "21.5",
        FACTS,
        attributes,
        value=21.5,
        previous_state="21",
        duration=5.250001,
        kind=Kind.CHANGED,
        context=Context("01M83QYPK4TRRB9RF03HSFM2CX", None, "anna"),
    )


def test_a_point_is_the_same_whenever_it_is_made() -> None:
    enricher = Enricher(Drops())
    made = change(state("sensor.a", "on", n=1), before("off"))
    assert enricher.point(made, Source.LIVE, CATALOG) == enricher.point(made, Source.LIVE, CATALOG) == point(made)


def test_new_attributes_are_no_new_state_and_end_no_duration() -> None:
    made = point(change(state("sensor.a", "on", changed=NOON, n=2), before("on", n=1)))
    assert (made.kind, made.duration, made.previous_state) == (Kind.ATTRIBUTES, None, "on")


def test_a_forced_update_is_a_change_of_a_state_that_did_not_end() -> None:
    made = point(change(state("sensor.a", "5"), before("5")))
    assert (made.kind, made.duration, made.previous_state) == (Kind.CHANGED, None, "5")


def test_a_live_state_without_a_predecessor_need_not_be_new() -> None:
    made = point(change(state("sensor.a", "5")))
    assert (made.kind, made.duration, made.previous_state) == (Kind.STARTUP, None, None)


def test_what_the_registry_restored_says_so() -> None:
    made = point(change(state("sensor.a", "unavailable", restored=True), before("5")))
    assert (made.kind, made.duration, made.value) == (Kind.RESTORED, 5.250001, None)


@pytest.mark.parametrize(
    ("now", "kind"),
    [
        (state("sensor.a", "5"), None),
        (state("sensor.a", "5", changed=NOON), Kind.ATTRIBUTES),
        (state("sensor.a", "unavailable", restored=True), Kind.RESTORED),
    ],
)
def test_a_snapshot_knows_no_predecessor(now: dict[str, Any], kind: Kind | None) -> None:
    made = change(now).data.new_state
    assert made is not None
    point_ = point(from_snapshot(made), Source.SNAPSHOT)
    assert (point_.kind, point_.origin, point_.context) == (kind, Source.SNAPSHOT, made.context)
    assert (point_.previous_state, point_.duration) == (None, None)


def test_a_backfilled_point_has_no_context_and_says_where_it_is_from() -> None:
    made = point(change(state("sensor.a", "5"), before("4")), Source.BACKFILL)
    assert (made.context, made.origin, made.kind, made.duration) == (None, Source.BACKFILL, Kind.CHANGED, 5.250001)
    gone = point(change(None, before("4")), Source.BACKFILL)
    assert (gone.context, gone.origin) == (None, Source.BACKFILL)


def test_a_removal_is_stored_when_it_happened_under_the_tags_of_the_last_point() -> None:
    enricher = Enricher(Drops())
    enricher.point(change(state("sensor.a", "5", device_class="power", unit_of_measurement="W")), Source.LIVE, CATALOG)
    made = enricher.point(change(None, before("5"), fired=LATER_ON), Source.LIVE, Catalog())
    assert made == Point(
        "sensor.a",
        LATER_NS + 3_749_999_000,
        "removed",
        FACTS,
        Attributes("", "power", "W"),
        previous_state="5",
        duration=9.0,
        kind=Kind.REMOVED,
        context=Context("01EVENT", "01PARENT", None),
    )


def test_a_removal_of_an_entity_never_seen_takes_the_tags_of_its_last_state_and_the_catalog() -> None:
    made = point(change(None, before("5", device_class="power", unit_of_measurement="W")))
    assert (made.facts, made.attributes) == (FACTS, Attributes("", "power", "W"))


def test_a_removal_of_which_nothing_is_known() -> None:
    bare = change(state("sensor.b", "5"))
    made = point(replace(bare, data=replace(bare.data, new_state=None)))
    assert (made.facts, made.attributes, made.previous_state) == (Facts("sensor.b"), Attributes(""), None)


def test_a_removed_entity_is_forgotten() -> None:
    enricher = Enricher(Drops())
    enricher.point(change(state("sensor.a", "5", device_class="power")), Source.LIVE, CATALOG)
    enricher.point(change(None, before("5")), Source.LIVE, CATALOG)
    again = enricher.point(change(state("sensor.a", "unavailable")), Source.LIVE, CATALOG)
    assert again.attributes.device_class is None


def test_an_unavailable_entity_keeps_the_tags_of_its_last_point_until_it_is_back() -> None:
    enricher = Enricher(Drops())
    moved = Catalog({"sensor.a": evolve(FACTS, area_id="cellar")})
    enricher.point(change(state("sensor.a", "5", device_class="power", unit_of_measurement="W")), Source.LIVE, CATALOG)
    for _ in range(2):
        away = enricher.point(change(state("sensor.a", "unavailable", icon="x"), before("5")), Source.LIVE, moved)
        assert (away.facts, away.attributes) == (FACTS, Attributes('{"icon": "x"}', "power", "W"))
    back = enricher.point(
        change(state("sensor.a", "6", device_class="power"), before("unavailable")), Source.LIVE, moved
    )
    assert (back.facts.area_id, back.attributes.unit) == ("cellar", None)


def test_an_entity_that_was_stored_before_the_registries_were_read_gets_its_facts_even_when_unavailable() -> None:
    enricher = Enricher(Drops())
    enricher.point(change(state("sensor.a", "5", device_class="power")), Source.LIVE, Catalog())
    away = enricher.point(change(state("sensor.a", "unavailable"), before("5")), Source.LIVE, CATALOG)
    assert (away.facts, away.attributes.device_class) == (FACTS, "power")


def test_what_is_backfilled_is_not_what_the_entity_was_last() -> None:
    enricher = Enricher(Drops())
    enricher.point(change(state("sensor.a", "5", device_class="power")), Source.LIVE, CATALOG)
    enricher.point(change(state("sensor.a", "4")), Source.BACKFILL, CATALOG)
    away = enricher.point(change(state("sensor.a", "unavailable"), before("5")), Source.LIVE, CATALOG)
    assert away.attributes.device_class == "power"


def test_a_name_that_was_another_entitys_takes_nothing_of_it_along() -> None:
    """A sensor was replaced by one that is not there yet."""
    enricher = Enricher(Drops())
    enricher.point(change(state("sensor.a", "21", device_class="temperature")), Source.LIVE, CATALOG)
    other = Facts("r-of-another", area_id="attic")
    now = enricher.point(change(state("sensor.a", "unavailable")), Source.LIVE, Catalog({"sensor.a": other}))
    assert (now.facts, now.attributes.device_class) == (other, None)


def test_a_removal_that_the_history_tells_forgets_nobody_who_is_there() -> None:
    enricher = Enricher(Drops())
    enricher.point(change(state("sensor.a", "21", device_class="temperature")), Source.LIVE, CATALOG)
    enricher.point(change(None, before("20")), Source.BACKFILL, CATALOG)
    now = enricher.point(change(state("sensor.a", "unavailable")), Source.LIVE, CATALOG)
    assert now.attributes.device_class == "temperature"


def test_unknown_is_a_fact_and_no_number() -> None:
    made = point(change(state("sensor.a", "unknown"), before("5")))
    assert (made.state, made.value, made.duration) == ("unknown", None, 5.250001)


def test_a_clock_that_went_back_makes_no_negative_duration() -> None:
    made = point(change(state("sensor.a", "6", changed=NOON, updated=NOON), state("sensor.a", "5")))
    assert (made.kind, made.duration) == (Kind.CHANGED, None)


def test_secrets_are_dropped() -> None:
    made = point(change(state("camera.a", "idle", access_token="s3cret", brand="x")))
    assert made.attributes.json == '{"brand":"x"}'


def test_attributes_that_repeat_are_one_object_and_facts_too() -> None:
    enricher = Enricher(Drops())
    one, other = (enricher.point(change(state("sensor.a", value, n=1)), Source.LIVE, CATALOG) for value in "12")
    assert one.attributes is other.attributes
    assert one.facts is other.facts


def test_a_change_that_breaks_does_not_break_the_next() -> None:
    enricher = Enricher(Drops())
    good = change(state("sensor.a", "5", n=1))
    assert good.data.new_state is not None
    bad = replace(good, data=replace(good.data, new_state=replace(good.data.new_state, attributes=Raw(b"null"))))
    with pytest.raises(msgspec.ValidationError):
        enricher.point(bad, Source.LIVE, CATALOG)
    assert enricher.point(good, Source.LIVE, CATALOG) == point(good)


def test_the_memory_is_bounded() -> None:
    enricher = Enricher(Drops(), entities=2)
    for name in "abc":
        enricher.point(change(state(f"sensor.{name}", "5", device_class="power")), Source.LIVE, CATALOG)
    away = {
        name: enricher.point(
            change(state(f"sensor.{name}", "unavailable")), Source.LIVE, CATALOG
        ).attributes.device_class
        for name in "ac"
    }
    assert away == {"a": None, "c": "power"}
