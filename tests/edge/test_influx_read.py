"""Spans of time are as long as an answer stays small, and every refusal says what to do."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from ingest.core.influxql import points
from ingest.core.secret import Secret
from ingest.edge import influx_read
from ingest.edge.influx_client import Address, Client
from ingest.edge.influx_read import Source, Windows, everything
from ingest.errors import IngestError, Refused, Transient
from tests.edge.answering import Reply
from tests.support.marked import secret
from tests.support.query_server import Databases, Point, query_server

SECOND = 10**9


@pytest.fixture
def server() -> Iterator[Databases]:
    many = [Point("W", f"sensor.a{number % 7}", number * SECOND, {"value": number}) for number in range(200)]
    with query_server(many=many, empty=[]) as databases:
        yield databases


def client(server: Databases, bucket: str = "many") -> Client:
    assert server.peer is not None
    return Client(Address(server.peer.url, Secret(secret("influxdb")), "o", bucket))


def source(server: Databases, bucket: str = "many") -> Source:
    one = client(server, bucket)
    return Source(one, everything(one), points)


def test_every_point_comes_once_whatever_the_spans_are(server: Databases, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(influx_read, "LARGEST", 4_000)
    monkeypatch.setattr(influx_read, "SMALL", 3_000)
    windows = list(Windows(source(server), source(server, "empty"), 64 * SECOND).between(0, 200 * SECOND))
    assert [point.time_ns for window in windows for point in window.ours] == [each * SECOND for each in range(200)]
    assert all(not window.theirs for window in windows)
    assert [each.to_ns for each in windows[:-1]] == [each.from_ns for each in windows[1:]]
    assert (windows[0].from_ns, windows[-1].to_ns) == (0, 200 * SECOND)
    lengths = {(each.to_ns - each.from_ns) // SECOND for each in windows}
    assert max(lengths) < 64
    assert len(lengths) > 1


def test_spans_are_whole_seconds(server: Databases, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else a time that is cut to seconds is in the span before the one that it is of."""
    monkeypatch.setattr(influx_read, "LARGEST", 1_500)
    windows = list(Windows(source(server), source(server, "empty"), 75 * SECOND).between(0, 200 * SECOND))
    assert {each.to_ns % SECOND for each in windows} == {0}
    assert len(windows) > 3


def test_the_original_can_be_read_alone(server: Databases) -> None:
    (found,) = Windows(source(server, "empty"), source(server)).original(0, 100 * SECOND)
    assert [point.time_ns // SECOND for point in found] == list(range(100))


def test_a_second_that_holds_too_much_is_read_all_the_same(server: Databases, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(influx_read, "LARGEST", 10)
    (window,) = Windows(source(server), source(server, "empty")).between(5 * SECOND, 6 * SECOND)
    assert len(window.ours) == 1


def test_a_quiet_time_is_read_in_long_spans(server: Databases) -> None:
    day = 86_400 * SECOND
    windows = list(Windows(source(server, "empty"), source(server, "empty")).between(0, day))
    assert len(windows) < 12


@pytest.mark.parametrize(
    ("reply", "kind", "said"),
    [
        (Reply.json(401, {"message": "no"}), Refused, "Check influxdb.token"),
        (Reply.json(404, {"message": "no dbrp mapping found"}), Refused, "influx v1 dbrp create"),
        (Reply(404, b"<html>", {"Content-Type": "text/html"}), Refused, "Check influxdb.url"),
        (Reply.json(503, {"message": "later"}), Transient, "Try again"),
        (Reply.json(429, {"message": "later"}), Transient, "Try again"),
        (Reply(200, b"what"), Refused, "the database cannot tell: the answer is no result of a query"),
    ],
)
def test_what_a_database_may_say(server: Databases, reply: Reply, kind: type[IngestError], said: str) -> None:
    server.replies.append(reply)
    with pytest.raises(kind, match=said):
        everything(client(server))


def test_a_database_that_is_not_there(server: Databases) -> None:
    with pytest.raises(Refused, match="database not found: other"):
        everything(client(server, "other"))
