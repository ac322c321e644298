from __future__ import annotations

import pytest

from ingest.core import reports
from ingest.core.calm import KINDS, NEWS, RECOVERIES, REPEAT, REPEATED, Calm
from ingest.core.reports import Report
from ingest.core.store import Rejection
from tests.core.test_reports import sample


class Night:
    """A log to which the same is told every ten seconds."""

    def __init__(self) -> None:
        self.now = 0.0
        self.calm = Calm(lambda: self.now)
        self.said: list[tuple[float, int]] = []

    def tell(self, report: Report, times: int = 1, *, all_attempts: bool = False) -> None:
        for _ in range(times):
            self.calm.hear(report)
            left_out = self.calm.left_out(report, all_attempts=all_attempts)
            if left_out is not None:
                self.said.append((self.now, left_out))
            self.now += 10


def waiting(reason: str = "connection refused", points: int = 1) -> reports.StoreWaiting:
    return reports.StoreWaiting("db", reason, "", float(points % 60), points)


def test_the_same_is_said_at_once_and_then_every_ten_minutes_with_a_count() -> None:
    night = Night()
    for points in range(121):
        night.tell(waiting(points=points + 2))
    assert night.said == [(0.0, 0), (600.0, 59), (1200.0, 59)]


def test_another_reason_is_said_at_once() -> None:
    night = Night()
    night.tell(waiting(), 3)
    night.tell(waiting("401 Unauthorized"), 3)
    assert [at for at, _ in night.said] == [0.0, 30.0]


@pytest.mark.parametrize("recovery", RECOVERIES, ids=lambda kind: kind.__name__)
def test_a_recovery_is_always_said_and_what_comes_after_it_is_news(recovery: type[Report]) -> None:
    for failure in RECOVERIES[recovery]:
        night = Night()
        night.tell(sample(failure), 2)
        night.tell(sample(recovery), 2)
        night.tell(sample(failure), 2)
        assert [at for at, _ in night.said] == [0.0, 20.0, 30.0, 40.0]


def test_what_comes_and_goes_all_night_does_not_fill_the_log_and_its_last_word_is_true() -> None:
    night = Night()
    said = list[str]()
    for _ in range(360):  # two hours
        for report in (waiting(), sample(reports.StoreRecovered)):
            before = len(night.said)
            night.tell(report)
            said += [type(report).__name__] * (len(night.said) - before)
    assert len(night.said) <= 12 * 2 * (NEWS + 1)
    assert said == ["StoreWaiting", "StoreRecovered"] * (len(said) // 2)
    night.now += REPEAT
    night.said.clear()
    night.tell(waiting(), 2)
    night.tell(sample(reports.StoreRecovered), 2)
    assert len(night.said) == 3


def test_what_is_said_for_the_first_time_after_it_came_and_went_is_said_to_be_over() -> None:
    night = Night()
    for _ in range(NEWS):
        night.tell(waiting())
        night.tell(sample(reports.StoreRecovered))
    night.tell(waiting())  # said: it was news once more
    night.tell(sample(reports.StoreRecovered))
    night.said.clear()
    night.tell(waiting("401 Unauthorized"))
    night.tell(sample(reports.StoreRecovered))
    assert len(night.said) == 2


def test_another_recovery_is_no_news_of_this_one() -> None:
    night = Night()
    night.tell(waiting(), 2)
    night.tell(sample(reports.Connected))
    night.tell(waiting(), 2)
    assert [at for at, _ in night.said] == [0.0, 20.0]


def test_who_wants_to_see_every_attempt_does() -> None:
    night = Night()
    night.tell(waiting(), 5, all_attempts=True)
    assert len(night.said) == 5


def test_points_that_are_refused_night_by_night_do_not_fill_the_log() -> None:
    night = Night()
    night.tell(sample(reports.Rejected), 100)
    assert len(night.said) == 2
    assert reports.Rejected in REPEATED


def test_other_points_that_are_refused_for_the_same_reason_are_no_news() -> None:
    night = Night()
    for number in range(120):
        name = f"sensor.{chr(97 + number % 20)}_temperature"
        reason = f'partial write: field type conflict: input field "value_{name}" is float at {number}'
        night.tell(reports.Rejected("db", (Rejection(f"events,entity_id={name} value=1 {number}", reason),)))
    assert night.said == [(0.0, 0), (600.0, 59)]


def test_another_reason_or_store_of_points_that_are_refused_is_news() -> None:
    night = Night()
    for store, reason in (("db", "it can't be parsed"), ("db", "it can't be stored"), ("other", "it can't be stored")):
        night.tell(reports.Rejected(store, (Rejection("events value=1 1", reason),)))
    assert [left_out for _, left_out in night.said] == [0, 0, 0]


def test_losses_say_how_many_lines_were_left_out() -> None:
    night = Night()
    lost = reports.Shed("intake", 5, 1, 2, ("sensor.a",))
    found = [night.calm.left_out(lost) for _ in range(50)]
    night.now = 10.0
    assert (found[0], found[1], night.calm.left_out(lost)) == (0, None, 49)


def test_sentences_without_number_are_not_all_remembered() -> None:
    night = Night()
    for number in range(3 * KINDS):
        night.calm.left_out(waiting("x" * number))
    assert len(night.calm._said) <= KINDS
    assert REPEAT == 600
