"""The conversation over a control connection, under a virtual clock and with streams in memory."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import trio
from attrs import define, field, frozen
from trio.testing import MockClock, lockstep_stream_pair, memory_stream_pair, wait_all_tasks_blocked

from ingest.core.control import LONGEST, Answer, Progress, Request, answer, line, read_answer
from ingest.edge.control import SENTENCES, Command, Limits, Lines, Say, Server
from ingest.edge.control_client import converse
from ingest.errors import Refused, Transient

NOWHERE = Path("nowhere")


@frozen
class Work:
    """What the command `work` is given."""

    steps: int = 3
    seconds: float = 1.0
    fails: str = ""


@define(eq=False)
class Worker:
    """A server with one command, and what happened to it."""

    told: list[str] = field(factory=list)
    done: int = 0
    cut_off: int = 0
    server: Server = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.server = Server({"work": Command(Work, self.work)}, self.told.append)

    async def work(self, asked: Work, say: Say) -> Progress:
        try:
            for step in range(asked.steps):
                await trio.sleep(asked.seconds)
                say(Progress(step + 1, asked.steps))
        except trio.Cancelled:
            self.cut_off += 1
            raise
        match asked.fails:
            case "refused":
                raise Refused("it will not", where="here", remedy="Do this.")
            case "bug":
                raise ZeroDivisionError("bug")
            case "lane":
                raise trio.BrokenResourceError("gave up")
            case _:
                self.done += 1
        return Progress(asked.steps, asked.steps)


@asynccontextmanager
async def connected(worker: Worker, *, lockstep: bool = False) -> AsyncGenerator[trio.abc.Stream]:
    """A client of it; whatever it does, the server ends its connection by itself."""
    ours, theirs = lockstep_stream_pair() if lockstep else memory_stream_pair()
    with trio.fail_after(600):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(worker.server.connection, theirs)
            yield ours
    assert worker.server.open == 0


def asking(**arguments: Any) -> bytes:
    return line(Request("work", arguments))


async def answers(stream: trio.abc.Stream) -> list[Answer]:
    return [read_answer(each) for each in b"".join([part async for part in stream]).splitlines()]


async def failed(worker: Worker, request: bytes) -> str:
    async with connected(worker) as stream:
        await stream.send_all(request)
        [*_, last] = await answers(stream)
    assert last.error
    return str(last.error.error())


async def test_progress_and_then_the_result(autojump_clock: MockClock) -> None:
    async with connected(worker := Worker()) as stream:
        await stream.send_all(asking())
        [*progress, last] = await answers(stream)
    assert [each.progress and each.progress.done for each in progress] == [1, 2, 3]
    assert last.done == {"done": 3, "total": 3, "said": ""}
    assert (worker.done, worker.cut_off, worker.told) == (1, 0, [])


async def test_a_request_may_come_in_pieces(autojump_clock: MockClock) -> None:
    async with connected(worker := Worker()) as stream:
        for byte in asking(steps=0):
            await stream.send_all(bytes([byte]))
            await trio.sleep(0.01)
        await answers(stream)
    assert worker.done == 1


async def test_whoever_waits_is_told_that_somebody_is_there(autojump_clock: MockClock) -> None:
    async with connected(Worker()) as stream:
        await stream.send_all(asking(steps=1, seconds=18))
        found = await answers(stream)
    assert len(found) == 5


async def test_errors_are_told_with_what_where_and_remedy(autojump_clock: MockClock) -> None:
    worker = Worker()
    assert await failed(worker, asking(fails="refused")) == "it will not (here). Do this."
    assert "about to end" in await failed(worker, asking(fails="lane"))
    assert "knows no command 'fly' (it knows work). Restart" in await failed(worker, line(Request("fly")))
    assert "Work cannot be understood" in await failed(worker, asking(steps="many"))
    assert "cannot be understood" in await failed(worker, b"GET / HTTP/1.1\r\n")
    assert worker.told == []


async def test_a_bug_in_a_command_is_told_and_ends_nothing(autojump_clock: MockClock) -> None:
    worker = Worker()
    assert "an error of its own: ZeroDivisionError('bug')" in await failed(worker, asking(fails="bug"))
    assert len(worker.told) == 1
    assert "ZeroDivisionError" in worker.told[0]


async def test_a_line_has_a_longest_length_and_a_request_a_deadline(autojump_clock: MockClock) -> None:
    worker = Worker()
    assert "longer than 1,048,576 bytes" in await failed(worker, b"x" * (LONGEST + 65_536))
    began = trio.current_time()
    assert "no whole request came in time" in await failed(worker, b'{"command":')
    assert trio.current_time() - began == Limits().request


@pytest.mark.parametrize("sent", [b"", b'{"command":', asking(seconds=1000)])
async def test_a_client_that_vanishes_has_given_up(autojump_clock: MockClock, sent: bytes) -> None:
    async with connected(worker := Worker()) as stream:
        if sent:
            await stream.send_all(sent)
        await wait_all_tasks_blocked()
        began = trio.current_time()
        await stream.aclose()
    assert trio.current_time() == began
    assert (worker.done, worker.cut_off) == (0, sent.endswith(b"\n"))


async def test_a_client_that_never_reads_is_left_in_time(autojump_clock: MockClock) -> None:
    began = trio.current_time()
    async with connected(worker := Worker(), lockstep=True) as stream:
        await stream.send_all(asking(steps=10_000, seconds=0.001))
    assert trio.current_time() - began < Limits().send + 1
    assert (worker.done, worker.cut_off) == (0, 1)


async def test_a_command_never_waits_for_a_slow_client(autojump_clock: MockClock) -> None:
    """Of figures it is told the newest, of sentences a bounded number."""
    worker = Worker()

    async def work(_: Work, say: Say) -> Progress:
        for step in range(1000):
            say(Progress(step, 1000, "said" if step % 2 else ""))
        worker.done += 1
        return Progress()

    worker.server.commands = {"work": Command(Work, work)}
    async with connected(worker) as stream:
        await stream.send_all(asking())
        found = await answers(stream)
    assert (len(found), worker.done) == (SENTENCES + 1, 1)


async def test_a_few_at_once_and_the_others_are_told(autojump_clock: MockClock) -> None:
    worker, refused = Worker(), 0

    async def one() -> None:
        nonlocal refused
        ours, theirs = memory_stream_pair()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(worker.server.connection, theirs)
            await ours.send_all(asking())
            [*_, last] = await answers(ours)
        refused += bool(last.error and last.error.passing)

    async with trio.open_nursery() as nursery:
        for _ in range(20):
            nursery.start_soon(one)
    assert (worker.done, refused, worker.server.open) == (4, 16, 0)


async def test_the_other_end_hears_progress_and_the_result(autojump_clock: MockClock) -> None:
    heard: list[Progress] = []
    async with connected(Worker()) as stream:
        await stream.send_all(asking(steps=2))
        done = await converse(stream, heard.append, NOWHERE)
    assert done["done"] == 2
    assert [each.done for each in heard] == [1, 2]
    async with connected(Worker()) as stream:
        await stream.send_all(asking(fails="refused"))
        with pytest.raises(Refused, match="Do this"):
            await converse(stream, heard.append, NOWHERE)


@pytest.mark.parametrize("said", [b"", b"{}\n", answer("progress", Progress(1)) + b'{"progr'])
@pytest.mark.parametrize("ends", [True, False])
async def test_the_other_end_notices_when_the_service_leaves(
    autojump_clock: MockClock, said: bytes, *, ends: bool
) -> None:
    ours, theirs = memory_stream_pair()
    await theirs.send_all(said)
    if ends:
        await theirs.aclose()
    with trio.fail_after(100), pytest.raises(Transient, match="left before it was done"):
        await converse(ours, lambda _: None, NOWHERE)


async def test_lines_that_come_together_are_told_apart() -> None:
    ours, theirs = memory_stream_pair()
    await theirs.send_all(b"one\ntwo\nth")
    lines = Lines(ours)
    assert [await lines.next(), await lines.next()] == [b"one", b"two"]
