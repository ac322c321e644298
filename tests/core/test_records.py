from __future__ import annotations

import json

from msgspec.structs import replace

from ingest.core.point import Attributes, Facts, Kind, Point
from ingest.core.records import COLUMNS, json_line, record
from ingest.core.state import Context, Source
from ingest.edge.embedded_schema import VIEWS

POINT = Point(
    "sensor.a", 1_767_225_600_123_456_000, "22.5", Facts("r1", area_id="küche"), Attributes('{"x":[1,"ü"]}', unit="°C"),
    22.5, "22.4", 1.5, Kind.CHANGED, Context("c1"), Source.SNAPSHOT,
)  # fmt: skip


def test_a_record_has_every_column_of_the_view_under_its_name() -> None:
    assert list(record(POINT)) == list(COLUMNS)
    assert all(f"AS {column}" in VIEWS for column in COLUMNS)


def test_a_json_line_has_what_is_known() -> None:
    assert json.loads(json_line(POINT)) == {
        "time": "2026-01-01T00:00:00.123456Z", "entity_id": "sensor.a", "state": "22.5", "value": 22.5, "unit": "°C",
        "previous_state": "22.4", "duration_in_state_seconds": 1.5, "kind": "changed", "origin": "snapshot",
        "domain": "sensor", "area_id": "küche", "context_id": "c1", "registry_id": "r1", "attributes": {"x": [1, "ü"]},
    }  # fmt: skip


def test_what_is_not_known_is_none() -> None:
    bare = record(replace(POINT, kind=None, origin=None, context=None))
    assert (bare["kind"], bare["origin"], bare["context_id"], bare["model"]) == (None, None, None, None)
