"""The shape of `GET /health`: what `contract.py` makes."""

from __future__ import annotations

from typing import Final

from ingest.core.coverage import Progress
from ingest.core.health import Status
from ingest.core.session import SessionState
from ingest.web.schemas import COUNT, FLAG, NUMBER, TEXT, TIME, Schema, by_name, closed, many, maybe, one_of, opened

_BREAKER = one_of("closed", "open", "half_open")
_STATE = one_of(*(each.value for each in SessionState))
_BROKEN = closed({"state": _BREAKER, "failure_count": COUNT})

_CANDIDATE = closed(
    {
        "name": TEXT,
        "state": _STATE,
        "attempts": COUNT,
        "successful": COUNT,
        "failed": COUNT,
        "last_successful": maybe(TIME),
        "last_failure": maybe(TIME),
        "circuit_breaker": _BREAKER,
        "problem": TEXT,
    }
)

_CONNECTION = closed(
    {
        "is_running": FLAG,
        "connection_attempts": COUNT,
        "successful_connections": COUNT,
        "failed_connections": COUNT,
        "last_successful": maybe(TIME),
        "current_state": _STATE,
        "candidates": many(_CANDIDATE),
    }
)

_SUBSCRIPTION = closed(
    {
        "is_subscribed": FLAG,
        "total_events_received": COUNT,
        "event_rate_per_minute": NUMBER,
        "last_event": maybe(TIME),
        "events_by_type": by_name(COUNT),
    }
)

_DATABASE = closed(
    {
        "name": TEXT,
        "where": TEXT,
        "reachable": maybe(FLAG),
        "waiting_points": COUNT,
        "failing_since": maybe(TIME),
        "reason": TEXT,
        "remedy": TEXT,
        "circuit_breaker": _BROKEN,
        "last_stored": maybe(TIME),
        "last_delivery_seconds": maybe(NUMBER),
    }
)

_SPOOL = closed(
    {
        "points": COUNT,
        "bytes": COUNT,
        "batches": maybe(COUNT),
        "oldest": maybe(TIME),
        "failing": TEXT,
        "dead_letters": maybe(COUNT),
        "dead_letters_failing": TEXT,
        "ledger_failing": TEXT,
        "limit_bytes": maybe(COUNT),
        "bytes_per_second": maybe(NUMBER),
        "rate_seconds": maybe(NUMBER),
        "days": maybe(NUMBER),
        "days_left": maybe(NUMBER),
    }
)

_GAPS = closed(
    {
        "dropped_changes": COUNT,
        **{each.value: maybe(COUNT) for each in Progress},
        "oldest_open": maybe(TIME),
        "states_filled": maybe(COUNT),
    }
)

_REGISTRIES = closed(
    {
        "source": TEXT,
        "as_of": maybe(TIME),
        **dict.fromkeys(("entities", "devices", "areas", "floors", "labels", "skipped", "readings", "changes"), COUNT),
        "last_reading_seconds": maybe(NUMBER),
        "failing": TEXT,
        "commands_failing": many(TEXT),
    }
)

_DATA_API = closed(
    {
        "reachable": maybe(FLAG),
        "posted": by_name(COUNT),
        "refused": COUNT,
        "waiting": COUNT,
        "failing_since": maybe(TIME),
        "reason": TEXT,
        "remedy": TEXT,
        "circuit_breaker": _BROKEN,
        "last_published": maybe(TIME),
    }
)

_QUEUE = closed(
    {
        "name": TEXT,
        **dict.fromkeys(
            ("events", "bytes", "peak_events", "peak_bytes", "capacity_events", "capacity_bytes"),
            COUNT,
        ),
    }
)

_ERRORS = closed(
    {
        "categories": by_name(closed({"total": COUNT, "per_minute": NUMBER, "last": maybe(TIME)})),
        "recent": many(closed({"at": maybe(TIME), "category": TEXT, "error": TEXT, "remedy": TEXT})),
    }
)

HEALTH: Final[Schema] = closed(
    {
        "service": TEXT,
        "version": TEXT,
        "status": one_of(*(each.value for each in Status)),
        "reason": TEXT,
        "remedies": many(TEXT),
        "timestamp": TIME,
        "uptime": TEXT,
        "uptime_seconds": NUMBER,
        "connection": _CONNECTION,
        "subscription": _SUBSCRIPTION,
        "circuit_breaker": closed({"state": _BREAKER, "failure_count": COUNT, "last_failure": maybe(TIME)}),
        "performance": closed({"memory_mb": NUMBER, "cpu_percent": NUMBER}),
        "database": _DATABASE,
        "spool": _SPOOL,
        "gaps": _GAPS,
        "registries": _REGISTRIES,
        "data_api": maybe(_DATA_API),
        "queues": many(_QUEUE),
        "totals": by_name(COUNT),
        "lifetime": maybe({**opened({"since": TIME}), "additionalProperties": COUNT}),
        "errors": _ERRORS,
        "files": by_name(TEXT),
    }
)
