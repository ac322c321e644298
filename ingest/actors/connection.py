"""One authenticated connection to Home Assistant: a conversation over a socket, and who waits for which answer.

A connection is a block: it lives as long as `connected`, and whatever ends it is an error that leaves the block.
`read` must always run beside `ask`; it never waits for anybody, because whatever waits there would fill Home
Assistant's queue for us, and it drops a client that does not read.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager

import trio
from attrs import define, field, frozen
from msgspec import Raw

from ingest.core.conversation import (
    Answer,
    AuthInvalid,
    AuthOk,
    AuthRequired,
    Conversation,
    Nameless,
    Received,
    Unexpected,
    auth,
)
from ingest.core.gathering import Text
from ingest.core.secret import masked
from ingest.core.token import token_remedy
from ingest.edge.websocket import Open, Socket, Target
from ingest.errors import Refused, Transient
from ingest.runtime.slot import Slot


class TokenRefused(Refused):
    """Home Assistant does not accept the token: every further attempt counts towards its IP ban."""


class CommandFailed(Transient):
    """Home Assistant answered a command with an error; decide on `code`, never on the text."""

    def __init__(self, command: str, code: str, message: str, *, where: str) -> None:
        super().__init__(f"{command}: {masked(message) or code}", where=where)
        self.code = code


@frozen
class Deadlines:
    """Seconds after which a peer counts as gone."""

    connect: float = 10.0
    auth: float = 10.0
    ping_interval: float = 20.0
    pong: float = 20.0


@define(eq=False)
class Connection:
    """An authenticated connection. `deliver` gets every value that is not an answer, without waiting."""

    socket: Socket
    deliver: Callable[[Received], None]
    ha_version: str = ""
    _conversation: Conversation = field(factory=Conversation)
    _waiters: dict[int, Slot[Answer]] = field(factory=dict)
    _turn: trio.Lock = field(factory=trio.Lock)

    async def read(self) -> None:
        """Hand out what arrives, for ever. Raises `Transient` when the connection ends."""
        await self.socket.tell(self._told)

    def _told(self, texts: Sequence[Text]) -> bool:
        """True while nobody waits for an answer."""
        for value in self._conversation.receive(*texts):
            if isinstance(value, Answer):
                self._answered(value)
            elif isinstance(value, Nameless):
                self._answered(Answer(self._longest_waiting(), error=value.error))
            else:
                self.deliver(value)
        return not self._waiters

    async def ask(self, command: str, **fields: object) -> Raw:
        """Send a command and return its result. The caller sets the deadline. Raises `CommandFailed`."""
        async with self._turn:
            number, text = self._conversation.command(command, **fields)
            waiter = self._waiters[number] = Slot()
            await self.socket.send(text)
        return await self._result(command, number, waiter)

    async def subscribe(self, event_type: str) -> None:
        """Subscribe to one type of event. Raises `CommandFailed`."""
        async with self._turn:
            number, text = self._conversation.subscribe(event_type)
            waiter = self._waiters[number] = Slot()
            await self.socket.send(text)
        await self._result(f"subscribe_events {event_type}", number, waiter)

    async def keep_alive(self, deadlines: Deadlines) -> None:
        """Ping for ever. Raises `Transient` when nothing arrives in time: the socket is half open.

        The pong itself may be late: an answer of many megabytes over a slow line comes before it.
        """
        while True:
            await trio.sleep(deadlines.ping_interval)
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._notice_silence, deadlines.pong)
                await self.ask("ping")
                nursery.cancel_scope.cancel()

    async def _notice_silence(self, longest: float) -> None:
        deadline = trio.current_time() + longest
        while trio.current_time() < deadline:
            await trio.sleep_until(deadline)
            deadline = max(deadline, self.socket.heard + longest)
        raise Transient("no answer to a ping: the connection is dead", where=self.socket.where)

    async def _result(self, command: str, number: int, waiter: Slot[Answer]) -> Raw:
        try:
            answer = await waiter.take()
        finally:
            del self._waiters[number]
        if answer.error is not None:
            raise CommandFailed(command, answer.error.code, answer.error.message, where=self.socket.where)
        return answer.result

    def _longest_waiting(self) -> int:
        """The id of the first command without an answer; 0 when there is none."""
        return next((number for number, waiter in self._waiters.items() if not waiter.full), 0)

    def _answered(self, answer: Answer) -> None:
        waiter = self._waiters.get(answer.id)
        if waiter is None:
            self.deliver(Unexpected("an answer that nobody waits for"))
        else:
            waiter.put(answer)


@contextmanager
def within(seconds: float, what: str, where: str) -> Iterator[None]:
    """A deadline whose passing is `Transient`, with a sentence that says what did not come."""
    with trio.move_on_after(seconds) as scope:
        yield
    if scope.cancelled_caught:
        raise Transient(what, where=where)


@asynccontextmanager
async def connected(
    nursery: trio.Nursery,
    target: Target,
    token: str,
    deliver: Callable[[Received], None],
    *,
    deadlines: Deadlines,
    opener: Open,
    opened: Callable[[], None],
) -> AsyncGenerator[Connection]:
    """Connect and authenticate; the reading and pinging tasks live in the caller's nursery, and end with the block.

    Calls `opened` between the two. Raises `Transient`, `Refused` or `TokenRefused`.
    """
    async with await _open(nursery, target, deadlines, opener) as socket:
        opened()
        connection = Connection(socket, deliver)
        with within(deadlines.auth, "silence during authentication", target.url):
            connection.ha_version = await _authenticate(socket, token)
        tending = trio.CancelScope()
        nursery.start_soon(_tend, connection, deadlines, tending, name=f"connection {target.url}")
        try:
            yield connection
        finally:
            # To the reading task our own goodbye is a broken connection: that must not hide why the block is left.
            tending.cancel()


async def _tend(connection: Connection, deadlines: Deadlines, tending: trio.CancelScope) -> None:
    with tending:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(connection.read)
            nursery.start_soon(connection.keep_alive, deadlines)


async def peek_version(target: Target, deadlines: Deadlines, opener: Open) -> str:
    """The server's version, from the word it says before any token: it costs no failed login.

    Raises `Transient` or `Refused`.
    """
    async with trio.open_nursery() as nursery, await _open(nursery, target, deadlines, opener) as socket:
        with within(deadlines.auth, "silence instead of a greeting", target.url):
            version = await _greeting(socket)
        nursery.cancel_scope.cancel()
    return version


async def _open(nursery: trio.Nursery, target: Target, deadlines: Deadlines, opener: Open) -> Socket:
    with within(deadlines.connect, f"no connection within {deadlines.connect:.0f} s", target.url):
        return await opener(nursery, target)


async def _greeting(socket: Socket) -> str:
    match Conversation().receive(await socket.receive()):
        case [AuthRequired(ha_version=version)]:
            return version
        case _:
            raise _foreign(socket.where)


async def _authenticate(socket: Socket, token: str) -> str:
    version = await _greeting(socket)
    await socket.send(auth(token))
    match Conversation().receive(await socket.receive()):
        case [AuthOk()]:
            return version
        case [AuthInvalid(message=message)]:
            raise TokenRefused(
                f"Home Assistant does not accept the token: {masked(message)}",
                where=socket.where,
                remedy=token_remedy(socket.where),
            )
        case _:
            raise _foreign(socket.where)


def _foreign(where: str) -> Refused:
    return Refused(
        "something answers there, but it is not Home Assistant",
        where=where,
        remedy="Set home_assistant.url to the address you open in the browser, such as http://HOST:8123.",
    )
