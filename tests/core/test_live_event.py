from __future__ import annotations

import json
from typing import Any

from msgspec import Raw

from ingest.core.live_event import frame, live_event
from ingest.core.point import Attributes, Facts, Kind, Point
from ingest.core.restart import REPEATS
from ingest.core.state import Source
from tests.web.watching import change

FACTS = Facts("id", area_id="kitchen")
SEEN = b'{"friendly_name": "Power", "unit_of_measurement": "\xc2\xb5W", "device_class": "power", "other": [1]}'
POINT = Point(
    "sensor.power",
    0,
    "2",
    FACTS,
    Attributes("{}", "power", "W", "Power"),
    2.0,
    "1",
    3.0,
    Kind.CHANGED,
    None,
    Source.SNAPSHOT,
)


def told(**given: Any) -> dict[str, Any]:
    defaults = {
        "change": change("sensor.power", "2", "1", SEEN),
        "source": Source.LIVE,
        "verdict": POINT,
        "facts": FACTS,
    }
    event: dict[str, Any] = json.loads(live_event(**{**defaults, **given}))
    return event


def test_what_is_stored_is_told_as_its_point() -> None:
    assert told() == {
        "entity_id": "sensor.power",
        "domain": "sensor",
        "state": "2",
        "previous_state": "1",
        "value": 2.0,
        "unit": "W",
        "name": "Power",
        "area_id": "kitchen",
        "device_class": "power",
        "kind": "changed",
        "origin": "snapshot",
        "verdict": "stored",
        "last_updated": "2026-11-26T12:00:00+00:00",
    }
    bare = told(verdict=Point("sensor.power", 0, "2", Facts("id"), Attributes()))
    assert [bare[key] for key in ("value", "unit", "name", "area_id", "kind", "origin")] == [None] * 6


def test_what_the_schema_does_not_write_is_told_as_its_point_and_as_left_out() -> None:
    stored = told()
    assert told(written=False) == {**stored, "verdict": "filtered", "rule": "schema"}
    assert "rule" not in stored


def test_what_is_left_out_is_told_as_its_change_with_the_rule() -> None:
    event = told(verdict="pattern 1: domain=sensor")
    assert (event["verdict"], event["rule"]) == ("filtered", "pattern 1: domain=sensor")
    assert (event["state"], event["previous_state"], event["value"]) == ("2", "1", 2.0)
    assert (event["unit"], event["name"], event["device_class"]) == ("μW", "Power", "power")
    assert (event["area_id"], event["kind"], event["origin"]) == ("kitchen", None, None)
    assert told(verdict=REPEATS)["verdict"] == "repeated"
    assert told(verdict="no pattern", source=Source.SNAPSHOT)["origin"] == "snapshot"


def test_a_removal_and_attributes_that_are_none_are_told_as_far_as_they_go() -> None:
    gone = told(change=change("sensor.power", None, "1", SEEN), verdict="no pattern")
    assert (gone["state"], gone["previous_state"], gone["kind"], gone["name"]) == ("removed", "1", "removed", "Power")
    assert told(change=change("sensor.power", None), verdict="no pattern")["name"] is None
    assert told(change=change("sensor.power", "on", attributes=b"[1]"), verdict="no pattern")["name"] is None


def test_nothing_of_the_frame_is_kept() -> None:
    raw = Raw(SEEN)
    assert type(live_event(change("sensor.power", "2", attributes=bytes(raw)), Source.LIVE, "rule", FACTS)) is bytes


def test_a_frame_says_how_many_it_leaves_out() -> None:
    assert json.loads(frame([b'{"a":"\xc2\xb0"}', b"{}"], 0, "now")) == {
        "type": "events",
        "timestamp": "now",
        "events": [{"a": "°"}, {}],
    }
    assert json.loads(frame([], 7, "now"))["omitted"] == 7
