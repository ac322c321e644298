"""On real sockets: what a client may send, and how long it may take for it."""

from __future__ import annotations

import socket
from contextlib import suppress
from typing import Any

import h2.config
import h2.connection
import h2.settings
import httpx
import pytest
import trio

from ingest.edge.bounded import Bounded
from ingest.edge.process import Process
from tests.edge.test_http_server import Served, serving

ASKED = {"http_version": "1.1", "raw_path": b"/", "query_string": b""}
UPGRADING = (
    b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
)
POST = b"POST / HTTP/1.1\r\nHost: here\r\n"


async def answered(stream: trio.SocketStream) -> bytes:
    """What comes until the other end closes or resets."""
    received = b""
    with trio.fail_after(5):
        try:
            while part := await stream.receive_some():
                received += part
        except trio.BrokenResourceError:
            pass
    return received


async def trickle(stream: trio.SocketStream, data: bytes) -> float:
    """Send a byte every 20 ms until nobody takes it any more; returns how long that was, at most 5 s."""
    began = trio.current_time()
    with trio.move_on_after(5):
        try:
            while True:
                await stream.send_all(data)
                await trio.sleep(0.02)
        except trio.BrokenResourceError:
            pass
    return trio.current_time() - began


async def goes_on(served: Served) -> None:
    assert await served.get() == "fine"
    assert served.told == []


async def test_a_header_that_comes_a_byte_at_a_time_ends_with_the_idle_time() -> None:
    async with serving(idle=0.3) as served:
        stream = await served.connect()
        await stream.send_all(b"GET / HTTP/1.1\r\nX-Slow: ")
        assert 0.2 < await trickle(stream, b"a") < 2
        await goes_on(served)


async def test_so_does_one_after_an_answer() -> None:
    async with serving(idle=0.3) as served:
        stream = await served.ask(b"/")
        assert (await stream.receive_some()).startswith(b"HTTP/1.1 200")
        assert 0.2 < await trickle(stream, b"a") < 2


async def test_a_body_that_comes_a_byte_at_a_time_is_answered_408() -> None:
    async with serving(reading=0.3) as served:
        stream = await served.connect()
        await stream.send_all(POST + b"Content-Length: 1000\r\n\r\n")
        async with trio.open_nursery() as nursery:
            nursery.start_soon(trickle, stream, b"a")
            received = await answered(stream)
            nursery.cancel_scope.cancel()
        assert received.startswith(b"HTTP/1.1 408")
        assert served.answered == 0
        await goes_on(served)


@pytest.mark.parametrize("length", [b"1073741824", b"65537", b"9" * 20])
async def test_a_body_that_is_announced_as_too_large_is_answered_413_unread(length: bytes) -> None:
    async with serving() as served:
        stream = await served.connect()
        await stream.send_all(POST + b"Content-Length: " + length + b"\r\n\r\n")
        received = await answered(stream)
        assert received.startswith(b"HTTP/1.1 413")
        assert b'{"error":"the body of the request is too large' in received
        assert served.answered == 0
        await goes_on(served)


async def test_a_body_of_a_gigabyte_in_parts_is_refused_and_not_kept() -> None:
    async with serving() as served:
        stream = await served.connect()
        before = Process().usage().memory_mb
        await stream.send_all(POST + b"Transfer-Encoding: chunked\r\n\r\n")
        sent, part = 0, b"100000\r\n" + b"x" * 2**20 + b"\r\n"
        with trio.fail_after(5), suppress(trio.BrokenResourceError):
            while sent < 2**30:
                await stream.send_all(part)
                sent += 2**20
        assert sent < 64 * 2**20
        assert Process().usage().memory_mb - before < 64
        assert served.answered == 0
        await goes_on(served)


async def test_a_body_that_is_allowed_reaches_the_application_whole_and_then_what_comes() -> None:
    heard: list[Any] = []
    parts: list[Any] = [
        {"type": "http.request", "body": b"ab", "more_body": True},
        {"type": "http.request", "body": b"c", "more_body": False},
        {"type": "http.disconnect"},
    ]

    async def application(scope: Any, receive: Any, send: Any) -> None:
        heard.extend([await receive(), await receive()])

    async def receive() -> Any:
        await trio.lowlevel.checkpoint()
        return parts.pop(0)

    async def send(message: Any) -> None:
        heard.append(message)

    scope = {"type": "http", "headers": [(b"content-length", b"3")], **ASKED}
    await Bounded(application, 99, 3, 1.0, lambda: None)(scope, receive, send)
    assert heard == [{"type": "http.request", "body": b"abc", "more_body": False}, {"type": "http.disconnect"}]


async def test_a_websocket_has_bounds_of_its_own() -> None:
    asked: list[Any] = []

    async def application(*given: Any) -> None:
        asked.append(given)

    given: Any = ({"type": "websocket", "headers": [], **ASKED}, trio.sleep, trio.sleep)
    await Bounded(application, 99, 3, 1.0, lambda: None)(*given)
    assert asked == [given]


