"""From reports to health: what must be remembered of them, O(1) for each.

Everything is remembered in seconds of one clock that never goes back (trio's), and becomes UTC only when somebody
asks: so neither a jump of the wall clock nor a virtual one spoils it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import datetime, timedelta

from attrs import define, field

from ingest.core import health, reports
from ingest.core.backoff import Breaker
from ingest.core.data_api_health import DataApiFold
from ingest.core.health import Gauges, Health
from ingest.core.health_causes import SLOW, Facts, causes
from ingest.core.health_parts import CandidateFold, FileFold, StoreFold, StuckFold, maybe
from ingest.core.health_problems import Problems
from ingest.core.rates import RECENT, Window, unusual
from ingest.core.registries_health import RegistriesFold
from ingest.core.reports import Report
from ingest.core.session import SessionState
from ingest.core.state import Source, moment_at

_TYPES = {Source.LIVE: "state_changed"}


@define
class HealthFold:
    """Reports in, `Health` out. `name` is the store's; candidates are in the order of the configuration.

    `carried` are the points that the spool held before the start; `data_api` is there when one is told of the home.
    """

    name: str
    candidates: tuple[str, ...]
    carried: int = 0
    data_api: DataApiFold | None = None
    _candidates: dict[str, CandidateFold] = field(init=False)
    _store: StoreFold = field(factory=StoreFold)
    _file: FileFold = field(factory=FileFold)
    _problems: Problems = field(factory=Problems)
    _registries: RegistriesFold = field(factory=RegistriesFold)
    _rate: Window = field(factory=Window)
    _losses: Window = field(factory=lambda: Window(slots=61))
    _unreadable: Window = field(factory=lambda: Window(slots=61))
    _refused: Window = field(factory=lambda: Window(slots=61))
    _by_type: Counter[str] = field(factory=Counter)
    _last_event: float | None = None
    _current: str = ""
    _spool_failing: str = ""
    _letters_failing: str = ""
    _ledger_failing: str = ""
    _misread: tuple[str, ...] = ()
    _stuck: StuckFold = field(factory=StuckFold)
    _started: reports.Started = field(factory=lambda: reports.Started("", "", ""))
    _started_at: float | None = None
    _running: bool = False

    def __attrs_post_init__(self) -> None:
        self._candidates = {name: CandidateFold(name) for name in self.candidates}
        self._current = self.candidates[0]
        self._store.owed = self.carried

    def add(self, report: Report, now: float) -> None:
        """Take the next report, at that moment in seconds of the same clock as all others."""
        self._problems.add(report, now)
        match report:
            case reports.Received(count=count, source=source):
                self._received(count, source, now)
            case reports.Batched(count=count) | reports.Made(count=count):
                self._store.batched(count, now)
            case reports.Stored():
                self._store.stored(report, now)
            case reports.StoreWaiting():
                self._store.waits(report, now)
            case reports.Rejected() | reports.DeadLetter():
                self._refuse(report, now)
            case reports.Shed(count=count):
                self._losses.add(count, now)
            case reports.Evicted(count=count):
                self._losses.add(count, now)
                self._store.gone(count)
            case reports.Purged(count=count):
                self._store.gone(count)
            case reports.Unreadable(count=count):
                self._unreadable.add(count, now)
                self._store.gone(count)
            case _:
                self._add_state(report, now)

    def _refuse(self, report: reports.Rejected | reports.DeadLetter, now: float) -> None:
        if isinstance(report, reports.Rejected):
            self._store.answered(len(report.rejections), now)
        self._refused.add(len(report.rejections) if isinstance(report, reports.Rejected) else 1, now)

    def _add_state(self, report: Report, now: float) -> None:
        match report:
            case reports.SessionChanged(candidate=name, state=state):
                self._current = name if state is SessionState.CONNECTING else self._current
                self._candidates[name].enter(state, now)
            case reports.Connected(candidate=name):
                self._current = name
                self._candidates[name].connected(now)
            case reports.ConnectionFailed(candidate=name, reason=reason, retry_in=wait, failures=failures):
                is_open, person = report.breaker != Breaker.CLOSED.value, report.needs_person
                known = self._candidates[name]
                known.failed(reason, now + wait, failures, is_open=is_open, needs_person=person)
                known.remedy = report.remedy
            case reports.CandidateRefused(candidate=name, reason=reason, retry_in=wait):
                known = self._candidates[name]
                known.failed(reason, now + wait, known.in_row + 1, is_open=True, needs_person=True)
                known.remedy = report.remedy
            case reports.Started():
                self._started, self._started_at, self._running = report, now, True
                self._store.silent_since = now
            case reports.Stopping() | reports.Stopped():
                self._running = False
            case reports.StoreSearching():
                self._store.takes(now)
            case _:
                self._add_file(report, now)

    def _add_file(self, report: Report, now: float) -> None:
        match report:
            case reports.SpoolFailing(reason=reason):
                self._spool_failing = reason
            case reports.SpoolRecovered():
                self._spool_failing = ""
            case reports.LettersFailing(reason=reason):
                self._letters_failing = reason
            case reports.LettersRecovered():
                self._letters_failing = ""
            case reports.LedgerFailing(reason=reason):
                self._ledger_failing = reason
            case reports.LedgerRecovered():
                self._ledger_failing = ""
            case reports.ReloadRefused(problems=problems):
                self._misread = problems
            case reports.Reloaded():
                self._misread = ()
            case _:
                self._file.add(report, now)
                self._registries.add(report, now)
                self._stuck.add(report, now)
                if self.data_api is not None:
                    self.data_api.add(report, now)

    def _received(self, count: int, source: Source, now: float) -> None:
        self._by_type[_TYPES.get(source, source.value)] += count
        if source is Source.LIVE:
            self._last_event = now
            self._rate.add(count, now)

    def look(self, gauges: Gauges, now: float, wall: datetime) -> Health:
        """How things are now: `now` of the clock of `add`, `wall` the same moment in UTC."""

        def moment(then: float) -> datetime:
            return wall - timedelta(seconds=now - then)

        connection = self._connection(now, moment)
        subscription = self._subscription(now, moment)
        database = self._database(gauges, now, moment)
        spool = self._spool(gauges)
        pending = self._store.silent(now)
        lost, damaged = self._losses.total(RECENT, now), self._unreadable.total(RECENT, now)
        refused = self._refused.total(RECENT, now)
        registries = self._registries.health(moment)
        data_api = None if self.data_api is None else self.data_api.health(now, moment)
        stuck = self._stuck.health(moment)
        facts = Facts(
            connection, subscription, database, spool, gauges.queues, pending, lost, damaged, refused,
            tuple(self._file.aside.values()), self._file.letters.total(RECENT, now), self._file.damaged,
            registries=registries, data_api=data_api, misread=self._misread, stuck=stuck,
        )  # fmt: skip
        started = self._started
        return Health(
            wall, 0.0 if self._started_at is None else now - self._started_at, started.version, started.home,
            connection, subscription, database, spool, gauges.queues, gauges.books, self._problems.last(moment),
            self._problems.categories(moment, now), causes(facts), gauges.lifetime, gauges.gaps,
            registries=registries, data_api=data_api, stuck=stuck,
        )  # fmt: skip

    def _connection(self, now: float, moment: Callable[[float], datetime]) -> health.Connection:
        made = {name: each.health(now, moment) for name, each in self._candidates.items()}
        return health.Connection(made[self._current], tuple(made.values()), self._running)

    def _subscription(self, now: float, moment: Callable[[float], datetime]) -> health.Subscription:
        since = [each.subscribed_since for each in self._candidates.values() if each.subscribed_since is not None]
        odd = unusual(self._rate, self._last_event, since[0], now) if since else ""
        last = maybe(moment, self._last_event)
        return health.Subscription(bool(since), dict(self._by_type), last, self._rate.per_minute(now), odd)

    def _database(self, gauges: Gauges, now: float, moment: Callable[[float], datetime]) -> health.Database:
        store, silent = self._store, self._store.silent(now)
        hangs = silent >= SLOW and store.failing_since is None
        return health.Database(
            self.name, self._started.store, False if hangs else store.reachable, gauges.waiting,
            maybe(moment, store.failing_since), f"no answer for {silent:.0f} s" if hangs else store.reason,
            store.remedy, store.breaker(now).value, store.failures, maybe(moment, store.last_stored), store.last_seconds,
        )  # fmt: skip

    def _spool(self, gauges: Gauges) -> health.Spool:
        oldest = gauges.spool_oldest_ns
        since = None if oldest is None else moment_at(oldest)
        return health.Spool(
            gauges.spool_points, gauges.spool_size, gauges.spool_batches, since, self._spool_failing,
            gauges.spool_limit, gauges.spool_rate, self._letters_failing, gauges.letters, gauges.spool_measured,
            ledger_failing=self._ledger_failing,
        )  # fmt: skip
