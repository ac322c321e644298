"""`GET /api/v1/dead-letters`: what a store refused or no schema could write, with the words that refused it; the newest first."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from attrs import frozen
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from ingest.core.state import moment_at
from ingest.core.words import cut, entity_of
from ingest.edge.letter_file import Letter, Letters
from ingest.edge.sqlite import Connection
from ingest.web.recorded import Recorded

PATH: Final = "/api/v1/dead-letters"
MOST: Final = 500
USUAL: Final = 50
EXCERPT: Final = 240
"""Characters of a line or a change that are told; `homeiq-ingest dead-letters show` tells all of them."""

REASON: Final = 500
"""Characters of a reason."""

NOTHING: Final[Mapping[str, Any]] = {"dead_letters": [], "total": 0}


@frozen
class DeadLetters:
    """Every dead letter in the state file, of whichever store or stage."""

    recorded: Recorded

    def routes(self) -> list[BaseRoute]:
        """What is answered, by path."""
        return [Route(PATH, self.listed)]

    async def listed(self, request: Request) -> Response:
        """At most `limit` of them; how it answers: `Recorded.answer`."""
        return await self.recorded.answer(request, _read, NOTHING, MOST, USUAL)


def _read(connection: Connection, path: Path, limit: int) -> Mapping[str, Any]:
    letters = Letters(connection, path)
    return {"dead_letters": [_as_json(each) for each in letters.newest(limit)], "total": letters.count()}


def _as_json(letter: Letter) -> Mapping[str, Any]:
    return {
        "number": letter.id,
        "at": moment_at(letter.at_ns).isoformat(),
        "stage": letter.store,
        "reason": cut(letter.summary, REASON),
        "entity_id": entity_of(letter.line),
        "excerpt": cut(letter.line, EXCERPT),
    }
