"""`homeiq-ingest status` against a real HTTP server."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from attrs import evolve
from click.testing import CliRunner, Result

from ingest.cli.exits import DEGRADED, FAILED, REFUSED, UNHEALTHY
from ingest.cli.main import main
from ingest.cli.moments import shown
from ingest.cli.service_api import configured_url
from ingest.config.service import Api
from ingest.core import reports
from ingest.core.coverage import Progress
from ingest.core.ledger import Summary
from ingest.core.lifetime import Lifetime
from ingest.core.reports import Report
from ingest.edge.process import Usage
from ingest.web.contract import as_contract
from tests.core.test_health import AWAY, DOWN, LOST, UP, WAITING, after
from tests.core.test_health import REFUSED as TOKEN_REFUSED
from tests.edge.answering import Reply, Request, answering
from tests.live.lab import free_port


def answer(*told: Report) -> dict[str, Any]:
    return as_contract(after(*told, gauges=WAITING), Usage(50, 1))


def status(body: object, *options: str, code: int = 200) -> Result:
    with answering(lambda request: Reply.json(code, body) if request.path == "/health" else Reply(404)) as peer:
        return CliRunner().invoke(main, ["status", "--url", peer.url, *options])


@pytest.mark.parametrize(
    ("told", "code", "word"),
    [
        (UP, 0, "healthy: every change"),
        ([*UP, DOWN], DEGRADED, "degraded: db takes no points"),
        ([*UP, *AWAY], UNHEALTHY, "unhealthy: no connection"),
        ([*UP, LOST], UNHEALTHY, "unhealthy: 7 changes"),
        ([], UNHEALTHY, "unhealthy: "),
    ],
)
def test_the_exit_code_is_the_status(told: list[Report], code: int, word: str) -> None:
    result = status(answer(*told))
    assert result.exit_code == code, result.output
    assert result.output.startswith(word)


@pytest.mark.parametrize(
    ("told", "word"), [(UP, "healthy: "), ([*UP, DOWN], "degraded: "), ([*UP, *AWAY], "unhealthy: ")]
)
def test_a_health_check_asks_only_whether_it_answers(told: list[Report], word: str) -> None:
    result = status(answer(*told), "--alive")
    assert result.exit_code == 0, result.output
    assert result.output.startswith(word)
    assert len(result.output.splitlines()) == 1


def test_a_health_check_fails_where_nobody_answers_as_it_should() -> None:
    # 2 is reserved there.
    assert status({}, "--alive", code=500).exit_code == FAILED
    assert status({"service": "other"}, "--alive").exit_code == FAILED


def test_the_screen_says_what_waits_why_and_what_to_do() -> None:
    screen = status(answer(*UP, TOKEN_REFUSED)).output
    assert "what to do: Give influxdb.token_file a token." in screen
    assert "112 points wait" in screen
    assert "waiting         112 points; spool 100 points" in screen
    assert "database        db (http://db:8086): takes no points" in screen
    assert "home assistant  primary: live" in screen
    assert "errors          database: 1" in screen
    assert len(screen.splitlines()) < 24


def test_gaps_are_one_line_when_there_are_any() -> None:
    assert "gaps  " not in status(answer(*UP)).output
    some = Summary({Progress.OPEN: 2, Progress.FILLED: 30, Progress.PARTLY: 0}, 10**18, 1234)
    screen = status(as_contract(after(*UP, gauges=evolve(WAITING, gaps=some)), Usage(50, 1))).output
    line = "gaps            2 open, 30 filled, the oldest to fill from 2001-09-09T01:46:40+00:00; 1,234 states filled"
    assert line in screen.splitlines()


def test_dead_letters_are_counted_where_there_are_some() -> None:
    some = as_contract(after(*UP, gauges=evolve(WAITING, letters=17)), Usage(50, 1))
    assert "dead letters    17, see: homeiq-ingest dead-letters list" in status(some).output
    assert "dead letters" not in status(answer(*UP)).output


def test_json_is_what_the_service_answers() -> None:
    body = answer(*UP)
    assert json.loads(status(body, "--json").output) == body


@pytest.mark.parametrize("code", [401, 403, 404])
def test_who_may_not_see_everything_is_shown_what_everybody_may(code: int) -> None:
    def script(request: Request) -> Reply:
        return Reply.json(200, answer(*UP)) if request.path == "/health" else Reply(code)

    with answering(script) as peer:
        result = CliRunner().invoke(main, ["status", "--url", peer.url])
        assert [request.path for request in peer.requests] == ["/health/detailed", "/health"]
    assert result.exit_code == 0


def test_a_token_that_the_service_does_not_take_is_said(tmp_path: Path) -> None:
    def script(request: Request) -> Reply:
        return Reply.json(200, answer(*UP)) if request.path == "/health" else Reply(401)

    (tmp_path / "token").touch(mode=0o600)
    (tmp_path / "token").write_text("a-long-secret-token-0123456789")
    with answering(script) as peer:
        (tmp_path / "config.toml").write_text(
            f"[api]\nport = {urlsplit(peer.url).port}\ntoken_file = '{tmp_path / 'token'}'\n"
        )
        result = CliRunner().invoke(main, ["status", "--json", "--config", str(tmp_path / "config.toml")])
    assert (result.exit_code, json.loads(result.stdout)["status"]) == (0, "healthy")
    assert "the service does not take api.token" in result.stderr
    assert "long-secret" not in result.output


def test_the_token_is_for_the_configured_service_only(tmp_path: Path) -> None:
    with answering(lambda _: Reply.json(200, answer(*UP))) as peer:
        port = urlsplit(peer.url).port
        (tmp_path / "token").touch(mode=0o600)
        (tmp_path / "token").write_text("a-long-secret-token-0123456789")
        config = tmp_path / "config.toml"
        config.write_text(f"[api]\nport = {port}\ntoken_file = '{tmp_path / 'token'}'\n")
        for more in ([], ["--url", peer.url]):
            result = CliRunner().invoke(main, ["status", "--config", str(config), *more])
            assert result.exit_code == 0, result.output
            assert "long-secret" not in result.output
        given = [request.headers.get("authorization") for request in peer.requests]
    assert given == ["Bearer a-long-secret-token-0123456789", None]


@pytest.mark.parametrize(
    ("body", "code", "says"),
    [("hello", 200, "something else"), ({"service": "other"}, 200, "something else"), ({}, 500, "no service answers")],
)
def test_something_else_is_not_the_service(body: object, code: int, says: str) -> None:
    result = status(body, code=code)
    assert result.exit_code == UNHEALTHY
    assert says in result.output


def test_no_service_is_said_with_how_to_start_it(tmp_path: Path) -> None:
    port = free_port()
    (tmp_path / "config.toml").write_text(f"[api]\nport = {port}\n")
    result = CliRunner().invoke(main, ["status", "--config", str(tmp_path / "config.toml")])
    assert result.exit_code == UNHEALTHY
    assert f"no service answers: Connection refused (http://127.0.0.1:{port}/health" in result.output
    assert "homeiq-ingest run" in result.output


def test_an_address_must_be_one() -> None:
    result = CliRunner().invoke(main, ["status", "--url", "file:///etc/passwd"])
    assert result.exit_code == UNHEALTHY
    assert "must begin with http" in result.output


def test_a_wrong_configuration_is_refused() -> None:
    result = CliRunner().invoke(main, ["status", "--set", "api.prt=1"])
    assert result.exit_code == REFUSED
    assert "api.port" in result.output


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("127.0.0.1", "http://127.0.0.1:8001"),
        ("0.0.0.0", "http://127.0.0.1:8001"),
        ("::", "http://[::1]:8001"),
        ("ingest.local", "http://ingest.local:8001"),
    ],
)
def test_the_configured_address_can_be_opened(host: str, url: str) -> None:
    assert configured_url(Api(host=host)) == url


def test_a_candidates_problem_and_the_oldest_point_are_shown() -> None:
    body = answer(*UP, *AWAY, reports.UnexpectedMessage("odd"))
    body["spool"]["oldest"] = "2026-11-22T06:00:00+00:00"
    screen = status(body).output
    assert "primary: waiting, connection refused" in screen
    assert "oldest 2026-11-22" in screen


def test_the_room_at_the_present_rate_and_what_restarts_outlived_are_shown() -> None:
    gauges = evolve(
        WAITING,
        spool_limit=2**30,
        spool_rate=1000.0,
        spool_measured=3600.0,
        lifetime=Lifetime(0, {"received": 7000, "lost": 0}),
    )
    screen = status(as_contract(after(*UP, gauges=gauges), Usage(50, 1))).output
    assert "room            1,024 MiB in the spool: they last 12.4 days at the present rate, 12.4 are left" in screen
    assert f"lifetime        since {shown(0, 'seconds')}: 7,000 received" in screen
    fresh = as_contract(after(*UP, gauges=evolve(gauges, spool_measured=600.0)), Usage(50, 1))
    assert "12.4 days at the rate since the start, 10 min ago, 12.4 are left" in status(fresh).output
    before = as_contract(after(*UP, gauges=evolve(gauges, spool_measured=None)), Usage(50, 1))
    assert "12.4 days at the rate of the last run" in status(before).output
    unknown = evolve(gauges, spool_rate=None)
    assert "not known yet" in status(as_contract(after(*UP, gauges=unknown), Usage(50, 1))).output


def test_an_embedded_store_needs_no_room_in_a_spool() -> None:
    """What it could hold in memory for a while is no outage of days."""
    gauges = evolve(WAITING, spool_limit=16 * 2**20, spool_points=0, spool_size=0)
    body = as_contract(after(*UP, gauges=gauges), Usage(50, 1))
    body["database"]["name"] = "embedded"
    screen = status(body).output
    assert "room            without a spool; 16 MiB of memory for while the store takes nothing" in screen
    assert "waiting         12 points; in memory 0 points, 0.0 MiB" in screen
    assert "days" not in screen
    assert " left" not in screen
