"""The live infrastructure itself: each server starts, takes something, gives it back."""

from __future__ import annotations

import signal
import time
import uuid

import httpx
import pytest
from attrs import evolve

from ingest.core.coverage import Cause, Gap, Progress
from ingest.core.gap_points import MEASUREMENT, gap_line, gap_point
from tests.live.homeassistant import HomeAssistant
from tests.live.readback import Row
from tests.live.servers import Database

pytestmark = pytest.mark.live


def write(database: Database, bucket: str, lines: str, token: str | None = None) -> httpx.Response:
    query = {"org": database.org, "bucket": bucket, "precision": "ns"}
    headers = {"Authorization": f"Token {database.token if token is None else token}"}
    return httpx.post(f"{database.url}/api/v2/write", params=query, headers=headers, content=lines, trust_env=False)


@pytest.fixture
def bucket(influxdb_engine: Database) -> str:
    return fresh_bucket(influxdb_engine)


def fresh_bucket(database: Database) -> str:
    name = f"live-{uuid.uuid4().hex}"
    database.create_bucket(name)
    return name


def test_victoria_metrics_returns_numbers_to_the_millisecond(victoria_metrics: Database) -> None:
    now = time.time_ns()
    assert write(victoria_metrics, "any", f"m,entity=a value=21.5,other=3i {now}").status_code == 204
    [row] = victoria_metrics.read("any", "m")
    assert row == Row(now // 1_000_000 * 1_000_000, {"entity": "a"}, {"value": 21.5, "other": 3})


def test_influxdb_returns_strings_and_nanoseconds(influxdb: Database) -> None:
    now, bucket = time.time_ns(), fresh_bucket(influxdb)
    assert write(influxdb, bucket, f'm,entity=a state="Küche \\"☕\\"",value=1 {now}\n').status_code == 204
    assert influxdb.read(bucket, "m") == [Row(now, {"entity": "a"}, {"state": 'Küche "☕"', "value": 1})]


def test_the_engine_keeps_nothing_of_a_request_with_a_malformed_line(influxdb_engine: Database, bucket: str) -> None:
    refused = write(influxdb_engine, bucket, "m value=1 1\nm value= 2\n")
    assert refused.status_code == 400
    assert "unable to parse 'm value= 2'" in refused.json()["message"]
    assert influxdb_engine.read(bucket, "m") == []


def test_the_engine_keeps_the_rest_at_a_type_conflict(influxdb_engine: Database, bucket: str) -> None:
    assert write(influxdb_engine, bucket, "m value=1 1").status_code == 204
    partial = write(influxdb_engine, bucket, 'm value="text" 2\nm value=3 3')
    assert partial.status_code == 422
    assert "already exists as type float dropped=1" in partial.json()["message"]
    assert [row.time for row in influxdb_engine.read(bucket, "m")] == [1, 3]


def test_what_is_told_later_of_a_gap_takes_the_place_of_what_was_told_before(
    influxdb_engine: Database, bucket: str
) -> None:
    opened = Gap(1, Cause.CONNECTION, 5_000_001_000, 35_000_001_000, Progress.OPEN, "", 3, 3)
    partly = evolve(opened, progress=Progress.PARTLY, why="the recorder lacks it", left=0, filled=12)
    for gap in (opened, partly):
        assert write(influxdb_engine, bucket, gap_line(gap_point("home", gap)).decode()).status_code == 204
    (row,) = influxdb_engine.read(bucket, MEASUREMENT)
    assert (row.time, row.tags) == (5_000_001_000, {"cause": "connection", "home": "home"})
    assert row.fields == {
        "end": 35_000, "duration": 30, "spans": 3, "left": 0, "filled": 12, "state": "partly",
        "why": "the recorder lacks it",
    }  # fmt: skip


def test_the_engine_names_a_wrong_token_and_a_missing_bucket(influxdb_engine: Database, bucket: str) -> None:
    assert write(influxdb_engine, bucket, "m value=1 1", token="wrong").status_code == 401
    missing = write(influxdb_engine, f"{bucket}-missing", "m value=1 1")
    assert (missing.status_code, missing.json()["code"]) == (404, "not found")


def test_home_assistant_knows_devices_and_areas(home_assistant: HomeAssistant) -> None:
    entries = home_assistant.admin.registry()
    assert entries["sensor.outside_temperature"]["area_id"] == "garden"
    assert entries["sensor.outside_humidity"]["area_id"] not in {"garden", None}
    assert entries["sensor.outside_humidity"]["device_id"]
    assert entries["sensor.outside_humidity"]["platform"] == "demo"


def test_home_assistant_takes_states_and_makes_its_own(home_assistant: HomeAssistant) -> None:
    admin = home_assistant.admin
    [stored] = admin.set_states([("sensor.outside_temperature", "17.25", {"unit_of_measurement": "°C"})])
    assert admin.request("GET", "states/sensor.outside_temperature") == stored
    admin.call("lab_gen", "burst", count=30, entities=3)
    assert [admin.request("GET", f"states/sensor.gen_{n}")["state"] for n in range(3)] == ["27", "28", "29"]


def test_each_user_may_what_the_role_says(home_assistant: HomeAssistant) -> None:
    url = f"{home_assistant.admin.url}/api/states/sensor.mine"
    codes = {
        name: httpx.post(
            url, json={"state": "1"}, headers={"Authorization": f"Bearer {token}"}, trust_env=False
        ).status_code
        for name, token in home_assistant.tokens.items()
    }
    assert codes == {"admin": 201, "user": 401, "readonly": 401}


def test_home_assistant_comes_back(home_assistant: HomeAssistant) -> None:
    home_assistant.restart()
    home_assistant.stop(signal.SIGKILL)
    with pytest.raises(httpx.ConnectError):
        home_assistant.admin.request("GET", "config")
    home_assistant.start()
    assert home_assistant.admin.registry()["sensor.outside_temperature"]["area_id"] == "garden"
