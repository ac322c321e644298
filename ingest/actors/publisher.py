"""Telling data-api about the home: chunk after chunk of what changed, until it has all of it.

    discovery ─▶ Comparer: what is new to data-api ─▶ queue ─▶ post, one chunk at a time ─▶ data-api

Entries of a newer reading of the registries replace those that still wait, so the queue always leads to the newest
reading. A chunk is posted until data-api has it, with backoff and full jitter, or as late as data-api asks. If data-api
refuses a chunk for its content, the chunk goes to the end of the queue in halves. In the end only the one entry is left
that data-api cannot store, and that one is left out.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterable
from datetime import UTC, datetime

import trio
from attrs import define, field

from ingest.core import reports
from ingest.core.backoff import Breaker, backoff
from ingest.core.data_api_answer import Halve, Lacking, Taken, Verdict, classify
from ingest.core.outbox import Acknowledged, Chunk
from ingest.core.publishing import Kind
from ingest.core.reports import Emit
from ingest.core.store import Keep
from ingest.edge.data_api import DataApi
from ingest.errors import Refused, Transient
from ingest.runtime.watch import Watch

POST = 60.0
"""Seconds for data-api to take a chunk."""

CAP = 300.0
"""Seconds that a backoff waits at most."""

REFUSED_DELAY = 300.0
"""Seconds between two attempts while a person must act."""

BREAKER = 5
"""Failures in a row that open data-api's circuit breaker."""

SUSPICION = 5
"""Failures of one single entry, while others are taken, after which it is the entry's fault."""

QUIET = 3
"""Failures in a row up to which it may well be an entry's fault: nothing is said of data-api."""


def _utc_now() -> datetime:
    return datetime.now(UTC)


@define(eq=False)
class Publisher:
    """One data-api's publisher. `chance` draws from [0, 1); `now` is the wall clock, for the dates of `Retry-After`.

    `told` is what data-api has; `has` the number of the newest reading of which it has everything.
    """

    api: DataApi
    emit: Emit
    chance: Callable[[], float]
    now: Callable[[], datetime] = _utc_now
    told: Acknowledged = field(factory=Acknowledged)
    has: Watch[int] = field(factory=lambda: Watch(0))
    _reading: int = 0
    _queue: deque[Chunk] = field(factory=deque)
    _filled: trio.Event = field(factory=trio.Event)
    _taken: int = 0
    _counts: Counter[Kind] = field(factory=Counter)
    _lacks_services: bool = False
    _failures: int = 0
    _failing_since: float | None = None
    _remedy: str = ""
    _pausing: trio.CancelScope = field(factory=trio.CancelScope)

    def replace(self, chunks: Iterable[Chunk], reading: int) -> None:
        """Queue what is new in that reading, in place of what is queued."""
        self._queue, self._reading = deque(chunks), reading
        self._filled.set()

    def hurry(self) -> None:
        """Try again now, whatever was waited for."""
        self._pausing.cancel()

    async def run(self) -> None:
        """Post what is queued, for ever."""
        while True:
            await self._filled.wait()
            while self._queue:
                await self._post_next()
            self._filled = trio.Event()
            if self._counts:
                self.emit(reports.Published(*(self._counts[kind] for kind in Kind)))
                self._counts.clear()
            self.has.set(self._reading)

    async def _post_next(self) -> None:
        # Should a newer reading replace the queue meanwhile, what goes back into this one is in that one, too.
        queue = self._queue
        chunk = queue.popleft()
        match await self._post(chunk):
            case Taken():
                self._has_taken(chunk)
            case Lacking():
                self._go_without_services()
            case Halve(reason=reason):
                await self._not_taken(queue, chunk.failed(self._taken), reason)
            case Keep() as verdict:
                queue.appendleft(chunk)
                await self._wait(verdict)

    async def _post(self, chunk: Chunk) -> Verdict:
        with trio.move_on_after(POST):
            try:
                answer = await self.api.post(chunk.kind.path, chunk.body())
            except (Transient, Refused) as error:
                return Keep(error.what, remedy=error.remedy if isinstance(error, Refused) else "")
            return classify(answer, chunk.kind, self.now(), self.api.check_key)
        return Keep(f"data-api did not answer within {POST:.0f} s")

    def _has_taken(self, chunk: Chunk) -> None:
        self.told.add(chunk)
        self._taken += 1
        self._counts[chunk.kind] += len(chunk)
        self.emit(reports.Posted(chunk.kind.value, len(chunk)))
        self._recovered()

    def _go_without_services(self) -> None:
        """They are not remembered as told: once data-api is newer, the next reading tells them."""
        self._recovered()
        if not self._lacks_services:
            self.emit(reports.Notice("this data-api keeps no services (it answers 404): everything else is still sent"))
        self._lacks_services = True
        self._queue = deque(each for each in self._queue if each.kind is not Kind.SERVICES)

    async def _not_taken(self, queue: deque[Chunk], chunk: Chunk, reason: str) -> None:
        if len(chunk) == 1 and chunk.failures >= SUSPICION and self._taken > (chunk.since or 0):
            self.told.add(chunk)
            self.emit(reports.EntryRefused(chunk.kind.value, chunk.stubs[0].id, reason))
            return
        if len(chunk) > 1:
            self.emit(reports.PublishingHalved(chunk.kind.value, len(chunk), reason))
        queue.extend(chunk.halves() if len(chunk) > 1 else [chunk])
        await self._wait(Keep(reason), quiet=self._failures < QUIET)

    async def _wait(self, verdict: Keep, *, quiet: bool = False) -> None:
        """Wait for the next attempt. `quiet`: nothing is said about it yet."""
        self._failures += 1
        delay = REFUSED_DELAY if verdict.remedy else backoff(self._failures, CAP, self.chance)
        delay = max(verdict.retry_after or 0.0, delay)
        if not quiet:
            self._say(verdict, delay)
        with trio.move_on_after(delay) as self._pausing:
            await trio.sleep_forever()

    def _say(self, verdict: Keep, delay: float) -> None:
        """An outage is said once, and again when a person must do something else about it."""
        again = self._failing_since is not None and verdict.remedy == self._remedy
        self._failing_since = trio.current_time() if self._failing_since is None else self._failing_since
        self._remedy = verdict.remedy
        waiting, is_open = sum(map(len, self._queue)), self._failures >= BREAKER
        breaker = (Breaker.OPEN if is_open else Breaker.CLOSED).value
        self.emit(
            reports.DataApiWaiting(verdict.reason, verdict.remedy, delay, waiting, self._failures, breaker, again)
        )

    def _recovered(self) -> None:
        if self._failing_since is not None:
            self.emit(reports.DataApiRecovered(trio.current_time() - self._failing_since))
        self._failures, self._failing_since = 0, None
