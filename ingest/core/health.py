"""How the service is, as one value: what it is connected to, what waits, what went wrong and what to do about it.

    healthy    every change is received and stored, or on its way
    degraded   nothing is lost, but something waits or is unusual
    unhealthy  changes are missed or were lost, or a person must act

The values are made in `core/health_fold.py`; the verdict is here. `reason` names every cause, and how many points wait
for the store.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from enum import Enum

from attrs import field, frozen

from ingest.core.data_api_health import DataApiHealth
from ingest.core.ledger import Summary
from ingest.core.lifetime import Lifetime
from ingest.core.problem import Category, Problem
from ingest.core.registries_health import RegistriesHealth
from ingest.core.words import all_is_well


class Status(Enum):
    """The verdict, the worst last."""

    HEALTHY = "healthy"
    DEGRADED = "degraded"
    UNHEALTHY = "unhealthy"


@frozen
class Cause:
    """Why the service is not healthy, and what a person can do; `outline…`: without what others said and without paths."""

    status: Status
    reason: str
    remedy: str = ""
    outline: str = ""
    outline_remedy: str = ""


@frozen
class CandidateHealth:
    """One address of Home Assistant. `state` is a session's state; `breaker` closed, open or half_open."""

    name: str
    state: str = "idle"
    attempts: int = 0
    successes: int = 0
    failures: int = 0
    failures_in_row: int = 0
    last_success: datetime | None = None
    last_failure: datetime | None = None
    breaker: str = "closed"
    problem: str = ""
    needs_person: bool = False
    remedy: str = ""


@frozen
class Connection:
    """All candidates together; `current` is the one that is subscribed, else the one that was tried last."""

    current: CandidateHealth
    candidates: tuple[CandidateHealth, ...]
    running: bool

    @property
    def attempts(self) -> int:
        """Attempts of all candidates."""
        return sum(each.attempts for each in self.candidates)

    @property
    def successes(self) -> int:
        """Attempts that led to a subscription."""
        return sum(each.successes for each in self.candidates)

    @property
    def failures(self) -> int:
        """Attempts to connect that failed, of all addresses together, since the start."""
        return sum(each.failures for each in self.candidates)

    @property
    def last_success(self) -> datetime | None:
        """When a subscription was last made."""
        return max((each.last_success for each in self.candidates if each.last_success), default=None)


@frozen
class Subscription:
    """What comes in. `by_type` counts states by how they came; the rate and `last_event` are of live ones."""

    subscribed: bool
    by_type: Mapping[str, int]
    last_event: datetime | None
    per_minute: float
    unusual: str = ""

    @property
    def total(self) -> int:
        """Every state that came in."""
        return sum(self.by_type.values())


@frozen
class Database:
    """The store. `reachable` None: nothing was delivered yet. `waiting` are the points that it does not have yet."""

    name: str
    where: str
    reachable: bool | None
    waiting: int
    failing_since: datetime | None = None
    reason: str = ""
    remedy: str = ""
    breaker: str = "closed"
    failures: int = 0
    last_stored: datetime | None = None
    last_seconds: float | None = None


@frozen
class Spool:
    """What is kept for the store. Sizes in bytes; None: not known. `failing`: why it is in memory only.

    `letters_failing`: why dead letters are, `ledger_failing` why the ledger is; `letters`: how many there are. It holds
    `limit` at most; `rate` is in bytes a second, `measured` over so many seconds, an hour at most; in the first of them
    it is the burst of a start.
    """

    points: int
    size: int
    batches: int | None = None
    oldest: datetime | None = None
    failing: str = ""
    limit: int | None = None
    rate: float | None = None
    letters_failing: str = ""
    letters: int | None = None
    measured: float | None = None
    ledger_failing: str = ""

    @property
    def days(self) -> float | None:
        """How many days the whole of it lasts at the present rate; None when that is not known."""
        return self.limit / self.rate / 86_400 if self.limit and self.rate else None

    @property
    def days_left(self) -> float | None:
        """How many days the rest of it does."""
        return max(0, self.limit - self.size) / self.rate / 86_400 if self.limit and self.rate else None


@frozen
class Queue:
    """A link. Sizes in bytes; the peaks since the start."""

    name: str
    events: int
    size: int
    peak_events: int
    peak_size: int
    capacity_events: int
    capacity_size: int

    @property
    def full(self) -> bool:
        """True when it takes no more, or only by dropping."""
        return self.events >= self.capacity_events or self.size >= self.capacity_size


@frozen
class Gauges:
    """What is counted where it is, read when health is asked for.

    `open` are the points of the open batch; `waiting_points` those on the way to the store and not yet in the spool.
    """

    queues: tuple[Queue, ...] = ()
    open: int = 0
    waiting_points: int = 0
    spool_points: int = 0
    spool_size: int = 0
    spool_batches: int | None = None
    spool_oldest_ns: int | None = None
    books: Mapping[str, int] = field(factory=dict)
    spool_limit: int | None = None
    spool_rate: float | None = None
    lifetime: Lifetime | None = None
    gaps: Summary | None = None
    letters: int | None = None
    spool_measured: float | None = None

    @property
    def waiting(self) -> int:
        """Every point that the store does not have yet."""
        return self.waiting_points + self.open + self.spool_points


@frozen
class Health:
    """Everything at one moment. `uptime` in seconds, since `Started`."""

    at: datetime
    uptime: float
    version: str
    home: str
    connection: Connection
    subscription: Subscription
    database: Database
    spool: Spool
    queues: tuple[Queue, ...]
    totals: Mapping[str, int]
    problems: tuple[Problem, ...]
    categories: Mapping[str, Category]
    causes: tuple[Cause, ...] = ()
    lifetime: Lifetime | None = None
    gaps: Summary | None = None
    registries: RegistriesHealth = field(factory=RegistriesHealth)
    data_api: DataApiHealth | None = None
    """None: none is configured."""
    stuck: Mapping[str, datetime] = field(factory=dict)
    """What does not come back, since when."""

    @property
    def status(self) -> Status:
        """The worst of the causes; healthy where there is none."""
        found = {cause.status for cause in self.causes}
        return next((each for each in (Status.UNHEALTHY, Status.DEGRADED) if each in found), Status.HEALTHY)

    @property
    def reason(self) -> str:
        """Every cause in one line; a sentence also when all is well."""
        return "; ".join(cause.reason for cause in self.causes) or all_is_well(
            self.database.waiting, self.totals.get("rejected", 0)
        )

    @property
    def remedies(self) -> tuple[str, ...]:
        """What a person can do, each once."""
        return tuple(dict.fromkeys(cause.remedy for cause in self.causes if cause.remedy))

    @property
    def ready(self) -> bool:
        """True when connected, subscribed and the store takes points."""
        return self.subscription.subscribed and self.database.reachable is True
