"""A command's end of `/ws` against servers that are no service of ours, or one that leaves."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
import trustme
from wsproto import ConnectionType, WSConnection
from wsproto.events import AcceptConnection, CloseConnection, Event, Ping, TextMessage

from ingest.core.secret import Secret
from ingest.edge import live_client
from ingest.edge.live_client import live
from ingest.errors import IngestError, Refused, Transient

Serve = Callable[[socket.socket, bytes], None]
GREETING = '{"type": "connection"}'


@contextmanager
def answering(serve: Serve, wrap: Callable[[socket.socket], socket.socket] = lambda sock: sock) -> Iterator[int]:
    """A server that does this with the one who connects, after it has read the request."""

    def run() -> None:
        with suppress(OSError):
            client, _ = listener.accept()
            with client, wrap(client) as sock:
                serve(sock, sock.recv(65536))

    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        thread = threading.Thread(target=run)
        thread.start()
        yield listener.getsockname()[1]
        thread.join(10)


def says(*events: Event) -> Serve:
    """A WebSocket server that says this and waits until the client has left."""

    def serve(sock: socket.socket, request: bytes) -> None:
        ws = WSConnection(ConnectionType.SERVER)
        ws.receive_data(request)
        sock.sendall(b"".join(ws.send(each) for each in (AcceptConnection(), *events)))
        while sock.recv(65536):
            pass

    return serve


def failure(serve: Serve, scheme: str = "http") -> IngestError:
    with (
        pytest.raises(IngestError) as caught,
        answering(serve) as port,
        live(f"{scheme}://127.0.0.1:{port}", None) as client,
    ):
        client.hear()
    assert f"127.0.0.1:{port}/ws" in str(caught.value)
    return caught.value


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (b"HTTP/1.1 404 Not Found\r\nContent-Length: 7\r\n\r\nno page", "HTTP 404 instead of a WebSocket no page"),
        (b"HTTP/1.1 502 Bad Gateway\r\nConnection: close\r\n\r\n", "HTTP 502 instead of a WebSocket"),
        (b"SSH-2.0-OpenSSH_9.2\r\n\r\n", "something else answers there"),
        (b"", "the service has gone"),
    ],
)
def test_what_is_no_websocket_is_said(answer: bytes, said: str) -> None:
    error = failure(lambda sock, _: sock.sendall(answer))
    assert isinstance(error, Transient)
    assert said in str(error)


@pytest.mark.parametrize(
    ("events", "said"),
    [
        ([TextMessage('{"type": "auth_required"}')], "something else answers there"),
        ([TextMessage("[]")], "something else answers there: that is no JSON object"),
        ([TextMessage("hello")], "something else answers there"),
        (
            [TextMessage(GREETING), CloseConnection(1008, "it does not read")],
            "ended the conversation: it does not read",
        ),
        ([TextMessage(GREETING), CloseConnection(1000)], "the service has gone"),
    ],
)
def test_what_is_no_service_of_ours_is_said(events: list[Event], said: str) -> None:
    assert said in str(failure(says(*events)))


def test_a_service_that_says_nothing_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live_client, "PATIENCE", 0.2)
    monkeypatch.setattr(live_client, "SILENCE", 0.2)
    assert "the service says nothing" in str(failure(lambda sock, _: (sock.recv(1), None)[1]))
    assert "the service says nothing" in str(failure(says(TextMessage(GREETING))))


def test_a_service_that_breaks_off_is_said() -> None:
    def serve(sock: socket.socket, _: bytes) -> None:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")

    assert "the service has gone" in str(failure(serve))


def test_a_message_in_parts_between_pings_is_heard_and_the_token_is_sent() -> None:
    asked: list[bytes] = []

    def serve(sock: socket.socket, request: bytes) -> None:
        asked.append(request)
        parts = TextMessage('{"type": ', message_finished=False), TextMessage('"events"}')
        says(TextMessage(GREETING), Ping(b"1"), *parts)(sock, request)

    with answering(serve) as port, live(f"http://127.0.0.1:{port}/", Secret("a-token")) as client:
        client.say({"type": "subscribe"})
        assert client.hear() == {"type": "events"}
    assert b"authorization: Bearer a-token" in asked[0]


def test_tls_is_spoken_where_it_is_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    wrap = lambda sock: context.wrap_socket(sock, server_side=True)  # noqa: E731
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    hello = says(TextMessage(GREETING), TextMessage('{"type": "events"}'))
    with answering(hello, wrap) as port, live(f"https://127.0.0.1:{port}", None) as client:
        assert client.hear()["type"] == "events"
    monkeypatch.delenv("SSL_CERT_FILE")
    untrusted = pytest.raises(Transient, match="certificate verify failed")
    with untrusted, answering(hello, wrap) as port, live(f"https://127.0.0.1:{port}", None):
        pass


@pytest.mark.parametrize("url", ["ws://here", "http://", "here:8001"])
def test_an_address_must_be_one(url: str) -> None:
    with pytest.raises(Refused, match="must begin with http"), live(url, None):
        pass
