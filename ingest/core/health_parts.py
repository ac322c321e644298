"""What must be remembered of the store, of what comes in and what is lost, and of the run: times in seconds of one clock."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import datetime
from typing import TypeAlias, assert_never

from attrs import define, field

from ingest.core import reports
from ingest.core.backoff import Breaker, breaker_at
from ingest.core.health import Database, Subscription
from ingest.core.health_causes import SLOW
from ingest.core.rates import Window, unusual
from ingest.core.state import Source

_TYPES = {Source.LIVE: "state_changed"}

StoreReport: TypeAlias = (
    reports.Batched | reports.Made | reports.Stored | reports.Rejected | reports.StoreWaiting | reports.StoreSearching
    | reports.Evicted | reports.Purged | reports.Unreadable | reports.Started
)  # fmt: skip
LossReport: TypeAlias = reports.Shed | reports.Evicted | reports.Unreadable | reports.Rejected | reports.DeadLetter
RunReport: TypeAlias = reports.Started | reports.Stopping | reports.Stopped | reports.ReloadRefused | reports.Reloaded
StuckReport: TypeAlias = reports.Stuck | reports.Moving


@define
class StoreFold:
    """What is known of the store. It owes an answer for `owed` points in the spool, since `silent_since`."""

    reachable: bool | None = None
    owed: int = 0
    silent_since: float = 0.0
    failing_since: float | None = None
    failures: int = 0
    reason: str = ""
    remedy: str = ""
    open: bool = False
    retry_at: float = 0.0
    last_stored: float | None = None
    last_seconds: float | None = None

    def add(self, report: StoreReport, now: float) -> None:
        """Take the next report of the store and of what waits for it."""
        match report:
            case reports.Batched(count=count) | reports.Made(count=count):
                self._batched(count, now)
            case reports.Stored():
                self._stored(report, now)
            case reports.Rejected(rejections=rejections):
                self._answered(len(rejections), now)
            case reports.StoreWaiting():
                self._waits(report, now)
            case reports.StoreSearching():
                self._takes(now)
            case reports.Evicted(count=count) | reports.Purged(count=count) | reports.Unreadable(count=count):
                self._gone(count)
            case reports.Started():
                self.silent_since = now
            case _:
                assert_never(report)

    def _batched(self, count: int, now: float) -> None:
        if self.owed <= 0:
            self.silent_since = now
        self.owed += count

    def _answered(self, count: int, now: float) -> None:
        self._gone(count)
        self.silent_since = now

    def _gone(self, count: int) -> None:
        """So many points are in the spool no longer."""
        self.owed = max(self.owed - count, 0)

    def silent(self, now: float) -> float:
        """Seconds for which it has owed an answer; 0 when it owes none."""
        return now - self.silent_since if self.owed else 0.0

    def _stored(self, report: reports.Stored, now: float) -> None:
        """The store has a batch at `now`: it takes points, and its breaker closes."""
        self._answered(report.count, now)
        self._takes(now)
        self.last_stored, self.last_seconds = now, report.seconds

    def _takes(self, now: float) -> None:
        """The store takes points, though it may need more than one attempt for a batch."""
        self.reachable, self.failing_since, self.failures, self.open = True, None, 0, False
        self.reason = self.remedy = ""
        self.silent_since = now

    def _waits(self, report: reports.StoreWaiting, now: float) -> None:
        """The store does not take points now."""
        self.failing_since = now if self.failing_since is None else self.failing_since
        self.reachable, self.failures = False, self.failures + 1
        self.reason, self.remedy = report.reason, report.remedy
        self.open, self.retry_at = report.breaker != Breaker.CLOSED.value, now + report.retry_in
        self.silent_since = now

    def health(self, name: str, where: str, waiting: int, now: float, moment: Callable[[float], datetime]) -> Database:
        """As a value; `moment` makes UTC of seconds. `waiting` are the points that it does not have yet."""
        silent = self.silent(now)
        hangs = silent >= SLOW and self.failing_since is None
        return Database(
            name=name,
            where=where,
            reachable=False if hangs else self.reachable,
            waiting=waiting,
            failing_since=maybe(moment, self.failing_since),
            reason=f"no answer for {silent:.0f} s" if hangs else self.reason,
            remedy=self.remedy,
            breaker=breaker_at(now, self.retry_at, is_open=self.open).value,
            failures=self.failures,
            last_stored=maybe(moment, self.last_stored),
            last_seconds=self.last_seconds,
        )


@define
class LossFold:
    """What was lost of late: points and changes dropped, points damaged in the spool, and what became a dead letter."""

    dropped: Window = field(factory=lambda: Window(slots=61))
    unreadable: Window = field(factory=lambda: Window(slots=61))
    refused: Window = field(factory=lambda: Window(slots=61))

    def add(self, report: LossReport, now: float) -> None:
        """Take the next report of a loss."""
        match report:
            case reports.Shed(count=count) | reports.Evicted(count=count):
                self.dropped.add(count, now)
            case reports.Unreadable(count=count):
                self.unreadable.add(count, now)
            case reports.Rejected(rejections=rejections):
                self.refused.add(len(rejections), now)
            case reports.DeadLetter():
                self.refused.add(1, now)
            case _:
                assert_never(report)


@define
class IncomingFold:
    """What comes in: every state by how it came, and how fast live ones do."""

    by_type: Counter[str] = field(factory=Counter)
    rate: Window = field(factory=Window)
    last_event: float | None = None

    def add(self, report: reports.Received, now: float) -> None:
        """Take what came in."""
        self.by_type[_TYPES.get(report.source, report.source.value)] += report.count
        if report.source is Source.LIVE:
            self.last_event = now
            self.rate.add(report.count, now)

    def health(self, since: float | None, now: float, moment: Callable[[float], datetime]) -> Subscription:
        """As a value; `moment` makes UTC of seconds. `since`: when the home was subscribed to; None: it is not."""
        return Subscription(
            subscribed=since is not None,
            by_type=dict(self.by_type),
            last_event=maybe(moment, self.last_event),
            per_minute=self.rate.per_minute(now),
            unusual="" if since is None else unusual(self.rate, self.last_event, since, now),
        )


@define
class RunFold:
    """Which run it is, and whether its configuration can be read again."""

    started: reports.Started = field(factory=lambda: reports.Started("", "", ""))
    started_at: float | None = None
    running: bool = False
    misread: tuple[str, ...] = ()
    """What is wrong with the configuration as it is now."""

    def add(self, report: RunReport, now: float) -> None:
        """Take the next report of the run and its configuration."""
        match report:
            case reports.Started():
                self.started, self.started_at, self.running = report, now, True
            case reports.Stopping() | reports.Stopped():
                self.running = False
            case reports.ReloadRefused(problems=problems):
                self.misread = problems
            case reports.Reloaded():
                self.misread = ()
            case _:
                assert_never(report)

    def uptime(self, now: float) -> float:
        """Seconds since the start; 0 before it."""
        return 0.0 if self.started_at is None else now - self.started_at


@define
class StuckFold:
    """What does not come back from what it began, since when, in seconds of one clock."""

    stations: dict[str, float] = field(factory=dict)

    def add(self, report: StuckReport, now: float) -> None:
        """Take the next report of what is stuck or moves again."""
        match report:
            case reports.Stuck(station=station, seconds=seconds):
                self.stations[station] = now - seconds
            case reports.Moving(station=station):
                self.stations.pop(station, None)
            case _:
                assert_never(report)

    def health(self, moment: Callable[[float], datetime]) -> dict[str, datetime]:
        """What is stuck, and since when; `moment` makes UTC of seconds."""
        return {station: moment(since) for station, since in self.stations.items()}


def maybe(moment: Callable[[float], datetime], then: float | None) -> datetime | None:
    """A time that may not be there yet, in UTC."""
    return None if then is None else moment(then)
