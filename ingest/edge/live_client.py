"""A command's end of `/ws`: the live events of a running service, over a plain socket that waits."""

from __future__ import annotations

import json
import socket
import ssl
from collections import deque
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, Final
from urllib.parse import urlsplit

from attrs import define, field
from wsproto import ConnectionType, WSConnection
from wsproto.events import (
    AcceptConnection,
    CloseConnection,
    Ping,
    RejectConnection,
    RejectData,
    Request,
    TextMessage,
)
from wsproto.utilities import ProtocolError

from ingest.core.secret import Secret
from ingest.edge.reason import reason
from ingest.errors import IngestError, Refused, Transient

PATIENCE: Final = 5.0
"""Seconds for being let in."""

SILENCE: Final = 60.0
"""Seconds without a byte after which the service is gone: it pings every 20."""

_CHUNK: Final = 2**16
_WAYS: Final = b"www-authenticate"
_REFUSALS: Final = {
    401: (
        "the service wants its token",
        "Set api.token or api.token_file as the service has it, in this configuration.",
    ),
    403: ("the service does not know this name of its own", "Ask it by its address, or name it in api.cors_origins."),
}


_OUTSIDE: Final = (
    "the service trusts no network that we ask from, and has no token that would let us in",
    "Name the address of this machine in api.trusted_networks where the service runs, or give it an api.token, and restart it.",
)


@contextmanager
def live(url: str, token: Secret | None) -> Iterator[LiveClient]:
    """An open conversation with the service at `url`, `http://` or `https://`. Raises `Transient` or `Refused`."""
    where = f"{url.rstrip('/')}/ws"
    parts = urlsplit(where)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise Refused("the address must begin with http:// or https://", where=url)
    with ExitStack() as stack:
        with _translated(where):
            sock = stack.enter_context(_opened(parts.hostname, parts.port, tls=parts.scheme == "https"))
            client = LiveClient(sock, where)
            sent = [] if token is None else [(b"authorization", b"Bearer " + token.reveal().encode())]
            client.open(Request(parts.netloc.rpartition("@")[2], parts.path, extra_headers=sent))
            sock.settimeout(SILENCE)
        yield client


@contextmanager
def _opened(host: str, port: int | None, *, tls: bool) -> Iterator[socket.socket]:
    with socket.create_connection((host, port or (443 if tls else 80)), PATIENCE) as plain:
        if not tls:
            yield plain
            return
        with ssl.create_default_context().wrap_socket(plain, server_hostname=host) as secured:
            yield secured


@define(eq=False)
class LiveClient:
    """JSON objects out and in. Every call raises `Transient` or `Refused` when the conversation is over."""

    sock: socket.socket
    where: str
    _ws: WSConnection = field(factory=lambda: WSConnection(ConnectionType.CLIENT))
    _heard: deque[str] = field(factory=deque)
    _part: str = ""
    _status: int = 0
    _is_open: bool = False
    _is_outside: bool = False

    def open(self, request: Request) -> None:
        """Ask to be let in, and be greeted. Raises `Transient` when something else answers, or nobody."""
        self.sock.sendall(self._ws.send(request))
        while not self._is_open:
            self._read()
        if self.hear().get("type") != "connection":
            raise Transient("something else answers there", where=self.where, remedy="Look at api.port.")

    def say(self, message: dict[str, Any]) -> None:
        """Send one message as JSON text. Raises `Transient` when the connection is gone."""
        with _translated(self.where):
            self.sock.sendall(self._ws.send(TextMessage(json.dumps(message))))

    def hear(self) -> dict[str, Any]:
        """Wait for the next message. Raises `Transient` when the connection ends, or what comes is no JSON object."""
        with _translated(self.where):
            while not self._heard:
                self._read()
            message = json.loads(self._heard.popleft())
            if not isinstance(message, dict):
                raise ValueError("that is no JSON object")  # noqa: TRY004  it becomes one error with what is no JSON
        return message

    def _read(self) -> None:
        try:
            data = self.sock.recv(_CHUNK)
        except ConnectionError as error:
            raise self._gone() from error
        if not data:
            raise self._gone()
        self._ws.receive_data(data)
        for event in self._ws.events():
            self._take(event)

    def _take(self, event: object) -> None:
        match event:
            case TextMessage():
                self._part += event.data
                if event.message_finished:
                    self._heard.append(self._part)
                    self._part = ""
            case Ping():
                self.sock.sendall(self._ws.send(event.response()))
            case AcceptConnection():
                self._is_open = True
            case RejectConnection(status_code=status, headers=headers):
                self._status = status
                # The service offers a browser to ask a person for the token, where there is one.
                ways = {value.partition(b" ")[0].lower() for name, value in headers if name.lower() == _WAYS}
                self._is_outside = status == 401 and ways == {b"bearer"}
            case RejectData() | CloseConnection():
                raise self._gone(event)

    def _gone(self, event: RejectData | CloseConnection | None = None) -> IngestError:
        if self._status in _REFUSALS:
            what, remedy = _OUTSIDE if self._is_outside else _REFUSALS[self._status]
            return Refused(what, where=self.where, remedy=remedy)
        if self._status:
            said = bytes(event.data).decode(errors="replace")[:200] if isinstance(event, RejectData) else ""
            return Transient(f"HTTP {self._status} instead of a WebSocket {said}".strip(), where=self.where)
        if isinstance(event, CloseConnection) and event.reason:
            return Transient(f"the service ended the conversation: {event.reason}", where=self.where)
        return Transient("the service has gone", where=self.where, remedy="Look with homeiq-ingest status.")


@contextmanager
def _translated(where: str) -> Iterator[None]:
    try:
        yield
    except TimeoutError as error:
        raise Transient("the service says nothing", where=where, remedy="Look with homeiq-ingest status.") from error
    except (OSError, UnicodeError) as error:
        remedy = "Start it with `homeiq-ingest run`; api.enabled, api.host and api.port say where it answers."
        raise Transient(f"no service answers: {reason(error)}", where=where, remedy=remedy) from error
    except (ProtocolError, ValueError) as error:
        raise Transient(f"something else answers there: {error}", where=where, remedy="Look at api.port.") from error
