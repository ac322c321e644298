"""From the spool to the store, until the store says that it has the batch.

Every delivery ends in a verdict. `Delivered` commits the batch. `Keep` leaves it where it is and waits: as long as the
server asks, or with backoff and full jitter, for ever. A `Keep` with `progress` set is tried again at once: nothing
failed, the delivery only takes more than one attempt. A write is never abandoned while the service runs.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Generic, TypeVar

import trio
from attrs import define, field

from ingest.core import reports
from ingest.core.backoff import Breaker, backoff
from ingest.core.coverage import Note
from ingest.core.reports import Emit
from ingest.core.store import Batch, Delivered, Keep, Rejection, Store
from ingest.runtime.spool import Spool

REFUSED_DELAY = 60.0
"""Seconds between two attempts while a person must act: soon enough after they did."""

CAP = 60.0
"""Seconds that a backoff waits at most."""

Payload = TypeVar("Payload")


async def only_reported(_: Sequence[Rejection]) -> None:
    """Where nobody keeps what the store refused."""


async def written_already(_: Note) -> None:
    """Where the spool has written down what its batches prove."""


class _Kept(Exception):  # noqa: N818  leaves the claim's block, and with it keeps the batch
    def __init__(self, verdict: Keep) -> None:
        super().__init__(verdict.reason)
        self.verdict = verdict


@define(eq=False)
class Writer(Generic[Payload]):
    """One store's writer. `chance` draws from [0, 1). After `breaker_threshold` failures its breaker is open.

    `bury` keeps what the store refused, before the batch leaves the spool. A `patient` writer tries on after the spool
    was closed, though what waits is on disk. `note` writes down what a delivered batch proves, where no spool on disk
    has done so when the batch was put; it remembers what it is told, also when it is cancelled.
    """

    store: Store[Any, Payload]
    spool: Spool[Batch[Payload]]
    emit: Emit
    chance: Callable[[], float]
    breaker_threshold: int = 5
    patient: bool = False
    bury: Callable[[Sequence[Rejection]], Awaitable[None]] = only_reported
    note: Callable[[Note], Awaitable[None]] = written_already
    _failures: int = 0
    _failing_since: float = field(default=0.0)
    _eased: int = 0
    _pausing: trio.CancelScope = field(factory=trio.CancelScope)

    async def run(self) -> None:
        """Deliver until the spool is closed and empty."""
        while True:
            try:
                await self._deliver_one()
            except _Kept as kept:
                await self._kept(kept.verdict)
                if self.spool.closed.is_set() and not self.spool.volatile.events and not self.patient:
                    return  # what waits is on disk: the next start delivers it
            except trio.EndOfChannel:
                return

    def hurry(self) -> None:
        """Try again now, whatever the server asked for; the backoff begins anew."""
        self._eased = self._failures
        self._pausing.cancel()

    async def _deliver_one(self) -> None:
        async with self.spool.claim() as batch:
            started = trio.current_time()
            verdict = await self.store.deliver(batch)
            if isinstance(verdict, Keep):
                raise _Kept(verdict)
            seconds = trio.current_time() - started
            if verdict.rejected:
                await self.bury(verdict.rejected)
            self._delivered(batch, verdict, seconds)
        # Outside the claim, where a stop may cut it short: what is delivered is stored, and must not be back in the spool.
        if batch.note:
            await self.note(batch.note)

    def _delivered(self, batch: Batch[Payload], verdict: Delivered, seconds: float) -> None:
        self._recovered()
        if verdict.rejected:
            self.emit(reports.Rejected(self.store.name, verdict.rejected))
        stored, times = batch.count - len(verdict.rejected), (batch.oldest_ns, batch.newest_ns)
        self.emit(reports.Stored(self.store.name, stored, seconds, *times))

    def _recovered(self) -> None:
        if self._failures:
            self.emit(reports.StoreRecovered(self.store.name, trio.current_time() - self._failing_since))
            self._failures = self._eased = 0

    async def _kept(self, verdict: Keep) -> None:
        if not verdict.progress:
            await self._wait(verdict)
            return
        self._recovered()
        self.emit(reports.StoreSearching(self.store.name, verdict.reason, self.spool.held.events))

    async def _wait(self, verdict: Keep) -> None:
        if not self._failures:
            self._failing_since = trio.current_time()
        self._failures += 1
        delay = max(verdict.retry_after or 0.0, self._delay(verdict))
        waiting = self.spool.held.events
        breaker = Breaker.OPEN if self._failures >= self.breaker_threshold else Breaker.CLOSED
        name = self.store.name
        self.emit(reports.StoreWaiting(name, verdict.reason, verdict.remedy, delay, waiting, breaker.value))
        await self._pause(delay)

    async def _pause(self, delay: float) -> None:
        """Wait until `hurry`; no longer than until a stop, when what waits is on disk and safe there."""
        with trio.move_on_after(delay) as self._pausing:
            if self.spool.volatile.events or self.patient:
                await trio.sleep_forever()
            await self.spool.closed.wait()

    def _delay(self, verdict: Keep) -> float:
        return REFUSED_DELAY if verdict.remedy else backoff(self._failures - self._eased, CAP, self.chance)
