"""`POST /api/v1/discovery/trigger`: have the registries read now, and answer when they were.

With `?everything=true` data-api is told all of it again, not only what changed.

| status | when                                                                         |
|--------|------------------------------------------------------------------------------|
| 200    | they were read, and data-api has them, if one is configured                   |
| 400    | `everything` is neither true nor false                                        |
| 502    | they could not be read, or data-api did not take them in time: `error` says why |
| 503    | there is no connection to Home Assistant                                      |
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from typing import Final, Protocol

from starlette.responses import JSONResponse, Response

from ingest.actors.rediscovery import Discovered, NotConnected
from ingest.errors import Transient

ANSWERS: Final[Mapping[str, bool]] = {
    **dict.fromkeys(("true", "True", "1", "yes"), True),
    **dict.fromkeys(("false", "False", "0", "no"), False),
}
"""How `everything` may be said."""


class Discover(Protocol):
    """Has the registries read: what `POST /api/v1/discovery/trigger` calls."""

    def __call__(self, *, everything: bool) -> Awaitable[Discovered]:
        """Returns what they hold; raises `NotConnected` or `Transient`."""


async def triggered(discover: Discover, query: Mapping[str, str], now: Callable[[], datetime]) -> Response:
    """The answer, once there is one. `now` is the time that it carries, in UTC."""
    everything = ANSWERS.get(query.get("everything", "false"))
    if everything is None:
        return _answer(Discovered(0, 0), now(), 400, error=f"everything is one of {', '.join(ANSWERS)}")
    try:
        found = await discover(everything=everything)
    except Transient as problem:
        status = 503 if isinstance(problem, NotConnected) else 502
        return _answer(Discovered(0, 0), now(), status, error=str(problem))
    return _answer(found, now(), 200)


def _answer(found: Discovered, now: datetime, status: int, **more: str) -> Response:
    told = {
        "success": status == 200,
        "devices_discovered": found.devices,
        "entities_discovered": found.entities,
        "timestamp": now.isoformat(),
    }
    return JSONResponse({**told, **more}, status)
