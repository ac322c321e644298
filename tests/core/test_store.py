from __future__ import annotations

from msgspec.structs import replace

from ingest.core.homeiq import homeiq
from ingest.core.point import Attributes, Facts, Point
from ingest.core.state import Source
from ingest.core.store import living, since


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
    codec = living(homeiq(), 50, lambda: now)
    live = Point("light.a", 100, "on", Facts("r1"), Attributes())
    told = replace(live, entity_id="light.b", origin=Source.SNAPSHOT)
    assert codec.encode(told) is None
    assert codec.encode(live) == homeiq().encode(live)
    assert codec.encode(told) == homeiq().encode(told)
    assert codec.encode(replace(told, time_ns=49)) is None
    now = 90
    assert codec.encode(replace(told, time_ns=40)) is not None
    assert codec.encode(replace(told, time_ns=39)) is None
