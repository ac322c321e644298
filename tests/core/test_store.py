from __future__ import annotations

from attrs import evolve
from msgspec.structs import replace

from ingest.core.homeiq import homeiq
from ingest.core.point import Attributes, Facts, Point
from ingest.core.sealing import Line
from ingest.core.state import Source
from ingest.core.store import Age, living, since, writing


def test_a_store_that_keeps_nothing_older_is_not_sent_it() -> None:
    now = 10
    codec = since(homeiq(), lambda: now - 5)
    point = Point("light.a", 5, "on", Facts("r1"), Attributes())
    assert codec.encode(point) == homeiq().encode(point)
    assert codec.encode(replace(point, time_ns=4)) is None
    now = 20
    assert codec.encode(point) is None


def test_what_comes_live_is_written_whatever_our_clock_says() -> None:
    now = 1_000
    codec = living(homeiq(), Age(50, lambda: now))
    live = Point("light.a", 100, "on", Facts("r1"), Attributes())
    told = replace(live, entity_id="light.b", origin=Source.SNAPSHOT)
    assert codec.encode(told) is None
    assert codec.encode(live) == homeiq().encode(live)
    assert codec.encode(told) == homeiq().encode(told)
    assert codec.encode(replace(told, time_ns=49)) is None
    now = 90
    assert codec.encode(replace(told, time_ns=40)) is not None
    assert codec.encode(replace(told, time_ns=39)) is None


def test_who_looks_on_sees_the_age_that_the_store_sees() -> None:
    age = Age(50, lambda: 1_000)
    codec, writes = living(homeiq(), age), writing(living(homeiq(), age))
    live = Point("light.a", 100, "on", Facts("r1"), Attributes())
    told = replace(live, time_ns=60, origin=Source.SNAPSHOT)
    assert not writes(told)
    codec.encode(live)
    assert writes(told)


def test_whether_a_point_is_written_is_what_its_schema_says() -> None:
    writes = writing(since(homeiq(numeric_only=True), lambda: 3))
    point = Point("light.a", 5, "21", Facts("r1"), Attributes(), 21.0)
    assert writes(point)
    assert not writes(replace(point, value=None))
    assert not writes(replace(point, time_ns=2))

    def broken(_: Point) -> Line | None:
        raise ValueError

    assert writing(evolve(homeiq(), encode=broken))(point), "it becomes a dead letter, and no schema leaves it out"
