"""How many events come in: of every type, of every domain and of every entity, O(1) for each event.

Of all events and of each type they are counted exactly, in slots of five seconds. Domains and entities are many, so each
of them has three numbers that fade, as the load average of a machine does: what came a moment ago weighs most, and a rate
of one minute is that of the last minute or so. The busiest are told, the one that was silent for the longest is forgotten.
What came within a second is gathered first: a number fades once, however many events come together.
"""

from __future__ import annotations

import math
from collections import Counter, OrderedDict
from collections.abc import Mapping
from heapq import nlargest
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
"""How many are remembered."""

GATHERED = 512
"""Entities that are gathered before their numbers fade: half a millisecond of work at a time."""

GATHERING = 1.0
"""Seconds that are gathered at most: a sixtieth of the shortest span."""

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
    _gathered_at: float = 0.0

    def __attrs_post_init__(self) -> None:
        self._domains, self._entities = _Fading(DOMAINS, self.since), _Fading(ENTITIES, self.since)

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
        domains: Counter[str] = Counter()
        for entity_id, count in self._gathered.items():
            self._entities.add(entity_id, count, self._gathered_at)
            domains[entity_id.partition(".")[0]] += count
        for domain, count in domains.items():
            self._domains.add(domain, count, self._gathered_at)
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
    """Of each name when it was last seen and, for each span, its count, which fades with the time of that span."""

    limit: int
    since: float
    # Where the first go all the time, a `dict` looks for the first that is left, ever further.
    _known: OrderedDict[str, tuple[float, float, float, float]] = field(factory=OrderedDict)

    def add(self, name: str, more: int, now: float) -> None:
        """So many more."""
        before = self._known.pop(name, None)
        if before is None:
            if len(self._known) >= self.limit:
                self._known.popitem(last=False)
            self._known[name] = (now, more, more, more)
            return
        then, one, five, fifteen = before
        past, exp, (first, second, third) = then - now, math.exp, _TAUS
        self._known[name] = (
            now, more + one * exp(past / first), more + five * exp(past / second), more + fifteen * exp(past / third),
        )  # fmt: skip

    def busiest(self, now: float) -> dict[str, Rates]:
        """Those with the highest rates over the longest span, the busiest first."""

        def lately(each: tuple[str, tuple[float, ...]]) -> float:
            then, *_, count = each[1]
            return count * math.exp((then - now) / _TAUS[-1])

        return {name: self._rates(known, now) for name, known in nlargest(BUSIEST, self._known.items(), key=lately)}

    def _rates(self, known: tuple[float, ...], now: float) -> Rates:
        """What it would have been had it been watched for ever: young numbers lack what came before."""
        then, *counts = known
        lasted = max(WIDTH, now - self.since)
        return {
            span: count * math.exp((then - now) / tau) / (tau * -math.expm1(-lasted / tau))
            for (span, tau), count in zip(SPANS.items(), counts, strict=True)
        }
