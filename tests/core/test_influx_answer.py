from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from ingest.core.influx_answer import (
    CHECK_BUCKET,
    CHECK_LIMIT,
    CHECK_RETENTION,
    CHECK_TYPES,
    CHECK_URL,
    LONGEST_WAIT,
    Answer,
    Split,
    check_token,
    classify,
    named,
    wait,
    words,
)
from ingest.core.store import Delivered, Keep

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
CONFLICT = (
    'failure writing points to database: partial write: field type conflict: input field "v" on measurement "m" is '
    "type float, already exists as type integer dropped={}"
)
HTML = {"content-type": "text/html; charset=utf-8"}


def said(code: str, message: str) -> str:
    return json.dumps({"code": code, "message": message})


def outcome(status: int, text: str = "", **headers: str) -> Delivered | Keep | Split:
    return classify(Answer(status, text, {name.replace("_", "-"): value for name, value in headers.items()}), NOW)


def test_204_is_stored() -> None:
    assert outcome(204) == Delivered()


def test_a_conflict_is_about_lines_and_counts_them() -> None:
    one = CONFLICT.format(1)
    assert outcome(422, said("unprocessable entity", one)) == Split(one, 1)


def test_the_count_is_found_in_a_long_answer_too() -> None:
    split = outcome(422, said("unprocessable entity", "x" * 400 + CONFLICT.format(5)))
    assert isinstance(split, Split)
    assert split.dropped == 5


@pytest.mark.parametrize(
    "text",
    [CONFLICT.format(1), "unexpected error writing points to database: points beyond retention policy dropped=1"],
)
def test_influxdb_2_0_said_with_500_what_is_about_lines(text: str) -> None:
    remedy = CHECK_RETENTION if "retention" in text else CHECK_TYPES
    assert outcome(500, said("internal error", text)) == Split(text, 1, remedy)


@pytest.mark.parametrize(
    "text",
    [
        said("invalid", "unable to parse 'x': missing fields"),
        json.dumps({"error": "partial write of line protocol occurred", "data": []}),
        "cannot unmarshal InfluxDB line",
        said("unprocessable entity", "points beyond retention policy dropped=1"),
        said(
            "invalid",
            "dml handler error: service limit reached: couldn't create columns in table `°C`; table contains 199 existing"
            " columns, applying this write would result in 267 columns, limit is 200",
        ),
        said(
            "invalid",
            "dml handler error: service limit reached: couldn't create new table; namespace contains 500 existing tables,"
            " applying this write would result in 501 tables, limit is 500",
        ),
    ],
)
def test_a_400_that_speaks_of_lines_is_about_lines(text: str) -> None:
    assert isinstance(outcome(400, text), Split)


@pytest.mark.parametrize(
    ("text", "headers"),
    [
        ("<html><h1>400 Bad Request</h1><p>The plain HTTP request was sent to HTTPS port, lines</p>", {}),
        ("lines", HTML),
        ("", {}),
        (json.dumps({"message": "Bad Request"}), {}),
        ("null", {}),
    ],
)
def test_a_400_of_something_in_between_condemns_no_line(text: str, headers: dict[str, str]) -> None:
    kept = classify(Answer(400, text, headers), NOW)
    assert isinstance(kept, Keep)
    assert kept.remedy == CHECK_URL


@pytest.mark.parametrize("what", ["columns per table limit of 500 columns", "tables limit of 2000 tables"])
def test_influxdb_3_says_with_422_that_there_may_be_no_more(what: str) -> None:
    words = f"Update to schema would exceed number of {what}"
    assert outcome(422, json.dumps({"error": words, "data": None})) == Split(words)


def test_too_large_is_split() -> None:
    assert isinstance(outcome(413, "<html>413 Request Entity Too Large</html>"), Split)


def test_a_field_may_be_named_as_a_policy_is() -> None:
    split = outcome(422, said("unprocessable entity", CONFLICT.format(1).replace('"v"', '"retention policy"')))
    assert isinstance(split, Split)
    assert split.remedy == CHECK_TYPES


def test_influxdb_3_before_3_7_says_with_500_that_a_request_is_too_large() -> None:
    split = outcome(500, json.dumps({"error": "max request size (10485760 bytes) exceeded", "data": None}))
    assert isinstance(split, Split)
    assert split.remedy == CHECK_LIMIT
    assert isinstance(outcome(500, "internal error"), Keep)


