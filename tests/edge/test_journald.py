from __future__ import annotations

import io
import json
import os
from pathlib import Path
from typing import TextIO

import pytest

from ingest.core import reports
from ingest.core.reports import Report
from ingest.edge.journal import Format, open_journal
from ingest.edge.journald import VARIABLE, is_journal, marked, one_line
from tests.core.test_reports import SAMPLES

LEVELS = {"debug": 7, "info": 6, "warning": 4, "error": 3}


def named(stream: TextIO) -> dict[str, str]:
    """What systemd sets when this is its journal."""
    found = os.fstat(stream.fileno())
    return {VARIABLE: f"{found.st_dev}:{found.st_ino}"}


def written(folder: Path, *given: Report, form: Format = "auto") -> list[str]:
    with (folder / "journal").open("w+", encoding="utf-8") as stream:
        write = open_journal("debug", form, stream, environ=named(stream))
        for report in given:
            write(report)
        stream.seek(0)
        return stream.read().splitlines()


@pytest.mark.parametrize("report", SAMPLES, ids=lambda report: type(report).__name__)
def test_every_report_is_its_priority_and_its_sentence(report: Report, tmp_path: Path) -> None:
    assert written(tmp_path, report) == [f"<{LEVELS[report.level]}>{report.text()}"]


def test_who_asks_for_json_gets_it_without_our_time(tmp_path: Path) -> None:
    (line,) = written(tmp_path, reports.Notice("careful"), form="json")
    assert line.startswith("<4>{")
    said = json.loads(line[3:])
    assert said.items() >= {"message": "careful", "level": "warning", "report": "Notice"}.items()
    assert "timestamp" not in said


def test_a_sentence_of_several_lines_is_one_line(tmp_path: Path) -> None:
    assert written(tmp_path, reports.Notice("one\ntwo\r\nthree")) == ["<4>one two three"]
    assert one_line("one") == "one"


def test_what_was_left_out_is_counted_in_the_next_line(tmp_path: Path) -> None:
    now = [0.0]
    with (tmp_path / "journal").open("w+", encoding="utf-8") as stream:
        write = open_journal("info", "auto", stream, lambda: now[0], named(stream))
        for minute in range(11):
            now[0] = minute * 60.0
            write(reports.StoreWaiting("db", "connection refused", "", 60.0, 2 + minute))
        stream.seek(0)
        first, second = stream.read().splitlines()
    assert "left out" not in first
    assert second.endswith("(and 9 more of these since the last such line)")


def test_a_stream_that_goes_elsewhere_is_not_marked(tmp_path: Path) -> None:
    with (tmp_path / "journal").open("w") as stream, (tmp_path / "other").open("w") as other:
        assert is_journal(stream, named(stream))
        assert not is_journal(other, named(stream))
        assert not is_journal(other, {})
        assert not is_journal(io.StringIO(), named(stream))
    assert not is_journal(stream, {VARIABLE: "1:2"})  # closed


def test_every_line_of_a_traceback_has_one_priority(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with (tmp_path / "journal").open("w") as stream:
        assert marked("one\ntwo", "error", stream) == "one\ntwo"
        monkeypatch.setenv(VARIABLE, named(stream)[VARIABLE])
        assert marked("one\ntwo\n", "error", stream) == "<3>one\n<3>two"
