"""The image, built once a session; a home beside it; and containers that are gone after each test."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from attrs import frozen

from tests.container import recipe
from tests.container.engine import Container, Engine, engine, unable
from tests.faults.sink import Sink
from tests.live.lab import free_port
from tests.support.homes import TOKEN, Running, running_home
from tests.support.marked import secret

DATABASE_TOKEN = secret("database")
USER = int(recipe.said("USER")[-1].partition(":")[0])


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """An engine with the image in it."""
    if why := unable():
        pytest.skip(why)
    with engine(tmp_path_factory.mktemp("podman") / "own") as made:
        made.build()
        yield made


@pytest.fixture(scope="session")
def home() -> Iterator[Running]:
    """A home that says nothing by itself."""
    with running_home(12, timedelta(minutes=1)) as running:
        yield running


@frozen
class Place:
    """Where a container keeps its state, and what it is given."""

    engine: Engine
    home: Running
    folder: Path
    port: int

    @property
    def state(self) -> Path:
        return self.folder / "state"

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def token(self, name: str, text: str, owner: int = USER) -> Path:
        """A file for its owner alone."""
        path = self.folder / f"{name}-token"
        path.touch(mode=0o600)
        path.write_text(text, "utf-8")
        os.chown(path, owner, owner)
        return path

    def start(self, *options: str, database: str = "", name: str = "", **more: str) -> Container:
        """A container for this home that writes to a database at that address, else into its volume."""
        files = {"/run/secrets/home_assistant_token": self.token("home", TOKEN)}
        environ = {"HA_HTTP_URL": self.home.url, "HA_TOKEN_FILE": "/run/secrets/home_assistant_token"}
        environ |= {"WEBSOCKET_INGESTION_PORT": str(self.port), "LOG_LEVEL": "debug"}
        if database:
            files["/run/secrets/influxdb_token"] = self.token("database", DATABASE_TOKEN)
            environ |= {"INFLUXDB_URL": database, "INFLUXDB_TOKEN_FILE": "/run/secrets/influxdb_token"}
        given = ("--network=host", *options)
        return self.engine.start(name or "service", self.state, environ | more, files, given)

    def change(self, state: str) -> set[tuple[str, int]]:
        """Thirty changes at once; each with its time."""
        return self.home.change([f"sensor.talk_{number}" for number in range(30)], state)

    def stored(self, sink: Sink, changes: set[tuple[str, int]]) -> bool:
        """True when a line of each has arrived."""
        found = {
            (line.split(b"entity_id=", 1)[1].split(b",", 1)[0].decode(), int(line.rsplit(b" ", 1)[1]))
            for line in list(sink.lines)
        }
        return changes <= found


@pytest.fixture
def place(built: Engine, home: Running, tmp_path: Path) -> Iterator[Place]:
    made = Place(built, home, tmp_path, free_port())
    made.state.mkdir(mode=0o700)
    os.chown(made.state, USER, USER)
    yield made
    built.remove()
