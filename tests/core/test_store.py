from __future__ import annotations

from msgspec.structs import replace

from ingest.core.homeiq import homeiq
from ingest.core.point import Attributes, Facts, Point
from ingest.core.store import since


def test_a_store_that_keeps_nothing_older_is_not_sent_it() -> None:
    now = 10
    codec = since(homeiq(), lambda: now - 5)
    point = Point("light.a", 5, "on", Facts("r1"), Attributes())
    assert codec.encode(point) == homeiq().encode(point)
    assert codec.encode(replace(point, time_ns=4)) is None
    now = 20
    assert codec.encode(point) is None
