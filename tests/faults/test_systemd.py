"""The service as systemd runs it: what it tells on its notify socket, when it is silent, and what the journal then holds."""

from __future__ import annotations

import re
import signal
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Literal

import pytest

from tests.faults.service import Place, held, place
from tests.faults.sink import Sink, sinking, wait_for
from tests.support.homes import OTHER_TOKEN, TOKEN, Running, running_home
from tests.support.manager import Unit, started

pytestmark = pytest.mark.slow

WATCHDOG = 2.0
"""Seconds after which this systemd acts: four signs of life fit into it."""

SANE = ("log.format=auto", "log.level=info")
NO_API = ("api.enabled=false",)


@pytest.fixture(scope="module")
def home() -> Iterator[Running]:
    with running_home(60, timedelta(minutes=1)) as running:
        yield running


@pytest.fixture
def sink() -> Iterator[Sink]:
    with sinking() as made:
        yield made


@pytest.fixture
def where(tmp_path: Path, home: Running, sink: Sink) -> Place:
    return place(tmp_path, home.url, sink.url)


def run(where: Place, *changes: str) -> list[str]:
    chosen = (*SANE, *(changes or NO_API))
    return ["run", "--config", str(where.folder / "config.toml"), *(f"--set={each}" for each in chosen)]


def check_alive(unit: Unit) -> None:
    """Four signs of life come in the time in which one is due; no less than half of them on a machine that is busy."""
    assert unit.beats(WATCHDOG) >= 2
    assert unit.process.poll() is None


def test_it_is_ready_reads_its_configuration_again_and_stops(where: Place, sink: Sink) -> None:
    with started(where.folder, run(where, "api.port=0"), watchdog=WATCHDOG) as unit:
        unit.wait("READY=1")
        assert "the status page is on http" in unit.said
        times = []
        for _ in range(2):
            then = unit.send(signal.SIGHUP)
            times.append(int(unit.wait("RELOADING=1", then)["MONOTONIC_USEC"]))
            assert times[-1] >= then * 1e6  # the clock of both is CLOCK_MONOTONIC
            unit.wait("READY=1", then)
        assert times[0] < times[1]
        wait_for(lambda: sink.lines)
        assert " events/s, the newest " in unit.status("storing ")
        check_alive(unit)
        code, seconds = unit.stop()
    assert code == 0
    assert seconds < 5
    assert unit.since(0, "STOPPING=1")
    lines = unit.said.splitlines()
    assert [line for line in lines if not re.match(r"<[3467]>\S", line)] == []
    assert [line for line in lines if re.search(r"\d\d:\d\d:\d\d[.,]\d", line)] == []
    assert unit.since(0, "EXTEND_TIMEOUT_USEC=")


@pytest.mark.parametrize("mode", ["away", "hang"])
def test_it_is_alive_while_the_database_is_not_and_stops_in_time(
    where: Place, sink: Sink, home: Running, mode: Literal["away", "hang"]
) -> None:
    sink.become(mode)
    with started(where.folder, run(where), watchdog=WATCHDOG) as unit:
        unit.wait("READY=1")
        wait_for(lambda: where.state.exists() and held(where.state) > 0)
        check_alive(unit)
        if mode == "away":
            assert "wait" in unit.status("influxdb takes no points")
        code, seconds = unit.stop()
    assert code == 0
    assert seconds < 5


def test_it_is_alive_while_its_tokens_are_refused(where: Place, sink: Sink) -> None:
    sink.become("401")
    (where.folder / "token").write_text(OTHER_TOKEN, "utf-8")
    with started(where.folder, run(where), watchdog=WATCHDOG) as unit:
        unit.wait("READY=1")
        assert "token" in unit.status("refused")
        check_alive(unit)
        check_alive(unit)
        assert OTHER_TOKEN not in unit.said + "".join(unit.statuses)


def test_a_delivery_that_does_not_come_back_is_told_and_ended_and_nothing_is_lost(
    where: Place, sink: Sink, home: Running
) -> None:
    stalling = ("-m", "tests.support.stalling", "writer")
    with started(where.folder, run(where), watchdog=WATCHDOG, program=stalling) as unit:
        unit.wait("READY=1")
        wait_for(lambda: sink.lines)
        check_alive(unit)
        unit.send(signal.SIGHUP)
        time.sleep(0.3)
        told = home.change([f"input_number.told_{number}" for number in range(20)], "7")
        assert "restarts the service" in unit.status(f"stuck: a delivery to {sink.url}")
        unit.fall_silent(WATCHDOG)
        code, _ = unit.stop(signal.SIGABRT)
        assert code == -signal.SIGABRT
        assert len(re.findall("^<3>stuck: ", unit.said, re.MULTILINE)) == 1
        assert "Fatal Python error: Aborted" in unit.said
        assert "in stalled_write" in unit.said  # the stack of the thread that hung
    assert held(where.state) >= len(told)
    with started(where.folder, run(where), watchdog=WATCHDOG) as unit:
        unit.wait("READY=1")
        wait_for(lambda: {ns for _, ns in told} <= {int(line.rsplit(b" ", 1)[1]) for line in [*sink.lines]})
        wait_for(lambda: held(where.state) == 0)


def test_a_loop_that_does_not_come_back_is_silent(where: Place) -> None:
    stalling = ("-m", "tests.support.stalling", "loop")
    with started(where.folder, run(where), watchdog=WATCHDOG, program=stalling) as unit:
        unit.wait("READY=1")
        check_alive(unit)
        unit.send(signal.SIGHUP)
        unit.fall_silent(WATCHDOG)
        code, _ = unit.stop(signal.SIGABRT)
        assert code == -signal.SIGABRT
        assert "in stall" in unit.said


def test_an_idle_home_is_alive_and_a_token_comes_from_the_credentials(where: Place, home: Running) -> None:
    file = where.folder / "config.toml"
    file.write_text(file.read_text("utf-8").replace('token_file = "token"\n', "", 1), "utf-8")
    credentials = where.folder / "credentials"
    credentials.mkdir()
    token = credentials / "home_assistant.token"
    token.touch(mode=0o600)
    token.write_text(TOKEN, "utf-8")
    token.chmod(0o400)
    environ = {"CREDENTIALS_DIRECTORY": str(credentials)}
    with started(where.folder, run(where), watchdog=WATCHDOG, environ=environ) as unit:
        unit.wait("READY=1")
        wait_for(lambda: "subscribed to every change" in unit.said)
        check_alive(unit)
        assert TOKEN not in unit.said + "".join(unit.statuses)
