"""WebSockets as hypercorn serves them, made fit for clients of which nothing is known.

By itself it takes `permessage-deflate` from everybody who offers it (each client's frames are compressed for it alone, and
64 KiB of its own may unfold to 64 MiB), ends a conversation whose message is too large, and ends one whose bytes break the
protocol without a word. Here nothing is compressed, of a message that is too large the beginning is handed on (one
character or byte more than `LARGEST`, the rest is not kept), and who breaks the protocol is told so in the close frame.

What is changed are values that hypercorn has made for one connection and has not used yet. It is imported elsewhere.
"""

from __future__ import annotations

from collections.abc import Generator
from functools import cached_property
from typing import Any, Final

from attrs import define, field
from wsproto.connection import Connection, ConnectionState, ConnectionType
from wsproto.events import CloseConnection, Event, Ping, TextMessage

from ingest.core.ws_messages import LARGEST

_REASON: Final = 100
"""Characters of a reason: a close frame has room for 123 bytes."""


def tame(stream: Any) -> None:
    """Change hypercorn's `WSStream` before its handshake is answered."""
    accept = stream.handshake.accept

    def accepted(*given: Any) -> tuple[Any, Any, Connection]:
        status, headers, _ = accept(*given)
        return status, headers, _Conversation(ConnectionType.SERVER)

    stream.handshake.extensions = None
    stream.handshake.accept = accepted
    stream.buffer = _Beginning()


@define(eq=False)
class _Beginning:
    """The message that is coming in."""

    _parts: list[str | bytes] = field(factory=list)
    _room: int = LARGEST + 1
    _is_text: bool = True

    def extend(self, event: Any) -> None:
        """Take the next part."""
        self._is_text = isinstance(event, TextMessage)
        if self._room and event.data:
            self._parts.append(event.data[: self._room])
            self._room -= len(self._parts[-1])

    def to_message(self) -> dict[str, Any]:
        """As ASGI wants it."""
        whole: Any = ("" if self._is_text else b"").join(self._parts)  # type: ignore[arg-type]  # all are of one kind
        text, data = (whole, None) if self._is_text else (None, whole)
        return {"type": "websocket.receive", "bytes": data, "text": text}

    def clear(self) -> None:
        """The next one begins."""
        self._parts, self._room = [], LARGEST + 1


class Shared(str):  # noqa: SLOT000  it keeps what it is on the wire
    """A text that many clients are sent: what goes over the wire is the same for all of them, and made once."""

    @cached_property
    def wire(self) -> bytes:
        """The frame: not masked, not compressed, whole."""
        whole: bytes = Connection(ConnectionType.SERVER).send(TextMessage(str(self)))
        return whole


class _Conversation(Connection):
    """wsproto's, which answers what breaks the protocol."""

    def send(self, event: Event) -> bytes:
        """The bytes of what is to be said."""
        if isinstance(event, TextMessage) and isinstance(event.data, Shared) and self.state is ConnectionState.OPEN:
            return event.data.wire
        return super().send(event)

    def events(self) -> Generator[Event, None, None]:
        """What came in. A close frame that the client did not send is a fault that was found in what it did."""
        for event in super().events():
            if isinstance(event, CloseConnection) and self.state is ConnectionState.OPEN:
                yield _Verdict(event)
            yield event


class _Verdict(Ping):
    """hypercorn answers a ping with what the ping says: here with a close frame."""

    def __init__(self, verdict: CloseConnection) -> None:
        super().__init__()
        self._verdict = verdict

    def response(self) -> Any:
        """The close frame."""
        return CloseConnection(self._verdict.code, (self._verdict.reason or "")[:_REASON])
