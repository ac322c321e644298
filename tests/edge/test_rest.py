"""Templates of Home Assistant over HTTP: what a server may answer, and what is said of it."""

from __future__ import annotations

import json
import ssl
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TypeAlias

import h11
import pytest
import trio
import trustme
from trio.testing import MockClock

from ingest.actors.template_reading import by_template
from ingest.core.catalog import Catalog
from ingest.core.point import Facts
from ingest.core.secret import Secret
from ingest.edge import rest
from ingest.edge.http_client import Peer, open_client
from ingest.edge.tls import tls_context
from ingest.edge.websocket import Target
from ingest.errors import Refused, Transient
from ingest.simulator.home import Home
from ingest.simulator.serve import clock
from ingest.simulator.server import Server
from tests.support.marked import secret

Handler: TypeAlias = Callable[[trio.abc.Stream], Awaitable[None]]

MORNING = datetime(2026, 11, 22, 7, tzinfo=UTC)
TOKEN = secret("home-assistant")


@asynccontextmanager
async def served(handler: Handler) -> AsyncGenerator[str]:
    """The address of a server on loopback, for the length of the block."""
    async with trio.open_nursery() as nursery:
        (listener,) = await nursery.start(partial(trio.serve_tcp, handler, 0, host="127.0.0.1"))
        yield f"127.0.0.1:{listener.socket.getsockname()[1]}"
        nursery.cancel_scope.cancel()


def answering(status: int, body: bytes) -> Handler:
    async def handle(stream: trio.abc.Stream) -> None:
        connection = h11.Connection(h11.SERVER)
        async with stream:
            while not isinstance(event := connection.next_event(), h11.EndOfMessage):
                if event is h11.NEED_DATA:
                    connection.receive_data(bytes(await stream.receive_some()))
            response = h11.Response(status_code=status, headers=[("Content-Length", str(len(body)))])
            data = [connection.send(each) or b"" for each in (response, h11.Data(data=body), h11.EndOfMessage())]
            await stream.send_all(b"".join(data))

    return handle


async def test_a_home_is_asked_in_parts_and_what_was_known_keeps_its_identity() -> None:
    home = Home(1, 1200, MORNING)
    server = Server(home, token=TOKEN, now=clock(MORNING))
    entity = next(each for each in home.registry.entities.values() if each.device and each.device.area_id)
    known = Catalog({entity.entity_id: Facts("its-id", platform="demo", entity_category="config")})
    async with served(server.handle) as address:
        catalog, skipped = await by_template(rest.renderer(Target(f"ws://{address}/api/websocket"), TOKEN), known)
    facts = catalog.facts(entity.entity_id)
    assert (facts.registry_id, facts.platform, facts.entity_category) == ("its-id", "demo", "config")
    assert entity.device is not None
    assert (facts.area_id, facts.manufacturer) == (entity.device.area_id, entity.device.manufacturer)
    assert (len(catalog), skipped) == (len(home.states), 0)


async def test_the_body_is_sent_as_it_is_and_what_is_rendered_comes_back() -> None:
    async with served(answering(200, '["Büro"]'.encode())) as address:
        assert json.loads(await rest.renderer(Target(f"ws://{address}"), TOKEN)(b"{}")) == ["Büro"]


@pytest.mark.parametrize(
    ("status", "family", "said"),
    [
        (401, Refused, "administrator"),
        (403, Refused, "administrator"),
        (404, Refused, "no templates"),
        (400, Transient, "TemplateError"),
        (500, Transient, "HTTP 500"),
    ],
)
async def test_what_is_refused_says_why(status: int, family: type[Exception], said: str) -> None:
    token = Secret(TOKEN).reveal()
    async with served(answering(status, f"TemplateError: what? {token}".encode())) as address:
        with pytest.raises(family, match=said) as caught:
            await rest.renderer(Target(f"ws://{address}"), TOKEN)(b"{}")
    assert type(caught.value) is family
    assert TOKEN not in str(caught.value)


async def test_nobody_there() -> None:
    async with served(answering(200, b"")) as address:
        pass
    with pytest.raises(Transient, match="cannot be reached"):
        await rest.renderer(Target(f"ws://{address}"), TOKEN)(b"{}")


async def hang_up(stream: trio.abc.Stream) -> None:
    await stream.receive_some()
    await stream.aclose()


async def test_a_connection_that_breaks() -> None:
    async with served(hang_up) as address:
        with pytest.raises(Transient, match="broke the connection off"):
            await rest.renderer(Target(f"ws://{address}"), TOKEN)(b"{}")


async def test_a_certificate_is_checked_as_it_is_for_the_websocket(tmp_path: Path) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(tls)

    async def secured(stream: trio.abc.Stream) -> None:
        with suppress(trio.BrokenResourceError):
            await answering(200, b"[]")(trio.SSLStream(stream, tls, server_side=True, https_compatible=True))

    async with served(secured) as address:
        trusting = Target(f"wss://{address}", tls_context(ca_file=tmp_path / "ca.pem"))
        assert await rest.renderer(trusting, TOKEN)(b"{}") == b"[]"
        with pytest.raises(Refused, match="not trusted") as caught:
            await rest.renderer(Target(f"wss://{address}", tls_context()), TOKEN)(b"{}")
    assert "ca_file" in caught.value.remedy


async def test_of_an_endless_answer_only_the_beginning_is_read() -> None:
    peer = Peer("it", "", "")
    async with served(answering(200, b"x" * 100_000)) as address, open_client(peer, None) as client:
        answer = await client.post(f"http://{address}/", b"{}", {}, 10)
    assert (answer.status, answer.text) == (200, "x" * 10)


async def test_no_tls_where_it_was_expected() -> None:
    async with served(hang_up) as address:
        with pytest.raises((Refused, Transient)):
            await rest.renderer(Target(f"wss://{address}", tls_context()), TOKEN)(b"{}")


async def test_an_address_that_is_none() -> None:
    with pytest.raises(Refused, match="cannot have this address"):
        await rest.renderer(Target("ws://host:port"), TOKEN)(b"{}")


async def test_a_server_that_never_answers(autojump_clock: MockClock) -> None:
    async def silent(_: trio.abc.Stream) -> None:
        await trio.sleep_forever()

    async with served(silent) as address:
        with pytest.raises(Transient, match="no answer within"):
            await rest.renderer(Target(f"ws://{address}"), TOKEN)(b"{}")
