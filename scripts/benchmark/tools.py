"""What can be measured: the service, and what a user would run instead. Each is a command and its environment."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import TypeAlias

from attrs import frozen

from scripts.benchmark.peer import TOKEN
from scripts.benchmark.service import HOME_TOKEN, SECRETS, service

Settings: TypeAlias = Mapping[str, object]
"""Settings of the service; among them those that say where its store is."""

NO_SETTINGS: Settings = MappingProxyType({})


@frozen
class Tool:
    """A program that follows a home on a port, with a token of it, and stores what happens. Secrets come by the environment alone."""

    command: Callable[[int, Path, Settings], list[str]]
    environment: Callable[[int, Settings, str], Mapping[str, str]]
    ours: bool = False
    """True when it writes the lines that the floor joins."""


def _service(_port: int, _settings: Settings, token: str) -> Mapping[str, str]:
    return {**SECRETS, HOME_TOKEN: token}


def _script(port: int, settings: Settings, token: str) -> Mapping[str, str]:
    home = {"HOME_ASSISTANT_URL": f"http://127.0.0.1:{port}", "HOME_ASSISTANT_TOKEN": token}
    return {**home, "INFLUXDB_URL": str(settings["influxdb.url"]), "INFLUXDB_TOKEN": TOKEN}


SERVICE = Tool(service, _service, ours=True)

SCRIPT = Tool(lambda *_: [sys.executable, "-m", "scripts.benchmark.peers.asyncio_script"], _script)
