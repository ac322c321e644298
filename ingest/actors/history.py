"""Asking Home Assistant's history, at a pace that harms neither it nor the live data.

Before every question the recorder is asked how it is; one that migrates or lags behind is left alone. After each answer
we pause for as long as the answer took, so that at most half of Home Assistant's time goes to us.
"""

from __future__ import annotations

from collections.abc import Callable

import trio
from attrs import define, frozen
from msgspec import Raw

from ingest.actors.connection import CommandFailed, Connection, within
from ingest.core import history, history_query, recorder, reports, token, wire
from ingest.core.history import Row
from ingest.core.history_progress import Recorded
from ingest.core.history_reading import Piece, Reading
from ingest.core.history_witness import Answer
from ingest.core.recorder import Recorder
from ingest.core.reports import Emit
from ingest.errors import Refused, Transient

CHUNK = 1000
"""Rows decoded between two checkpoints."""

SENSELESS = frozenset({"invalid_start_time", "invalid_end_time", "invalid_entity_ids", "invalid_format"})
"""Answers to a question that would be answered alike for ever."""


class Unfillable(Refused):
    """There is no history to be had here: `what` is why a span cannot be filled."""


@frozen
class Pace:
    """`answer`: seconds to wait for one. `share`: of its time Home Assistant spends on us, at most.

    `backlog` is how many states the recorder may be behind and still be asked.
    """

    answer: float = 60.0
    share: float = 0.5
    backlog: int = 1000


@define(eq=False)
class History:
    """The history as one connection tells it. `past_ns` says what time is past for certain by Home Assistant's clock."""

    bulk: Connection
    emit: Emit
    past_ns: Callable[[], int]
    pace: Pace = Pace()
    _free_at: float = 0.0

    async def read(self, reading: Reading) -> list[Piece] | None:
        """Ask a reading's next question, and return what the answer says; None when nothing is left to ask.

        Raises `Transient` (the reading goes on where it was, here or on another connection), `Unfillable`, `Refused`.
        """
        if reading.done:
            return None
        await trio.sleep_until(self._free_at)
        told = await self.recorder()
        asked_ns = self.past_ns()
        answer = await self._answer(history_query.COMMAND, recorder.NO_HISTORY, **reading.ask().fields())
        entities = await self._rows(answer)
        # No checkpoint after this: who is cancelled has all pieces or none, and none is taken twice.
        return reading.take(Answer(entities, told, asked_ns))

    async def recorder(self) -> Recorder:
        """How the recorder is. Raises `Transient` when it should be left alone for now, `Unfillable` without one."""
        where = self.bulk.socket.where
        result = await self._ask(recorder.COMMAND, recorder.NO_RECORDER)
        try:
            told = recorder.recorder(result)
        except wire.Malformed as problem:
            raise self._unreadable(recorder.COMMAND, problem) from problem
        why = recorder.busy(told, self.pace.backlog)
        if why:
            raise Transient(why, where=where)
        return told

    async def answer(self, command: str, absent: str, **fields: object) -> Raw:
        """A command's result, at the same pace. `absent` is what it means when Home Assistant does not know it.

        Raises `Transient`, `Unfillable` or `Refused`.
        """
        await trio.sleep_until(self._free_at)
        await self.recorder()
        return await self._answer(command, absent, **fields)

    async def _answer(self, command: str, absent: str, **fields: object) -> Raw:
        begun = trio.current_time()
        try:
            return await self._ask(command, absent, **fields)
        finally:
            now = trio.current_time()
            self._free_at = now + (now - begun) * (1 / self.pace.share - 1)

    async def _ask(self, command: str, absent: str, **fields: object) -> Raw:
        """The command's result. `absent` is what it means when Home Assistant does not know it."""
        where = self.bulk.socket.where
        with within(self.pace.answer, f"no answer to {command}", where):
            try:
                return await self.bulk.ask(command, **fields)
            except CommandFailed as error:
                raise _meaning(error, absent) from error

    async def _rows(self, result: Raw) -> dict[str, Recorded]:
        try:
            listed = list(history.listed(result))
        except wire.Malformed as problem:
            raise self._unreadable(history_query.COMMAND, problem) from problem
        await trio.lowlevel.checkpoint()
        count = 0
        entities = {}
        for entity_id, raws in listed:
            rows: list[Row] = []
            unreadable = 0
            for each in history.rows_of(raws) if isinstance(raws, list) else [raws]:
                if isinstance(each, Row):
                    rows.append(each)
                else:
                    unreadable += 1
                    self.emit(reports.MalformedMessage(each.kind, each.problem, each.excerpt))
                count += 1
                if count % CHUNK == 0:
                    await trio.lowlevel.checkpoint()
            entities[entity_id] = Recorded(history.in_order(rows), unreadable)
        return entities

    def _unreadable(self, command: str, problem: wire.Malformed) -> Transient:
        self.emit(reports.MalformedMessage(problem.kind, problem.problem, problem.excerpt))
        return Transient(f"the answer to {command} cannot be read: {problem}", where=self.bulk.socket.where)


def _meaning(error: CommandFailed, absent: str) -> CommandFailed | Refused:
    """What an error means for the gap: try again, a person must act, or never."""
    if error.code == "unknown_command":
        return Unfillable(absent, where=error.where, remedy="Let Home Assistant load `recorder` and `history`.")
    if error.code in SENSELESS:
        return Unfillable(f"Home Assistant refuses the question: {error.what}", where=error.where)
    if error.code == "unauthorized":
        return Refused(f"the token may not read the history: {error.what}", where=error.where, remedy=token.SEES_ALL)
    return error
