"""The one WebSocket client against real sockets: every way a peer can be wrong has a family, a sentence and a remedy."""

from __future__ import annotations

import ssl
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import pytest
import trio
import trio.testing
import trio_websocket
import trustme
from attrs import evolve
from wsproto.frame_protocol import FrameProtocol

from ingest.core.gathering import Text
from ingest.edge.tls import tls_context
from ingest.edge.websocket import Socket, Target, open_socket
from ingest.errors import IngestError, Refused, Transient
from tests.support.spent import Spent

SECONDS = 10
"""Much more than a loopback needs."""

Handler = Callable[[trio.abc.Stream], Awaitable[None]]


@asynccontextmanager
async def serving(handler: Handler, tls: ssl.SSLContext | None = None) -> AsyncGenerator[int]:
    """A server on a free port."""
    listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")

    async def handle(stream: trio.SocketStream) -> None:
        async with stream:
            try:
                await handler(trio.SSLStream(stream, tls, server_side=True) if tls else stream)
            except (trio.BrokenResourceError, trio.ClosedResourceError):
                return  # this client was meant to give up

    async with trio.open_nursery() as nursery:
        nursery.start_soon(trio.serve_listeners, handle, listeners)
        yield listeners[0].socket.getsockname()[1]
        nursery.cancel_scope.cancel()


async def _speak(act: Callable[[trio_websocket.WebSocketConnection], Awaitable[None]], stream: trio.abc.Stream) -> None:
    async with trio.open_nursery() as nursery:
        request = await trio_websocket.wrap_server_stream(nursery, stream, max_message_size=2**24)
        await act(await request.accept())
        nursery.cancel_scope.cancel()


def speaking(act: Callable[[trio_websocket.WebSocketConnection], Awaitable[None]]) -> Handler:
    return partial(_speak, act)


async def echo(connection: trio_websocket.WebSocketConnection) -> None:
    try:
        while True:
            await connection.send_message(await connection.get_message())
    except trio_websocket.ConnectionClosed:
        return


def answering(reply: bytes, *, stay: bool = False) -> Handler:
    """A server of one reply to whatever is asked."""

    async def handle(stream: trio.abc.Stream) -> None:
        await stream.receive_some(65536)
        if reply:
            await stream.send_all(reply)
        if stay:
            await trio.sleep_forever()

    return handle


@asynccontextmanager
async def opened(target: Target) -> AsyncGenerator[Socket]:
    async with trio.open_nursery() as nursery:
        with trio.fail_after(SECONDS):
            socket = await open_socket(nursery, target)
        async with socket:
            yield socket


async def failing(target: Target) -> IngestError:
    """What opening a socket to the target raises."""
    async with trio.open_nursery() as nursery:
        with trio.fail_after(SECONDS), pytest.raises(IngestError) as caught:
            await open_socket(nursery, target)
        # The reading task must have ended by itself: nobody cancels this nursery.
    assert caught.value.where == target.url
    assert caught.value.what
    return caught.value


def plain(port: int) -> Target:
    return Target(f"ws://127.0.0.1:{port}/api/websocket")


def test_a_target_knows_its_parts() -> None:
    assert (Target("ws://[::1]:8123/api/websocket").host, Target("ws://h:8123/x").port) == ("::1", 8123)
    assert (Target("ws://h/").port, Target("wss://h/").port, Target("ws://h").path) == (80, 443, "/")


async def test_the_host_is_asked_for_as_a_browser_would() -> None:
    asked = bytearray()
    ours, theirs = trio.testing.memory_stream_pair()

    async def dial(_target: Target) -> trio.abc.Stream:
        await trio.lowlevel.checkpoint()
        return ours

    async with trio.open_nursery() as nursery:
        nursery.start_soon(open_socket, nursery, Target("ws://[::1]:8123/api/websocket"), dial)
        asked += await theirs.receive_some()
        nursery.cancel_scope.cancel()
    assert b"\r\nHost: [::1]:8123\r\n" in asked


async def test_text_goes_out_and_in() -> None:
    async with serving(speaking(echo)) as port, opened(plain(port)) as socket:
        for text in ("hello", "naïve °C 🙂", "x" * 3_000_000):
            await socket.send(text)
            assert texts([await socket.receive()]) == [text]
        assert socket.where == f"ws://127.0.0.1:{port}/api/websocket"


