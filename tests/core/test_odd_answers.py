"""Whatever a server says, in whatever words: an answer has a meaning, and none ends the process."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ingest.core.influx_answer import LONGEST_WAIT, Answer, Outcome, classify, message, named, wait, words
from ingest.core.influx_server import lacks_bucket, problem, recognised
from ingest.core.learnt_types import LearntTypes
from ingest.core.store import Delivered

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
LINES = (b"m,a=b v=1 1", b"it's': bad", b'm v="open', "ü v=1".encode())
DEEP = 100_000 * "["

NUMBERS = st.sampled_from(["0", "1", "12", "60", "99", "2026", "99999", "99999999999", "9" * 400, "-1", "+2460", "٣"])
WORDS = st.sampled_from(["Mon,", "Jan", "Foo", "GMT", "-0000", "+9999", "-99999999", ":", ",", ".", " "])
DATES = st.lists(NUMBERS | WORDS, max_size=8).map(" ".join) | st.builds(
    "{0} {1} Jan {2} {3}:{4}:{5} {6}".format, WORDS, NUMBERS, NUMBERS, NUMBERS, NUMBERS, NUMBERS, WORDS
)
HEADERS = st.dictionaries(
    st.sampled_from(["retry-after", "date", "content-type", "x-influxdb-version"]), DATES | NUMBERS | st.text()
)
SPOKEN = st.sampled_from(
    [
        *("unable to parse '", "': ", "\n", "m,a=b v=1 1", "partial write", "dropped=", 5000 * "9"),
        *('input field "', '" on ', 'measurement "m" is type float, already exists as type', "column '"),
        *(DEEP, "<html", "\ud7ff", "\x00"),
    ]
)
SENTENCES = st.lists(SPOKEN | st.text(max_size=9), max_size=8).map("".join)
VALUES = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | SENTENCES
LISTED = st.dictionaries(st.sampled_from(["line_number", "original_line", "error_message"]), VALUES)
BODIES = st.fixed_dictionaries(
    {}, optional={"message": VALUES, "error": VALUES, "data": LISTED | st.lists(LISTED) | VALUES}
)
TEXTS = SENTENCES | BODIES.map(json.dumps)
STATUSES = st.sampled_from([200, 204, 302, 400, 401, 404, 408, 413, 422, 429, 500, 503]) | st.integers(100, 999)


def read(answer: Answer) -> Outcome:
    """Everything that is ever made of an answer; its verdict."""
    outcome = classify(answer, NOW)
    words(answer)
    assert set(named(answer, LINES)) <= set(range(len(LINES)))
    LearntTypes().learn(message(answer), LINES)
    problem(answer, "here")
    recognised(answer, answer)
    lacks_bucket(answer)
    return outcome


@given(st.builds(Answer, STATUSES, TEXTS, HEADERS))
@example(Answer(503, "x", {"retry-after": "Mon, 01 Jan 99999999999 00:00:00 GMT"}))
@example(Answer(429, "x", {"retry-after": "1", "date": "Mon, 01 Jan 2026 99999999999:00:00 GMT"}))
@example(Answer(503, "x", {"retry-after": "Mon, 99999999999 Jan 2026 00:00:00 GMT"}))
@example(Answer(503, "x", {"retry-after": "Mon, 01 Jan 2026 00:00:00 +99999999999"}))
@example(Answer(503, DEEP))
@example(Answer(422, "points beyond retention policy dropped=" + 5000 * "9"))
def test_every_answer_is_delivered_or_says_why_not(answer: Answer) -> None:
    outcome = read(answer)
    assert isinstance(outcome, Delivered) is (answer.status == 204)
    if not isinstance(outcome, Delivered):
        assert outcome.reason.strip()


@given(DATES)
def test_a_wait_is_never_negative_and_never_longer_than_an_hour(header: str) -> None:
    assert 0.0 <= (wait(header, NOW) or 0.0) <= LONGEST_WAIT


@pytest.mark.parametrize(
    "piece", ['input field "', "invalid column type for column '", "unable to parse '", "dropped="]
)
def test_what_is_long_is_read_in_the_time_of_its_length(piece: str) -> None:
    answer, started = Answer(400, piece * 20_000), time.perf_counter()
    read(answer)
    assert time.perf_counter() - started < 5
