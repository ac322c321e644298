"""A batch's way into a database that speaks InfluxDB's write API, until there is a verdict.

Almost always one request. When lines are refused, as many as it takes to find them, in portions of `BUDGET`: what was
found is remembered with the batch, and the next attempt goes on from there.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

from attrs import define, field

from ingest.core.homeiq import seal, unsealed
from ingest.core.influx_answer import Answer, Outcome, classify
from ingest.core.influx_delivery import Delivery
from ingest.core.store import Batch, Delivered, Keep, Verdict
from ingest.errors import Refused, Transient

BUDGET = 200
"""Requests that one attempt may spend on finding refused lines."""

REMEMBERED = 16
"""Refused batches whose search is remembered."""


@define
class _Search:
    since: int
    delivery: Delivery


@define(eq=False)
class Deliverer:
    """Delivers payloads through `post`, which raises `Transient` or `Refused` when there is no answer at all."""

    post: Callable[[bytes], Awaitable[Answer]]
    now_ns: Callable[[], int]
    _taken: int = 0
    _searches: dict[bytes, _Search] = field(factory=dict)

    async def deliver(self, batch: Batch[bytes]) -> Verdict:
        """Bring a batch into the database. Never raises for what a server or a network may do."""
        try:
            return await self._deliver(batch)
        except Transient as error:
            return Keep(error.what, error.retry_after)
        except Refused as error:
            return Keep(error.what, remedy=error.remedy)

    async def _deliver(self, batch: Batch[bytes]) -> Verdict:
        search = self._searches.get(batch.payload)
        if search is None or not search.delivery.pending:
            answer, outcome = await self._send(batch.payload)
            if isinstance(outcome, Delivered):
                self._searches.pop(batch.payload, None)
            if isinstance(outcome, Delivered | Keep):
                return outcome
            search = self._begin(batch.payload)
            search.delivery.refuse(unsealed(batch.payload), outcome, answer)
            if not search.delivery.pending:
                return self._end(batch.payload, search)
        return await self._search(batch.payload, search)

    def _begin(self, payload: bytes) -> _Search:
        """A new search; of one that ended without a verdict on the lines, its beginning is remembered."""
        known = self._searches.pop(payload, None)
        if len(self._searches) >= REMEMBERED:
            del self._searches[next(iter(self._searches))]
        search = self._searches[payload] = _Search(self._taken if known is None else known.since, Delivery())
        return search

    async def _search(self, payload: bytes, search: _Search) -> Verdict:
        delivery = search.delivery
        for _ in range(BUDGET):
            part = delivery.pending[0]
            answer, outcome = await self._send(seal(part))
            if isinstance(outcome, Keep):
                return outcome
            delivery.pending.popleft()
            if isinstance(outcome, Delivered):
                delivery.take(part)
            else:
                delivery.refuse(part, outcome, answer)
            if delivery.is_over(elsewhere=self._taken > search.since):
                return self._end(payload, search)
        return Keep(
            f"looking for the lines that the database refuses, {len(delivery.rejected)} found: {delivery.reason}"
        )

    def _end(self, payload: bytes, search: _Search) -> Verdict:
        verdict = search.delivery.verdict(elsewhere=self._taken > search.since)
        if isinstance(verdict, Delivered):
            del self._searches[payload]
        else:
            search.delivery.pending.clear()
        return verdict

    async def _send(self, payload: bytes) -> tuple[Answer, Outcome]:
        answer = await self.post(payload)
        outcome = classify(answer, datetime.fromtimestamp(self.now_ns() / 1e9, UTC))
        self._taken += isinstance(outcome, Delivered)
        return answer, outcome
