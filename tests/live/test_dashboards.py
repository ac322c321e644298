"""Every query of every dashboard, asked of the real databases, of points that our own encoders made.

Grafana is not to be had from Debian, PyPI or npm: what it makes of a query (variables, `$timeFilter`, `$__interval`) is done
in `tests/support/dashboards.py`. Nor are InfluxDB 2 and 3: InfluxQL is asked of the real 1.x engine.
"""

from __future__ import annotations

import json
import re
import time
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest
from attrs import frozen

from ingest.core.gap_points import gap_line, gap_numbers
from ingest.core.grafana import as_json
from ingest.core.homeassistant import Profile, homeassistant
from ingest.core.homeiq import homeiq
from ingest.core.sealing import line_of
from tests.live import servers
from tests.live.servers import Database
from tests.support.dashboards import HOMES, SECOND_NS, TAGGED, Asked, expanded, gaps, picked, queries, sample

pytestmark = pytest.mark.live

DASHBOARDS = {name: json.loads(as_json(each, "any")) for name, each in HOMES.items()}
ALL = dict.fromkeys(("area", "domain", "entity"), ".*")


@frozen
class Stored:
    """A database that holds the sample, in one schema; times in milliseconds."""

    where: Database
    bucket: str
    from_ms: int
    to_ms: int

    def influxql(self, text: str, chosen: Mapping[str, str]) -> list[dict[str, Any]]:
        """The series of the answer."""
        params = {"db": self.bucket, "q": expanded(text, chosen, self.from_ms, self.to_ms), "epoch": "ms"}
        headers = {"Authorization": f"Token {self.where.token}"}
        answer = httpx.get(f"{self.where.url}/query", params=params, headers=headers, trust_env=False)
        [result] = answer.raise_for_status().json()["results"]
        assert "error" not in result, (params["q"], result)
        found: list[dict[str, Any]] = result.get("series", [])
        return found

    def metricsql(self, asked: Asked, chosen: Mapping[str, str]) -> Any:
        """The series of the answer, or the values of a variable."""
        text = expanded(asked.text, chosen, self.from_ms, self.to_ms)
        if found := re.fullmatch(r"label_values\((.*), (\w+)\)", text):
            params: dict[str, Any] = {"match[]": found[1], "start": self.from_ms / 1000, "end": self.to_ms / 1000}
            return self._prometheus(f"label/{found[2]}/values", params)
        if asked.instant:
            return self._prometheus("query", {"query": text, "time": self.to_ms / 1000})["result"]
        span = {"start": self.from_ms / 1000, "end": self.to_ms / 1000, "step": "60s"}
        return self._prometheus("query_range", {"query": text, **span})["result"]

    def _prometheus(self, path: str, params: Mapping[str, Any]) -> Any:
        answer = httpx.get(f"{self.where.url}/api/v1/{path}", params=params, trust_env=False)
        assert answer.is_success, (params, answer.text)
        return answer.json()["data"]


def lines(schema: str, now_ns: int, *, numeric: bool, home: str = "") -> bytes:
    codec = (
        homeiq(numeric_only=numeric, gaps=True, home=home)
        if schema == "homeiq"
        else homeassistant(Profile(), numeric_only=numeric, gaps=True, home=home)
    )
    encoded = [line for point in sample(now_ns) if (line := line_of(codec, point)) is not None]
    gap = gap_numbers if numeric else gap_line
    return b"\n".join([*encoded, *map(gap, gaps(now_ns))])


@pytest.fixture(scope="module")
def now_ns() -> int:
    return time.time_ns()


@pytest.fixture(scope="module", params=["homeiq", "homeassistant"])
def in_influxdb(request: pytest.FixtureRequest, influxdb: Database, now_ns: int) -> tuple[str, Stored]:
    bucket = f"dashboards-{uuid.uuid4().hex}"
    influxdb.create_bucket(bucket)
    return request.param, stored_in(influxdb, bucket, lines(request.param, now_ns, numeric=False), now_ns)


@pytest.fixture(scope="module", params=["homeiq", "homeassistant"])
def in_victoria_metrics(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, now_ns: int
) -> Iterator[tuple[str, Stored]]:
    """One of its own, because VictoriaMetrics knows no buckets."""
    with servers.victoria_metrics(tmp_path_factory.mktemp("victoria")) as database:
        stored = stored_in(database, "", lines(request.param, now_ns, numeric=True), now_ns)
        httpx.get(f"{database.url}/internal/force_flush", trust_env=False).raise_for_status()
        yield request.param, stored


