from __future__ import annotations

import time
from typing import Any

import pytest
from msgspec.structs import replace

from ingest.cli.database import opened_database, schema
from ingest.config.load import load
from ingest.core.point import Attributes, Facts, Kind, Point
from ingest.core.registry_points import RegistryPoint
from ingest.core.sealing import Line, line_of, seal
from ingest.core.state import Source
from ingest.core.store import Codec
from ingest.edge.influx import Influx
from ingest.runtime.progress import Progress

POINT = Point(
    "sensor.attic", 1, "21.5", Facts("r"), Attributes('{"unit_of_measurement":"°C","a":"x"}', None, "°C"), 21.5
)


def codec(**given: object) -> Codec[Line, bytes]:
    return schema(load(None, {}, {name.replace("__", "."): value for name, value in given.items()}).settings)


def test_the_schema_is_homeiqs_unless_another_is_chosen() -> None:
    line = line_of(codec(), POINT)
    assert line is not None
    assert line.startswith(b"home_assistant_events,")
    assert b'state_value="21.5"' in line


def test_states_as_homeiq_wrote_them() -> None:
    line = line_of(codec(influxdb__legacy_state_repr=True), POINT)
    assert line is not None
    assert b"state_value=\"{'entity_id': 'sensor.attic'" in line


def test_the_schema_of_home_assistants_integration_takes_its_settings() -> None:
    told = codec(
        influxdb__schema="homeassistant",
        homeassistant_schema__measurement_attr="domain__device_class",
        homeassistant_schema__tags={"source": "HA"},
        homeassistant_schema__tags_attributes=["a"],
        homeassistant_schema__ignore_attributes=["unit_of_measurement"],
    )
    assert line_of(told, POINT) == b"sensor,a=x,domain=sensor,entity_id=attic,source=HA value=21.5 1"
    assert told.gap is not None
    assert codec(influxdb__schema="homeassistant", influxdb__gaps=False).gap is None


def test_numbers_alone_in_either_schema() -> None:
    for name in ("homeiq", "homeassistant"):
        line = line_of(codec(influxdb__schema=name, influxdb__numeric_only=True), POINT)
        assert line is not None
        assert b'"' not in line


@pytest.mark.parametrize("name", ["homeiq", "homeassistant"])
def test_points_say_whose_they_are_where_several_homes_share_a_bucket(name: str) -> None:
    asked = {"home": "cabin", "influxdb__schema": name, "device_history": True}
    alone, shared = codec(**asked), codec(**asked, influxdb__home_tag=True)
    device = RegistryPoint(1, "devices", {"device_id": "d"}, {}, number=1)
    for told, expected in ((alone, False), (shared, True)):
        line = line_of(told, POINT)
        assert line is not None
        assert told.registry is not None
        assert (b",home=cabin" in line, b",home=cabin" in b"".join(told.registry(device) or ())) == (expected, expected)


@pytest.mark.parametrize(
    ("given", "left_out"),
    [
        ({}, set[str]()),
        ({"influxdb.schema": "homeassistant"}, {"unavailable", "unknown", "", "gone"}),
        ({"influxdb.numeric_only": True}, {"unavailable", "unknown", "", "gone", "cosy"}),
        ({"influxdb.retention": "1h"}, {"old"}),
    ],
)
async def test_who_looks_on_can_ask_whether_the_database_is_given_a_point(
    given: dict[str, Any], left_out: set[str]
) -> None:
    now = time.time_ns()
    points = {
        state: Point("sensor.a", now, state, Facts("r"), Attributes("{}"))
        for state in ("unavailable", "unknown", "", "cosy")
    }
    points["21"] = points["old"] = Point("sensor.a", now, "21", Facts("r"), Attributes("{}"), 21.0)
    points["old"] = replace(points["21"], time_ns=now - 2 * 3600 * 10**9, origin=Source.SNAPSHOT)
    points["gone"] = Point("sensor.a", now, "removed", Facts("r"), Attributes(""), kind=Kind.REMOVED)
    settings = load(None, {}, {"influxdb.url": "http://127.0.0.1:9", **given}).settings
    async with opened_database(settings, Progress()) as destination:
        encode = destination.store.codec.encode
        assert {name for name, point in points.items() if not destination.writes(point)} == left_out
        assert {name for name, point in points.items() if encode(point) is None} == left_out


async def test_the_database_says_what_it_took_of_a_batch_that_is_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    settings, taken = load(None, {}, {"influxdb.url": "http://127.0.0.1:9"}).settings, set[bytes]()
    monkeypatch.setattr(Influx, "taken", lambda _, lines: taken.intersection(lines))
    async with opened_database(settings) as destination:
        codec = destination.store.codec
        line = line_of(codec, POINT)
        assert line is not None
        for stored in (False, True):
            (found,) = codec.whose(seal([line])) or ()
            assert found.stored is stored
            taken.add(line)
