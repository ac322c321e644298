"""`GET /api/v1/gaps`: when changes may have been missed, why, and how far that has been filled in; the newest first."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from attrs import frozen
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from ingest.core.coverage import Gap
from ingest.core.state import moment_at
from ingest.edge.ledger_file import newest
from ingest.edge.spool_rows import Key
from ingest.edge.sqlite import Connection
from ingest.web.recorded import Recorded

PATH: Final = "/api/v1/gaps"
MOST: Final = 1_000
"""As many as the ledger of a home's store holds."""

USUAL: Final = 100
NOTHING: Final[Mapping[str, Any]] = {"gaps": [], "total": 0}


@frozen
class Gaps:
    """The gaps of one home's store."""

    recorded: Recorded
    key: Key

    def routes(self) -> list[BaseRoute]:
        """What is answered, by path."""
        return [Route(PATH, self.listed)]

    async def listed(self, request: Request) -> Response:
        """At most `limit` of them; how it answers: `Recorded.answer`."""
        return await self.recorded.answer(request, self._read, NOTHING, MOST, USUAL)

    def _read(self, connection: Connection, _: Path, limit: int) -> Mapping[str, Any]:
        found, total = newest(connection, self.key, limit)
        return {"gaps": [_as_json(each) for each in found], "total": total}


def _as_json(gap: Gap) -> Mapping[str, Any]:
    return {
        "number": gap.id,
        "cause": gap.cause.value,
        "state": gap.progress.value,
        "from": moment_at(gap.from_ns).isoformat(),
        "to": moment_at(gap.to_ns).isoformat(),
        "entities": gap.spans,
        "states_filled": gap.filled,
        "reason": gap.why,
    }
