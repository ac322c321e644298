from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from enum import Enum
from typing import Any, get_args, get_type_hints

import attrs
import pytest

from ingest.core import reports
from ingest.core.coverage import Cause, Progress
from ingest.core.evicted import Named
from ingest.core.reports import Report
from ingest.core.session import SessionState
from ingest.core.state import Source
from ingest.core.store import Rejection

VALUES: Mapping[object, Any] = {
    str: "wörd",
    int: 7,
    float: 1.5,
    bool: True,
    SessionState: SessionState.LIVE,
    Cause: Cause.SHED,
    Progress: Progress.PARTLY,
    Source: Source.SNAPSHOT,
    int | None: 7,
    tuple[str, ...]: ("a.b",),
    tuple[Rejection, ...]: (Rejection("line", "why"),),
    Sequence[Named]: (Named("7f", "a.b", 7, 8),),
    Mapping[str, int]: {"rule": 3},
    Mapping[str, tuple[int, int]]: {"a.b": (7, 8)},
    Sequence[tuple[str, int]]: (("a.b", 7),),
}


def kinds() -> list[type[Report]]:
    return [kind for kind in vars(reports).values() if isinstance(kind, type) and issubclass(kind, Report)]


def sample(kind: type[Report]) -> Report:
    """A report of that kind with a plausible value in every field."""
    hints = get_type_hints(kind)
    make: Callable[..., Report] = kind
    return make(**{field.name: value_of(hints[field.name]) for field in attrs.fields(kind)})


def value_of(hint: Any) -> Any:
    """A plausible value for a field of that type."""
    options = get_args(hint)
    if hint in VALUES:
        return VALUES[hint]
    if not options or type(None) in options:
        return None
    return next(option for option in options if isinstance(option, str))


SAMPLES = [sample(kind) for kind in kinds() if kind is not Report]


@pytest.mark.parametrize("report", SAMPLES, ids=lambda report: type(report).__name__)
def test_every_report_has_a_sentence_and_a_level(report: Report) -> None:
    assert report.text()
    assert {report.LEVEL, report.level} <= {"debug", "info", "warning", "error"}
    assert type(report).__doc__
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        report.LEVEL = "info"  # type: ignore[misc]  # that is the point


@pytest.mark.parametrize("report", SAMPLES, ids=lambda report: type(report).__name__)
def test_no_sentence_shows_a_value_as_python_writes_it(report: Report) -> None:
    assert "<" not in report.text()
    assert "[" not in report.text()
    assert not any(isinstance(value, Enum) and repr(value) in report.text() for value in attrs.asdict(report).values())


def test_what_a_person_must_act_upon_says_so() -> None:
    waiting = reports.StoreWaiting("home", "the token is not valid", "Make a new one.", 60.0, 10)
    assert all(part in waiting.text() for part in ("home", "the token is not valid", "Make a new one.", "60 s"))


def test_books_that_do_not_balance_are_said_aloud() -> None:
    assert "DO NOT BALANCE" in reports.Stopped({"received": 1}, balanced=False).text()
    assert reports.Stopped({"received": 0}, balanced=True).text() == "stopped: nothing received"
    assert (
        reports.Stopped({"received": 2, "in_flight": 2}, balanced=True).text()
        == "stopped: 2 received, 2 in flight and lost"
    )


def test_the_last_line_does_not_call_kept_what_ends_with_the_memory() -> None:
    books = {"received": 70, "stored": 9, "spooled": 61, "in_flight": 0}
    assert reports.Stopped(books, balanced=True, volatile=54).text() == (
        "stopped: 70 received, 9 stored, 61 spooled, of which 54 were only in memory and are lost"
    )
    assert reports.Stopped(books, balanced=True).text() == "stopped: 70 received, 9 stored, 61 spooled"


def test_a_refusal_names_the_entities_and_what_shows_them_all() -> None:
    refused = reports.Rejected("influxdb", (Rejection("m,entity_id=a.b v=1 1", "type conflict"),) * 2)
    assert refused.text() == "influxdb refused 2 points of a.b (see: homeiq-ingest dead-letters list): type conflict"


def test_a_dead_letters_reason_is_the_last_line() -> None:
    letter = reports.DeadLetter("filter", "a.b", "{}", "Traceback\n  File\nValueError: no\n")
    assert letter.reason == "ValueError: no"
    assert letter.text().endswith("set aside (see: homeiq-ingest dead-letters list): ValueError: no")


def test_a_snapshot_that_is_not_complete_says_so() -> None:
    assert "still starting" in reports.Snapshot(3, complete=False).text()
    assert "still starting" not in reports.Snapshot(3, complete=True).text()


def test_filtered_counts_all_rules() -> None:
    assert reports.Filtered({"a": 2, "b": 3}).count == 5