@pytest.mark.parametrize(
    ("status", "text", "remedy"),
    [
        (401, said("unauthorized", "unauthorized access"), check_token()),
        (404, json.dumps({"error": 'database not found: "ha"'}), CHECK_BUCKET),
        (401, "", check_token()),
        (403, said("forbidden", "insufficient permissions for write"), check_token()),
        (404, said("not found", 'bucket "x" not found'), CHECK_BUCKET),
        (404, said("not found", 'organization name "x" not found'), CHECK_BUCKET),
        (404, "404 page not found", CHECK_URL),
        (200, "<!DOCTYPE html><title>InfluxDB</title>", CHECK_URL),
        (302, "", CHECK_URL),
        (405, "", CHECK_URL),
    ],
)
def test_what_a_person_must_mend_keeps_everything(status: int, text: str, remedy: str) -> None:
    kept = outcome(status, text)
    assert isinstance(kept, Keep)
    assert (kept.remedy, kept.retry_after) == (remedy, None)
    assert str(status) in kept.reason
    assert not kept.reason.endswith((" ", ":"))


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504, 599])
def test_what_passes_keeps_everything_and_waits_as_long_as_asked(status: int) -> None:
    assert outcome(status, "later", retry_after="7") == Keep(f"the database answers {status}: later", 7.0)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (None, None),
        ("120", 120),
        (" 3 ", 3),
        ("Mon, 23 Nov 2026 12:01:30 GMT", 90),
        ("Mon, 23 Nov 2026 12:01:30 -0000", 90),
        ("Mon, 23 Nov 2026 11:00:00 GMT", 0),
        ("Mon, 23 Nov 2026 15:00:00 +0200", 3600),
        ("99999999", LONGEST_WAIT),
        ("soon", None),
        ("-5", None),
        ("", None),
    ],
)
def test_retry_after_is_seconds_or_a_date(header: str | None, seconds: float | None) -> None:
    assert wait(header, NOW) == seconds


def test_words_are_one_short_line() -> None:
    assert words(Answer(503, "  a\n b ")) == "a b"
    assert words(Answer(503, "x" * 1000)) == "x" * 299 + "…"
    assert words(Answer(200, "<html>long")) == "a page for a browser"


def test_words_of_influxdb_3_name_the_lines_troubles() -> None:
    data = [{"original_line": "x", "line_number": 1, "error_message": "no fields"}]
    text = json.dumps({"error": "partial write", "data": data})
    assert words(Answer(400, text)) == "partial write: no fields"


LINES = (b"m,a=b v=1 1", b"it's': bad", b"m,a=b v=2 2", "ü".encode())


def test_influxdb_2_quotes_the_lines_it_cannot_read() -> None:
    message = (
        "unable to parse 'it's': bad': missing fields\nunable to parse 'ü': invalid field\nunable to parse 'else': x"
    )
    assert named(Answer(400, said("invalid", message)), LINES) == {1: "missing fields", 3: "invalid field"}


def test_a_line_that_swallows_others_is_named_by_its_beginning() -> None:
    lines = (b"m v=1 1", b'm v="open', b'm v="3" 3', b"m v=4 4")
    message = """unable to parse 'm v="open\nm v="3" 3': invalid boolean\nunable to parse 'm v=1 1\nx': no such line"""
    assert named(Answer(400, said("invalid", message)), lines) == {1: "invalid boolean"}


def of_influxdb_3(*data: object) -> Answer:
    return Answer(400, json.dumps({"error": "partial write of line protocol occurred", "data": data}))


def entry(number: int, line: str | None, words: str) -> dict[str, object]:
    return {"original_line": line, "line_number": number, "error_message": words}


def test_influxdb_3_numbers_them() -> None:
    answer = of_influxdb_3(
        entry(3, "m,a=b v=", "conflict"),
        entry(2, "it's", "no fields"),
        entry(1, "another", "not what we sent"),
        entry(9, "x", "no such line"),
        entry(4, None, "no line"),
        "nonsense",
    )
    lines = (LINES[0], b"it's v=1 1", LINES[2], LINES[3])
    assert named(answer, lines) == {1: "no fields", 2: "conflict"}


def test_influxdb_3_tells_of_the_first_line_when_it_stores_nothing_of_a_request() -> None:
    answer = Answer(400, json.dumps({"error": "line protocol parsing error", "data": entry(2, "it's", "no fields")}))
    assert named(answer, LINES) == {1: "no fields"}
    assert words(answer) == "line protocol parsing error: no fields"


def test_numbers_are_not_trusted_behind_a_line_that_may_have_swallowed_others() -> None:
    lines = (b"m v=1 1", b'm v="open 2', b"m v=3 3", b'm v="4" 4', b"m v=5 5")
    answer = of_influxdb_3(entry(3, "m v=3 3", "that was the fourth"), entry(2, 'm v="open 2', "trailing content"))
    assert named(answer, lines) == {1: "trailing content"}


def test_an_answer_may_name_nothing() -> None:
    assert named(Answer(422, said("unprocessable entity", CONFLICT.format(1))), LINES) == {}
    assert named(Answer(413), LINES) == {}
