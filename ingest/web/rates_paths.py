"""What `rates.py` answers, for the OpenAPI document: the tests hold every answer against it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from ingest.core.event_rates import SPANS
from ingest.web.schemas import COUNT, FLAG, NUMBER, TEXT, TIME, answer, by_name, closed, failing, maybe, one_of

_RATE = {**NUMBER, "minimum": 0, "description": "events a second"}
_RATES = closed(dict.fromkeys(SPANS, _RATE))

_PROCESSING = closed(
    {
        "state": one_of("running", "stopped"),
        "is_running": FLAG,
        "processed_events": COUNT,
        "failed_events": COUNT,
        "success_rate": {**NUMBER, "minimum": 0, "maximum": 100, "description": "percent"},
        "processing_rate_per_second": NUMBER,
        "queue_size": COUNT,
        "queue_maxsize": COUNT,
        "uptime_seconds": NUMBER,
        "last_processing_time": maybe(TIME),
    }
)

_CONNECTION = closed(
    {
        "is_connected": FLAG,
        "is_subscribed": FLAG,
        "total_events_received": COUNT,
        "events_by_type": by_name(COUNT),
        "last_event_time": maybe(TIME),
    }
)

_EVENT_RATE = closed(
    {
        "service": TEXT,
        "events_per_second": NUMBER,
        "events_per_hour": NUMBER,
        "total_events_processed": COUNT,
        "uptime_seconds": NUMBER,
        "rates": _RATES,
        "by_type": by_name(closed({"total": COUNT, "rates": _RATES})),
        "busiest_domains": by_name(_RATES),
        "busiest_entities": by_name(_RATES),
        "processing_stats": _PROCESSING,
        "connection_stats": _CONNECTION,
        "timestamp": TIME,
    }
)

_FILTER_STATS = closed(
    {
        "enabled": FLAG,
        "message": maybe(TEXT),
        "statistics": closed(
            {
                "filtered_count": COUNT,
                "passed_count": COUNT,
                "exception_count": COUNT,
                "total_processed": COUNT,
                "filter_rate": {**NUMBER, "minimum": 0, "maximum": 1},
                "uptime_seconds": NUMBER,
                "mode": one_of("include", "exclude"),
                "patterns_count": COUNT,
                "exceptions_count": COUNT,
            }
        ),
        "filtered_by_rule": by_name(COUNT),
        "passed_by_rule": by_name(COUNT),
        "timestamp": TIME,
    }
)

_BROKEN: Final = failing("A bug stopped the counting; the log says which.")

PATHS: Final[Mapping[str, Any]] = {
    "/api/v1/event-rate": {
        "get": {
            "operationId": "eventRate",
            "summary": "How many events come in now, of which types, domains and entities.",
            "responses": {"200": answer("The rates now.", _EVENT_RATE), "503": _BROKEN},
        }
    },
    "/api/v1/filter/stats": {
        "get": {
            "operationId": "filterStats",
            "summary": "What the filter did with what came live and in snapshots, by rule.",
            "responses": {"200": answer("The counts now.", _FILTER_STATS), "503": _BROKEN},
        }
    },
}
