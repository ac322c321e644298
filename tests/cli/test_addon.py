"""The app as a process, started as its Supervisor starts it: nothing but the environment and options.json."""

from __future__ import annotations

import json
import os
import queue
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path

import pytest
import trio
from click.testing import CliRunner

from ingest.cli.main import main
from tests.integration.test_supervisor import APP_TOKEN, of_app
from tests.support.homes import TOKEN, Running, running_home
from tests.support.supervisor import Supervisor


@pytest.fixture
def home() -> Iterator[Running]:
    with running_home() as running:
        yield running


@contextmanager
def supervising(home: Running) -> Iterator[str]:
    """A Supervisor on a port of its own, in a thread; its address for an app, which cannot have its name here."""
    told: queue.Queue[tuple[int, trio.lowlevel.TrioToken, trio.CancelScope]] = queue.Queue()
    supervisor = Supervisor(partial(trio.open_tcp_stream, "127.0.0.1", home.port), APP_TOKEN, TOKEN)

    async def serve() -> None:
        async with trio.open_nursery() as nursery:
            (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
            nursery.start_soon(trio.serve_listeners, supervisor.handle, [listener])
            port = listener.socket.getsockname()[1]
            told.put((port, trio.lowlevel.current_trio_token(), nursery.cancel_scope))

    thread = threading.Thread(target=trio.run, args=(serve,), daemon=True)
    thread.start()
    port, token, scope = told.get(timeout=20)
    try:
        yield f"ws://127.0.0.1:{port}/core/websocket"
    finally:
        token.run_sync_soon(scope.cancel)
        thread.join(timeout=20)


def start(environ: Mapping[str, str]) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "ingest", "run"]
    whole = {**os.environ, "PYTHONUNBUFFERED": "1", **environ}
    return subprocess.Popen(command, env=whole, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_it_stores_the_home_into_its_folder_and_says_so_in_sentences(tmp_path: Path, home: Running) -> None:
    with supervising(home) as url:
        # At another address than the Supervisor's own its token is not sent unasked.
        at = {"HOMEIQ_INGEST_HOME_ASSISTANT_URL": url, "HOMEIQ_INGEST_HOME_ASSISTANT_TOKEN": APP_TOKEN}
        here = {**at, "HOMEIQ_INGEST_API_PORT": "0"}
        with start({**of_app(tmp_path, log_level="info"), **here}) as process:
            assert process.stderr
            lines = iter(process.stderr)
            log = [next(each for each in lines if "subscribed to every change of Home Assistant 2026.11.0" in each)]
            log.append(next(each for each in lines if "read the current state of" in each))
            process.send_signal(signal.SIGTERM)
            log += list(lines)
            assert process.wait(10) == 0
    assert not log[0].startswith("{"), "sentences, not JSON"
    assert "127.0.0.1" in log[0]
    with closing(sqlite3.connect(tmp_path / "home.db")) as store:
        (stored,) = store.execute("SELECT count(DISTINCT entity) FROM change").fetchone()
    assert stored >= len(home.server.home.states)
    assert (tmp_path / "state.db").exists()


def test_what_is_wrong_with_the_options_is_told_at_once_and_nothing_starts(tmp_path: Path) -> None:
    with start(of_app(tmp_path, influxdb_url="db:8086", log_level="loud")) as process:
        _, said = process.communicate(timeout=20)
    assert process.returncode == 2
    assert "influxdb_url: the value (not shown) does not start with http:// or https://" in said
    assert 'log_level: "loud" is not one of' in said
    assert "Traceback" not in said


def test_a_command_inside_the_app_sees_what_the_app_sees(tmp_path: Path) -> None:
    environ = of_app(tmp_path, influxdb_url="http://db:8086", batch_timeout="60s")
    shown = CliRunner(env=dict(environ)).invoke(main, ["config", "show", "--format", "json"])
    assert shown.exit_code == 0, shown.output
    found = json.loads(shown.stdout)
    assert found["settings"]["batch"]["timeout"] == "1m"
    assert found["origins"]["batch.timeout"] == "option batch_timeout"
    assert found["settings"]["spool"]["path"] == str(tmp_path / "state.db")
