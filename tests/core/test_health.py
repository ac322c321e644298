from __future__ import annotations

from datetime import UTC, datetime, timedelta

import attrs
import pytest

from ingest.core import reports
from ingest.core.health import Gauges, Health, Queue, Status
from ingest.core.health_causes import RESTART
from ingest.core.health_fold import HealthFold
from ingest.core.health_outline import outlined
from ingest.core.health_problems import CATEGORIES, KEPT
from ingest.core.reports import Report
from ingest.core.session import SessionState
from ingest.core.state import Source, moment_at
from ingest.core.store import Rejection
from tests.core.test_reports import SAMPLES

WALL = datetime(2026, 11, 22, 7, tzinfo=UTC)
LOST = reports.Shed("intake", 7, 0, 1, ("light.a",))
UP = [
    reports.Started("1.2.3", "home", "http://db:8086"),
    reports.SessionChanged("primary", SessionState.CONNECTING),
    reports.SessionChanged("primary", SessionState.SUBSCRIBING),
    reports.Connected("primary", "ws://ha", "2026.11.0", 1),
    reports.SessionChanged("primary", SessionState.SNAPSHOT),
    reports.Received(10, Source.SNAPSHOT),
    reports.SessionChanged("primary", SessionState.LIVE),
    reports.Received(3, Source.LIVE),
    reports.Batched("db", 13, 100),
    reports.Stored("db", 13, 0.2),
]
AWAY = [
    reports.SessionChanged("primary", SessionState.WAITING),
    reports.ConnectionFailed("primary", "connection refused", 4.0, 5, "open", remedy="Is it running there?"),
]
DOWN = reports.StoreWaiting("db", "503 Service Unavailable", "", 8.0, 13, "open")
REFUSED = reports.StoreWaiting("db", "401 Unauthorized", "Give influxdb.token_file a token.", 60.0, 13)


def after(*told: Report, gauges: Gauges = Gauges(), start: float = 1000.0, later: float = 0.0) -> Health:  # noqa: B008  frozen
    """Health when each report came a second after the other, and `later` seconds after the last."""
    fold, now = HealthFold("db", ("primary", "secondary")), start
    for report in told:
        now += 1
        fold.add(report, now)
    return fold.look(gauges, now + later, WALL)


def test_before_anything_is_known_nothing_is_promised() -> None:
    health = after()
    assert health.status is Status.UNHEALTHY
    assert not health.ready
    assert health.database.reachable is None
    assert health.uptime == 0


def test_a_service_that_stores_everything_is_healthy() -> None:
    health = after(*UP, later=5)
    assert (health.status, health.reason) == (Status.HEALTHY, "every change is received and stored")
    assert health.ready
    assert (health.version, health.home, health.database.where) == ("1.2.3", "home", "http://db:8086")
    assert health.uptime == len(UP) - 1 + 5
    assert health.remedies == ()


def test_what_is_on_its_way_is_not_said_to_be_stored() -> None:
    assert (
        after(*UP, gauges=Gauges(open=1)).reason == "every change is received, the last 1 point on the way to the store"
    )
    refused = Gauges(spool_points=3, books={"rejected": 2})
    assert after(*UP, gauges=refused).reason == (
        "every change is received, the last 3 points on the way to the store; 2 points refused since the start"
    )


@pytest.mark.parametrize(
    "refusal",
    [reports.Rejected("db", (Rejection("m,entity_id=a.b v=1 1", "type"),)), reports.DeadLetter("s", "a.b", "{}", "x")],
)
def test_a_refusal_is_degraded_for_five_minutes_and_says_where_to_look(refusal: Report) -> None:
    health = after(*UP, refusal)
    assert (health.status, health.reason) == (Status.DEGRADED, "1 point refused in the last 5 minutes")
    assert health.remedies == ("See which, and why: homeiq-ingest dead-letters list",)
    assert "refused" not in after(*UP, refusal, later=310).reason


