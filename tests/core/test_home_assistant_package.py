"""The package as YAML: a real Home Assistant runs it in tests/live."""

from __future__ import annotations

from typing import Any

import yaml

from ingest.core.home_assistant_package import package

URL = "http://nuc:8001"


def read() -> dict[str, Any]:
    made: dict[str, Any] = yaml.safe_load(package(URL))
    return made


def test_one_question_feeds_all_sensors() -> None:
    [rest] = read()["rest"]
    assert rest["resource"] == f"{URL}/health"
    assert len({each["unique_id"] for each in rest["sensor"]}) == len(rest["sensor"]) == 7
    paths = [each["json_attributes_path"] for each in rest["sensor"] if "json_attributes_path" in each]
    assert paths == ["$.spool", "$.gaps"]


def test_nothing_that_differs_at_every_look_is_an_attribute() -> None:
    [rest] = read()["rest"]
    kept = {name for each in rest["sensor"] for name in each.get("json_attributes", [])}
    assert not kept & {"timestamp", "uptime", "uptime_seconds", "reason", "days", "days_left", "bytes_per_second"}


def test_no_answer_is_a_problem_and_waits_five_minutes() -> None:
    [template] = read()["template"]
    [problem] = template["binary_sensor"]
    assert problem["device_class"] == "problem"
    trouble, well = read()["automation"]
    assert trouble["trigger"][0]["for"] == "00:05:00"
    assert URL in trouble["action"][0]["data"]["message"]
    told = [each["action"][0]["data"]["notification_id"] for each in (trouble, well)]
    assert told == ["homeiq_ingest"] * 2


def test_what_waits_has_no_negative_age_where_the_homes_clock_is_ahead() -> None:
    [oldest] = [each for each in read()["rest"][0]["sensor"] if each["unique_id"].endswith("oldest_that_waits")]
    assert "[0, (as_timestamp(value_json.timestamp) - " in oldest["value_template"]
    assert "] | max if oldest else 0" in oldest["value_template"]
