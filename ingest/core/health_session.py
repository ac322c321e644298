"""What must be remembered of the addresses of Home Assistant: times in seconds of one clock."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Self, TypeAlias, assert_never

from attrs import define

from ingest.core import reports
from ingest.core.backoff import Breaker, breaker_at
from ingest.core.health import CandidateHealth, Connection
from ingest.core.health_parts import maybe
from ingest.core.session import SessionState

SUBSCRIBED = frozenset({SessionState.SNAPSHOT, SessionState.LIVE})
_ENDED = frozenset({SessionState.WAITING, SessionState.REFUSED})

SessionReport: TypeAlias = (
    reports.SessionChanged | reports.Connected | reports.ConnectionFailed | reports.CandidateRefused
)


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

    def failed(self, report: reports.ConnectionFailed, now: float) -> None:
        """An attempt failed, or a session ended."""
        self._waits(report, now, report.failures)
        self.open, self.needs_person = report.breaker != Breaker.CLOSED.value, report.needs_person

    def refused(self, report: reports.CandidateRefused, now: float) -> None:
        """A person must act before another attempt can succeed."""
        self._waits(report, now, self.in_row + 1)
        self.open = self.needs_person = True

    def _waits(self, report: reports.ConnectionFailed | reports.CandidateRefused, now: float, in_row: int) -> None:
        self.problem, self.remedy = report.reason, report.remedy
        self.retry_at, self.in_row = now + report.retry_in, in_row

    def health(self, now: float, moment: Callable[[float], datetime]) -> CandidateHealth:
        """As a value; `moment` makes UTC of seconds."""
        breaker = breaker_at(now, self.retry_at, is_open=self.open).value
        return CandidateHealth(
            name=self.name,
            state=self.state.value,
            attempts=self.attempts,
            successes=self.successes,
            failures=self.failures,
            failures_in_row=self.in_row,
            last_success=maybe(moment, self.last_success),
            last_failure=maybe(moment, self.last_failure),
            breaker=breaker,
            problem=self.problem,
            needs_person=self.needs_person,
            remedy=self.remedy,
        )


@define
class SessionFold:
    """All addresses; `current` is the one that is subscribed, else the one that was tried last."""

    candidates: dict[str, CandidateFold]
    current: str

    @classmethod
    def of(cls, names: Sequence[str]) -> Self:
        """Before the first attempt: `names` are in the order of the configuration."""
        return cls({name: CandidateFold(name) for name in names}, names[0])

    def add(self, report: SessionReport, now: float) -> None:
        """Take the next report of a session."""
        match report:
            case reports.SessionChanged(candidate=name, state=state):
                self.current = name if state is SessionState.CONNECTING else self.current
                self.candidates[name].enter(state, now)
            case reports.Connected(candidate=name):
                self.current = name
                self.candidates[name].connected(now)
            case reports.ConnectionFailed(candidate=name):
                self.candidates[name].failed(report, now)
            case reports.CandidateRefused(candidate=name):
                self.candidates[name].refused(report, now)
            case _:
                assert_never(report)

    @property
    def subscribed_since(self) -> float | None:
        """None: no address is subscribed."""
        return next(
            (each.subscribed_since for each in self.candidates.values() if each.subscribed_since is not None), None
        )

    def health(self, now: float, moment: Callable[[float], datetime], *, running: bool) -> Connection:
        """As a value; `moment` makes UTC of seconds."""
        made = {name: each.health(now, moment) for name, each in self.candidates.items()}
        return Connection(made[self.current], tuple(made.values()), running)