def stored_in(database: Database, bucket: str, body: bytes, now_ns: int) -> Stored:
    params = {"org": database.org, "bucket": bucket, "precision": "ns"}
    headers = {"Authorization": f"Token {database.token}"}
    where = f"{database.url}/api/v2/write"
    httpx.post(where, params=params, headers=headers, content=body, trust_env=False).raise_for_status()
    return Stored(database, bucket, now_ns // 10**6 - 3_600_000, now_ns // 10**6)


def tags(series: list[dict[str, Any]], name: str = "entity_id") -> set[str]:
    return {each["tags"][name] for each in series}


def query(dashboard: str, what: str) -> Asked:
    return next(each for each in queries(DASHBOARDS[dashboard]) if each.what == what)


def test_every_query_in_influxql_has_rows(in_influxdb: tuple[str, Stored]) -> None:
    schema, stored = in_influxdb
    asked = list(queries(DASHBOARDS[f"{schema}-influxql"]))
    assert len(asked) > 10
    assert [each.what for each in asked if not stored.influxql(each.text, ALL)] == []


def changes_of(found: list[dict[str, Any]], schema: str) -> int:
    """How often the kitchen's temperature changed, in the table of what changed most."""
    name = "sensor.kitchen_temperature" if schema == "homeiq" else "kitchen_temperature"
    [count] = [int(each["values"][0][1]) for each in found if each["tags"]["entity_id"] == name]
    return count


@pytest.mark.parametrize("schema", ["homeiq", "homeassistant"])
def test_of_two_homes_in_a_bucket_a_dashboard_shows_its_own(schema: str, influxdb: Database, now_ns: int) -> None:
    bucket = f"dashboards-{uuid.uuid4().hex}"
    influxdb.create_bucket(bucket)
    both = b"\n".join(lines(schema, now_ns, numeric=False, home=home) for home in ("home", "flat"))
    stored = stored_in(influxdb, bucket, both, now_ns)
    asked = list(queries(json.loads(as_json(TAGGED[f"{schema}-influxql"], "any"))))
    assert [each.what for each in asked if not stored.influxql(each.text, ALL)] == []
    text = next(each.text for each in asked if each.what == "What changed most A")
    assert changes_of(stored.influxql(text, ALL), schema) == 3
    usual = query(f"{schema}-influxql", "What changed most A").text
    assert changes_of(stored.influxql(usual, ALL), schema) == 6


@pytest.mark.parametrize("schema", ["homeiq", "homeassistant"])
def test_of_two_homes_in_victoria_metrics_a_dashboard_shows_its_own(schema: str, tmp_path: Path, now_ns: int) -> None:
    both = b"\n".join(lines(schema, now_ns, numeric=True, home=home) for home in ("home", "flat"))
    with servers.victoria_metrics(tmp_path) as database:
        stored = stored_in(database, "", both, now_ns)
        httpx.get(f"{database.url}/internal/force_flush", trust_env=False).raise_for_status()
        asked = list(queries(json.loads(as_json(TAGGED[f"{schema}-metricsql"], "any"))))
        assert [each.what for each in asked if not stored.metricsql(each, ALL)] == []
        [most] = [each for each in asked if each.what == "What changed most A"]
        name = "sensor.kitchen_temperature" if schema == "homeiq" else "kitchen_temperature"
        counts = {each["metric"]["entity_id"]: each["value"][1] for each in stored.metricsql(most, ALL)}
        assert counts[name] == "3"


def test_every_query_in_metricsql_has_rows(in_victoria_metrics: tuple[str, Stored]) -> None:
    schema, stored = in_victoria_metrics
    asked = list(queries(DASHBOARDS[f"{schema}-metricsql"]))
    assert len(asked) > 10
    assert [each.what for each in asked if not stored.metricsql(each, ALL)] == []


def test_what_is_chosen_is_all_that_is_shown_in_influxql(in_influxdb: tuple[str, Stored]) -> None:
    schema, stored = in_influxdb
    name = "sensor.kitchen_temperature" if schema == "homeiq" else "kitchen_temperature"
    other = name.replace("kitchen", "attic")
    asked = query(f"{schema}-influxql", "Temperatures A")
    assert tags(stored.influxql(asked.text, ALL)) == {name, other}
    assert tags(stored.influxql(asked.text, {**ALL, "entity": picked(name)})) == {name}
    assert tags(stored.influxql(asked.text, {**ALL, "entity": picked(name, other)})) == {name, other}
    assert stored.influxql(asked.text, {**ALL, "domain": picked("light")}) == []
    if schema == "homeiq":
        assert tags(stored.influxql(asked.text, {**ALL, "area": picked("kitchen")})) == {name}


def test_what_is_chosen_is_all_that_is_shown_in_metricsql(in_victoria_metrics: tuple[str, Stored]) -> None:
    schema, stored = in_victoria_metrics
    name = "sensor.kitchen_temperature" if schema == "homeiq" else "kitchen_temperature"
    asked = query(f"{schema}-metricsql", "Temperatures A")

    def shown(**chosen: str) -> set[str]:
        return {each["metric"]["entity_id"] for each in stored.metricsql(asked, {**ALL, **chosen})}

    # Grafana doubles the backslash for a string of PromQL.
    assert shown(entity=picked(name).replace("\\", "\\\\")) == {name}
    assert shown(domain="light") == set()
    if schema == "homeiq":
        assert shown(area="kitchen") == {name}


def test_a_kilowatt_is_a_thousand_watts(in_influxdb: tuple[str, Stored]) -> None:
    schema, stored = in_influxdb
    values = []
    for refid in "AB":
        asked = query(f"{schema}-influxql", f"Power {refid}")
        values += [row[1] for each in stored.influxql(asked.text, ALL) for row in each["values"]]
    assert max(values) == 2200
    assert 1900 in values


def test_the_open_gap_and_the_one_that_cannot_be_filled_are_shaded_where_they_were(
    in_influxdb: tuple[str, Stored], now_ns: int
) -> None:
    schema, stored = in_influxdb
    [series] = stored.influxql(query(f"{schema}-influxql", "shading").text, ALL)
    assert series["columns"] == ["time", "end", "state", "cause"]
    begin, end = (now_ns - 1800 * SECOND_NS) // 10**6, (now_ns - 1500 * SECOND_NS) // 10**6
    assert sorted(series["values"]) == [[begin, end, "open", "connection"], [begin, end, "unfillable", "evicted"]]


def test_a_gap_is_shaded_from_its_beginning_to_its_end_in_metricsql(
    in_victoria_metrics: tuple[str, Stored], now_ns: int
) -> None:
    schema, stored = in_victoria_metrics
    shaded = {
        each["metric"]["cause"]: [int(at) for at, _ in each["values"]]
        for each in stored.metricsql(query(f"{schema}-metricsql", "shading"), ALL)
    }
    # What was merged into another one ends where it begins, and is at its first step only.
    assert {cause for cause, times in shaded.items() if len(times) > 1} == {"connection", "stopped", "evicted"}
    begin = (now_ns - 1800 * SECOND_NS) // SECOND_NS
    assert begin <= shaded["connection"][0] <= begin + 61
    assert begin + 300 <= shaded["connection"][-1] <= begin + 361


@pytest.mark.parametrize("in_victoria_metrics", ["homeiq"], indirect=True)
def test_a_state_without_a_number_ends_what_was_before_it_in_metricsql(
    in_victoria_metrics: tuple[str, Stored],
) -> None:
    _, stored = in_victoria_metrics
    found = stored.metricsql(query("homeiq-metricsql", "Who is at home A"), ALL)
    last = {each["metric"]["entity_id"]: each["values"][-1] for each in found}
    anna, ben = last["person.anna"], last["person.ben"]
    assert anna[1] == "1"  # at home by now
    assert (ben[1], ben[0] < anna[0]) == ("0", True)  # at work by now, which is no number
    doors = {
        each["metric"]["entity_id"]: each["values"][-1][0]
        for each in stored.metricsql(query("homeiq-metricsql", "States A"), ALL)
    }
    assert doors["binary_sensor.door"] < doors["light.kitchen"]


def test_what_changed_most_counts_changes(in_influxdb: tuple[str, Stored]) -> None:
    schema, stored = in_influxdb
    found = stored.influxql(query(f"{schema}-influxql", "What changed most A").text, ALL)
    counts = {each["tags"]["entity_id"]: each["values"][0][1] for each in found}
    assert counts.pop("sensor.kitchen_temperature" if schema == "homeiq" else "kitchen_temperature") == 3
    assert set(counts.values()) <= {1, 2, 3}
