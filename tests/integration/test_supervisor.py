"""An app's connection to Home Assistant, through a Supervisor's proxy: the home is stored as it is without one."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import trio
from attrs import frozen
from trio.testing import MockClock

from ingest.actors.template_reading import Render
from ingest.cli.candidates import candidates
from ingest.config.load import load
from ingest.core import reports
from ingest.core.reports import Report
from ingest.core.secret import Secret
from ingest.core.urls import SUPERVISOR, http_base
from ingest.edge.websocket import Target
from ingest.pipeline import Pipeline
from ingest.simulator.home import Home
from ingest.simulator.instance import RUNNING
from ingest.simulator.serve import Peer
from tests.actors.states import check_states
from tests.integration.house import MORNING, TOKEN, Memory, Running, check, plan_of, render, server_of
from tests.support.marked import secret
from tests.support.supervisor import Supervisor

APP_TOKEN = secret("supervisor")


def of_app(folder: Path, token: str = APP_TOKEN, **options: object) -> Mapping[str, str]:
    """The environment in which the Supervisor starts an app."""
    (folder / "options-token.json").write_text(json.dumps(options), encoding="utf-8")
    return {
        "HOMEIQ_INGEST_OPTIONS": str(folder / "options-token.json"),
        "SUPERVISOR_TOKEN": token,
        "TZ": "Europe/Berlin",
    }


@frozen
class Supervised:
    running: Running
    supervisor: Supervisor

    async def burst(self, count: int) -> None:
        before = self.running.books["received"]
        await self.running.server.burst(count, entities=50, batch=count)
        await self.running.until(lambda: self.running.books["received"] >= before + count)


@asynccontextmanager
async def supervised(environ: Mapping[str, str], **changes: Any) -> AsyncGenerator[Supervised]:
    """The pipeline as the options of an app make it, a Supervisor, and a home behind it."""
    settings = load(None, environ, {}, for_running=True).settings
    memory, emitted, home = Memory(), list[Report](), Home(1, 40, MORNING, remember=True)
    async with trio.open_nursery() as nursery:
        server = server_of(home)
        peer = Peer(server, nursery)
        supervisor = Supervisor(peer.connect, APP_TOKEN, TOKEN, lambda: server.instance.state == RUNNING)
        to_app = Peer(supervisor, nursery)  # type: ignore[arg-type]  # of a server it uses `accepting` and `handle`

        async def dial(wanted: Target) -> trio.abc.Stream:
            assert (wanted.host, wanted.port, wanted.path) == ("supervisor", 80, "/core/websocket")
            return await to_app.connect()

        def renderer(wanted: Target, token: str) -> Render:
            assert (http_base(wanted.url), token) == ("http://supervisor/core", APP_TOKEN)
            return lambda body: render(server, body)

        plan = plan_of(memory, candidates(settings), rules=settings.filter, **changes)
        pipeline = Pipeline(plan, (emitted.append,), lambda: 0.5, dial, renderer)
        nursery.start_soon(server.run)
        running, stop = Running(server, pipeline, memory, emitted), trio.Event()
        async with trio.open_nursery() as inner:
            inner.start_soon(pipeline.run, stop)
            yield Supervised(running, supervisor)
            stop.set()
        nursery.cancel_scope.cancel()
    check(running, home)


async def test_everything_the_home_does_is_stored(tmp_path: Path, autojump_clock: MockClock) -> None:
    async with supervised(of_app(tmp_path)) as app:
        await app.running.live()
        await app.burst(2000)
        await trio.sleep(600)
        await app.running.settled()
        states, points = app.running.server.home.states, app.running.memory.points
        missing = {(key, state.updated * 1000) for key, state in states.items()} - {
            (point.entity_id, point.time_ns) for point in points
        }
        (connected,) = app.running.reports(reports.Connected)
    assert not missing
    burst = sorted(int(point.state) for point in points if point.entity_id.startswith("sensor.burst"))
    assert burst == list(range(2000))
    assert (connected.where, connected.ha_version) == (SUPERVISOR, "2026.11.0")
    assert (app.supervisor.opened, app.supervisor.refused, app.supervisor.unready) == (2, 0, 0), "two sockets a session"


async def test_the_filter_of_the_options_is_the_filter(tmp_path: Path, autojump_clock: MockClock) -> None:
    async with supervised(of_app(tmp_path, filter_patterns=["sensor.burst_000*", "light"])) as app:
        await app.running.live()
        await app.burst(500)
        await app.running.settled()
        stored = {point.entity_id for point in app.running.memory.points}
    assert {each for each in stored if each.startswith("sensor.burst_00")} == {
        f"sensor.burst_{number:04}" for number in range(10, 50)
    }
    assert not [each for each in stored if each.startswith("light.")]


async def test_while_home_assistant_starts_there_is_502_and_then_it_goes_on(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    async with supervised(of_app(tmp_path)) as app:
        await app.running.live()
        await app.running.server.restart(down=20, starting=30)
        await app.running.live(2)
        await app.burst(100)
        await app.running.settled()
        lost = app.running.reports(reports.ConnectionFailed)
    assert app.supervisor.unready >= 1
    assert any("HTTP 502 instead of a WebSocket" in each.text() for each in lost)
    assert app.supervisor.refused == 0
    assert app.supervisor.opened == 4


async def test_a_token_that_the_supervisor_does_not_know_is_told_in_the_words_of_an_app(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    async with supervised(of_app(tmp_path, token=secret("of-the-start-before"))) as app:
        await app.running.until(lambda: app.running.reports(reports.CandidateRefused))
        (refused,) = app.running.reports(reports.CandidateRefused)
    assert app.supervisor.refused == 1
    assert "Invalid access" in refused.text()
    assert "Restart the app" in refused.text()
    assert "long-lived" not in refused.text()


async def test_a_supervisor_that_does_not_reach_home_assistant_is_tried_again(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    """It says `auth_ok` before it knows."""
    async with supervised(of_app(tmp_path)) as app:
        app.running.server.accepting.set(False)
        await app.running.until(lambda: app.supervisor.opened >= 2)
        app.running.server.accepting.set(True)
        await app.running.live()
        await app.running.settled()
    check_states(app.running.emitted)


@pytest.mark.parametrize("token", ["", None])
def test_without_a_supervisor_the_address_is_missing(tmp_path: Path, token: str | None) -> None:
    environ = {name: text for name, text in of_app(tmp_path).items() if name != "SUPERVISOR_TOKEN"}
    given = environ if token is None else {**environ, "SUPERVISOR_TOKEN": token}
    assert load(None, given, {}).settings.home_assistant.candidates() == ()


def test_the_token_is_the_supervisors_and_is_not_shown(tmp_path: Path) -> None:
    loaded = load(None, of_app(tmp_path), {}, for_running=True)
    (candidate,) = loaded.settings.home_assistant.candidates()
    assert (candidate.url, candidate.token) == (SUPERVISOR, Secret(APP_TOKEN))
    assert http_base(candidate.url) == "http://supervisor/core"
    assert loaded.origins["home_assistant.token"] == "supervisor"
    assert APP_TOKEN not in repr(loaded)