def test_events_are_counted_by_how_they_came_and_only_live_ones_have_a_rate() -> None:
    seen = after(*UP).subscription
    assert (seen.total, dict(seen.by_type), seen.per_minute) == (13, {"state_changed": 3, "snapshot": 10}, 3)
    assert seen.last_event == WALL - timedelta(seconds=2)


def test_attempts_successes_and_failures_are_counted_for_each_address() -> None:
    again = [
        reports.SessionChanged("secondary", SessionState.CONNECTING),
        reports.SessionChanged("secondary", SessionState.WAITING),
        reports.ConnectionFailed("secondary", "timed out", 4.0, 1, "closed"),
        reports.SessionChanged("primary", SessionState.CONNECTING),
        reports.SessionChanged("primary", SessionState.WAITING),
        reports.ConnectionFailed("primary", "refused", 4.0, 2, "closed"),
    ]
    connection = after(*UP, *AWAY, *again).connection
    assert (connection.attempts, connection.successes, connection.failures) == (3, 1, 2)
    assert connection.last_success is not None
    assert [each.problem for each in connection.candidates] == ["refused", "timed out"]
    assert connection.current.name == "primary"


def test_a_connection_that_ended_is_unhealthy_and_says_why() -> None:
    health = after(*UP, *AWAY)
    assert health.status is Status.UNHEALTHY
    assert "primary: connection refused" in health.reason
    assert not health.subscription.subscribed
    assert not health.ready
    assert health.connection.current.last_failure == WALL - timedelta(seconds=1)
    assert health.remedies == ("Nothing, while Home Assistant is only restarting. Is it running there?",)
    assert after(*UP, *AWAY, *UP).remedies == ()


@pytest.mark.parametrize(("later", "state"), [(0, "open"), (3.9, "open"), (4, "half_open")])
def test_the_breaker_is_half_open_when_it_may_be_tried_again(later: float, state: str) -> None:
    assert after(*UP, *AWAY, later=later).connection.current.breaker == state
    assert after(*UP, DOWN, later=2 * later).database.breaker == state


def test_a_refused_token_needs_a_person() -> None:
    refused = [
        reports.SessionChanged("primary", SessionState.REFUSED),
        reports.CandidateRefused("primary", "it does not accept the token", 3600, "Make a new one."),
    ]
    health = after(*UP[:2], *refused)
    assert health.status is Status.UNHEALTHY
    assert health.reason == "no connection to Home Assistant (primary: it does not accept the token)"
    assert health.remedies == outlined(health).remedies == ("Make a new one.",)
    assert health.problems[0].remedy == "Make a new one."
    assert (health.connection.failures, health.connection.current.breaker) == (1, "open")


def test_the_first_attempt_is_no_failure_yet() -> None:
    health = after(*UP[:2])
    assert (health.status, health.reason) == (
        Status.DEGRADED,
        "not subscribed to Home Assistant yet (connecting)",
    )


def test_a_service_that_stops_says_so() -> None:
    health = after(*UP, reports.SessionChanged("primary", SessionState.STOPPED), reports.Stopping("asked to"))
    assert health.status is Status.UNHEALTHY
    assert "stopping" in health.reason
    assert not health.connection.running


WAITING = Gauges(spool_points=100, open=7, waiting_points=5)


@pytest.mark.parametrize(("report", "status"), [(DOWN, Status.DEGRADED), (REFUSED, Status.UNHEALTHY)])
def test_a_store_that_takes_nothing_is_named_with_exactly_what_waits(
    report: reports.StoreWaiting, status: Status
) -> None:
    health = after(*UP, report, report, gauges=WAITING)
    assert health.status is status
    assert "112 points wait" in health.reason
    assert report.reason in health.reason
    assert "since 2026-11-22 06:59:59 UTC" in health.reason
    assert health.remedies == ((report.remedy,) if report.remedy else ())
    assert health.database.failures == 2
    assert not health.ready


def test_a_store_that_recovers_is_well_again() -> None:
    health = after(*UP, DOWN, reports.StoreRecovered("db", 4), reports.Stored("db", 100, 0.1))
    assert health.status is Status.HEALTHY
    assert (health.database.failing_since, health.database.failures, health.database.reason) == (None, 0, "")


