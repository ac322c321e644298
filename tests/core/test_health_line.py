from __future__ import annotations

from ingest.core import reports
from ingest.core.health import Gauges
from ingest.core.health_line import line
from tests.core.test_health import AWAY, DOWN, REFUSED, UP, after

WAITS = Gauges(spool_points=12_345)


def test_all_is_well() -> None:
    assert line(after(*UP)) == "storing 0.05 events/s, the newest 2.0 s old, nothing waits"
    assert line(after(*UP, gauges=Gauges(spool_points=1))).endswith(", 1 point waits")
    assert "the newest 2 minutes old" in line(after(*UP, later=150))


def test_before_the_first_event_nothing_is_said_of_it() -> None:
    assert line(after(*UP[:5], UP[6])) == "storing 0 events/s, nothing waits"


def test_what_is_wrong_is_said_and_what_waits() -> None:
    said = line(after(*UP, DOWN, gauges=WAITS))
    assert said.startswith("db takes no points since 2026-11-22 07:00:00 UTC, 12,345 points wait: 503")
    assert "token" in line(after(*UP, REFUSED)) or "401" in line(after(*UP, REFUSED))


def test_the_worst_comes_first_and_the_others_are_counted() -> None:
    said = line(after(*UP, DOWN, *AWAY, gauges=WAITS))
    assert said.startswith("no connection to Home Assistant (primary: connection refused)")
    assert said.endswith("(and 1 other problem)")
    stuck = reports.Stuck("a delivery to db", 600.0, watchdog=True)
    assert line(after(*UP, *AWAY, stuck)).startswith(
        "stuck: a delivery to db has not come back since 2026-11-22 06:50:00"
    )
