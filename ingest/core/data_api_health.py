"""How data-api is: what it took, what waits for it, and why: a fold over reports, in seconds of one clock."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import TypeAlias, assert_never

from attrs import define, field, frozen

from ingest.core import reports
from ingest.core.backoff import Breaker, breaker_at

DataApiReport: TypeAlias = (
    reports.ToPublish | reports.Posted | reports.EntryRefused | reports.Published | reports.DataApiWaiting
    | reports.DataApiRecovered
)  # fmt: skip


@frozen
class DataApiHealth:
    """`reachable` None: nothing was posted yet. `posted` counts entries by kind, `waiting` those it does not have yet."""

    reachable: bool | None = None
    posted: Mapping[str, int] = field(factory=dict)
    refused: int = 0
    waiting: int = 0
    failures: int = 0
    failing_since: datetime | None = None
    reason: str = ""
    remedy: str = ""
    breaker: str = "closed"
    failures_in_row: int = 0
    last_published: datetime | None = None


@define
class DataApiFold:
    """What must be remembered of it. Times in seconds of the clock that `add` is given."""

    reachable: bool | None = None
    posted: Counter[str] = field(factory=Counter)
    refused: int = 0
    waiting: int = 0
    failures: int = 0
    failing_since: float | None = None
    waits: reports.DataApiWaiting | None = None
    retry_at: float = 0.0
    last_published: float | None = None

    def add(self, report: DataApiReport, now: float) -> None:
        """Take the next report of data-api."""
        match report:
            case reports.ToPublish(count=count):
                self.waiting = count
            case reports.Posted(kind=kind, count=count):
                self.posted[kind] += count
                self.waiting = max(self.waiting - count, 0)
                self.reachable = True
            case reports.EntryRefused():
                self.refused += 1
                self.waiting = max(self.waiting - 1, 0)
            case reports.Published():
                self.waiting, self.last_published = 0, now
            case reports.DataApiWaiting():
                self._waits(report, now)
            case reports.DataApiRecovered():
                self.reachable, self.failing_since, self.waits = True, None, None
            case _:
                assert_never(report)

    def _waits(self, report: reports.DataApiWaiting, now: float) -> None:
        self.failing_since = now if self.failing_since is None else self.failing_since
        self.reachable, self.waiting, self.waits = False, report.waiting, report
        self.failures += 1
        self.retry_at = now + report.retry_in

    def health(self, now: float, moment: Callable[[float], datetime]) -> DataApiHealth:
        """As a value; `moment` makes UTC of seconds."""
        waits = self.waits
        is_open = waits is not None and waits.breaker != Breaker.CLOSED.value
        return DataApiHealth(
            reachable=self.reachable,
            posted=dict(self.posted),
            refused=self.refused,
            waiting=self.waiting,
            failures=self.failures,
            failing_since=None if self.failing_since is None else moment(self.failing_since),
            reason="" if waits is None else waits.reason,
            remedy="" if waits is None else waits.remedy,
            breaker=breaker_at(now, self.retry_at, is_open=is_open).value,
            failures_in_row=0 if waits is None else waits.failures,
            last_published=None if self.last_published is None else moment(self.last_published),
        )
