from __future__ import annotations

import json

import pytest

from ingest.core.influx_answer import CHECK_BUCKET, CHECK_URL, Answer, check_token
from ingest.core.influx_server import QUESTION, Server, lacks_bucket, problem, recognised
from ingest.errors import Refused, Transient

WHERE = "http://db:8086"
YES = Answer(204)


@pytest.mark.parametrize(
    ("ping", "asked", "server"),
    [
        (Answer(204, "", {"x-influxdb-version": "v2.7.1", "x-influxdb-build": "OSS"}), YES, "InfluxDB 2 2.7.1"),
        (Answer(204, "", {"x-influxdb-version": "1.8.10"}), YES, "InfluxDB 1 1.8.10"),
        (Answer(200, '{"version": "3.2.1", "revision": "abc"}'), YES, "InfluxDB 3 3.2.1"),
        (Answer(401), Answer(204, "", {"x-influxdb-version": "3.8"}), "InfluxDB 3 3.8"),
        (
            Answer(204, "", {"x-server-hostname": "vm"}),
            Answer(204, "", {"x-influxdb-version": "1.8.0"}),
            "VictoriaMetrics",
        ),
        (Answer(404, "?"), YES, "an unknown database"),
        (Answer(204, "", {"x-influxdb-version": "2.0", "x-influxdb-build": "Cloud"}), YES, "InfluxDB Cloud"),
        (Answer(200, "", {"x-influxdb-version": "cloud"}), YES, "an unknown database cloud"),
    ],
)
def test_the_database_is_recognised(ping: Answer, asked: Answer, server: str) -> None:
    assert str(recognised(ping, asked)) == server


def test_only_victoriametrics_keeps_no_text() -> None:
    assert not Server("VictoriaMetrics").keeps_text
    assert Server("InfluxDB 2", "2.7").keeps_text


def test_the_question_stores_nothing() -> None:
    assert QUESTION.startswith(b"#")
    assert QUESTION.count(b"\n") == 1
    assert QUESTION.endswith(b"\n")


@pytest.mark.parametrize(
    "yes",
    [
        YES,
        Answer(400, json.dumps({"code": "invalid", "message": "writing requires points"})),
        Answer(400, "incoming write was empty"),
    ],
)
def test_a_database_that_would_take_a_write(yes: Answer) -> None:
    assert problem(yes, WHERE) is None


@pytest.mark.parametrize(
    ("answer", "what", "remedy"),
    [
        (Answer(401, '{"message": "unauthorized access"}'), "401: unauthorized access", check_token()),
        (Answer(404, '{"message": "bucket \\"x\\" not found"}'), 'bucket "x" not found', CHECK_BUCKET),
        (Answer(404, "404 page not found"), "404 page not found", CHECK_URL),
        (
            Answer(308, "<html>Permanent Redirect</html>", {"location": "https://me:abc@[fd00::7]:8086/abc"}),
            "308: a page for a browser",
            "If that is the database, set influxdb.url to it: https://[fd00::7]:8086",
        ),
        (Answer(301, "<html>", {"location": "/login"}), "a page for a browser", CHECK_URL),
        (
            Answer(401, '{"error":"authorization failed"}', {"x-influxdb-version": "1.8.10"}),
            "401: authorization failed",
            "Check influxdb.token: for InfluxDB 1 it is USER:PASSWORD, of a user who may write to the database.",
        ),
        (Answer(200, "<!doctype html>"), "a page for a browser", CHECK_URL),
        (Answer(200, "x", {"content-type": "text/html"}), "a page for a browser", CHECK_URL),
        (Answer(400, "cannot parse"), "400: cannot parse", CHECK_URL),
        (Answer(413), "413", CHECK_URL),
    ],
)
def test_what_a_person_must_mend(answer: Answer, what: str, remedy: str) -> None:
    refused = problem(answer, WHERE)
    assert isinstance(refused, Refused)
    assert what in refused.what
    assert (refused.remedy, refused.where) == (remedy, WHERE)


def test_what_passes() -> None:
    assert isinstance(problem(Answer(503, "starting"), WHERE), Transient)


def test_only_a_missing_bucket_is_a_missing_bucket() -> None:
    assert lacks_bucket(Answer(404, '{"message": "bucket \\"x\\" not found"}'))
    assert not lacks_bucket(Answer(404, "404 page not found"))
    assert not lacks_bucket(Answer(401, "bucket"))
