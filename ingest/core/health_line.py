"""How the service is, in one line: what `systemctl status` shows."""

from __future__ import annotations

from datetime import datetime

from ingest.core.health import Health, Status
from ingest.core.words import counted, waits


def line(health: Health) -> str:
    """The worst cause, and how many there are beside it; while all is well, how fast it goes and what waits."""
    causes = sorted(health.causes, key=lambda cause: cause.status is not Status.UNHEALTHY)
    if not causes:
        return _well(health)
    more = f" (and {counted(len(causes) - 1, 'other problem')})" if len(causes) > 1 else ""
    return f"{causes[0].reason}{more}"


def _well(health: Health) -> str:
    rate = f"{health.subscription.per_minute / 60:.2g} events/s"
    newest = _ago(health, health.subscription.last_event)
    waiting = waits(health.database.waiting) if health.database.waiting else "nothing waits"
    said = (rate, f"the newest {newest} old" if newest else "", waiting)
    return f"storing {', '.join(filter(None, said))}"


def _ago(health: Health, then: datetime | None) -> str:
    if then is None:
        return ""
    seconds = max(0.0, (health.at - then).total_seconds())
    return f"{seconds:.1f} s" if seconds < 60 else f"{counted(int(seconds // 60), 'minute')}"