async def test_a_binary_message_is_an_empty_text() -> None:
    async def act(connection: trio_websocket.WebSocketConnection) -> None:
        await connection.send_message(b"\x00\x01")
        await connection.send_message("text")
        await connection.get_message()

    async with serving(speaking(act)) as port, opened(plain(port)) as socket:
        assert texts([await socket.receive(), await socket.receive()]) == ["", "text"]
        await socket.send("enough")


def burst(*payloads: str | bytes) -> bytes:
    """Whole messages as they come out of one read."""
    protocol = FrameProtocol(client=False, extensions=[])
    return b"".join(bytes(protocol.send_data(payload)) for payload in payloads)


def texts(messages: Iterable[Text]) -> list[str]:
    return [message if isinstance(message, str) else message.decode() for message in messages]


def bursting(data: bytes) -> Handler:
    """A server that says this at once, and hangs up when it hears something."""

    async def act(connection: trio_websocket.WebSocketConnection) -> None:
        await connection._stream.send_all(data)
        await connection.get_message()

    return speaking(act)


async def test_what_arrived_together_is_received_together() -> None:
    """Of trio-websocket this needs that messages are handed out whole and in order, and only a binary one as bytes."""
    said = [f"{number} °C" for number in range(200)]
    async with serving(bursting(burst(*said))) as port, opened(plain(port)) as socket:
        received = texts(await socket.receive_all())
        assert received == said
        await socket.send("enough")


async def test_one_by_one_or_together_nothing_is_passed_over() -> None:
    said = [str(number) for number in range(10)]
    async with serving(bursting(burst(*said))) as port, opened(plain(port)) as socket:
        first = [await socket.receive() for _ in range(3)]
        assert texts([*first, *await socket.receive_all()]) == said
        await socket.send("enough")
        with pytest.raises(Transient):
            await socket.receive_all()


async def test_a_ping_in_the_middle_of_many_messages_is_answered() -> None:
    pongs: list[bool] = []

    async def act(connection: trio_websocket.WebSocketConnection) -> None:
        with trio.move_on_after(SECONDS):
            async with trio.open_nursery() as nursery:
                await connection._stream.send_all(burst(*"abc"))
                nursery.start_soon(connection.ping)
                await trio.testing.wait_all_tasks_blocked()
                await connection._stream.send_all(burst(*"def"))
            pongs.append(True)

    async with serving(speaking(act)) as port, opened(plain(port)) as socket:
        received: list[Text] = []
        while len(received) < 6:
            received += await socket.receive_all()
        assert texts(received) == list("abcdef")
        with pytest.raises(Transient):
            await socket.receive()
    assert pongs


@pytest.mark.parametrize(
    ("end", "what"),
    [
        (b"\x88\x02\x03\xe8", "closed by Home Assistant \\(1000"),
        (burst(b"\xff\xfe").replace(b"\x82", b"\x81"), "closed by Home Assistant \\(1007"),
        (b"\xff\xff\xff\xff", "closed by Home Assistant \\(1002"),
    ],
    ids=["goodbye", "not UTF-8", "not a frame"],
)
async def test_what_came_before_an_end_is_received_first(end: bytes, what: str) -> None:
    async with serving(bursting(burst(*"abc") + end)) as port, opened(plain(port)) as socket:
        assert texts([await socket.receive() for _ in range(3)]) == list("abc")
        with pytest.raises(Transient, match=what):
            await socket.receive()


async def test_many_small_messages_are_not_beyond_a_limit_that_is_for_one() -> None:
    said = ["x" * 900, "y" * 900]
    async with (
        serving(bursting(burst(*said))) as port,
        opened(evolve(plain(port), max_message_size=1000)) as socket,
    ):
        assert texts([await socket.receive(), await socket.receive()]) == said
        await socket.send("enough")


async def test_closing_says_goodbye_once() -> None:
    codes: list[int] = []

    async def act(connection: trio_websocket.WebSocketConnection) -> None:
        await echo(connection)
        assert connection.closed is not None
        codes.append(connection.closed.code)

    async with serving(speaking(act)) as port:
        async with opened(plain(port)) as socket:
            pass
        await socket.aclose()
        with pytest.raises(Transient):
            await socket.send("after")
    assert codes == [1000]


