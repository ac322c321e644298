"""On real sockets: a client can harm nobody but itself."""

from __future__ import annotations

import socket
import struct
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
import trio
from attrs import define, field

from ingest.edge import http_server
from ingest.edge.http_server import LAST_WORDS, Limits, listen, url_of
from ingest.errors import Refused
from tests.support.spent import Spent

LARGE = b"x" * 64 * 2**20
ASK = b"GET %b HTTP/1.1\r\nHost: here\r\n\r\n"


@define(eq=False)
class Served:
    port: int
    url: str
    told: list[str] = field(factory=list)
    answered: int = 0
    clients: list[trio.SocketStream] = field(factory=list)

    async def application(self, scope: Any, receive: Any, send: Any) -> None:
        """Answers with a little, with more than any buffer holds, or breaks."""
        if scope["path"] == "/bug":
            raise ZeroDivisionError("bug")
        body = LARGE if scope["path"] == "/large" else b"fine"
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": body, "more_body": False})
        self.answered += 1

    async def get(self, path: str = "/") -> str:
        with trio.fail_after(5):
            async with httpx.AsyncClient(base_url=self.url, trust_env=False) as client:
                return (await client.get(path)).text

    async def ask(self, path: bytes) -> trio.SocketStream:
        """A client that asks and does not read."""
        stream = await self.connect()
        await stream.send_all(ASK % path)
        return stream

    async def connect(self) -> trio.SocketStream:
        self.clients.append(await trio.open_tcp_stream("127.0.0.1", self.port))
        return self.clients[-1]

    async def until_told(self, text: str) -> None:
        with trio.fail_after(5):
            while not any(text in each for each in self.told):  # noqa: ASYNC110  a list has no event
                await trio.sleep(0.01)


@asynccontextmanager
async def serving(**limits: Any) -> AsyncGenerator[Served]:
    listeners = await listen("127.0.0.1", 0)
    port = listeners[0].socket.getsockname()[1]
    served = Served(port, url_of(listeners[0]))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(
            http_server.serve, served.application, listeners, served.told.append, Limits(**limits), name="server"
        )
        yield served
        spent = Spent.begin()
        nursery.cancel_scope.cancel()
    assert spent.end() < 1.3
    for client in (*served.clients, *listeners):
        await client.aclose()


async def test_it_answers() -> None:
    async with serving() as served:
        assert served.url == f"http://127.0.0.1:{served.port}"
        assert await served.get() == "fine"
    assert served.told == []


async def test_a_client_that_does_not_read_slows_nobody_and_not_the_end() -> None:
    async with serving(send=60.0) as served:
        for _ in range(3):
            await served.ask(b"/large")
        await trio.sleep(0.2)
        assert await served.get() == "fine"
        assert served.answered <= 1


async def test_a_client_that_does_not_read_is_cut_off_in_time() -> None:
    async with serving(send=0.2) as served:
        idle = await served.ask(b"/large")
        with trio.fail_after(5):
            while not served.answered:  # noqa: ASYNC110  the handler ends when its stream was reset
                await trio.sleep(0.02)
            with pytest.raises(trio.BrokenResourceError):
                [part async for part in idle]


async def test_a_client_that_breaks_off_while_it_is_answered_frees_its_place() -> None:
    async with serving(send=60.0, connections=1) as served:
        stream = await served.ask(b"/large")
        assert await stream.receive_some()
        stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        await stream.aclose()
        await trio.sleep(2 * LAST_WORDS)
        assert await served.get() == "fine"


async def test_a_connection_that_asks_nothing_is_closed() -> None:
    async with serving(idle=0.1) as served:
        stream = await served.connect()
        with trio.fail_after(5):
            assert await stream.receive_some() == b""


async def test_connections_are_limited_and_the_limit_is_lifted_when_one_ends() -> None:
    async with serving(connections=1) as served:
        first = await served.ask(b"/")
        assert await first.receive_some()
        second = await served.connect()
        with trio.fail_after(5), pytest.raises(trio.BrokenResourceError):
            await second.receive_some()
        await first.aclose()
        await trio.sleep(2 * LAST_WORDS)
        assert await served.get() == "fine"


async def test_a_bug_of_the_application_is_told_and_the_others_go_on() -> None:
    async with serving() as served:
        await served.get("/bug")
        await served.until_told("ZeroDivisionError('bug')")
        assert await served.get() == "fine"


async def test_a_client_that_has_said_all_is_answered() -> None:
    async with serving() as served:
        stream = await served.ask(b"/")
        await stream.send_eof()
        with trio.fail_after(5):
            assert b"".join([part async for part in stream]).endswith(b"fine\r\n0\r\n\r\n")


@pytest.mark.parametrize("nonsense", [b"\x16\x03\x01", b"NONSENSE\r\n\r\n", b"GET / HTTP/1.1\r\n" + b"a: b\r\n" * 9000])
async def test_nonsense_ends_its_own_connection_only(nonsense: bytes) -> None:
    async with serving(idle=0.2) as served:
        stream = await served.connect()
        with trio.fail_after(5):
            try:
                await stream.send_all(nonsense)
                while await stream.receive_some():
                    pass
            except trio.BrokenResourceError:
                pass
        assert await served.get() == "fine"


async def test_a_connection_that_fails_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken(*_: object) -> None:
        raise ZeroDivisionError("inside")

    monkeypatch.setattr("hypercorn.trio.tcp_server.TCPServer.run", broken)
    async with serving() as served:
        await served.ask(b"/")
        await served.until_told("a connection to the API failed: ZeroDivisionError('inside')")


async def test_a_taken_port_and_an_unknown_host_are_refused_with_a_remedy() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(Refused, match=r"cannot listen: .*api\.port") as caught:
            await listen("127.0.0.1", taken.getsockname()[1])
    assert caught.value.where.startswith("127.0.0.1 port")
    with pytest.raises(Refused, match="cannot listen"):
        await listen("no.such.host.invalid", 0)
    with pytest.raises(Refused, match="cannot listen"):
        await listen("." * 70, 0)


async def test_an_ipv6_address_stands_in_brackets() -> None:
    try:
        [listener] = await listen("::1", 0)
    except Refused:
        pytest.skip("no IPv6 here")
    assert url_of(listener).startswith("http://[::1]:")
    await listener.aclose()
