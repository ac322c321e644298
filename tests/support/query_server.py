"""A database that answers what `compare` asks in InfluxQL: it holds points, and knows spans of time and measurements.

Like the real one, a statement that reads measurements in which a field has several types tells only those of one type.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import parse_qs

from attrs import define, field, frozen

from tests.edge.answering import Peer, Reply, Request, answering

_SPAN = re.compile(r"time >= (-?\d+) AND time < (-?\d+)")
_NAME = re.compile(r'"((?:[^"\\]|\\.)*)"')


@frozen
class Point:
    measurement: str
    entity_id: str
    time: int
    fields: dict[str, float | str]
    tags: dict[str, str] = field(factory=dict)

    @property
    def all_tags(self) -> dict[str, str]:
        domain, _, name = self.entity_id.partition(".")
        return {"domain": domain, "entity_id": name, **self.tags}


@define
class Databases:
    """Points by database. `replies` come before all others."""

    points: dict[str, list[Point]]
    peer: Peer | None = None
    replies: list[Reply] = field(factory=list)

    def reply(self, request: Request) -> Reply:
        if self.replies:
            return self.replies.pop(0)
        statements = parse_qs(request.body.decode())["q"][0]
        held = self.points.get(request.query["db"])
        if held is None:
            return Reply.json(200, {"results": [{"error": f"database not found: {request.query['db']}"}]})
        return Reply.json(200, {"results": [answer(held, each) for each in statements.split("; ")]})


def answer(held: list[Point], statement: str) -> dict[str, Any]:
    if statement == "SHOW FIELD KEYS":
        names = {point.measurement for point in held}
        return {"series": [{"name": name, "values": types(held, name)} for name in sorted(names)]}
    source = statement.partition(" FROM ")[2].partition(" WHERE ")[0]
    wanted = {name.replace('\\"', '"').replace("\\\\", "\\") for name in _NAME.findall(source)}
    span = _SPAN.search(statement)
    assert span
    first, end = int(span[1]), int(span[2])
    found = [point for point in held if point.measurement in wanted and first <= point.time < end]
    return {"series": [series(point) for point in found]} if found else {}


def types(held: list[Point], name: str) -> list[list[str]]:
    fields = {key: value for point in held if point.measurement == name for key, value in point.fields.items()}
    return [[key, "string" if isinstance(value, str) else "float"] for key, value in sorted(fields.items())]


def series(point: Point) -> dict[str, Any]:
    columns = ["time", *point.fields, "nothing"]
    return {
        "name": point.measurement,
        "tags": {**point.all_tags, "empty": ""},
        "columns": columns,
        "values": [[point.time, *point.fields.values(), None]],
    }


@contextmanager
def query_server(**points: list[Point]) -> Iterator[Databases]:
    """Serve databases by name."""
    databases = Databases(points)
    with answering(databases.reply) as peer:
        databases.peer = peer
        yield databases