def test_a_store_whose_refused_lines_are_looked_for_takes_points() -> None:
    searching = reports.StoreSearching("db", "looking for refused lines, 3 found", 100)
    health = after(*UP, DOWN, searching, gauges=WAITING, later=9)
    assert (health.status, health.database.reachable, health.database.breaker) == (Status.HEALTHY, True, "closed")
    assert (health.database.failing_since, health.database.reason) == (None, "")


def test_a_store_that_does_not_answer_is_named_after_ten_seconds() -> None:
    hanging = [*UP, reports.Batched("db", 100, 1)]
    assert after(*hanging, gauges=WAITING, later=9).status is Status.HEALTHY
    health = after(*hanging, gauges=WAITING, later=10)
    assert health.status is Status.DEGRADED
    assert health.reason == "db has not answered for 10 s, 112 points wait"


def test_a_home_that_was_quiet_is_not_a_store_that_hangs() -> None:
    quiet = HealthFold("db", ("primary",))
    for number, report in enumerate(UP):
        quiet.add(report, number)
    quiet.add(reports.Batched("db", 1, 1), 200.0)
    assert quiet.look(Gauges(spool_points=1), 201.0, WALL).status is Status.HEALTHY


@pytest.mark.parametrize(
    "first",
    [
        reports.Rejected("db", (Rejection("a", "b"),) * 13),
        reports.Evicted("db", 13, 0, 1),
        reports.Unreadable("db", 13, 0, 1, "x"),
    ],
)
def test_what_was_refused_or_evicted_is_not_waited_for(first: Report) -> None:
    told = [*UP[:-1], first, *[reports.Received(1, Source.LIVE)] * 20, reports.Batched("db", 1, 1)]
    assert "not answered" not in after(*told, gauges=WAITING, later=9).reason


def test_what_a_person_purged_is_no_loss_and_not_waited_for() -> None:
    health = after(*UP[:-1], reports.Purged("db", 13, 0, 1), later=30)
    assert (health.status, dict(health.categories)) == (Status.HEALTHY, {})


def test_what_comes_back_into_the_spool_is_waited_for() -> None:
    health = after(*UP, reports.Made("db", 5, "recovered"), gauges=WAITING, later=10)
    assert "not answered" in health.reason


def test_losses_are_unhealthy_for_five_minutes() -> None:
    health = after(*UP, LOST, reports.Evicted("db", 5, 0, 1))
    assert health.status is Status.UNHEALTHY
    assert "12 changes were dropped" in health.reason
    assert "dropped" not in after(*UP, LOST, later=310).reason


def test_damage_in_the_spool_is_unhealthy_and_says_what_to_do() -> None:
    damage = reports.Unreadable("db", 13, 0, 1, "the database file is damaged")
    health = after(*UP[:-1], damage)
    assert health.status is Status.UNHEALTHY
    assert health.reason == "13 points in the spool could not be read in the last 5 minutes"
    assert "spool recover" in health.remedies[0]
    assert health.problems[0].category == "evicted"
    assert "could not be read" not in after(*UP[:-1], damage, later=310).reason


ASIDE = reports.StateSetAside("/var/state.db", "/var/state.db.damaged-1", "the header is gone", 70, None, 0)


def test_everybody_is_told_no_path() -> None:
    file = "/home/anna/home.db"
    aside = [reports.StateSetAside("/home/anna/state.db", f"{file}.damaged-{n}", "x", 3, None, 0) for n in (1, 2)]
    mended = reports.StateSetAside("/home/anna/state.db", f"{file}.damaged-3", "x", 0, 5, 2)
    health = after(reports.Started("1.2.3", "home", file), *UP[1:-1], *aside, mended, gauges=WAITING, later=15)
    assert (health.database.where, outlined(health).database.where) == (file, "/health/detailed says where")
    assert after(*UP).database.where == outlined(after(*UP)).database.where == "http://db:8086"
    assert all("/home/anna" in each for each in (health.reason, str(health.remedies)))
    assert "/home/anna" not in str(outlined(health))
    assert "set aside: at least 3 points wait in it" in outlined(health).reason
    assert "homeiq-ingest spool recover FILE (/health/detailed says which)" in outlined(health).remedies


