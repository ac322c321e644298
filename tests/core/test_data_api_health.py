from __future__ import annotations

from datetime import UTC, datetime, timedelta

from ingest.core import reports
from ingest.core.data_api_health import DataApiFold, DataApiHealth, DataApiReport
from ingest.core.health import Gauges, Status
from ingest.core.health_fold import HealthFold
from tests.core.test_health import UP

WALL = datetime(2026, 11, 22, 7, tzinfo=UTC)
DOWN = reports.DataApiWaiting("data-api answers 503", "", 8.0, 7, 1)
REFUSED = reports.DataApiWaiting("data-api answers 401", "Check the key.", 300.0, 7, 1)


def folded(*told: DataApiReport, later: float = 0.0) -> DataApiHealth:
    fold = DataApiFold()
    for at, report in enumerate(told):
        fold.add(report, at)
    now = len(told) - 1 + later
    return fold.health(now, lambda then: WALL - timedelta(seconds=now - then))


def test_before_anything_was_posted_nothing_is_promised() -> None:
    assert folded() == DataApiHealth()


def test_what_is_taken_waits_no_longer() -> None:
    told = folded(reports.ToPublish(2, 5, 1), reports.Posted("devices", 2), reports.EntryRefused("entities", "a.b", ""))
    assert (told.reachable, told.posted, told.waiting, told.refused) == (True, {"devices": 2}, 5, 1)
    done = folded(reports.ToPublish(2, 5, 1), reports.Posted("devices", 2), reports.Published(2, 0, 0), later=9)
    assert (done.waiting, done.last_published) == (0, WALL - timedelta(seconds=9))


def test_an_outage_is_known_since_it_began_until_it_is_over() -> None:
    down = folded(DOWN, DOWN, later=3)
    assert (down.reachable, down.waiting, down.failures) == (False, 7, 2)
    assert (down.failing_since, down.reason) == (WALL - timedelta(seconds=4), "data-api answers 503")
    up = folded(DOWN, reports.DataApiRecovered(5.0))
    assert (up.reachable, up.failing_since, up.reason, up.failures) == (True, None, "", 1)


def test_the_breaker_is_half_open_when_the_wait_is_over() -> None:
    down = reports.DataApiWaiting("x", "", 8.0, 7, 5, "open")
    assert [folded(down, later=each).breaker for each in (0, 8)] == ["open", "half_open"]
    assert folded(DOWN, later=9).breaker == "closed"


def test_a_data_api_that_is_not_told_degrades_and_says_what_to_do() -> None:
    fold = HealthFold("db", ("primary",), data_api=DataApiFold())
    for at, report in enumerate([*UP, REFUSED]):
        fold.add(report, at)
    health = fold.look(Gauges(), len(UP), WALL)
    assert health.status is Status.DEGRADED
    assert health.reason == (
        "data-api has not been told about the home since 2026-11-22 07:00:00 UTC (7 wait): data-api answers 401"
    )
    assert health.remedies == ("Check the key.",)
    assert health.problems[0].remedy == "Check the key."
    fold.add(reports.ToPublish(0, 0, 0), len(UP) + 1)
    assert fold.look(Gauges(), len(UP) + 1, WALL).status is Status.HEALTHY