async def test_closing_does_not_wait_for_a_peer_that_does_not_listen() -> None:
    async def act(connection: trio_websocket.WebSocketConnection) -> None:
        connection._reader_running = False
        await trio.sleep_forever()

    async with serving(speaking(act)) as port:
        spent = Spent.begin()
        async with opened(plain(port)):
            pass
        assert spent.end() < 3


@pytest.mark.parametrize("code", [1000, 1001, 1011, 4000])
async def test_a_close_by_the_peer_is_transient_and_names_its_code(code: int) -> None:
    async def act(connection: trio_websocket.WebSocketConnection) -> None:
        await connection.send_message("last words")
        await connection.aclose(code, "because")

    async with serving(speaking(act)) as port, opened(plain(port)) as socket:
        assert texts([await socket.receive()]) == ["last words"]
        with pytest.raises(Transient, match=f"closed by Home Assistant \\({code} because\\)"):
            await socket.receive()
        with pytest.raises(Transient):
            await socket.send("too late")


async def test_a_peer_gone_in_the_middle_of_a_frame_is_transient() -> None:
    async def act(connection: trio_websocket.WebSocketConnection) -> None:
        await connection._stream.send_all(b"\x81\x7e\x01\x00half a me")
        await connection._stream.aclose()

    async with serving(speaking(act)) as port, opened(plain(port)) as socket:
        with pytest.raises(Transient, match="the connection broke"):
            await socket.receive()


@pytest.mark.parametrize("nonsense", [b"\x81\x02\xff\xfe", b"\xff\xff\xff\xff"], ids=["not UTF-8", "not a frame"])
async def test_a_peer_that_breaks_the_protocol_is_transient(nonsense: bytes) -> None:
    async def act(connection: trio_websocket.WebSocketConnection) -> None:
        await connection._stream.send_all(nonsense)
        await trio.sleep_forever()

    async with serving(speaking(act)) as port, opened(plain(port)) as socket:
        with pytest.raises(Transient):
            await socket.receive()


async def test_a_message_beyond_the_limit_ends_the_connection_and_names_the_setting() -> None:
    async def act(connection: trio_websocket.WebSocketConnection) -> None:
        await connection.send_message("x" * 1001)
        await echo(connection)

    async with serving(speaking(act)) as port, opened(evolve(plain(port), max_message_size=1000)) as socket:
        with pytest.raises(Transient, match="too large") as caught:
            await socket.receive()
    assert "home_assistant.max_message_size" in caught.value.remedy


@pytest.mark.parametrize(
    ("status", "family", "word"),
    [
        ("403 Forbidden", Refused, "ip_bans.yaml"),
        ("404 Not Found", Refused, "home_assistant.url"),
        ("400 Bad Request", Refused, "home_assistant.url"),
        ("200 OK", Refused, "home_assistant.url"),
        ("301 Moved Permanently", Refused, "home_assistant.url"),
        ("502 Bad Gateway", Transient, "HTTP 502"),
        ("503 Service Unavailable", Transient, "HTTP 503"),
    ],
)
async def test_an_http_status_instead_of_a_websocket(status: str, family: type[IngestError], word: str) -> None:
    async with serving(answering(f"HTTP/1.1 {status}\r\nContent-Length: 5\r\n\r\nhello".encode(), stay=True)) as port:
        error = await failing(plain(port))
    assert type(error) is family
    assert word in str(error)


