from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import click
import pytest

from ingest.cli.moments import EARLIEST, LATEST, iso, parse_moment, parse_span, shown, window
from ingest.core.state import EPOCH, nanoseconds

NOW = datetime(2026, 7, 1, 12, tzinfo=UTC)


@pytest.fixture(autouse=True)
def kathmandu(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "<+0545>-5:45")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90s", 90), ("5m", 300), ("1.5h", 5400), (" 2 d ", 172_800), ("1w", 604_800), ("2y", 63_072_000)],
)
def test_spans(text: str, seconds: float) -> None:
    assert parse_span(text) == timedelta(seconds=seconds)
    assert parse_moment(text, NOW) == NOW - timedelta(seconds=seconds)


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-06-30", datetime(2026, 6, 29, 18, 15, tzinfo=UTC)),
        ("2026-06-30T08:00", datetime(2026, 6, 30, 2, 15, tzinfo=UTC)),
        ("2026-06-30T08:00Z", datetime(2026, 6, 30, 8, tzinfo=UTC)),
        ("2026-06-30 08:00:00.25+02:00", datetime(2026, 6, 30, 6, 0, 0, 250_000, tzinfo=UTC)),
    ],
)
def test_times_are_local_unless_they_say_otherwise(text: str, moment: datetime) -> None:
    assert parse_moment(text, NOW) == moment


@pytest.mark.parametrize("text", ["", "yesterday", "5", "1x", "-1d", "2026-13-01"])
def test_anything_else_is_named_with_what_would_do(text: str) -> None:
    assert parse_span(text) is None
    with pytest.raises(click.BadParameter, match="such as 90s"):
        parse_moment(text, NOW)


@pytest.mark.parametrize("zone", ["<+0545>-5:45", "<-08>8"])
@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("1000y", EARLIEST), ("999999w", EARLIEST), ("999999y", EARLIEST), ("57y", EARLIEST), ("0001-01-01", EARLIEST),
        ("99999999d", EARLIEST), ("9" * 400 + "y", EARLIEST),
        ("0001-01-01T00:00+14:00", EARLIEST), ("1600-01-01", EARLIEST), ("1969-06-01", EARLIEST),
        ("1970-01-01T00:00Z", EARLIEST), ("1970-01-01T00:00+05:00", EARLIEST),
        ("1970-01-02T00:00Z", EPOCH + timedelta(days=1)), ("1969-12-31T23:00-02:00", EPOCH + timedelta(hours=1)),
        ("2261-12-31T23:00Z", LATEST - timedelta(hours=1)), ("2262-04-12", LATEST), ("2300-01-01", LATEST),
        ("9999-12-31T23:59:59", LATEST), ("9999-12-31T23:59:59-12:00", LATEST),
    ],
)  # fmt: skip
def test_of_times_that_no_file_holds_the_utmost_that_one_does(
    monkeypatch: pytest.MonkeyPatch, zone: str, text: str, moment: datetime
) -> None:
    monkeypatch.setenv("TZ", zone)
    time.tzset()
    assert parse_moment(text, NOW) == moment
    assert 0 < nanoseconds(parse_moment(text, NOW)) - 1 < nanoseconds(parse_moment(text, NOW)) + 1 < 2**63


def test_a_window_reaches_as_far_as_there_can_be_anything() -> None:
    assert window("1000y", "9999-12-31") == (nanoseconds(EARLIEST), nanoseconds(LATEST))


def test_a_duration_may_have_many_digits() -> None:
    assert parse_span("10000000s") == timedelta(seconds=10_000_000)
    assert parse_span("1000000y") == parse_span("9" * 400 + "d") == parse_span("999999y")


def test_a_window_without_an_end_does_not_begin_in_the_future() -> None:
    for since in ("2030-01-01", "9998-01-01"):
        with pytest.raises(click.BadParameter, match=f"'{since}' lies in the future"):
            window(since, None)


def test_a_window_without_ends_is_everything() -> None:
    start, end = window(None, None)
    assert start == 0
    assert end > time.time_ns()


def test_a_window_that_ends_before_it_begins() -> None:
    with pytest.raises(click.BadParameter, match="not before"):
        window("1d", "2d")


def test_times_are_shown_with_their_offset_and_exactly() -> None:
    assert shown(1_767_225_600_123_456_789) == "2026-01-01 05:45+05:45"
    assert shown(1_767_225_600_123_456_789, "seconds") == "2026-01-01 05:45:00+05:45"
    assert iso(1_767_225_600_123_456_789) == "2026-01-01T00:00:00.123456Z"
