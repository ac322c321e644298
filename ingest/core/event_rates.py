"""How many events come in: of every type, of every domain and of every entity, O(1) for each event in the mean.

Of all events and of each type they are counted exactly, in slots of five seconds. Domains and entities are many, so each
of them has three numbers that fade, as the load average of a machine does: what came a moment ago weighs most, and a rate
of one minute is that of the last minute or so. The busiest are told, those that were silent for the longest are
forgotten. No number is made smaller as time goes on: what comes later weighs more instead, by one factor for all of them
(forward decay; Cormode et al., ICDE 2009), and once an hour all are made smaller. So an event is three additions, and no
number has to know its time.
What came within a second is gathered first and weighs the same.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from heapq import nlargest
from itertools import chain
from typing import Final, TypeAlias

from attrs import define, field, frozen

from ingest.core import reports
from ingest.core.judged import Judged
from ingest.core.rates import WIDTH, Window
from ingest.core.reports import Report
from ingest.core.state import Source

SPANS: Final[Mapping[str, float]] = {"1m": 60.0, "5m": 300.0, "15m": 900.0}
"""What rates are told of, in seconds."""

DOMAINS = 256
ENTITIES = 4096
"""How many are remembered at least: those that came last, and up to as many that came before them."""

GATHERED = 8192
"""Entities that are gathered before they are counted: some ten milliseconds of work, at ten thousand events a second and more."""

GATHERING = 1.0
"""Seconds that are gathered at most: a sixtieth of the shortest span."""

LASTING = 3600.0
"""Seconds after which weights begin at one again: until then that of the shortest span grows to e^60."""

BUSIEST = 20
"""How many are told."""

Rates: TypeAlias = Mapping[str, float]
"""Events a second, by the name of the span."""

_TYPES = {Source.LIVE: "state_changed"}
_TAUS = tuple(SPANS.values())


@frozen
class Counted:
    """Since the start, and now."""

    total: int
    rates: Rates


@frozen
class EventRates:
    """Everything at one moment; the live ones, but for the types. Of domains and entities the busiest, them first."""

    rates: Rates
    by_type: Mapping[str, Counted]
    by_domain: Mapping[str, Rates]
    by_entity: Mapping[str, Rates]


@define
class EventRatesFold:
    """What is remembered of them. `since`: when it began, in seconds of one clock that never goes back."""

    since: float
    _totals: Counter[str] = field(factory=Counter)
    _windows: dict[str, Window] = field(factory=dict)
    _domains: _Fading = field(init=False)
    _entities: _Fading = field(init=False)
    _gathered: Counter[str] = field(factory=Counter)
    _gathered_at: float = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._domains, self._entities = _Fading(DOMAINS, self.since), _Fading(ENTITIES, self.since)
        self._gathered_at = self.since

    def add(self, report: Report, now: float) -> None:
        """Take the next report, at that moment in seconds of the same clock as all others."""
        if isinstance(report, reports.Received):
            name = _TYPES.get(report.source, report.source.value)
            self._totals[name] += report.count
            if name not in self._windows:
                self._windows[name] = Window(slots=round(max(_TAUS) / WIDTH) + 1)
            self._windows[name].add(report.count, now)

    def hear(self, judged: Judged, now: float) -> None:
        """Fold in what came in one frame. Only what is live is an event of the home."""
        if judged.source is not Source.LIVE:
            return
        if now - self._gathered_at >= GATHERING or len(self._gathered) >= GATHERED:
            self._settle()
            self._gathered_at = now
        self._gathered.update([each.data.entity_id for each in judged.changes])

    def _settle(self) -> None:
        """Count what was gathered, as of when that began."""
        domains: defaultdict[str, int] = defaultdict(int)
        for entity_id, count in self._gathered.items():
            domains[entity_id.partition(".")[0]] += count
        self._entities.add(self._gathered.items(), self._gathered_at)
        self._domains.add(domains.items(), self._gathered_at)
        self._gathered.clear()

    def look(self, now: float) -> EventRates:
        """Totals and rates a second as they are at `now`, in seconds of the clock that `add` was given."""
        self._settle()
        types = {name: Counted(self._totals[name], self._exact(name, now)) for name in self._totals}
        live = _TYPES[Source.LIVE]
        return EventRates(
            types[live].rates if live in types else dict.fromkeys(SPANS, 0.0),
            types,
            self._domains.busiest(now),
            self._entities.busiest(now),
        )

    def _exact(self, name: str, now: float) -> Rates:
        """What came, over the time that was looked at: the present slot has only begun."""
        lasted, begun, window = max(WIDTH, now - self.since), now % WIDTH, self._windows[name]
        return {span: window.total(tau, now) / min(tau - WIDTH + begun, lasted) for span, tau in SPANS.items()}


@define
class _Fading:
    """Of each name, for each span, its count, in which an event weighs e to the power of when it came in that span's time."""

    limit: int
    since: float
    _lately: dict[str, list[float]] = field(factory=dict)
    _before: dict[str, list[float]] = field(factory=dict)
    """Those that came before these, and not since: they are forgotten together, so that none has to be looked for."""
    _began: float = field(init=False)
    """When an event weighed one."""

    def __attrs_post_init__(self) -> None:
        self._began = self.since

    def add(self, more: Iterable[tuple[str, int]], now: float) -> None:
        """So many more of each; `now` never goes back."""
        if now - self._began >= LASTING:
            self._begin(now)
        first, second, third = (1 / faded for faded in self._faded(now))
        lately, before = self._lately, self._before
        for name, count in more:
            counts = lately.get(name)
            if counts is None:
                counts = lately[name] = before.pop(name) if name in before else [0.0, 0.0, 0.0]
            counts[0] += count * first
            counts[1] += count * second
            counts[2] += count * third
        if len(lately) >= self.limit:
            self._lately, self._before = {}, lately

    def busiest(self, now: float) -> dict[str, Rates]:
        """Those with the highest rates over the longest span, the busiest first."""
        # What it would have been had it been watched for ever: young numbers lack what came before.
        lasted = max(WIDTH, now - self.since)
        one = [faded / (tau * -math.expm1(-lasted / tau)) for tau, faded in zip(_TAUS, self._faded(now), strict=True)]
        return {
            name: {span: count * rate for span, count, rate in zip(SPANS, counts, one, strict=True)}
            for name, counts in nlargest(BUSIEST, self._known(), key=_longest)
        }

    def _known(self) -> Iterator[tuple[str, list[float]]]:
        return chain(self._lately.items(), self._before.items())

    def _faded(self, now: float) -> list[float]:
        """What is left of an event that weighed one: nothing after a long silence, of which the weight would be no number."""
        return [math.exp((self._began - now) / tau) for tau in _TAUS]

    def _begin(self, now: float) -> None:
        """What comes now weighs one, and all that came before accordingly less."""
        first, second, third = self._faded(now)
        for _, counts in self._known():
            counts[0] *= first
            counts[1] *= second
            counts[2] *= third
        self._began = now


def _longest(each: tuple[str, list[float]]) -> float:
    return each[1][-1]