@pytest.mark.parametrize(
    ("reply", "family"),
    [
        (b"", Transient),
        (b"HTTP/1.1 502 Bad Gateway\r\n\r\nno length, closed", Transient),
        (b"SSH-2.0-OpenSSH_9.6\r\n", Transient),
        (b"\x15\x03\x01\x00\x02\x02\x46", Refused),
        (b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: other\r\n\r\n", Refused),
    ],
    ids=["nothing", "a body without end", "ssh", "tls", "another protocol"],
)
async def test_what_is_no_websocket_at_all_is_told_at_once(reply: bytes, family: type[IngestError]) -> None:
    async with serving(answering(reply)) as port:
        error = await failing(plain(port))
    assert type(error) is family
    assert "as in a browser up to the port: http://HOST:8123" in error.remedy
    assert "If the browser shows https://, write that" in error.remedy


@pytest.mark.parametrize(
    ("location", "word"),
    [
        ("https://home.example:8443/api?token=abc", "set home_assistant.url to it: https://home.example:8443"),
        ("https://me:abc@[fd00::7]/", "set home_assistant.url to it: https://[fd00::7]"),
        ("/abc", "as in a browser"),
        ("https://[abc/", "as in a browser"),
        ("https://a:abc/", "as in a browser"),
    ],
)
@pytest.mark.parametrize("status", [301, 302, 307, 308])
async def test_where_an_address_sends_us_is_said_without_what_may_be_secret(
    status: int, location: str, word: str
) -> None:
    reply = f"HTTP/1.1 {status} Elsewhere\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n"
    async with serving(answering(reply.encode(), stay=True)) as port:
        error = await failing(plain(port))
    assert type(error) is Refused
    assert word in error.remedy
    assert "abc" not in str(error)


async def test_silence_is_cut_by_the_callers_deadline_and_leaves_no_task() -> None:
    async with serving(answering(b"", stay=True)) as port, trio.open_nursery() as nursery:
        with trio.move_on_after(0.05) as scope:
            await open_socket(nursery, plain(port))
        assert scope.cancelled_caught


async def test_connection_refused_is_transient() -> None:
    async with serving(answering(b"")) as port:
        pass
    error = await failing(plain(port))
    assert type(error) is Transient
    assert "refused" in error.what


async def test_a_name_that_no_host_can_have_is_for_a_person() -> None:
    error = await failing(Target("ws://home..local:8123/api/websocket"))
    assert type(error) is Refused
    assert "home_assistant.url" in error.remedy


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="module")
def server_tls(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    return context


def secured(port: int, *, verify: bool = True, ca_file: Path | None = None, host: str = "localhost") -> Target:
    context = tls_context(verify=verify, ca_file=ca_file)
    return Target(f"wss://{host}:{port}/api/websocket", context)


async def test_an_unknown_authority_is_refused_and_both_ways_out_are_named(server_tls: ssl.SSLContext) -> None:
    async with serving(speaking(echo), server_tls) as port:
        error = await failing(secured(port))
    assert type(error) is Refused
    assert "not trusted" in error.what
    assert "home_assistant.ca_file" in error.remedy
    assert "home_assistant.ssl_verify = false" in error.remedy


async def test_a_known_authority_and_no_verification_both_connect(
    server_tls: ssl.SSLContext, authority: trustme.CA, tmp_path: Path
) -> None:
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    async with serving(speaking(echo), server_tls) as port:
        for target in (secured(port, ca_file=tmp_path / "ca.pem"), secured(port, verify=False)):
            async with opened(target) as socket:
                await socket.send("hello")
                assert texts([await socket.receive()]) == ["hello"]


async def test_another_hosts_certificate_is_refused(
    server_tls: ssl.SSLContext, authority: trustme.CA, tmp_path: Path
) -> None:
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    async with serving(speaking(echo), server_tls) as port:
        error = await failing(secured(port, ca_file=tmp_path / "ca.pem", host="127.0.0.1"))
    assert type(error) is Refused


async def test_tls_towards_a_server_without_it_is_refused() -> None:
    async with serving(answering(b"HTTP/1.1 400 Bad Request\r\n\r\n")) as port:
        error = await failing(secured(port))
    assert type(error) is Refused
    assert "http://" in error.remedy


async def test_a_server_that_leaves_during_the_tls_handshake_is_transient() -> None:
    async with serving(answering(b"")) as port:
        error = await failing(secured(port))
    assert type(error) is Transient


@pytest.mark.parametrize("content", [None, "not a certificate"], ids=["missing", "no PEM"])
def test_a_ca_file_that_cannot_be_used_is_refused_by_name(tmp_path: Path, content: str | None) -> None:
    path = tmp_path / "ca.pem"
    if content is not None:
        path.write_text(content, encoding="utf-8")
    with pytest.raises(Refused, match="CA file") as caught:
        tls_context(verify=True, ca_file=path)
    assert caught.value.where == str(path)
    assert "PEM" in caught.value.remedy


@pytest.mark.parametrize("error", [trio.BrokenResourceError(), trio.ClosedResourceError()])
async def test_a_stream_that_breaks_while_it_is_made_is_transient(error: Exception) -> None:
    async def dialer(_target: Target) -> trio.abc.Stream:
        raise error

    async with trio.open_nursery() as nursery:
        with pytest.raises(Transient):
            await open_socket(nursery, plain(1), dialer)
