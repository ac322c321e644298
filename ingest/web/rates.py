"""`GET /api/v1/event-rate` and `GET /api/v1/filter/stats`, with the keys and types of HomeIQ.

HomeIQ's rate was the mean since its start, and it counted what no database had taken as processed. Here the rate is that
of the last minute, and processed is what came to the end that it should: stored, left out by a rule, or stored before.
A delivery does not tell events from points of our own or of the spool's, so what is stored of these is in it, too.
Of its `processing_stats` the keys of its worker pool and its rate limit are not answered: nothing here has either.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from attrs import frozen
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from ingest.core.event_rates import EventRates
from ingest.core.filter_counts import FilterCounts
from ingest.core.filter_settings import FilterSettings
from ingest.core.health import Health
from ingest.web.contract import SERVICE

PROCESSED = ("stored", "repeated", "filtered")
FAILED = ("rejected", "malformed", "shed", "evicted")
"""Terms of the books: what came to the end that it should, and what did not."""

INTAKE = "intake"
"""The link before the filter, where HomeIQ had its queue."""

UNCONFIGURED = "Entity filter not configured"


@frozen
class Rates:
    """Where these two answers come from; `settings` are those of the filter that judges now."""

    health: Callable[[], Health]
    events: Callable[[], EventRates]
    filtering: Callable[[], tuple[FilterSettings, FilterCounts]]

    def routes(self) -> list[BaseRoute]:
        """What is answered, by path."""
        return [
            Route("/api/v1/event-rate", self.event_rate),
            Route("/api/v1/filter/stats", self.filter_stats),
        ]

    async def event_rate(self, _: Request) -> Response:
        """Answer `GET /api/v1/event-rate`: how many events come in, in the shape that HomeIQ has."""
        return JSONResponse(event_rate(self.health(), self.events()))

    async def filter_stats(self, _: Request) -> Response:
        """What the filter did with them."""
        return JSONResponse(filter_stats(self.health(), *self.filtering()))


def event_rate(health: Health, events: EventRates) -> dict[str, Any]:
    """The answer of `GET /api/v1/event-rate`. Rates in events a second."""
    processing = _processing(health, events)
    return {
        "service": SERVICE,
        "events_per_second": round(events.rates["1m"], 2),
        "events_per_hour": round(events.rates["1m"] * 3600, 2),
        "total_events_processed": processing["processed_events"],
        "uptime_seconds": round(health.uptime, 2),
        "rates": _rounded(events.rates),
        "by_type": {
            name: {"total": each.total, "rates": _rounded(each.rates)} for name, each in events.by_type.items()
        },
        "busiest_domains": {name: _rounded(each) for name, each in events.by_domain.items()},
        "busiest_entities": {name: _rounded(each) for name, each in events.by_entity.items()},
        "processing_stats": processing,
        "connection_stats": _connection(health),
        "timestamp": health.at.isoformat(),
    }


def _processing(health: Health, events: EventRates) -> dict[str, Any]:
    processed, failed = (sum(health.totals.get(term, 0) for term in terms) for terms in (PROCESSED, FAILED))
    intake = next((each for each in health.queues if each.name == INTAKE), None)
    last = health.database.last_stored
    return {
        "state": "running" if health.connection.running else "stopped",
        "is_running": health.connection.running,
        "processed_events": processed,
        "failed_events": failed,
        "success_rate": round(100 * processed / (processed + failed), 2) if processed + failed else 0.0,
        "processing_rate_per_second": round(events.rates["1m"], 2),
        "queue_size": intake.events if intake else 0,
        "queue_maxsize": intake.capacity_events if intake else 0,
        "uptime_seconds": round(health.uptime, 2),
        "last_processing_time": last and last.isoformat(),
    }


def _connection(health: Health) -> dict[str, Any]:
    subscription = health.subscription
    last = subscription.last_event
    return {
        "is_connected": subscription.subscribed,
        "is_subscribed": subscription.subscribed,
        "total_events_received": subscription.total,
        "events_by_type": dict(subscription.by_type),
        "last_event_time": last and last.isoformat(),
    }


def _rounded(rates: Mapping[str, float]) -> dict[str, float]:
    return {span: round(rate, 4) for span, rate in rates.items()}


def filter_stats(health: Health, settings: FilterSettings, counts: FilterCounts) -> dict[str, Any]:
    """The answer of `GET /api/v1/filter/stats`. As with HomeIQ an exception's states are not among `passed_count`."""
    enabled = bool(settings.patterns or settings.drop_replays or settings.mode == "include")
    return {
        "enabled": enabled,
        "message": None if enabled else UNCONFIGURED,
        "statistics": {
            "filtered_count": counts.filtered,
            "passed_count": counts.passed - counts.excepted,
            "exception_count": counts.excepted,
            "total_processed": counts.total,
            "filter_rate": counts.filtered / counts.total if counts.total else 0.0,
            "uptime_seconds": round(health.uptime, 2),
            "mode": settings.mode,
            "patterns_count": len(settings.patterns),
            "exceptions_count": len(settings.exceptions),
        },
        "filtered_by_rule": dict(counts.filtered_by),
        "passed_by_rule": dict(counts.passed_by),
        "timestamp": health.at.isoformat(),
    }
