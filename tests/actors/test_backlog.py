from __future__ import annotations

from ingest.actors.backlog import Backlog
from ingest.core import reports
from ingest.core.reports import Report

STARTED = reports.Started("1", "home", "http://db")


def test_what_waited_from_before_is_said_to_be_there_and_to_be_gone_once() -> None:
    emitted: list[Report] = []
    held = 70
    backlog = Backlog("influxdb", 70, lambda: held, emitted.append)
    backlog.hear(STARTED)
    backlog.hear(reports.Stored("influxdb", 50, 0.1))
    assert [each.text() for each in emitted] == [
        "70 points wait on disk for influxdb from before the start, beside what comes now"
    ]
    held = 20
    backlog.hear(reports.Stored("influxdb", 20, 0.1))
    backlog.hear(reports.Stored("influxdb", 20, 0.1))
    assert [each.text() for each in emitted[1:]] == ["influxdb has what waited from before the start: 70 points"]


def test_without_a_backlog_nothing_is_said() -> None:
    emitted: list[Report] = []
    backlog = Backlog("influxdb", 0, lambda: 0, emitted.append)
    for report in (STARTED, reports.Stored("influxdb", 5, 0.1)):
        backlog.hear(report)
    assert emitted == []
