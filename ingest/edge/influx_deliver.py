"""A batch's way into a database that speaks InfluxDB's write API, until there is a verdict.

Almost always one request; one more while a type conflict is known that some of its lines run into. When lines are
refused, as many as it takes to find them, in portions of `BUDGET`: what was found is remembered by line, and the next
attempt with some of these lines goes on from there, whatever else its batch holds.

No line is rejected unless the database takes others in the same attempt. Where the batch holds none that it takes, a
line that it took before is asked again: a home may be so quiet that a batch is a single line.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime

from attrs import define, field

from ingest.core.influx_answer import TOKEN_SETTING, Answer, Split, classify
from ingest.core.influx_delivery import Delivery
from ingest.core.influx_searches import Searches
from ingest.core.learnt_types import LearntTypes, Lines, Part
from ingest.core.sealing import seal, unsealed
from ingest.core.store import Batch, Delivered, Keep, Verdict
from ingest.errors import Refused, Transient

BUDGET = 200
"""Requests that one attempt may spend on finding refused lines."""


class _Kept(Exception):  # noqa: N818  leaves the attempt, and with it keeps the batch
    def __init__(self, verdict: Keep) -> None:
        super().__init__(verdict.reason)
        self.verdict = verdict


@define(eq=False)
class Deliverer:
    """Delivers payloads through `post`, which raises `Transient` or `Refused` when there is no answer at all.

    `token` is the setting that the token comes from.
    """

    post: Callable[[bytes], Awaitable[Answer]]
    now_ns: Callable[[], int]
    budget: int = BUDGET
    token: str = TOKEN_SETTING
    _learnt: LearntTypes = field(factory=LearntTypes)
    _searches: Searches = field(factory=Searches)
    _taken: bytes = b""
    _in_vain: int = 0

    async def deliver(self, batch: Batch[bytes]) -> Verdict:
        """Bring a batch into the database. Never raises for what a server or a network may do."""
        try:
            return await self._deliver(batch.payload)
        except _Kept as kept:
            return kept.verdict
        except Transient as error:
            return Keep(error.what, error.retry_after)
        except Refused as error:
            return Keep(error.what, remedy=error.remedy)

    def taken(self, lines: Sequence[bytes]) -> frozenset[bytes]:
        """Those of the lines that the database took of batches that are kept for the rest. May be asked in another thread."""
        return self._searches.taken(lines)

    async def _deliver(self, payload: bytes) -> Verdict:
        if not self._searches and not self._learnt.known:
            return await self._anew(payload)
        lines = unsealed(payload)
        known = self._searches.known(lines)
        parts = self._learnt.split(known.lacks(lines))
        if not known and not any(part.suspected for part in parts):
            return await self._anew(payload)
        search = Delivery(self._learnt, [*known.pending], dict(known.refused), 0 if known else self._in_vain)
        search.add(parts)
        return await self._attempt(lines, search, resumed=bool(known))

    async def _anew(self, payload: bytes) -> Verdict:
        """Send it as it is; search only when some of it is refused."""
        answer, outcome = await self._send(payload)
        if isinstance(outcome, Delivered):
            return outcome
        lines = unsealed(payload)
        search = Delivery(self._learnt, [Part(lines)], turn=self._in_vain)
        search.hear(outcome, answer)
        return await self._attempt(lines, search)

    async def _attempt(self, lines: Lines, search: Delivery, *, resumed: bool = False) -> Verdict:
        """Search, and remember how far it came when that was not the end. What proved nothing is void."""
        verdict: Verdict | None = None
        try:
            verdict = await self._search(lines, search)
        finally:
            if search.proven and not isinstance(verdict, Delivered):
                self._searches.keep(lines, search.pending, search.rejected)
            elif verdict is not None:
                self._searches.forget(lines)
            if not search.proven and not (resumed and verdict is None):
                self._in_vain += 1
        return verdict

    async def _search(self, lines: Lines, search: Delivery) -> Verdict:
        spent = 0
        while search.pending and spent < self.budget:
            if search.doubtful and not await self._takes_others(search):
                return search.hopeless()
            answer, outcome = await self._send(seal(search.pending[-1].lines))
            search.hear(outcome, answer)
            spent += 1
        if not await self._takes_others(search):
            return search.hopeless()
        return search.progress if search.pending else search.delivered(lines)

    async def _takes_others(self, search: Delivery) -> bool:
        """Ask again for a line that was taken before, unless this attempt has had one that was."""
        if not search.proven and self._taken:
            _, outcome = await self._send(seal(unsealed(self._taken)[-1:]))
            search.proven = isinstance(outcome, Delivered)
            if isinstance(outcome, Split):
                search.first = search.first or outcome
        return search.proven

    async def _send(self, payload: bytes) -> tuple[Answer, Delivered | Split]:
        answer = await self.post(payload)
        outcome = classify(answer, datetime.fromtimestamp(self.now_ns() / 1e9, UTC), self.token)
        if isinstance(outcome, Keep):
            raise _Kept(outcome)
        if isinstance(outcome, Delivered):
            self._taken = payload
        return answer, outcome
