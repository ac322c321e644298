"""The app's image, built from the folder that is put together for the Supervisor, and run as the Supervisor runs it.

No registry is asked: the base is a Debian made here, whose Python is 3.11 and wants to be told that it is nobody else's.
"""

from __future__ import annotations

import json
import queue
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
import trio

from scripts.addon.assemble import ROOT, assemble
from tests.addon.test_manifest import DOCKERFILE
from tests.integration.test_supervisor import APP_TOKEN
from tests.support.homes import TOKEN, Running, running_home
from tests.support.supervisor import Supervisor

engines: Any = pytest.importorskip("tests.container.engine")

pytestmark = [pytest.mark.live, pytest.mark.slow]

IMAGE = "localhost/homeiq-ingest-app"
HEALTH = "http://127.0.0.1:8001/health"
DEBIAN = f"FROM {engines.BASE}\nENV PIP_BREAK_SYSTEM_PACKAGES=1"


def taken(port: int) -> bool:
    with socket.socket() as own:
        return own.connect_ex(("127.0.0.1", port)) == 0


@pytest.fixture
def built(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    if why := engines.unable():
        pytest.skip(why)
    if any(map(taken, (80, 8001))):
        pytest.skip("wants the ports 80 and 8001, which are those that the Supervisor and the app have")
    build = [*engines.PIP, "wheel", "--quiet", "--no-deps", "--wheel-dir", str(tmp_path), str(ROOT)]
    subprocess.run(build, check=True)
    (wheel,) = tmp_path.glob("*.whl")
    folder = assemble(tmp_path / "homeiq_ingest", wheel)
    (tmp_path / "Dockerfile").write_text(DOCKERFILE.replace("FROM python:3.13-slim-bookworm", DEBIAN), encoding="utf-8")
    with engines.engine(tmp_path_factory.mktemp("app") / "own") as made:  # a longer path Podman refuses
        made.podman("import", str(engines.base()), engines.BASE)
        how = ("--format=docker", "--isolation=chroot", "--network=host", "--pull-never", "--layers=false")
        what = (f"--tag={IMAGE}", "--build-arg=BUILD_ARCH=amd64", f"--file={tmp_path / 'Dockerfile'}")
        made.podman("build", *how, *what, *engines.index(made.folder), str(folder))
        yield made


@contextmanager
def supervising(home: Running) -> Iterator[Supervisor]:
    """A Supervisor on its own port, 80, for which `supervisor` stands in the container's hosts."""
    ready: queue.Queue[tuple[trio.lowlevel.TrioToken, trio.CancelScope]] = queue.Queue()
    supervisor = Supervisor(partial(trio.open_tcp_stream, "127.0.0.1", home.port), APP_TOKEN, TOKEN)

    async def serve() -> None:
        async with trio.open_nursery() as nursery:
            await nursery.start(partial(trio.serve_tcp, supervisor.handle, 80, host="127.0.0.1"))
            ready.put((trio.lowlevel.current_trio_token(), nursery.cancel_scope))

    thread = threading.Thread(target=trio.run, args=(serve,), daemon=True)
    thread.start()
    token, scope = ready.get(timeout=20)
    try:
        yield supervisor
    finally:
        token.run_sync_soon(scope.cancel)
        thread.join(timeout=20)


def healthy() -> dict[str, Any]:
    """What it says of itself once it is subscribed and has stored."""
    end = time.monotonic() + 60
    while time.monotonic() < end:
        try:
            found: dict[str, Any] = httpx.get(HEALTH, trust_env=False).json()
        except httpx.TransportError:
            found = {}
        if found and found["subscription"]["is_subscribed"] and found["totals"]["stored"]:
            return found
        time.sleep(0.3)
    raise AssertionError("it stores nothing within a minute")


def test_the_app_stores_through_the_supervisor_and_stops_when_it_is_told(built: Any, tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    (data / "options.json").write_text(json.dumps({"store_kind": "auto", "log_level": "info"}), encoding="utf-8")
    (data / "options.json").chmod(0o600)
    variables = tmp_path / "token.env"
    variables.write_text(f"SUPERVISOR_TOKEN={APP_TOKEN}\nTZ=Europe/Berlin\n", encoding="utf-8")
    with running_home(12, timedelta(minutes=30)) as home, supervising(home) as supervisor:
        built.names.append("app")
        where = ("--network=host", "--add-host=supervisor:127.0.0.1", "--http-proxy=false", "--init", "--tmpfs=/tmp")
        given = (f"--env-file={variables}", f"--volume={data}:/data")
        built.podman("run", "--detach", "--name=app", *where, *given, IMAGE)
        assert healthy()["status"] == "healthy"
        assert built.tried("exec", "app", "homeiq-ingest", "doctor").returncode == 0
        begun = time.monotonic()
        built.podman("stop", "--time=10", "app")
        assert time.monotonic() - begun < 10
        assert built.podman("wait", "app").strip() == "0"
        assert "ws://supervisor/core/websocket" in built.podman("logs", "app", merged=True)
    assert supervisor.refused == 0
    assert {"home.db", "state.db"} <= {path.name for path in data.iterdir()}
