"""The page of metrics is valid in both formats, says what each is, and has as many series after a year as after a day."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from attrs import evolve
from prometheus_client import ProcessCollector
from prometheus_client.core import Metric
from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics_families
from prometheus_client.parser import text_string_to_metric_families

from ingest.core import reports
from ingest.core.health import Health
from ingest.core.session import SessionState
from ingest.core.store import Rejection
from ingest.edge.process import Usage
from ingest.web.metrics import CONTENT_TYPE, OPENMETRICS_TYPE, Metrics
from tests.core.test_health import AWAY, DOWN, UP, after
from tests.web.test_app import GAUGES
from tests.web.test_metrics_reference import PAGE, described, everything, page

NOW = 2_000_000_000_000_000_000


def metrics(health: Health | None = None) -> Metrics:
    seen = after(*UP, gauges=GAUGES) if health is None else health
    return Metrics(lambda: seen, lambda: Usage(50.5, 1.5, 7.25), lambda: {"sensor.*": 3}, lambda: NOW)


def figures(told: Metrics) -> Mapping[tuple[str, str], float]:
    families = text_string_to_metric_families(told.page()[0].decode())
    return {
        (sample.name.removeprefix("homeiq_ingest_"), ",".join(sample.labels.values())): sample.value
        for family in families
        for sample in family.samples
    }


def test_the_lag_is_from_the_clock_of_the_home_to_ours_and_never_negative() -> None:
    told = metrics()
    told.hear(reports.Stored("db", 3, 0.1, NOW - 90 * 10**9, NOW - 2 * 10**9))
    told.hear(reports.Stored("db", 3, 0.1, NOW - 90 * 10**9, NOW + 5 * 10**9))
    told.hear(reports.Stored("db", 3, 0.1))
    found = figures(told)
    assert (found["lag_seconds_sum", "oldest"], found["lag_seconds_count", "oldest"]) == (180, 2)
    assert (found["lag_seconds_sum", "newest"], found["lag_seconds_bucket", "0.1,newest"]) == (2, 1)
    assert found["delivery_seconds_count", ""] == 3


def test_what_failed_is_counted_by_where() -> None:
    told = metrics()
    letter = reports.DeadLetter("filter", "a.b", "{}", "x")
    again = reports.SessionChanged("primary", SessionState.CONNECTING)
    refused = reports.CandidateRefused("secondary", "the token is not known", 60.0)
    lost = [again, *AWAY, again, reports.ConnectionFailed("primary", "404", 4.0, 6, "open", needs_person=True), refused]
    for report in (*UP, *AWAY, *lost, DOWN, DOWN, letter):
        told.hear(report)
    found = figures(told)
    ends = {labels: count for (name, labels), count in found.items() if name == "session_ends_total"}
    assert ends == {
        "primary,live,nobody": 1,
        "primary,connecting,nobody": 1,
        "primary,connecting,person": 1,
        "secondary,idle,person": 1,
    }
    assert found["delivery_failures_total", ""] == 2
    assert found["stage_errors_total", "filter"] == 1
    assert (found["batch_bytes_sum", ""], found["batch_points_sum", ""]) == (100, 13)


def test_the_process_has_the_standard_names_here_and_where_there_is_no_proc() -> None:
    here = figures(metrics())
    assert here["process_resident_memory_bytes", ""] > 2**22
    assert here["process_cpu_seconds_total", ""] > 0
    elsewhere = metrics()
    elsewhere.process = ProcessCollector(proc="/nowhere", registry=None)
    found = figures(elsewhere)
    assert found["process_resident_memory_bytes", ""] == 50.5 * 2**20
    assert found["process_cpu_seconds_total", ""] == 7.25
    elsewhere.usage = lambda: Usage(50.5, 1.5)
    assert ("process_cpu_seconds_total", "") not in figures(elsewhere)


def test_rounds_of_the_loop_are_a_histogram() -> None:
    told = metrics()
    told.stalls.rounds, told.stalls.busy = 5, 0.01
    found = figures(told)
    assert found["event_loop_seconds_bucket", "0.005"] == found["event_loop_seconds_bucket", "+Inf"] == 5
    assert (found["event_loop_seconds_sum", ""], found["event_loop_seconds_count", ""]) == (0.01, 5)


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        ("", CONTENT_TYPE),
        ("*/*", CONTENT_TYPE),
        ("text/plain;version=0.0.4;q=0.3", CONTENT_TYPE),
        ("application/openmetrics-text;version=nonsense", OPENMETRICS_TYPE),
        ("application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.3", OPENMETRICS_TYPE),
    ],
)
def test_the_page_is_valid_in_the_format_that_is_asked_for(accept: str, kind: str) -> None:
    told = everything()
    text, given = told.page(accept)
    assert given == kind
    parse = openmetrics_families if kind == OPENMETRICS_TYPE else text_string_to_metric_families
    assert {family.name for family in parse(text.decode())} >= {each.name for each in told.families() if each.samples}


def series(told: Metrics) -> int:
    return sum(len(family.samples) for family in told.families())


def test_the_number_of_series_does_not_grow_with_what_happens() -> None:
    told = everything()
    before = series(told)
    for number in range(300):
        name = f"sensor.s{number}"
        for report in (
            *UP[1:],
            reports.SessionChanged("primary", SessionState.WAITING),
            reports.ConnectionFailed("primary", f"reason {number}", 4.0, 5, "open"),
            reports.StoreWaiting("db", f"reason {number}", "", 8.0, 13),
            reports.Rejected("db", (Rejection(f"m,entity_id={name} v=1 1", f"type {number}"),)),
            reports.DeadLetter("filter", name, "{}", f"ValueError: {number}"),
            reports.Shed("intake", 1, number, number, (name,)),
        ):
            told.hear(report)
    assert series(told) == before


def test_every_metric_says_what_it_is_and_stands_in_the_reference() -> None:
    found: list[Metric] = described()
    assert [each.name for each in found if not each.documentation.strip()] == []
    names = [each.name for each in found]
    assert len(names) == len(set(names)) > 50
    standard = [each for each in names if not each.startswith("homeiq_ingest_")]
    assert all(each.startswith("process_") for each in standard)


def test_no_metric_but_those_of_the_reference_is_ever_told() -> None:
    known = {each.name for each in described()}
    for told in (metrics(), metrics(after()), metrics(evolve(after(*UP), gaps=None))):
        assert {each.name for each in told.families()} <= known


def test_the_reference_is_what_the_code_says() -> None:
    assert PAGE.read_text("utf-8") == page()
