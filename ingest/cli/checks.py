"""Looking at what a configuration points at, the way the service itself would: same code, same errors."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import TypeVarTuple

import msgspec
import trio
from attrs import frozen

from ingest.actors.connection import Connection, Deadlines, connected, within
from ingest.actors.connector import Candidate
from ingest.cli.candidates import candidates, deadlines
from ingest.cli.data_api import data_api_at
from ingest.cli.database import opened_influx
from ingest.config.settings import Settings
from ingest.core.conversation import Received
from ingest.core.data_api_answer import Taken, answers, classify
from ingest.core.influx_server import Server
from ingest.core.publishing import Kind
from ingest.core.store import Keep
from ingest.core.wire import Malformed, raw_list
from ingest.edge.websocket import Open, open_socket
from ingest.errors import IngestError, Refused, Transient
from ingest.runtime.supervise import one_error

Args = TypeVarTuple("Args")

ANSWER = 30.0
"""Seconds for an answer."""


@frozen
class Home:
    """A Home Assistant that accepted the token."""

    name: str = ""
    version: str = ""
    state: str = ""
    entities: int = 0

    def __str__(self) -> str:
        return f"{self.name or 'a home without a name'}, version {self.version}: {self.entities} entities with a state"


@frozen
class _Config:
    location_name: str | None = None
    version: str | None = None
    state: str | None = None


_config = msgspec.json.Decoder(_Config)


async def look_at_home(candidate: Candidate, deadlines: Deadlines, opener: Open = open_socket) -> Home:
    """Connect, authenticate and ask. Raises `Transient` or `Refused` as the service would."""
    target, token, home = candidate.target, candidate.token(), Home()
    with one_error(IngestError):
        async with (
            trio.open_nursery() as nursery,
            connected(
                nursery, target, token, _ignore, deadlines=deadlines, opener=opener, opened=lambda: None
            ) as connection,
        ):
            home = await _ask(connection)
            nursery.cancel_scope.cancel()
    return home


async def _ask(connection: Connection) -> Home:
    with within(ANSWER, "no answer to get_config and get_states", connection.socket.where):
        answers = await connection.ask("get_config"), await connection.ask("get_states")
        return _read(*answers, where=connection.socket.where)


def _read(config: msgspec.Raw, states: msgspec.Raw, *, where: str) -> Home:
    try:
        known = _config.decode(config)
        return Home(known.location_name or "", known.version or "", known.state or "", len(raw_list(states)))
    except (msgspec.DecodeError, Malformed) as error:
        raise Transient(f"the answer to get_config or get_states cannot be read: {error}", where=where) from error


def _ignore(_value: Received) -> None:
    pass


async def look_at_database(settings: Settings) -> Server:
    """Ask the database whether we may write. Raises `Transient` or `Refused` as the service would meet it."""
    async with opened_influx(settings) as influx:
        return await influx.check()


async def look_at_data_api(settings: Settings, url: str) -> str:
    """Tell data-api of no entity at all: it has to take the key for that, and stores nothing.

    Raises `Transient` or `Refused` as the service would meet it.
    """
    async with data_api_at(url, settings.data_api) as data_api:
        with within(ANSWER, "data-api does not answer", data_api.where):
            answer = await data_api.post(Kind.ENTITIES.path, b"[]")
            match classify(answer, Kind.ENTITIES, datetime.now(UTC), data_api.check_key):
                case Taken():
                    return "data-api, and it takes our key" if settings.data_api.api_key else "data-api, without a key"
                case Keep(reason=reason, remedy=remedy) if remedy:
                    raise Refused(reason, where=data_api.where, remedy=remedy)
                case _:
                    raise Transient(answers(answer), where=data_api.where)


async def every_end(settings: Settings) -> list[tuple[str, object]]:
    """Every configured address, the database and data-api, each with what it answered or the error that it gave."""
    limits = deadlines(settings)
    found = [
        (f"Home Assistant ({candidate.name})", await _or_error(look_at_home, candidate, limits))
        for candidate in candidates(settings)
    ]
    if settings.store_kind == "influxdb":
        found.append(("database", await _or_error(look_at_database, settings)))
    if (url := settings.data_api.url) is not None:
        found.append(("data-api", await _or_error(look_at_data_api, settings, url)))
    return found


async def _or_error(look: Callable[[*Args], Awaitable[object]], *args: *Args) -> object:
    try:
        return await look(*args)
    except IngestError as error:
        return error
