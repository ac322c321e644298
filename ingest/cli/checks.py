"""Looking at what a configuration points at, the way the service itself would: same code, same errors."""

from __future__ import annotations

import msgspec
import trio
from attrs import frozen

from ingest.actors.connection import Deadlines, connected, within
from ingest.actors.connector import Candidate
from ingest.core.conversation import Received
from ingest.core.wire import raw_list
from ingest.edge.websocket import Dial, dial
from ingest.errors import IngestError
from ingest.runtime.supervise import one_error

ANSWER = 30.0
"""Seconds for an answer."""


@frozen
class Home:
    """A Home Assistant that accepted the token."""

    name: str = ""
    version: str = ""
    state: str = ""
    entities: int = 0


@frozen
class _Config:
    location_name: str = ""
    version: str = ""
    state: str = ""


_config = msgspec.json.Decoder(_Config)


async def look_at_home(candidate: Candidate, deadlines: Deadlines, dialer: Dial = dial) -> Home:
    """Connect, authenticate and ask. Raises `Transient` or `Refused` as the service would."""
    with one_error(IngestError):
        async with trio.open_nursery() as nursery:
            home = await _ask(nursery, candidate, deadlines, dialer)
            nursery.cancel_scope.cancel()
    return home


async def _ask(nursery: trio.Nursery, candidate: Candidate, deadlines: Deadlines, dialer: Dial) -> Home:
    target, token = candidate.target, candidate.token()
    async with connected(
        nursery, target, token, _ignore, deadlines=deadlines, dialer=dialer, opened=lambda: None
    ) as connection:
        with within(ANSWER, "no answer to get_config and get_states", target.url):
            config = _config.decode(await connection.ask("get_config"))
            states = raw_list(await connection.ask("get_states"))
    return Home(config.location_name, config.version, config.state, len(states))


def _ignore(_value: Received) -> None:
    pass
