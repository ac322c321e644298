"""From reports to health: what must be remembered of them, O(1) for each.

Everything is remembered in seconds of one clock that never goes back (trio's), and becomes UTC only when somebody
asks: so neither a jump of the wall clock nor a virtual one spoils it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, TypeAlias, get_args

from attrs import define, field

from ingest.core import reports
from ingest.core.data_api_health import DataApiFold, DataApiReport
from ingest.core.health import Gauges, Health
from ingest.core.health_causes import Facts, causes
from ingest.core.health_file import FileFold, FileReport
from ingest.core.health_parts import (
    IncomingFold,
    LossFold,
    LossReport,
    RunFold,
    RunReport,
    StoreFold,
    StoreReport,
    StuckFold,
    StuckReport,
)
from ingest.core.health_problems import Problems
from ingest.core.health_session import SessionFold, SessionReport
from ingest.core.rates import RECENT
from ingest.core.registries_health import RegistriesFold, RegistriesReport
from ingest.core.reports import Report

Hear: TypeAlias = Callable[[Any, float], None]


@define
class HealthFold:
    """Reports in, `Health` out. `name` is the store's; candidates are in the order of the configuration.

    `carried` are the points that the spool held before the start; `data_api` is there when one is told of the home.
    """

    name: str
    candidates: tuple[str, ...]
    carried: int = 0
    data_api: DataApiFold | None = None
    _run: RunFold = field(factory=RunFold)
    _session: SessionFold = field(init=False)
    _incoming: IncomingFold = field(factory=IncomingFold)
    _store: StoreFold = field(init=False)
    _losses: LossFold = field(factory=LossFold)
    _file: FileFold = field(factory=FileFold)
    _problems: Problems = field(factory=Problems)
    _registries: RegistriesFold = field(factory=RegistriesFold)
    _stuck: StuckFold = field(factory=StuckFold)
    _hear: dict[type[Report], list[Hear]] = field(factory=lambda: defaultdict(list))
    """Who takes what: a report is handed only to the folds that it is about."""

    def __attrs_post_init__(self) -> None:
        self._session, self._store = SessionFold.of(self.candidates), StoreFold(owed=self.carried)
        self._hand(reports.Received, self._incoming.add)
        self._hand(StoreReport, self._store.add)
        self._hand(LossReport, self._losses.add)
        self._hand(SessionReport, self._session.add)
        self._hand(RunReport, self._run.add)
        self._hand(FileReport, self._file.add)
        self._hand(RegistriesReport, self._registries.add)
        self._hand(StuckReport, self._stuck.add)
        if self.data_api is not None:
            self._hand(DataApiReport, self.data_api.add)

    def _hand(self, about: Any, hear: Hear) -> None:
        """From now on such reports, of one class or a union, to that fold."""
        for kind in get_args(about) or (about,):
            self._hear[kind].append(hear)

    def add(self, report: Report, now: float) -> None:
        """Take the next report, at that moment in seconds of the same clock as all others."""
        self._problems.add(report, now)
        for hear in self._hear.get(type(report), ()):
            hear(report, now)

    def look(self, gauges: Gauges, now: float, wall: datetime) -> Health:
        """How things are now: `now` of the clock of `add`, `wall` the same moment in UTC."""

        def moment(then: float) -> datetime:
            return wall - timedelta(seconds=now - then)

        run = self._run
        facts = Facts(
            connection=self._session.health(now, moment, running=run.running),
            subscription=self._incoming.health(self._session.subscribed_since, now, moment),
            database=self._store.health(self.name, run.started.store, gauges.waiting, now, moment),
            spool=self._file.health(gauges),
            queues=gauges.queues,
            pending_seconds=self._store.silent(now),
            lost=self._losses.dropped.total(RECENT, now),
            unreadable=self._losses.unreadable.total(RECENT, now),
            refused=self._losses.refused.total(RECENT, now),
            aside=tuple(self._file.aside.values()),
            letters=self._file.letters.total(RECENT, now),
            damaged=self._file.damaged,
            registries=self._registries.health(moment),
            data_api=None if self.data_api is None else self.data_api.health(now, moment),
            misread=run.misread,
            stuck=self._stuck.health(moment),
        )
        return Health(
            at=wall,
            uptime=run.uptime(now),
            version=run.started.version,
            home=run.started.home,
            connection=facts.connection,
            subscription=facts.subscription,
            database=facts.database,
            spool=facts.spool,
            queues=gauges.queues,
            totals=gauges.books,
            problems=self._problems.last(moment),
            categories=self._problems.categories(moment, now),
            causes=causes(facts),
            lifetime=gauges.lifetime,
            gaps=gauges.gaps,
            registries=facts.registries,
            data_api=facts.data_api,
            stuck=facts.stuck,
        )
