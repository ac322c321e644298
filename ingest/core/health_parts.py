"""What must be remembered of an address of Home Assistant, and of the store: times in seconds of one clock."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from attrs import define, field

from ingest.core import reports
from ingest.core.backoff import Breaker, breaker_at
from ingest.core.health import CandidateHealth
from ingest.core.rates import Window
from ingest.core.reports import Report
from ingest.core.session import SessionState

SUBSCRIBED = frozenset({SessionState.SNAPSHOT, SessionState.LIVE})
_ENDED = frozenset({SessionState.WAITING, SessionState.REFUSED})


@define
class CandidateFold:
    """What is known of one address: a state machine over its reports. Times in seconds of one clock."""

    name: str
    state: SessionState = SessionState.IDLE
    attempts: int = 0
    successes: int = 0
    failures: int = 0
    in_row: int = 0
    subscribed_since: float | None = None
    last_success: float | None = None
    last_failure: float | None = None
    open: bool = False
    retry_at: float = 0.0
    problem: str = ""
    needs_person: bool = False
    remedy: str = ""

    def enter(self, state: SessionState, now: float) -> None:
        """The session went into that state."""
        before, self.state = self.state, state
        if state is SessionState.CONNECTING:
            self.attempts += 1
        if state in _ENDED and before not in SUBSCRIBED | _ENDED:
            self.failures += 1
        if state in _ENDED:
            self.last_failure = now
        if state not in SUBSCRIBED:
            self.subscribed_since = None

    def connected(self, now: float) -> None:
        """A session is subscribed at `now`: what was wrong before is over."""
        self.successes += 1
        self.in_row = 0
        self.last_success = self.subscribed_since = now
        self.problem, self.remedy, self.needs_person, self.open = "", "", False, False

    def failed(self, problem: str, retry_at: float, failures: int, *, is_open: bool, needs_person: bool) -> None:
        """An attempt failed, or a session ended; `retry_at` in seconds of the clock."""
        self.problem, self.retry_at, self.in_row = problem, retry_at, failures
        self.open, self.needs_person = is_open, needs_person

    def health(self, now: float, moment: Callable[[float], datetime]) -> CandidateHealth:
        """As a value; `moment` makes UTC of seconds."""
        breaker = breaker_at(now, self.retry_at, is_open=self.open).value
        return CandidateHealth(
            self.name, self.state.value, self.attempts, self.successes, self.failures, self.in_row,
            maybe(moment, self.last_success), maybe(moment, self.last_failure), breaker, self.problem,
            self.needs_person, self.remedy,
        )  # fmt: skip


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

    def batched(self, count: int, now: float) -> None:
        """So many points went into the spool."""
        if self.owed <= 0:
            self.silent_since = now
        self.owed += count

    def answered(self, count: int, now: float) -> None:
        """The store answered for so many points."""
        self.gone(count)
        self.silent_since = now

    def gone(self, count: int) -> None:
        """So many points are in the spool no longer."""
        self.owed = max(self.owed - count, 0)

    def silent(self, now: float) -> float:
        """Seconds for which it has owed an answer; 0 when it owes none."""
        return now - self.silent_since if self.owed else 0.0

    def stored(self, report: reports.Stored, now: float) -> None:
        """The store has a batch at `now`: it takes points, and its breaker closes."""
        self.answered(report.count, now)
        self.takes(now)
        self.last_stored, self.last_seconds = now, report.seconds

    def takes(self, now: float) -> None:
        """The store takes points, though it may need more than one attempt for a batch."""
        self.reachable, self.failing_since, self.failures, self.open = True, None, 0, False
        self.reason = self.remedy = ""
        self.silent_since = now

    def waits(self, report: reports.StoreWaiting, now: float) -> None:
        """The store does not take points now."""
        self.failing_since = now if self.failing_since is None else self.failing_since
        self.reachable, self.failures = False, self.failures + 1
        self.reason, self.remedy = report.reason, report.remedy
        self.open, self.retry_at = report.breaker != Breaker.CLOSED.value, now + report.retry_in
        self.silent_since = now

    def breaker(self, now: float) -> Breaker:
        """The circuit breaker as it is now."""
        return breaker_at(now, self.retry_at, is_open=self.open)


@define
class FileFold:
    """What is known of the state file: what failed in it, and what is not in it because it was set aside."""

    aside: dict[str, reports.StateSetAside] = field(factory=dict)
    damaged: str = ""
    """What damage was met in it."""
    letters: Window = field(factory=lambda: Window(slots=61))
    """The dead letters that were dropped."""

    def add(self, report: Report, now: float) -> None:
        """Take the next report; those that are not about files change nothing."""
        match report:
            case reports.StateSetAside(kept_as=kept_as):
                self.aside[kept_as] = report
            case reports.StateRecovered(file=file):
                # Of one whose first page is gone a copy is read, in a folder beside it.
                rest = {name: each for name, each in self.aside.items() if not f"{file}.".startswith(f"{name}.")}
                self.aside = rest
            case reports.StateDamaged(reason=reason):
                self.damaged = reason
            case reports.LettersDropped(count=count):
                self.letters.add(count, now)
            case _:
                pass


@define
class StuckFold:
    """What does not come back from what it began, since when, in seconds of one clock."""

    stations: dict[str, float] = field(factory=dict)

    def add(self, report: Report, now: float) -> None:
        """Take the next report; only `Stuck` and `Moving` change something."""
        match report:
            case reports.Stuck(station=station, seconds=seconds):
                self.stations[station] = now - seconds
            case reports.Moving(station=station):
                self.stations.pop(station, None)
            case _:
                pass

    def health(self, moment: Callable[[float], datetime]) -> dict[str, datetime]:
        """What is stuck, and since when; `moment` makes UTC of seconds."""
        return {station: moment(since) for station, since in self.stations.items()}


def maybe(moment: Callable[[float], datetime], then: float | None) -> datetime | None:
    """A time that may not be there yet, in UTC."""
    return None if then is None else moment(then)
