"""A database that takes every line and keeps it: what a client wrote, in its own words.

It speaks as much of InfluxDB's write APIs, v1 and v2, as Home Assistant's own integration and the product use.
"""

from __future__ import annotations

import gzip
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

from attrs import field, frozen

NAMED = {"/api/v2/buckets": "buckets", "/api/v2/orgs": "orgs"}
WRITES = {"/write", "/api/v2/write"}


@frozen
class Capture:
    """`url` without a path, and the lines that were written there so far."""

    url: str
    lines: list[str] = field(factory=list)


class Handler(BaseHTTPRequestHandler):
    """Answers that all is well."""

    server: Server
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self._answer()

    def log_message(self, *_: object) -> None:
        """Standard error belongs to the tests."""

    def _answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        path = urlsplit(self.path).path
        if path in WRITES:
            plain = gzip.decompress(body) if self.headers.get("Content-Encoding") == "gzip" else body
            self.server.captured += [line for line in plain.decode().split("\n") if line]
            self._send(204, b"")
        elif path in NAMED:
            self._send(200, json.dumps({NAMED[path]: [{"id": "0" * 15 + "1", "name": "lab"}]}).encode())
        else:
            self._send(200, b'{"name": "capture", "status": "pass", "version": "v2"}')

    def _send(self, status: int, content: bytes) -> None:
        self.send_response(status)
        self.send_header("X-Influxdb-Version", "v2")
        if status != 204:
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


class Server(ThreadingHTTPServer):
    """Listens on a free loopback port."""

    def __init__(self, captured: list[str]) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.captured = captured


@contextmanager
def capture() -> Iterator[Capture]:
    """Listen as long as the block lasts."""
    lines: list[str] = []
    with Server(lines) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        yield Capture(f"http://127.0.0.1:{server.server_port}", lines)
        server.shutdown()
        thread.join()