async def test_bodies_that_are_allowed_are_answered_on_one_connection() -> None:
    async with serving() as served, httpx.AsyncClient(base_url=served.url, trust_env=False) as client:
        for _ in range(3):
            assert (await client.post("/", content=b"x" * 65_536)).text == "fine"
        assert (await client.post("/", content=b"x" * 65_537)).status_code == 413


async def test_a_client_that_goes_in_the_middle_of_its_body_is_nobodys_business() -> None:
    async with serving() as served:
        stream = await served.connect()
        await stream.send_all(POST + b"Content-Length: 10\r\n\r\nabc")
        await stream.aclose()
        await trio.sleep(0.1)
        assert served.answered == 0
        await goes_on(served)


async def test_a_header_that_is_too_large_is_answered_431() -> None:
    async with serving(header=2000) as served:
        stream = await served.connect()
        await stream.send_all(b"GET / HTTP/1.1\r\nX-Large: " + b"a" * 4000)
        assert (await answered(stream)).startswith(b"HTTP/1.1 431")
        await goes_on(served)


@pytest.mark.parametrize("more", [b"", UPGRADING], ids=["request", "websocket"])
@pytest.mark.parametrize("size", [16_384, 33_000, 60_000])
async def test_also_one_that_comes_in_one_piece(size: int, more: bytes) -> None:
    async with serving() as served:
        stream = await served.connect()
        await stream.send_all(b"GET / HTTP/1.1\r\nHost: here\r\n" + more + b"X-Large: " + b"a" * size + b"\r\n\r\n")
        received = await answered(stream)
        assert received.startswith(b"HTTP/1.1 431")
        assert received.endswith(b'{"error":"the header of the request is too large"}')
        assert served.answered == 0
        await goes_on(served)


async def test_a_header_that_is_allowed_and_a_long_address_that_is_not() -> None:
    async with serving() as served, httpx.AsyncClient(base_url=served.url, trust_env=False) as client:
        assert (await client.get("/", headers={"X-Large": "a" * 16_000})).text == "fine"
        assert (await client.get("/?" + "a" * 16_384)).status_code == 431


@pytest.mark.parametrize("request_", [b"nonsense", b"GET / HTTP/1.1", b"GET / HTTP/1.1\r\nHost: h\r\nno field"])
async def test_what_is_no_request_is_answered_400_without_a_body(request_: bytes) -> None:
    async with serving() as served:
        stream = await served.connect()
        await stream.send_all(request_ + b"\r\n\r\n")
        received = await answered(stream)
        assert received.startswith(b"HTTP/1.1 400")
        assert received.endswith(b"\r\n\r\n")
        assert b"content-length: 0" in received
        await goes_on(served)


@pytest.mark.parametrize("length", [b"-1", b"1e3", b"9" * 5000, b"1, 2"], ids=["-1", "1e3", "long", "two"])
async def test_a_length_that_is_none_is_refused(length: bytes) -> None:
    """With 400; of five thousand digits h11 0.14 makes no number, and the connection ends."""
    async with serving() as served:
        stream = await served.connect()
        await stream.send_all(POST + b"Content-Length: " + length + b"\r\n\r\n")
        assert (await answered(stream))[:10] in {b"HTTP/1.1 4", b""}
        assert served.answered == 0
        assert await served.get() == "fine"


def first_words() -> bytes:
    """HTTP/2 without asking, from a client that takes nothing."""
    client = h2.connection.H2Connection(h2.config.H2Configuration(client_side=True))
    client.initiate_connection()
    client.update_settings({h2.settings.SettingCodes.INITIAL_WINDOW_SIZE: 0})
    client.send_headers(1, [(":method", "GET"), (":path", "/"), (":scheme", "http"), (":authority", "here")], True)
    return client.data_to_send()


UPGRADE = (
    b"GET / HTTP/1.1\r\nHost: here\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n"
    b"HTTP2-Settings: AAQAAAAA\r\n\r\n"
)


@pytest.mark.parametrize("words", [first_words(), UPGRADE], ids=["at once", "upgraded"])
async def test_http_2_is_not_spoken_as_its_clients_may_hold_a_connection(words: bytes) -> None:
    async with serving(idle=60) as served:
        stream = await served.connect()
        await stream.send_all(words)
        await answered(stream)
        assert served.answered == 0
        assert await served.get() == "fine"


async def test_all_connections_taken_by_slow_clients_are_free_again_in_time() -> None:
    async with serving(idle=0.5, connections=4) as served:
        slow = [await served.connect() for _ in range(4)]
        for stream in slow:
            await stream.send_all(b"GET / HT")
        await trio.sleep(0.1)
        with pytest.raises((httpx.ReadError, httpx.RemoteProtocolError)):
            await served.get()
        await trio.sleep(1)
        await goes_on(served)


async def test_a_request_of_many_at_once_is_answered_one_after_the_other() -> None:
    async with serving() as served:
        stream = await served.connect()
        await stream.send_all(b"GET / HTTP/1.1\r\nHost: here\r\n\r\n" * 20)
        stream.socket.shutdown(socket.SHUT_WR)
        assert (await answered(stream)).count(b"HTTP/1.1 200") == 20
