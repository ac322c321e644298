from __future__ import annotations

import json
from typing import Any

import pytest

from ingest.core.influxql import Stored, Unreadable, between, field_types, homeiq_points, points, selects


def answer(*series: dict[str, Any]) -> str:
    return json.dumps({"results": [{"statement_id": 0, "series": [each]} for each in series]})


TAGS = {"domain": "sensor", "entity_id": "attic", "source": "HA", "empty": ""}


def test_points_are_read_series_by_series_without_what_is_null() -> None:
    text = answer(
        {"name": "°C", "tags": TAGS, "columns": ["time", "value", "state"], "values": [[5, 21, None], [6, None, "x"]]}
    )
    assert list(points(text)) == [
        Stored("sensor.attic", 5, "°C", {"value": 21}, {"source": "HA"}),
        Stored("sensor.attic", 6, "°C", {"state": "x"}, {"source": "HA"}),
    ]


@pytest.mark.parametrize(
    "series",
    [
        {"name": "cpu", "tags": {"host": "a"}, "columns": ["time", "value"], "values": [[1, 2]]},
        {"name": "odd", "tags": {"domain": "sensor", "entity_id": ""}, "columns": ["time"], "values": [[1]]},
        {"name": "odd", "tags": TAGS, "columns": ["value"], "values": [[1]]},
    ],
)
def test_what_is_no_entitys_is_no_point(series: dict[str, Any]) -> None:
    assert list(points(answer(series))) == []
    assert list(points('{"results": [{}]}')) == []


def test_points_of_the_schema_homeiq_have_the_state_as_the_original_has_it() -> None:
    tags = {"domain": "light", "entity_id": "light.hall", "area_id": "hall"}
    columns = ["time", "value", "state_value", "origin"]
    text = answer({"name": "home_assistant_events", "tags": tags, "columns": columns, "values": [[7, 1, "on", None]]})
    assert list(homeiq_points(text)) == [Stored("light.hall", 7, "", {"value": 1, "state": "on"}, {})]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("<html>", "no result of a query"),
        ('{"results": [{"series": [{"colum', "no result of a query"),
        ('{"error": "unable to parse"}', "unable to parse"),
        ('{"results": [{"error": "database not found: x"}]}', "database not found: x"),
        (answer({"name": "a", "partial": True}), "max-row-limit"),
    ],
)
def test_an_answer_that_is_none(text: str, said: str) -> None:
    with pytest.raises(Unreadable, match=said):
        list(points(text))


def test_measurements_whose_fields_have_different_types_are_read_by_statements_of_their_own() -> None:
    text = answer(
        {"name": "°C", "columns": ["fieldKey", "fieldType"], "values": [["value", "float"]]},
        {"name": 'a "b" \\ c', "values": [["state", "string"], ["value", "float"]]},
        {"name": "odd", "values": [["state", "float"]]},
    )
    assert selects(text) == ['SELECT * FROM "°C", "a \\"b\\" \\\\ c"', 'SELECT * FROM "odd"']
    assert selects('{"results": [{}]}') == []


def test_a_span_is_asked_for_without_its_end() -> None:
    where = "WHERE time >= 1 AND time < 5 AND \"entity_id\" != '' GROUP BY *"
    assert between(['SELECT * FROM "a"', 'SELECT * FROM "b"'], 1, 5) == (
        f'SELECT * FROM "a" {where}; SELECT * FROM "b" {where}'
    )


def test_the_types_of_fields_by_measurement() -> None:
    m = {"name": "m", "columns": ["fieldKey", "fieldType"], "values": [["a", "float"], ["a", "string"], ["b", "float"]]}
    n = {"name": "n", "values": [["a", "integer", "more"], ["alone"], []]}
    text = json.dumps({"results": [{"series": [m]}, {"series": [n]}, {}]})
    assert field_types(text) == {"m": {"a": {"float", "string"}, "b": {"float"}}, "n": {"a": {"integer"}}}
    with pytest.raises(Unreadable, match="denied"):
        field_types('{"error": "denied"}')
