"""`homeiq-ingest tail` against a running API."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from ipaddress import ip_network

import pytest
from click.testing import CliRunner, Result
from wsproto.events import TextMessage

from ingest.cli.exits import FAILED, REFUSED
from ingest.cli.main import main
from ingest.cli.tail import Lines
from ingest.config.service import Api
from ingest.core.filter_settings import FilterSettings, Pattern
from ingest.core.secret import Secret
from tests.edge.test_live_client import GREETING, answering, says
from tests.faults.sink import wait_for
from tests.live.lab import free_port
from tests.support.sites import Running, running_site

RULES = FilterSettings(patterns=(Pattern(domain="update"),))
SECRET = "a-token-of-the-api"


@pytest.fixture(scope="module")
def site() -> Iterator[Running]:
    with running_site(rules=RULES) as running:
        yield running


@contextmanager
def once_listened(site: Running, work: Callable[[], None]) -> Iterator[None]:
    """Do it when somebody listens."""

    def wait() -> None:
        wait_for(site.listened)
        work()

    wait_for(lambda: not site.listened())  # whoever did before has left
    thread = threading.Thread(target=wait)
    thread.start()
    try:
        yield
    finally:
        thread.join(20)


def happens(site: Running) -> None:
    site.set("light.kitchen", "off", friendly_name="Kitchen")
    site.set("light.kitchen", "on", friendly_name="Kitchen")
    site.set("update.router", "on")
    site.set("sensor.hall_power", "12.5", unit_of_measurement="W")


def tail(site: Running, *arguments: str, **environ: str) -> Result:
    with once_listened(site, lambda: happens(site)):
        return CliRunner(env=environ).invoke(main, ["tail", "--url", site.url, *arguments])


def test_every_change_is_a_line_with_what_becomes_of_it(site: Running) -> None:
    result = tail(site, "--count", "4")
    assert result.exit_code == 0, result.output
    first, second, third, fourth = result.stdout.splitlines()
    assert first.endswith(("off (startup)  stored", "→ off  stored"))
    assert "light.kitchen" in second
    assert second.endswith("off → on  stored")
    assert third.endswith("left out by pattern 1: domain=update")
    assert "12.5 W" in fourth
    assert f"listening to * at {site.url}/ws" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "entities"),
    [
        (["light"], ["light.kitchen", "light.kitchen"]),
        (["sensor.*_power", "--entity", "update.router"], ["update.router", "sensor.hall_power"]),
        (["--filtered"], ["update.router"]),
        (["--stored"], ["light.kitchen", "light.kitchen", "sensor.hall_power"]),
    ],
)
def test_what_is_asked_for_is_shown(site: Running, arguments: list[str], entities: list[str]) -> None:
    result = tail(site, *arguments, "--json", "--count", str(len(entities)))
    assert [json.loads(line)["entity_id"] for line in result.stdout.splitlines()] == entities


def test_how_much_more_came_than_a_frame_holds_is_said(site: Running) -> None:
    def burst() -> None:
        site.set("sensor.wordy", *("x" * 200 for _ in range(30)), friendly_name="y" * 40_000)
        time.sleep(0.6)
        site.set("light.kitchen", "on")

    with once_listened(site, burst):
        result = CliRunner().invoke(
            main, ["tail", "sensor.wordy", "light", "--url", site.url, "--count", "13", "--json"]
        )
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout.splitlines()[-1])["entity_id"] == "light.kitchen"
    assert "… and 18 more at once, which are not shown" in result.stderr


def test_a_token_is_sent_and_one_that_is_missing_is_named() -> None:
    with running_site(Api(port=0, token=Secret(SECRET))) as site:
        assert tail(site, "--count", "1", HOMEIQ_INGEST_API_TOKEN=SECRET).exit_code == 0
        refused = CliRunner().invoke(main, ["tail", "--url", site.url])
        wrong = CliRunner(env={"HOMEIQ_INGEST_API_TOKEN": "another"}).invoke(main, ["tail", "--url", site.url])
    for each in (refused, wrong):
        assert each.exit_code == REFUSED
        assert "the service wants its token" in each.output
        assert "another" not in each.output


def test_where_there_is_no_token_none_is_asked_for() -> None:
    with running_site(Api(port=0, trusted_networks=(ip_network("10.0.0.0/8"),))) as site:
        refused = CliRunner().invoke(main, ["tail", "--url", site.url])
    assert refused.exit_code == REFUSED
    assert "the service wants its token" not in refused.output
    assert "api.trusted_networks where the service runs" in refused.output


def test_a_name_that_is_not_the_services_is_refused_with_a_remedy(site: Running) -> None:
    port = site.url.rpartition(":")[2]
    names = {"ip6-localhost", "localhost.localdomain"}
    for name in names:
        try:
            socket.create_connection((name, int(port)), 1).close()
        except OSError:
            continue
        result = CliRunner().invoke(main, ["tail", "--url", f"http://{name}:{port}"])
        assert result.exit_code == REFUSED
        assert "api.cors_origins" in result.output


def test_a_service_that_goes_is_said(site: Running) -> None:
    with running_site() as other, once_listened(other, other.stop):
        result = CliRunner().invoke(main, ["tail", "--url", other.url])
    assert result.exit_code == FAILED
    assert "the service has gone" in result.output
    assert "homeiq-ingest status" in result.output


def test_what_the_service_refuses_is_said() -> None:
    error = '{"type": "error", "message": "more than 1 messages in 60 s: wait 9 s"}'
    with answering(says(TextMessage(GREETING), TextMessage(error))) as port:
        result = CliRunner().invoke(main, ["tail", "--url", f"http://127.0.0.1:{port}"])
    assert result.exit_code == REFUSED
    assert "the service refuses: more than 1 messages" in result.output


def test_no_service_is_said_with_how_to_start_it() -> None:
    port = free_port()
    result = CliRunner().invoke(main, ["tail", "--set", f"api.port={port}"])
    assert result.exit_code == FAILED
    assert f"http://127.0.0.1:{port}/ws" in result.output
    assert "homeiq-ingest run" in result.output


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--url", "ftp://here"], "must begin with http"),
        (["light kitchen"], "no channel"),
        (["--set", "api.prt=1"], "api.port"),
        ([f"light.n{number}" for number in range(101)], "more than 100"),
    ],
)
def test_what_cannot_be_asked_is_refused(arguments: list[str], says: str) -> None:
    result = CliRunner().invoke(main, ["tail", *arguments])
    assert result.exit_code == REFUSED
    assert says in result.output


def test_ctrl_c_ends_it_quietly(site: Running) -> None:
    command = [sys.executable, "-m", "ingest", "tail", "--url", site.url]
    wait_for(lambda: not site.listened())
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env={**os.environ}, text=True)
    try:
        wait_for(site.listened)
        site.set("light.kitchen", "on")
        assert process.stdout is not None
        assert "light.kitchen" in process.stdout.readline()
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=10)
    finally:
        process.kill()
    assert process.returncode == 0
    assert errors.splitlines() == [f"listening to * at {site.url}/ws; Ctrl-C ends"]


def test_a_state_cannot_command_the_terminal() -> None:
    event = {
        "entity_id": "sensor.a",
        "state": "\x1b[2Jgone",
        "previous_state": None,
        "unit": None,
        "kind": "changed",
        "origin": None,
        "verdict": "repeated",
        "rule": "replay\x07",
        "last_updated": "2026-11-26T08:00:00.123456+00:00",
    }
    line = Lines().of(event)
    assert "\ufffd[2Jgone" in line
    assert "replay\ufffd" in line
    assert time.strftime("%M:%S", time.gmtime(1795680000)) in line
