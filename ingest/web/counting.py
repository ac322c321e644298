"""What is counted while somebody may ask for it: events and their rates, what the filter does, stalls of the event loop."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

import trio
from attrs import define, field
from starlette.exceptions import HTTPException
from starlette.routing import BaseRoute

from ingest.core.event_rates import EventRates, EventRatesFold
from ingest.core.filter_counts import FilterCounts, FilterCountsFold
from ingest.core.filter_settings import FilterSettings
from ingest.core.health import Health
from ingest.core.judged import Judged
from ingest.core.reports import Report
from ingest.core.rules import Rules
from ingest.pipeline import Pipeline
from ingest.runtime.stalls import Stalls
from ingest.runtime.watch import Watch
from ingest.web.rates import Rates

BROKEN = "what is counted here broke and is not kept up any more: look at the log, report it, restart the service"


@define(eq=False)
class Counting:
    """One pipeline's; `first` are the rules that it starts with. What is not kept up is not told: then 503."""

    first: Rules
    stalls: Stalls = field(factory=Stalls)
    _rules: Watch[Rules] = field(init=False)
    _events: EventRatesFold = field(init=False)
    _filtering: FilterCountsFold = field(init=False)
    _broken: bool = False

    def __attrs_post_init__(self) -> None:
        self._rules = Watch(self.first)
        self._events = EventRatesFold(trio.current_time())
        self._filtering = FilterCountsFold(self.first)

    def hear(self, report: Report) -> None:
        """Take the next report; what is received counts for the rates."""
        self._events.add(report, trio.current_time())

    @contextmanager
    def looking_on(self, pipeline: Pipeline) -> Iterator[None]:
        """Count what passes the filter, and measure the loop, while the block runs."""
        self._rules = pipeline.rules
        with pipeline.filter.tap.heard(self._heard), self.stalls.measured():
            yield

    def _heard(self, judged: Judged) -> None:
        self._broken = True  # unless it comes through
        self._events.hear(judged, trio.current_time())
        self._filtering.hear(judged, self._rules.value)
        self._broken = False

    def routes(self, health: Callable[[], Health]) -> list[BaseRoute]:
        """The paths that ask for rates and for what the filter does."""
        return Rates(health, self.events, self.filtering).routes()

    def events(self) -> EventRates:
        """Totals and rates of what came in, as they are now."""
        self._check()
        return self._events.look(trio.current_time())

    def filtering(self) -> tuple[FilterSettings, FilterCounts]:
        """The filter that judges now, and what became of what it judged."""
        self._check()
        rules = self._rules.value
        return rules.settings, self._filtering.look(rules)

    def left_out(self) -> Mapping[str, int]:
        """What each rule left out; told also where it is not kept up any more, for a counter must not vanish."""
        return self._filtering.look(self._rules.value).filtered_by

    def _check(self) -> None:
        if self._broken:
            raise HTTPException(503, BROKEN)
