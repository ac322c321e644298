"""A real Home Assistant in a process of its own, which sets the states that the simulated home has elsewhere.

    python -m scripts.benchmark.real_home

installs it once, with what its own `influxdb` integration requires, where the live tests keep theirs (`HOMEIQ_LAB`, else
`.lab` in the checkout).
"""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeAlias

import httpx
import msgspec
import trio
from attrs import frozen

from scripts.benchmark.account import Failed
from scripts.benchmark.peer import LOOPBACK, TOKEN
from scripts.benchmark.service import Process, running, tail
from scripts.benchmark.stores import LOOK, Sink
from scripts.benchmark.traffic import events
from tests.live import ha_home
from tests.live.ha_client import Client
from tests.live.ha_install import RELEASES, also
from tests.live.lab import free_port, lab

RELEASE = RELEASES["2025.4.4"]

DOMAIN = "homeiq_bench"

PLAYED = Path(__file__).parent / "peers" / "played"

STARTING = 120.0
"""Seconds that a start may take on a busy machine."""

ABSENT = f"""Home Assistant {RELEASE.version} is not here, so its own integration is left out. `.venv-test/bin/python -m \
scripts.benchmark.real_home` installs it in a minute (Python 3.{RELEASE.minors[0]}, 450 MB); HOMEIQ_LAB names another folder than .lab."""

UNRECORDED = "sensor.unrecorded_*"
"""What the recorder of the live tests' home leaves out."""

NO_STATES = {"", "unavailable", "unknown"}

Said: TypeAlias = tuple[str, str, object]
"""An entity, its state and its attributes."""


@frozen
class RealHome:
    """A running home: its process, what it is asked by, where it listens, its configuration's folder."""

    process: Process
    client: Client
    port: int
    folder: Path

    async def play(self, count: int, rate: float, turn: int = 1) -> list[int]:
        """Have so many changes set, `turn` in each turn of its loop, `rate` a second; their times in nanoseconds.

        Raises `Failed` when it takes three times as long as it should, and half a minute.
        """
        name = f"times-{time.monotonic_ns()}.json"
        told = {"name": name, "count": count, "rate": rate, "turn": turn}
        await trio.to_thread.run_sync(lambda: self.client.call(DOMAIN, "play", **told))
        with trio.move_on_after(3 * count / rate + 30):
            while not (self.folder / name).exists():  # noqa: ASYNC110  a file has no event
                await trio.sleep(LOOK)
            times: list[int] = msgspec.json.decode((self.folder / name).read_bytes())
            return times
        raise Failed(f"Home Assistant sets less than a third of {rate:,.0f} states a second")


def installed() -> bool:
    """True when Home Assistant is here, with what its integration requires."""
    return (lab() / f"homeassistant-{RELEASE.version}-influxdb.complete").exists()


def changes(entities: int, count: int) -> list[Said]:
    """The first `count` changes of the simulated home, but for those that the integration does not store."""
    news = (msgspec.json.decode(event.body + b"}")["event"]["data"]["new_state"] for event in events(entities, count))
    return [
        (new["entity_id"], new["state"], new["attributes"]) for new in news if new and new["state"] not in NO_STATES
    ]


@asynccontextmanager
async def real_home(
    known: Sequence[Said], sink: Sink | None = None, *, recorded: bool = True
) -> AsyncGenerator[RealHome]:
    """A new home for the time of a block, which can play these changes; its integration writes into the sink, if any.

    Its recorder stores them, too, unless they are not to be `recorded`.
    Raises `Failed` with what it said last when it does not start.
    """
    programs = await trio.to_thread.run_sync(also, RELEASE, "influxdb")
    with TemporaryDirectory(prefix="homeiq-bench-", ignore_cleanup_errors=True) as name:
        folder, port = Path(name) / "config", free_port()
        client = Client(f"http://{LOOPBACK}:{port}", configured(folder, known, sink, recorded=recorded)["admin"])
        command = [str(programs / "hass"), "--config", str(folder), "--log-no-color", "--skip-pip"]
        environment = {"HOME_PORT": str(port), "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}"}
        async with running(command, folder, **environment) as process:
            await _started(client, folder)
            yield RealHome(process, client, port, folder)


def configured(folder: Path, known: Sequence[Said], sink: Sink | None, *, recorded: bool = True) -> dict[str, str]:
    """Write the configuration of the live tests' home with what the bench adds to it; the token of each of its users."""
    tokens = ha_home.write(folder)
    shutil.copytree(
        PLAYED, folder / "custom_components" / DOMAIN, ignore=shutil.ignore_patterns("__pycache__", ".mypy_cache")
    )
    (folder / "changes.json").write_text(json.dumps(known), "utf-8")
    told = f"{DOMAIN}:\n"
    if sink is not None:
        told += (
            f"influxdb:\n  api_version: 2\n  ssl: false\n  host: {LOOPBACK}\n  port: {sink.port}\n"
            "  token: !secret influxdb_token\n  organization: home\n  bucket: home\n"
        )
        (folder / "secrets.yaml").write_text(f"influxdb_token: {TOKEN}\n", "utf-8")
    file = folder / "configuration.yaml"
    given = file.read_text("utf-8")
    file.write_text((given if recorded else given.replace(UNRECORDED, '"*"')) + told, "utf-8")
    return tokens


async def _started(client: Client, folder: Path) -> None:
    with trio.move_on_after(STARTING):
        while not await trio.to_thread.run_sync(_runs, client):  # noqa: ASYNC110  a server has no event
            await trio.sleep(0.2)
        return
    raise Failed(f"Home Assistant is not running after {STARTING:.0f} s; it last said:\n{tail(folder)}")


def _runs(client: Client) -> bool:
    try:
        answer = client.request("GET", "config")
    except httpx.HTTPError:
        return False
    return bool(answer.get("state") == "RUNNING")


if __name__ == "__main__":
    print(also(RELEASE, "influxdb"))