def test_everybody_is_told_what_is_stuck_without_its_path() -> None:
    file, address = "work on /home/anna/state.db", "a delivery to http://db:8086"
    health = after(*UP, *(reports.Stuck(each, 60.0, watchdog=False) for each in (file, address)))
    assert file in health.reason
    assert "/home/anna" not in str(outlined(health))
    reasons = [each.reason for each in outlined(health).causes]
    assert reasons[0].startswith("stuck: work on a file (/health/detailed says which) has not come back since ")
    assert reasons[1].startswith(f"stuck: {address} has not come back since ")
    both = after(*UP, *(reports.Stuck(each, 60.0, watchdog=False) for each in (file, "work on /home/anna/home.db")))
    assert [each.partition(" (")[0] for each in outlined(both).stuck] == ["work on a file", "work on another file"]


def test_a_state_file_that_was_set_aside_is_a_cause_until_it_is_recovered() -> None:
    health = after(ASIDE, *UP, later=900)
    assert health.status is Status.DEGRADED
    assert "kept as /var/state.db.damaged-1: at least 70 points wait in it" in health.reason
    assert health.remedies == ("homeiq-ingest spool recover /var/state.db.damaged-1",)
    assert health.problems[0].category == "state file"
    other = reports.StateRecovered("/var/other.db", 7, 0)
    assert after(ASIDE, *UP, other).status is Status.DEGRADED
    assert after(ASIDE, *UP, reports.StateRecovered(ASIDE.kept_as, 70, 0)).status is Status.HEALTHY


def test_of_a_file_that_was_brought_over_only_what_cannot_be_read_is_a_cause() -> None:
    brought = attrs.evolve(ASIDE, left=None, brought=70)
    assert after(brought, *UP).status is Status.HEALTHY
    health = after(attrs.evolve(brought, unreadable=2), *UP)
    assert (health.status, "at least 2 rows of it cannot be read" in health.reason) == (Status.DEGRADED, True)
    assert "recover" not in health.remedies[0]


def test_of_a_file_in_which_nothing_can_be_read_it_is_said_and_what_is_read_of_a_copy_counts() -> None:
    health = after(attrs.evolve(ASIDE, left=None), *UP)
    assert (health.status, "nobody knows what waits in it" in health.reason) == (Status.DEGRADED, True)
    copied = reports.StateRecovered(f"{ASIDE.kept_as}.x7/copy.db", 70, 0)
    assert after(ASIDE, attrs.evolve(ASIDE, kept_as="/var/b"), *UP, copied).remedies == (
        "homeiq-ingest spool recover /var/b",
    )


def test_a_spool_in_memory_is_degraded_until_it_is_on_disk_again() -> None:
    failing = reports.SpoolFailing("db", "no space left on device")
    health = after(*UP, failing)
    assert (health.status, health.spool.failing) == (Status.DEGRADED, "no space left on device")
    assert after(*UP, failing, reports.SpoolRecovered("db")).status is Status.HEALTHY


def test_dead_letters_in_memory_are_a_cause_until_they_are_on_disk_again() -> None:
    failing = reports.LettersFailing("no space left on device", 3)
    health = after(*UP, failing)
    assert (health.status, health.spool.letters_failing) == (Status.DEGRADED, "no space left on device")
    assert after(*UP, failing, reports.LettersRecovered()).spool.letters_failing == ""


def test_dead_letters_that_were_dropped_are_a_cause() -> None:
    dropped = reports.LettersDropped(3, "there is room for so many on disk")
    health = after(*UP, dropped)
    assert (health.status, health.reason) == (
        Status.UNHEALTHY,
        "3 dead letters were dropped in the last 5 minutes",
    )
    assert "dead letters" not in after(*UP, dropped, later=310).reason


