"""Health as JSON, with the keys and shapes of HomeIQ's `GET /health`, and more beside them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from ingest.core.coverage import Progress
from ingest.core.data_api_health import DataApiHealth
from ingest.core.health import CandidateHealth, Database, Health, Queue, Spool
from ingest.core.lifetime import Lifetime
from ingest.core.problem import Category, Problem
from ingest.core.registries_health import RegistriesHealth
from ingest.core.state import moment_at
from ingest.edge.process import Usage

SERVICE = "homeiq-ingest"


def identity(health: Health) -> dict[str, Any]:
    """The answer of `GET /`: which service this is, its version, its health in a word."""
    return {"service": SERVICE, "version": health.version, "status": health.status.value}


def readiness(health: Health) -> dict[str, Any]:
    """The answer of `GET /ready`: what is there already."""
    return {
        "ready": health.ready,
        "connected": health.subscription.subscribed,
        "subscribed": health.subscription.subscribed,
        "database": health.database.reachable is True,
        "reason": health.reason,
    }


def as_contract(health: Health, usage: Usage) -> dict[str, Any]:
    """The answer of `GET /health`. Times are ISO 8601 in UTC, None where there is none yet."""
    connection, subscription, current = health.connection, health.subscription, health.connection.current
    return {
        **identity(health),
        "reason": health.reason,
        "remedies": list(health.remedies),
        "timestamp": health.at.isoformat(),
        "uptime": str(timedelta(seconds=health.uptime)),
        "uptime_seconds": health.uptime,
        "connection": {
            "is_running": connection.running,
            "connection_attempts": connection.attempts,
            "successful_connections": connection.successes,
            "failed_connections": connection.failures,
            "last_successful": _iso(connection.last_success),
            "current_state": current.state,
            "candidates": [_candidate(each) for each in connection.candidates],
        },
        "subscription": {
            "is_subscribed": subscription.subscribed,
            "total_events_received": subscription.total,
            "event_rate_per_minute": subscription.per_minute,
            "last_event": _iso(subscription.last_event),
            "events_by_type": dict(subscription.by_type),
        },
        "circuit_breaker": {
            "state": current.breaker,
            "failure_count": current.failures_in_row,
            "last_failure": _iso(current.last_failure),
        },
        "performance": {"memory_mb": usage.memory_mb, "cpu_percent": usage.cpu_percent},
        "database": _database(health.database),
        "spool": _spool(health.spool),
        "gaps": _gaps(health),
        "registries": _registries(health.registries),
        "data_api": _data_api(health.data_api),
        "queues": [_queue(each) for each in health.queues],
        "totals": dict(health.totals),
        "lifetime": _lifetime(health.lifetime),
        "errors": _errors(health.problems, health.categories),
    }


def _candidate(candidate: CandidateHealth) -> dict[str, Any]:
    return {
        "name": candidate.name,
        "state": candidate.state,
        "attempts": candidate.attempts,
        "successful": candidate.successes,
        "failed": candidate.failures,
        "last_successful": _iso(candidate.last_success),
        "last_failure": _iso(candidate.last_failure),
        "circuit_breaker": candidate.breaker,
        "problem": candidate.problem,
    }


def _database(database: Database) -> dict[str, Any]:
    return {
        "name": database.name,
        "where": database.where,
        "reachable": database.reachable,
        "waiting_points": database.waiting,
        "failing_since": _iso(database.failing_since),
        "reason": database.reason,
        "remedy": database.remedy,
        "circuit_breaker": {"state": database.breaker, "failure_count": database.failures},
        "last_stored": _iso(database.last_stored),
        "last_delivery_seconds": database.last_seconds,
    }


def _data_api(told: DataApiHealth | None) -> dict[str, Any] | None:
    if told is None:
        return None
    return {
        "reachable": told.reachable,
        "posted": dict(told.posted),
        "refused": told.refused,
        "waiting": told.waiting,
        "failing_since": _iso(told.failing_since),
        "reason": told.reason,
        "remedy": told.remedy,
        "circuit_breaker": {"state": told.breaker, "failure_count": told.failures_in_row},
        "last_published": _iso(told.last_published),
    }


def _spool(spool: Spool) -> dict[str, Any]:
    return {
        "points": spool.points,
        "bytes": spool.size,
        "batches": spool.batches,
        "oldest": _iso(spool.oldest),
        "failing": spool.failing,
        "dead_letters": spool.letters,
        "dead_letters_failing": spool.letters_failing,
        "ledger_failing": spool.ledger_failing,
        "limit_bytes": spool.limit,
        "bytes_per_second": spool.rate,
        "rate_seconds": spool.measured,
        "days": spool.days,
        "days_left": spool.days_left,
    }


def _registries(known: RegistriesHealth) -> dict[str, Any]:
    counted = ("entities", "devices", "areas", "floors", "labels", "skipped", "readings", "changes")
    return {
        "source": known.source,
        "as_of": _iso(known.as_of),
        **{name: getattr(known, name) for name in counted},
        "last_reading_seconds": known.seconds,
        "failing": known.reason,
        "commands_failing": list(known.partly),
    }


def _gaps(health: Health) -> dict[str, Any]:
    """What was dropped, and the gaps by how far they are filled; None where nobody keeps a ledger of them."""
    gaps, oldest_ns = health.gaps, health.gaps.oldest_left_ns if health.gaps else None
    return {
        "dropped_changes": health.totals.get("shed", 0) + health.totals.get("evicted", 0),
        **{each.value: gaps.counts.get(each, 0) if gaps else None for each in Progress},
        "oldest_open": None if oldest_ns is None else _iso(moment_at(oldest_ns)),
        "states_filled": gaps.filled if gaps else None,
    }


def _lifetime(lifetime: Lifetime | None) -> dict[str, Any] | None:
    return None if lifetime is None else {"since": _iso(moment_at(lifetime.since_ns)), **lifetime.totals}


def _queue(queue: Queue) -> dict[str, Any]:
    return {
        "name": queue.name,
        "events": queue.events,
        "bytes": queue.size,
        "peak_events": queue.peak_events,
        "peak_bytes": queue.peak_size,
        "capacity_events": queue.capacity_events,
        "capacity_bytes": queue.capacity_size,
    }


def _errors(problems: tuple[Problem, ...], categories: Mapping[str, Category]) -> dict[str, Any]:
    return {
        "categories": {
            name: {"total": each.total, "per_minute": each.per_minute, "last": _iso(each.last)}
            for name, each in categories.items()
        },
        "recent": [
            {"at": _iso(each.at), "category": each.category, "error": each.text, "remedy": each.remedy}
            for each in problems
        ],
    }


def _iso(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat()
