"""One WebSocket client, seen from the server: a queue of whole messages, a writer, a reader, and Home Assistant's patience.

A client with 4,096 messages waiting, or with more than 1,024 for ten seconds, is dropped: its queue is thrown away and
the connection closed with 1000. A client that asked for it gets what is waiting in one array; the writer gathers until
256 are waiting or nobody adds any more in the same turn. (Rules of 2025.4.)
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from math import inf

import trio
from wsproto import WSConnection
from wsproto.events import BytesMessage, CloseConnection, Event, Message, Ping, TextMessage
from wsproto.utilities import LocalProtocolError, RemoteProtocolError

from ingest.runtime.supervise import one_error
from ingest.simulator.instance import HomeAssistant
from ingest.simulator.line import Line
from ingest.simulator.protocol import AUTH_SECONDS, Conversation, Hangup

MOST_PENDING = 4096
PEAK = 1024
PEAK_SECONDS = 10.0
GATHER = 256
"""Messages after which the writer stops gathering."""

PING_SECONDS = 55.0
PONG_SECONDS = 28.0
CLOSE_SECONDS = 2.0
AT_ONCE = 64
"""Single frames handed to the transport together."""


class Client:
    """Serves one connection after its upgrade: `ws` has accepted it."""

    def __init__(self, line: Line, ws: WSConnection, instance: HomeAssistant) -> None:
        self.line = line
        self.queue: deque[bytes] = deque()
        self.dropped = False
        self._ws = ws
        self._instance = instance
        self._conversation = Conversation(instance, self.put, self._put_later)
        self._late: trio.Nursery | None = None
        self._ending = False
        self._woken = trio.Event()
        self._peaked = trio.Event()
        self._text: list[str] = []

    @property
    def live(self) -> bool:
        """True when it listens to state changes."""
        return any(kind in {"state_changed", None} for kind in self._conversation.subscriptions.values())

    def put(self, message: bytes) -> None:
        """Queue a message; drop the client when it is too far behind."""
        if self._ending or self.line.silent:
            return
        if len(self.queue) >= MOST_PENDING:
            self.drop()
            return
        self.queue.append(message)
        if len(self.queue) > PEAK:
            self._peaked.set()
        self._woken.set()

    def fall_silent(self) -> None:
        """Send and read nothing ever again, and do not hang up either."""
        self.line.stall(inf)
        self.queue.clear()

    def drop(self) -> None:
        """Close with 1000 without sending what is waiting: too slow, or Home Assistant stops."""
        self.dropped = True
        self.queue.clear()
        self._end()

    async def run(self) -> None:
        """Converse until one side has had enough."""
        try:
            with one_error(trio.BrokenResourceError, trio.ClosedResourceError):
                await self._converse()
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            pass  # the peer is gone: an ordinary end
        finally:
            self._ending = True
            self._conversation.close()

    async def _converse(self) -> None:
        async with trio.open_nursery() as nursery:
            self._late = nursery
            for task in (self._write, self._watch_peer, self._watch_queue):
                nursery.start_soon(task)
            self._conversation.open()
            await self._read()
            nursery.cancel_scope.cancel()

    def _put_later(self, seconds: float, message: bytes) -> None:
        if self._late is not None:
            self._late.start_soon(self._put_after, seconds, message)

    async def _put_after(self, seconds: float, message: bytes) -> None:
        await trio.sleep(seconds)
        self.put(message)

    def _end(self) -> None:
        self._ending = True
        # Nothing more is queued for it, so nothing more may be counted as sent to it.
        self._conversation.close()
        self._woken.set()

    async def _read(self) -> None:
        with trio.move_on_after(AUTH_SECONDS) as patience:
            while data := await self.line.receive():
                self._ws.receive_data(data)
                if not await self._take():
                    return
                if self._conversation.authenticated:
                    patience.deadline = inf
        if patience.cancelled_caught:
            self._end()
            await trio.sleep(CLOSE_SECONDS)

    async def _take(self) -> bool:
        """Act on what was received; False: the peer closed."""
        try:
            for event in self._ws.events():
                match event:
                    case CloseConnection():
                        self.queue.clear()
                        self._end()
                        await self._reply(event.response())
                        return False
                    case Ping():
                        await self._reply(event.response())
                    case TextMessage():
                        await self._hear(event)
                    case BytesMessage() if event.message_finished:
                        self._end()
        except RemoteProtocolError:
            return False
        return True

    async def _hear(self, event: TextMessage) -> None:
        self._text.append(event.data)
        if not event.message_finished:
            return
        text, self._text = "".join(self._text), []
        if self._ending:
            return
        await trio.sleep(self._instance.mood.delay)
        try:
            self._conversation.receive(text)
        except Hangup:
            self._end()

    async def _write(self) -> None:
        while True:
            await self._gathered()
            if self.queue:
                await self.line.send(b"".join(self._frames()))
            elif self._ending:
                break
        await self._reply(CloseConnection(code=1000))
        # The peer's answer ends the reader, and the reader the connection; a silent peer is waited for briefly.
        await trio.sleep(CLOSE_SECONDS)
        raise trio.ClosedResourceError("the peer did not answer the close")

    async def _gathered(self) -> None:
        while not (self.queue or self._ending):
            self._woken = trio.Event()
            await self._woken.wait()
        seen = 0
        while self._conversation.coalesce and seen < len(self.queue) < GATHER:
            seen = len(self.queue)
            await trio.lowlevel.checkpoint()

    def _frames(self) -> Iterator[bytes]:
        if self._conversation.coalesce and len(self.queue) > 1:
            together = b"[%b]" % b",".join(self.queue)
            self.queue.clear()
            yield self._frame(together)
            return
        for _ in range(min(AT_ONCE, len(self.queue))):
            yield self._frame(self.queue.popleft())

    def _frame(self, message: bytes) -> bytes:
        return self._ws.send(Message(message.decode()))

    async def _reply(self, event: Event) -> None:
        try:
            data = self._ws.send(event)
        except LocalProtocolError:
            return  # the connection is closing already
        await self.line.send(data)

    async def _watch_queue(self) -> None:
        while True:
            await self._peaked.wait()
            await trio.sleep(PEAK_SECONDS)
            self._peaked = trio.Event()
            if len(self.queue) > PEAK:
                self.drop()

    async def _watch_peer(self) -> None:
        while True:
            # To a moment, not for a while: a rest below the clock's resolution would be slept for ever.
            await trio.sleep_until(self.line.last_received + PING_SECONDS)
            asked = trio.current_time()
            if asked < self.line.last_received + PING_SECONDS:
                continue
            await self._reply(Ping())
            await trio.sleep(PONG_SECONDS)
            if self.line.last_received < asked:
                raise trio.ClosedResourceError("no pong")
