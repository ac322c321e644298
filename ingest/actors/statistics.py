"""Long-term statistics from Home Assistant into a store: one question after the other, each answer stored at once.

    questions ──▶ Home Assistant, at the pace of the history ──one answer──▶ lines ──▶ store

One task asks while the other delivers, so that at most two answers are in memory. If a connection ends, the next one
goes on with the question that was not answered. The same hours make the same lines. So nothing has to be remembered
about them, and what is asked for twice is stored once.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any

import trio
from attrs import define, field, frozen

from ingest.actors.bringing import ATTEMPTS, CAP, Bringer
from ingest.actors.history import CHUNK, History
from ingest.core import reports, statistics
from ingest.core.backoff import backoff
from ingest.core.sealing import Line, cut
from ingest.core.statistics import Hour, Question, Statistic
from ingest.core.store import Batch, Delivered, Rejection
from ingest.core.wire import Malformed
from ingest.errors import Transient
from ingest.runtime.supervise import one_error

NAMED = 3
"""Refused lines that are shown."""

Connect = Callable[[], AbstractAsyncContextManager[History]]


@frozen
class Series:
    """What the lines of one statistic begin with, and the unit of its numbers."""

    head: bytes
    unit: str | None


async def listed(history: History) -> list[Statistic]:
    """What has statistics. Raises `Transient` or `Refused`."""
    result = await history.answer(statistics.LIST, statistics.NO_STATISTICS)
    try:
        found = list(statistics.listed(result))
    except Malformed as problem:
        raise _unreadable(history, statistics.LIST, problem) from problem
    for each in found:
        if isinstance(each, Malformed):
            history.emit(reports.MalformedMessage(each.kind, each.problem, each.excerpt))
    return [each for each in found if isinstance(each, Statistic) and (each.mean or each.total)]


async def hours(history: History, question: Question) -> list[tuple[str, Hour]]:
    """What the answer to a question says that can be read. Raises `Transient` or `Refused`."""
    result = await history.answer(statistics.COMMAND, statistics.NO_STATISTICS, **question.fields())
    found: list[tuple[str, Hour]] = []
    try:
        for count, (statistic_id, each) in enumerate(statistics.rows_of(result), start=1):
            if isinstance(each, Malformed):
                history.emit(reports.MalformedMessage(each.kind, each.problem, each.excerpt))
            else:
                found.append((statistic_id, each))
            if count % CHUNK == 0:
                await trio.lowlevel.checkpoint()
    except Malformed as problem:
        raise _unreadable(history, statistics.COMMAND, problem) from problem
    return found


def _unreadable(history: History, command: str, problem: Malformed) -> Transient:
    history.emit(reports.MalformedMessage(problem.kind, problem.problem, problem.excerpt))
    return Transient(f"the answer to {command} cannot be read: {problem}", where=history.bulk.socket.where)


@define
class Brought:
    """How far it is: questions that are answered and delivered, the hours they brought, and of them what was refused."""

    questions: int = 0
    hours: int = 0
    refused: int = 0
    rejected: tuple[Rejection, ...] = ()


@define(eq=False)
class StatisticsImport:
    """Brings what `questions` ask for into the store of `bringer`, as lines of `series`, a statistic each.

    `connect` opens a connection whose history may be asked. `tell` is called after each question; `waiting` is told why
    Home Assistant does not answer, and for how many seconds that is waited for.
    """

    connect: Connect
    bringer: Bringer[Any, Any]
    series: dict[str, Series]
    questions: deque[Question]
    tell: Callable[[Brought], None]
    waiting: Callable[[str, float], None]
    brought: Brought = field(factory=Brought)

    async def run(self) -> Brought:
        """Bring everything. Raises `Refused` when a person must act, `Transient` after too many failures in a row."""
        send, receive = trio.open_memory_channel[list[tuple[str, Hour]]](0)
        with one_error(Transient):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._ask_all, send)
                async with receive:
                    async for found in receive:
                        await self._deliver(found)
        return self.brought

    async def _ask_all(self, send: trio.MemorySendChannel[list[tuple[str, Hour]]]) -> None:
        failures = 0
        async with send:
            while self.questions:
                before = len(self.questions)
                try:
                    await self._ask_on_one(send)
                except Transient as problem:
                    failures = 1 if len(self.questions) < before else failures + 1
                    if failures == ATTEMPTS:
                        raise
                    delay = backoff(failures, CAP, self.bringer.chance)
                    self.waiting(str(problem), delay)
                    await trio.sleep(delay)

    async def _ask_on_one(self, send: trio.MemorySendChannel[list[tuple[str, Hour]]]) -> None:
        with one_error(Transient):
            async with self.connect() as history:
                while self.questions:
                    found = await hours(history, self.questions[0])
                    # Sent or not, never half: a connection that ends meanwhile takes no answer away, and doubles none.
                    await send.send(found)
                    self.questions.popleft()

    async def _deliver(self, found: Sequence[tuple[str, Hour]]) -> None:
        lines, times = list[Line](), list[int]()
        for statistic_id, hour in found:
            series = self.series.get(statistic_id)
            line = None if series is None else statistics.line(series.head, series.unit, hour)
            if line is not None:
                lines.append(cut(line))
                times.append(hour.time_ns)
        codec = self.bringer.store.codec
        verdict = Delivered()
        if lines:
            payload = codec.seal(lines)
            batch = Batch(payload, len(lines), codec.size(lines), min(times), max(times))
            verdict = await self.bringer.bring(batch)
        told = self.brought
        told.questions += 1
        told.hours += len(lines)
        told.refused += len(verdict.rejected)
        told.rejected = (told.rejected + verdict.rejected)[:NAMED]
        self.tell(told)
