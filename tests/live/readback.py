"""Reads points back out of a real database, in one form whatever the database: for comparing with what was sent."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
from attrs import field, frozen


@frozen
class Row:
    """One stored point: time in nanoseconds, its tags, its fields."""

    time: int
    tags: dict[str, str]
    fields: dict[str, Any] = field(factory=dict)


# All rows of a measurement in a bucket, by time.
Reader = Callable[[str, str], list[Row]]


def influxql(url: str, token: str = "") -> Reader:
    """Reads over `/query`, which InfluxDB 1, 2 (bucket = database) and 3 understand alike."""
    headers = {"Authorization": f"Token {token}"} if token else {}

    def read(bucket: str, measurement: str) -> list[Row]:
        query = {"db": bucket, "epoch": "ns", "q": f'SELECT * FROM "{measurement}" GROUP BY *'}
        answer = httpx.get(f"{url}/query", params=query, headers=headers, trust_env=False).raise_for_status().json()
        [result] = answer["results"]
        rows = (_row(one, values) for one in result.get("series", []) for values in one["values"])
        return sorted(rows, key=lambda row: row.time)

    return read


def _row(series: dict[str, Any], values: list[Any]) -> Row:
    fields = dict(zip(series["columns"], values, strict=True))
    time = fields.pop("time")
    tags = {tag: value for tag, value in series.get("tags", {}).items() if value}
    return Row(time, tags, {name: value for name, value in fields.items() if value is not None})


def victoria(url: str) -> Reader:
    """Reads the export of VictoriaMetrics: a metric is `measurement_field`, times are milliseconds, buckets do not exist."""

    def read(_bucket: str, measurement: str) -> list[Row]:
        httpx.get(f"{url}/internal/force_flush", trust_env=False).raise_for_status()
        # Without an end, what came within the last moments is missing.
        query = {"match[]": f'{{__name__=~"{measurement}_.*"}}', "start": "0", "end": "2100-01-01T00:00:00Z"}
        answer = httpx.get(f"{url}/api/v1/export", params=query, trust_env=False).raise_for_status()
        return _merged([json.loads(line) for line in answer.text.splitlines()], len(measurement) + 1)

    return read


def _merged(series: list[dict[str, Any]], prefix: int) -> list[Row]:
    """A series per field becomes a row per time and tags."""
    rows: dict[tuple[int, str], Row] = {}
    for one in series:
        tags = {tag: value for tag, value in one["metric"].items() if tag not in {"__name__", "db"}}
        name = one["metric"]["__name__"][prefix:]
        for time, value in zip(one["timestamps"], one["values"], strict=True):
            row = rows.setdefault((time, json.dumps(tags, sort_keys=True)), Row(time * 1_000_000, tags))
            row.fields[name] = value
    return sorted(rows.values(), key=lambda row: row.time)


TAGS = ("entity_id", "domain", "registry_id", "device_id", "area_id", "platform", "device_class", "entity_category")


def embedded(path: Path) -> Callable[[], list[Row]]:
    """Reads the embedded store as any SQLite tool does, through its view for people."""

    def read() -> list[Row]:
        with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as connection:
            connection.row_factory = sqlite3.Row
            rows = connection.execute("SELECT * FROM changes ORDER BY time_ns").fetchall()
        return [Row(row["time_ns"], {tag: row[tag] for tag in TAGS if row[tag]}, _fields(row)) for row in rows]

    return read


def _fields(row: sqlite3.Row) -> dict[str, Any]:
    found = {name: row[name] for name in row.keys() if name not in {*TAGS, "time", "time_ns"}}  # noqa: SIM118  a Row's
    found["state_value"] = found.pop("state")
    return {name: value for name, value in found.items() if value is not None}
