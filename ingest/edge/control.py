"""The service's end of a control connection: one request, progress while it is worked on, one answer.

The pipeline never waits for a client: what a handler says goes into a cell that a task of its own sends from, with a
deadline on each write. A client that is gone or does not read ends its own command and nothing else, at a point where
the command can be cut off.

A new command is an entry in the mapping that `Server` is given: its name, the class of its arguments, its handler.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeAlias

import trio
from attrs import define, field, frozen

from ingest.core.control import LONGEST, Failure, Progress, Request, answer, failure, read_as, read_request, unknown
from ingest.errors import IngestError, Refused, Transient
from ingest.runtime.supervise import one_error

CHUNK = 64 * 1024

SENTENCES = 100
"""Pieces of progress that wait for a slow client at most."""

Say: TypeAlias = Callable[[Progress], None]
Complain: TypeAlias = Callable[[str], None]


@frozen
class Command:
    """A command: what it is given, and what does it and returns its result, both classes of `core.control`.

    A handler may be cancelled wherever it waits.
    """

    arguments: type[Any]
    handler: Callable[[Any, Say], Awaitable[object]]


Commands: TypeAlias = Mapping[str, Command]
NO_COMMANDS: Commands = {}


@frozen
class Limits:
    """Seconds for a request and for one write; seconds of silence before a sign of life; commands at once."""

    request: float = 5.0
    send: float = 5.0
    beat: float = 5.0
    connections: int = 4


class Gone(Exception):  # noqa: N818  no error: nobody is there to be told of one
    """The client is gone, or does not read."""


@define(eq=False)
class Lines:
    """The lines that come in on a stream."""

    stream: trio.abc.ReceiveStream
    _read: bytearray = field(factory=bytearray)

    async def next(self) -> bytes:
        """The next one. Raises `Gone` at the end, and `Refused` for one that is longer than a line may be."""
        while (end := self._read.find(b"\n")) < 0:
            if len(self._read) > LONGEST:
                raise Refused(f"a line is longer than {LONGEST:,} bytes", remedy="Ask for less at once.")
            await self.more()
        text = bytes(self._read[:end])
        del self._read[: end + 1]
        return text

    async def more(self) -> None:
        """Wait for more. Raises `Gone` at the end."""
        try:
            part = await self.stream.receive_some(CHUNK)
        except trio.BrokenResourceError as error:
            raise Gone from error
        if not part:
            raise Gone
        self._read += part

    async def ended(self) -> None:
        """Read on, whatever comes, until `Gone`."""
        while True:
            self._read.clear()
            await self.more()


@define(eq=False)
class Server:
    """Answers requests, a connection each. `complain` is told of bugs, a sentence each."""

    commands: Commands
    complain: Complain
    limits: Limits = Limits()
    open: int = 0

    async def connection(self, stream: trio.abc.Stream) -> None:
        """One connection, to its end. Nothing that happens in it ends the caller."""
        self.open += 1
        try:
            with one_error(Gone):
                async with stream:
                    await self._converse(_Client(stream, self.limits))
        except Gone:
            pass
        finally:
            self.open -= 1

    async def _converse(self, client: _Client) -> None:
        if self.open > self.limits.connections:
            busy = Transient("the service is busy with other commands", remedy="Try again when they are done.")
            await client.send(answer("error", failure(busy)))
            return
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._obey, client, nursery)
            await client.tell()
            nursery.cancel_scope.cancel()

    async def _obey(self, client: _Client, conversation: trio.Nursery) -> None:
        try:
            request = await self._request(client)
            conversation.start_soon(client.lines.ended)
            last = answer("done", await self._result(request, client.say))
        except IngestError as error:
            last = answer("error", failure(error))
        except trio.BrokenResourceError:
            last = answer("error", Failure("the service is about to end", passing=True))
        except Gone:
            raise
        except Exception as error:  # noqa: BLE001  a bug in a command does not end the service
            self.complain(f"a command on the control socket failed: {error!r}")
            last = answer("error", Failure(f"the service met an error of its own: {error!r}", remedy="Report it."))
        client.end(last)

    async def _request(self, client: _Client) -> Request:
        with trio.move_on_after(self.limits.request):
            return read_request(await client.lines.next())
        raise Refused("no whole request came in time", remedy="Send one line of JSON.")

    async def _result(self, request: Request, say: Say) -> object:
        command = self.commands.get(request.command)
        if command is None:
            raise unknown(request.command, self.commands)
        return await command.handler(read_as(request.arguments, command.arguments), say)


@define(eq=False)
class _Client:
    """What the other end is to be told."""

    stream: trio.abc.Stream
    limits: Limits
    lines: Lines = field(init=False)
    _last: bytes = b""
    _shown: Progress = field(factory=Progress)
    _waiting: deque[Progress] = field(factory=lambda: deque(maxlen=SENTENCES))
    _news: trio.lowlevel.ParkingLot = field(factory=trio.lowlevel.ParkingLot)

    def __attrs_post_init__(self) -> None:
        self.lines = Lines(self.stream)

    def say(self, progress: Progress) -> None:
        """Tell it soon: of figures only the newest, of sentences each."""
        if self._waiting and not self._waiting[-1].said:
            self._waiting.pop()
        self._waiting.append(progress)
        self._news.unpark_all()

    def end(self, last: bytes) -> None:
        """Tell it this, and nothing more."""
        self._last = last
        self._news.unpark_all()

    async def tell(self) -> None:
        """Send what there is to tell until the end is told; when there is nothing, that we are still here."""
        while True:
            with trio.move_on_after(self.limits.beat):
                while not self._waiting and not self._last:
                    await self._news.park()
            if not self._waiting and not self._last:
                self._waiting.append(Progress(self._shown.done, self._shown.total))
            while self._waiting:
                self._shown = self._waiting.popleft()
                await self.send(answer("progress", self._shown))
            if self._last:
                await self.send(self._last)
                return

    async def send(self, text: bytes) -> None:
        """Send a line. Raises `Gone`."""
        try:
            with trio.fail_after(self.limits.send):
                await self.stream.send_all(text)
        except (trio.BrokenResourceError, trio.TooSlowError) as error:
            raise Gone from error
