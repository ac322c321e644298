from __future__ import annotations

import io
import json
import re
from typing import Any

import pytest

from ingest.core import reports
from ingest.core.reports import Report
from ingest.core.secret import Secret
from ingest.core.state import Source
from ingest.edge.journal import Format, open_journal
from tests.core.test_reports import SAMPLES


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class Broken(io.StringIO):
    tried = 0

    def write(self, _text: str, /) -> int:
        self.tried += 1
        raise BrokenPipeError


def lines(*given: Report, level: str = "debug", form: Format = "json") -> list[str]:
    out = io.StringIO()
    write = open_journal(level, form, out)
    for report in given:
        write(report)
    return out.getvalue().splitlines()


def parsed(*given: Report, level: str = "debug") -> list[dict[str, Any]]:
    return [json.loads(line) for line in lines(*given, level=level)]


@pytest.mark.parametrize("report", SAMPLES, ids=lambda report: type(report).__name__)
def test_every_report_is_one_line_of_json(report: Report) -> None:
    (line,) = parsed(report)
    assert line["message"] == report.text()
    assert line["level"] == report.level
    assert line["report"] == type(report).__name__
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT[\d:.]+Z", line["timestamp"])


@pytest.mark.parametrize("report", SAMPLES, ids=lambda report: type(report).__name__)
def test_every_report_is_one_line_for_a_person(report: Report) -> None:
    (line,) = lines(report, form="console")
    assert report.text() in line
    assert report.level in line
    assert "report=" not in line


def test_what_is_below_the_level_is_not_written() -> None:
    quiet = [reports.Passed(1), reports.StoreRecovered("s", 1.0)]
    loud = [reports.Notice("careful"), reports.CandidateRefused("primary", "no.", 3600.0)]
    assert [line["report"] for line in parsed(*quiet, *loud, level="warning")] == ["Notice", "CandidateRefused"]
    assert [line["report"] for line in parsed(*quiet, *loud, level="INFO")] == [
        "StoreRecovered", "Notice", "CandidateRefused",
    ]  # fmt: skip


def test_what_cannot_be_read_is_logged_once_a_kind() -> None:
    given = [
        *(reports.MalformedMessage("event", f"problem {number}", "{") for number in range(50)),
        reports.MalformedMessage("frame", "problem", "{"),
        *(reports.UnexpectedMessage("event") for _ in range(50)),
        reports.UnexpectedMessage("other"),
    ]
    assert [(line["report"], line["kind"]) for line in parsed(*given)] == [
        ("MalformedMessage", "event"),
        ("MalformedMessage", "frame"),
        ("UnexpectedMessage", "event"),
        ("UnexpectedMessage", "other"),
    ]


def test_two_journals_do_not_share_what_they_have_seen() -> None:
    for _ in range(2):
        assert len(lines(reports.UnexpectedMessage("event"))) == 1


def test_other_reports_are_logged_every_time() -> None:
    assert len(lines(*[reports.Received(1, Source.LIVE)] * 3)) == 3


def test_the_form_follows_the_stream_unless_it_is_chosen() -> None:
    for out, form, is_json in (
        (io.StringIO(), "auto", True), (Terminal(), "auto", False), (Terminal(), "json", True),
        (io.StringIO(), "console", False),
    ):  # fmt: skip
        open_journal("info", form, out)(reports.Notice("careful"))  # type: ignore[arg-type]  # literals in a tuple
        assert out.getvalue().startswith("{") is is_json


def test_colours_are_for_terminals_only() -> None:
    terminal = Terminal()
    open_journal("info", "auto", terminal)(reports.Notice("careful"))
    assert "\x1b[" in terminal.getvalue()
    assert "\x1b[" not in lines(reports.Notice("careful"), form="console")[0]


def test_signs_of_formatting_are_text() -> None:
    assert parsed(reports.Notice("100 % {of} %s"))[0]["message"] == "100 % {of} %s"


def test_a_log_that_nobody_reads_stops_nothing() -> None:
    broken = Broken()
    write = open_journal("debug", "json", broken)
    write(reports.Notice("careful"))
    write(reports.Notice("careful again"))
    assert broken.tried


@pytest.mark.parametrize("form", ["json", "console"])
def test_what_holds_a_secret_is_written_without_it(form: Format) -> None:
    stream, known = io.StringIO(), Secret("known-to-this-process-only")
    open_journal("debug", form, stream)(reports.Notice(f"an error that nobody expected: {known.reveal()}"))
    assert "that nobody expected: ********" in stream.getvalue()
    assert known.reveal() not in stream.getvalue()


def test_a_level_that_does_not_exist_is_an_error() -> None:
    with pytest.raises(KeyError):
        open_journal("loud", "json", io.StringIO())


def test_losses_by_the_hundred_are_a_line_every_ten_seconds() -> None:
    out, now = io.StringIO(), [0.0]
    write = open_journal("info", "json", out, lambda: now[0])
    for second in range(25):
        now[0] = float(second)
        for _ in range(100):
            write(reports.Shed("intake", 5, 1, 2, tuple(f"sensor.s{number}" for number in range(500))))
    write(reports.Shed("influxdb", 5, 1, 2, ("sensor.a",)))
    lines = [json.loads(line) for line in out.getvalue().splitlines()]
    assert [line["link"] for line in lines] == ["intake"] * 3 + ["influxdb"]
    assert len(lines[0]["entities"]) == 20


def test_a_server_that_invents_kinds_cannot_fill_the_log() -> None:
    out = io.StringIO()
    write = open_journal("info", "json", out)
    for number in range(3000):
        write(reports.UnexpectedMessage(f"kind {number}"))
    assert len(out.getvalue().splitlines()) == 1000


def test_what_recovers_too_quietly_for_the_log_may_fail_anew() -> None:
    out = io.StringIO()
    write = open_journal("warning", "json", out)
    down = reports.StoreWaiting("db", "connection refused", "", 1.0, 1)
    for report in (down, down, reports.StoreRecovered("db", 1.0), down, down):
        write(report)
    assert len(out.getvalue().splitlines()) == 2


def test_another_level_holds_from_then_on() -> None:
    out = io.StringIO()
    write = open_journal("warning", "json", out)
    write(reports.Reloading("quiet"))
    write.set_level("info")
    write(reports.Reloading("loud"))
    assert "loud" in out.getvalue()
    assert "quiet" not in out.getvalue()


def test_what_a_terminal_would_obey_in_the_words_of_a_server_is_not_sent_to_it() -> None:
    said = reports.Notice("the database answers 503: \x1b[2J\x1b]0;pwn\x07 overloaded \u202e")
    (line,) = lines(said, form="console")
    assert "503: \ufffd[2J\ufffd]0;pwn\ufffd overloaded \ufffd" in line
    (told,) = parsed(said)
    assert told["message"] == said.text()