def test_a_configuration_that_is_wrong_now_is_a_cause_until_it_is_mended() -> None:
    refused = reports.ReloadRefused(("log.level: it is loud. Give info.", "batch.size: 0."))
    told = after(refused)
    causes = [cause for cause in told.causes if "configuration" in cause.reason]
    assert [cause.status for cause in causes] == [Status.DEGRADED]
    assert "log.level: it is loud. Give info. (and 1 other problem)" in causes[0].reason
    assert causes[0].remedy.endswith("homeiq-ingest config check")
    assert [each.category for each in told.problems] == ["configuration"]
    mended = after(refused, DOWN, reports.Reloaded((), 0, 0))
    assert not [cause for cause in mended.causes if "configuration" in cause.reason]
    assert [each.category for each in mended.problems] == ["database"]
    assert mended.categories["configuration"].total == 1


def test_a_damaged_state_file_is_a_cause_until_the_next_start() -> None:
    health = after(*UP, reports.StateDamaged("/var/state.db", "malformed"), later=200)
    assert (health.status, health.reason) == (Status.DEGRADED, "the state file is damaged: malformed")
    assert health.remedies == (RESTART,)


def test_a_damaged_state_file_says_that_a_restart_mends_it() -> None:
    health = after(*UP, reports.SpoolFailing("db", "the database file is damaged: malformed"))
    assert RESTART in health.remedies


@pytest.mark.parametrize(("events", "size", "full"), [(10, 0, True), (9, 99, False), (0, 100, True)])
def test_a_full_queue_is_said(events: int, size: int, full: bool) -> None:
    health = after(*UP, gauges=Gauges(queues=(Queue("intake", events, size, 10, 100, 10, 100),)))
    assert ("intake is full" in health.reason) is full


def test_silence_while_connected_degrades() -> None:
    health = after(*UP, later=301)
    assert health.status is Status.DEGRADED
    assert "no event for 5 minutes" in health.reason


def test_every_cause_is_in_the_reason_and_the_worst_decides() -> None:
    health = after(*UP, DOWN, *AWAY, LOST, gauges=WAITING)
    assert health.status is Status.UNHEALTHY
    for part in ("112 points wait", "no connection", "7 changes were dropped"):
        assert part in health.reason


def test_the_oldest_point_in_the_spool_is_told_in_utc() -> None:
    assert after(*UP, gauges=Gauges(spool_oldest_ns=1_500_000)).spool.oldest == moment_at(1_500_000)
    assert moment_at(0) == datetime(1970, 1, 1, tzinfo=UTC)


def test_the_last_hundred_errors_are_kept_with_category_and_remedy() -> None:
    malformed = [reports.MalformedMessage("event", f"number {each}", "…") for each in range(KEPT + 50)]
    health = after(*UP, *malformed, REFUSED)
    assert len(health.problems) == KEPT
    newest = health.problems[0]
    assert (newest.category, newest.remedy, newest.at) == ("database", REFUSED.remedy, WALL)
    assert health.problems[1].text.endswith("number 149")
    counted = health.categories["message"]
    assert (counted.total, counted.per_minute) == (KEPT + 50, 30)
    assert counted.last == WALL - timedelta(seconds=1)


def test_no_token_is_kept_in_an_error() -> None:
    health = after(reports.UnexpectedMessage('{"access_token": "very-secret-indeed"}'))
    assert "very-secret" not in health.problems[0].text


def test_every_report_that_is_an_error_has_a_category() -> None:
    loud = {type(report) for report in SAMPLES if report.level in {"warning", "error"}}
    assert loud - set(CATEGORIES) <= {reports.Notice}


@pytest.mark.parametrize("report", SAMPLES, ids=lambda report: type(report).__name__)
def test_any_report_can_be_folded(report: Report) -> None:
    if any(each.name == "candidate" for each in attrs.fields(type(report))):
        report = attrs.evolve(report, candidate="primary")  # type: ignore[call-arg]  # those that have one
    assert after(report).reason
