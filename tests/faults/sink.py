"""A database in little: a real HTTP server that counts what it took, and that can refuse, hang, trickle or be away."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Literal, TypeAlias

from attrs import define, field

from tests.live.lab import free_port
from tests.support.gzipped import first_member

Mode: TypeAlias = Literal["take", "503", "401", "hang", "trickle", "away"]


class Listener(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 16

    def __init__(self, port: int, sink: Sink) -> None:
        self.sink = sink
        super().__init__(("127.0.0.1", port), Handler)

    def handle_error(self, request: object, client_address: object) -> None:
        """Who hangs up on a hanging server is no news."""


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: Listener

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        sink = self.server.sink
        match sink.mode:
            case "take" | "away":
                sink.take(body)
                self.answer(204)
            case "503":
                self.answer(503)
            case "401":
                self.answer(401)
            case "hang":
                sink.released.wait(60)
                self.close_connection = True
            case "trickle":
                self.trickle()

    def answer(self, status: int) -> None:
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def trickle(self) -> None:
        self.close_connection = True
        for letter in b"HTTP/1.1 204 No Content\r\nX-Slow: " + b"x" * 1000:
            self.wfile.write(bytes([letter]))
            if self.server.sink.released.wait(0.2):
                return

    def log_message(self, *_: object) -> None:
        pass


@define(eq=False)
class Sink:
    """`lines` is every line taken, and how often."""

    port: int
    mode: Mode = "take"
    lines: Counter[bytes] = field(factory=Counter)
    released: threading.Event = field(factory=threading.Event)
    _lock: threading.Lock = field(factory=threading.Lock)
    _listener: Listener | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def take(self, body: bytes) -> None:
        with self._lock:
            self.lines.update(first_member(body).splitlines())

    def become(self, mode: Mode) -> None:
        """Whoever hangs is let go, without an answer."""
        self.mode = mode
        self.released.set()
        self.released = threading.Event()
        if mode == "away":
            self.close()
        elif self._listener is None:
            self._listener = Listener(self.port, self)
            threading.Thread(target=self._listener.serve_forever, args=(0.05,), daemon=True).start()

    def close(self) -> None:
        if self._listener is not None:
            self._listener.shutdown()
            self._listener.server_close()
            self._listener = None

    def holds(self, lines: set[bytes]) -> bool:
        with self._lock:
            return lines <= self.lines.keys()


@contextmanager
def sinking(mode: Mode = "take", kind: Callable[[int], Sink] = Sink) -> Iterator[Sink]:
    """A sink on a port of its own, which stays its own while it is away."""
    sink = kind(free_port())
    sink.become(mode)
    try:
        yield sink
    finally:
        sink.released.set()
        sink.close()


def wait_for(met: Callable[[], object], seconds: float = 20.0) -> None:
    """Until a condition is met. Raises `TimeoutError`."""
    end = time.monotonic() + seconds
    while not met():
        if time.monotonic() > end:
            raise TimeoutError(f"not within {seconds} s")
        time.sleep(0.02)
