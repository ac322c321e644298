"""A real HTTP server on a free port that answers what it is told and remembers what it was asked."""

from __future__ import annotations

import json
import socket
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, urlsplit

from attrs import Factory, define, field, frozen


@frozen
class Request:
    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes
    client: tuple[str, int]


@frozen
class Reply:
    status: int
    body: bytes = b""
    headers: Mapping[str, str] = Factory(dict)

    @classmethod
    def json(cls, status: int, body: object) -> Reply:
        return cls(status, json.dumps(body).encode(), {"Content-Type": "application/json; charset=utf-8"})


Script = Callable[[Request], Reply | None]
"""What to reply; None hangs up."""


@define
class Peer:
    url: str
    script: Script
    requests: list[Request] = field(factory=list)


@contextmanager
def answering(script: Script, tls: ssl.SSLContext | None = None, port: int = 0) -> Iterator[Peer]:
    peer = Peer("", script)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def handle_any(self) -> None:
            parts = urlsplit(self.path)
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            headers = {name.lower(): value for name, value in self.headers.items()}
            request = Request(
                self.command, parts.path, dict(parse_qsl(parts.query)), headers, body, self.client_address
            )
            peer.requests.append(request)
            reply = peer.script(request)
            if reply is None:
                self.close_connection = True
                return
            self.send_response(reply.status)
            for name, value in reply.headers.items():
                self.send_header(name, value)
            if reply.status != 204:
                self.send_header("Content-Length", str(len(reply.body)))
            self.end_headers()
            self.wfile.write(reply.body)

        do_GET = do_POST = handle_any  # noqa: N815  http.server's names

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002  http.server's name
            pass

    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    server.daemon_threads = True
    server.handle_error = lambda request, client_address: None  # type: ignore[method-assign]  # clients that hang up
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    peer.url = f"{'http' if tls is None else 'https'}://localhost:{server.server_port}"
    try:
        yield peer
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def saying(*pieces: bytes, forever: bool = False) -> Iterator[str]:
    """A server that says these bytes to whoever comes, the last again and again."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        listener.settimeout(20)

        def serve() -> None:
            with listener.accept()[0] as peer:
                peer.settimeout(20)
                peer.recv(65536)
                try:
                    for piece in pieces:
                        peer.sendall(piece)
                    while forever:
                        peer.sendall(pieces[-1])
                except OSError:
                    pass

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        thread.join(20)
