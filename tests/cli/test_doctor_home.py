"""What the doctor makes of a Home Assistant that answers oddly, over a connection in memory."""

from __future__ import annotations

import ssl
from datetime import UTC, datetime
from typing import Any, cast

import pytest
import trio
import trustme
from trio.testing import MockClock

from ingest.actors.connector import Candidate
from ingest.cli.doctor_home import _reach, _told, _types
from ingest.cli.doctor_recorder import reaches, unrecorded
from ingest.config.destination import Influxdb
from ingest.config.settings import Settings
from ingest.core.doctor_home import Asked, Reached, addresses
from ingest.core.point import Point
from ingest.edge.websocket import Target
from ingest.errors import Refused, Transient
from ingest.simulator.home import Home
from ingest.simulator.server import Server
from tests.actors.peer import TARGET, TOKEN, Reply, answering, connection, ok, playing

INFO, HISTORY = "recorder/info", "history/history_during_period"
KNOWN = {"recording": True, "thread_running": True, "migration_in_progress": False, "backlog": 0}


def gone() -> str:
    raise Refused("the file token cannot be read", remedy="Let it hold the secret alone")


async def test_a_token_that_went_meanwhile_is_named(autojump_clock: MockClock) -> None:
    reached: dict[int, Reached] = {}
    await _reach(Candidate("primary", TARGET, gone), 0, reached)
    assert str(reached[0].problem) == "the file token cannot be read. Let it hold the secret alone"


async def test_http_for_a_home_that_speaks_https() -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("127.0.0.1").configure_cert(context)
    server = Server(Home(1, 5, datetime.now(UTC)), token=TOKEN, now=lambda: datetime.now(UTC))
    reached: dict[int, Reached] = {}
    async with trio.open_nursery() as nursery:
        (listener,) = await trio.open_ssl_over_tcp_listeners(0, context, host="127.0.0.1")
        inner = listener.transport_listener
        assert isinstance(inner, trio.SocketListener)
        port = inner.socket.getsockname()[1]
        nursery.start_soon(trio.serve_listeners, server.handle, [listener])
        target = Target(f"ws://127.0.0.1:{port}/api/websocket")
        await _reach(Candidate("primary", target, lambda: TOKEN), 0, reached)
        nursery.cancel_scope.cancel()
    (check,) = addresses([reached[0]])
    assert check.findings[0].what == "Home Assistant answers there, but to https, not to http"
    assert check.findings[0].remedy == "Write https:// at the beginning of its address."


async def test_what_cannot_be_read_is_not_known(autojump_clock: MockClock) -> None:
    act = answering(**{"auth/current_user": [ok(5)], "recorder/info": [ok([])]})
    async with playing(act) as peer, connection(peer.dial) as bulk:
        assert await _told(bulk, Asked()) == Asked()


async def test_a_history_that_cannot_be_read_is_no_verdict_on_anybody(autojump_clock: MockClock) -> None:
    act = answering(**{INFO: [ok(KNOWN)], HISTORY: [ok(7)]})
    async with playing(act) as peer, connection(peer.dial) as bulk:
        with pytest.raises(Transient, match="cannot be read"):
            await unrecorded(bulk, ["light.a"], 10**18)


async def test_a_recorder_that_has_nothing_reaches_nowhere(autojump_clock: MockClock) -> None:
    act = answering(**{INFO: [ok(KNOWN)], HISTORY: [ok({})]})
    async with playing(act) as peer, connection(peer.dial) as bulk:
        assert await reaches(bulk, ["light.a"], 10**18) is None
        assert await reaches(bulk, [], 10**18) is None


async def test_entities_in_several_questions(autojump_clock: MockClock) -> None:
    names = [f"light.a{number}" for number in range(501)]
    row = [{"s": "on", "lu": 1.0}]

    def told(message: dict[str, Any]) -> list[object]:
        return [ok({name: row if name != names[500] else [] for name in message["entity_ids"]})]

    answers: dict[str, Reply] = {INFO: [ok(KNOWN)], HISTORY: told}
    act = answering(**answers)
    async with playing(act) as peer, connection(peer.dial) as bulk:
        assert await unrecorded(bulk, names, 10**18) == {names[500]}


def test_a_point_that_breaks_the_schema_is_no_bug_of_the_doctors() -> None:
    settings = Settings(influxdb=Influxdb(url="http://127.0.0.1:9"))
    assert _types(settings, [cast("Point", None)]) == {}
