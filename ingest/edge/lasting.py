"""Totals on their way to disk: every minute, and at the stop, what was counted since the last time.

A kill costs the counting of a minute at most, never what is counted; what a full spool drops from the file is counted
there and then, in the transaction that drops it, because after a kill nobody else would know of it. A file that cannot be
written is said once; the counting goes on, and is written when it can be again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from typing import TypeAlias

import trio
from attrs import define, evolve, field

from ingest.core import reports
from ingest.core.lifetime import Lifetime, grown
from ingest.core.rates import Window
from ingest.core.reports import Emit, Report
from ingest.edge.spool_trouble import FAILURES
from ingest.edge.totals_file import Account, Totals
from ingest.runtime.ending import freed_after
from ingest.runtime.lane import Lane

EVERY = 60.0
"""Seconds between two times."""

AT_THE_STOP = 1.0
"""Seconds that a disk has for the last time. The end of the run may be nearer."""

HOUR = 3600.0

Books: TypeAlias = Callable[[], Mapping[str, int]]


@define(eq=False)
class Lasting:
    """One home's totals for one store. `now_ns` is the wall clock; `give_up` frees us from a disk that hangs."""

    totals: Totals
    lane: Lane
    now_ns: Callable[[], int]
    emit: Emit
    give_up: Callable[[], None]
    account: Account = field(default=Account(0))
    lost: int = 0
    failing: bool = False
    _known: bool = False
    _written: Counter[str] = field(factory=Counter)
    _bytes: Window = field(factory=lambda: Window(width=60.0, slots=61))
    _began: float = 0.0
    _turn: trio.Lock = field(factory=trio.Lock)

    async def load(self) -> None:
        """Look at what was counted before; where the file cannot be used, that is done with the first write."""
        self._began = trio.current_time()
        self.account = Account(self.now_ns())
        try:
            await self._look()
        except FAILURES as error:
            self._failed(error)

    async def _look(self) -> None:
        if not self._known:
            found = await self.lane(self.totals.opened, self.account.since_ns)
            # A look that comes late finds what this run's spool dropped from the file, which its books know, too.
            before = {name: value - self._written[name] for name, value in found.totals.items()}
            self.account, self._known = evolve(found, totals=before), True

    def hear(self, report: Report) -> None:
        """Take the next report: what was batched and what was dropped count here."""
        match report:
            case reports.Batched(size=size):
                self._bytes.add(size, trio.current_time())
            case reports.Lost(count=count):
                self.lost += count
            case reports.Evicted(counted=counted):
                self._written["evicted"] += counted
            case _:
                pass

    def now(self, books: Mapping[str, int]) -> Lifetime:
        """The totals at this moment."""
        return Lifetime(self.account.since_ns, self.account.totals).plus(grown(books, self.lost))

    @property
    def bytes_per_second(self) -> float | None:
        """How fast bytes go into the spool: of the last hour or since the start; of a run before in the first minute."""
        measured = self.measured
        if measured is None:
            return self.account.bytes_per_second
        return self._bytes.total(HOUR, trio.current_time()) / measured

    @property
    def measured(self) -> float | None:
        """Seconds over which that was measured: an hour at most; None when it is of a run before."""
        seconds = min(HOUR, trio.current_time() - self._began)
        return seconds if seconds >= EVERY else None

    async def run(self, books: Books, stop: trio.Event) -> None:
        """Write them now and then, and when the stop begins: its end may find a disk that hangs."""
        while not stop.is_set():
            with trio.move_on_after(EVERY):
                await stop.wait()
            await self.write(books)

    async def end(self, books: Books) -> None:
        """The last time; not cancelled."""
        async with freed_after(AT_THE_STOP, self.give_up):
            await self.write(books)

    async def write(self, books: Books) -> None:
        """Write what was counted since the last time."""
        async with self._turn:
            counted = Counter(grown(books(), self.lost))
            more = counted - self._written
            if not more:
                return
            try:
                await self._look()
                await self.lane(self.totals.add, more, self.bytes_per_second)
            except FAILURES as error:
                self._failed(error)
            else:
                self._written += more
                self._worked()

    def _failed(self, error: Exception) -> None:
        if not self.failing:
            self.emit(reports.Notice(f"the lasting totals cannot be written, they are counted on: {error}"))
        self.failing = True

    def _worked(self) -> None:
        if self.failing:
            self.emit(reports.Notice("the lasting totals are written again"))
        self.failing = False
