"""What the state file holds, for whoever asks over HTTP: read beside the service that writes it, never through it.

Reading waits for a disk, so it runs in a lane of its own, a piece at a time and each with a deadline: a disk that hangs
costs the answer, and nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import trio
from attrs import frozen
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from ingest.edge.sqlite import Connection, translated
from ingest.edge.state_read import Absent, state_read
from ingest.errors import Refused, Transient
from ingest.runtime.lane import Lane
from ingest.web.schemas import COUNT, TEXT, TIME, Schema, answer, closed, many

PATIENCE: Final = 5.0
"""Seconds that a reading may take, its turn included."""

Read = Callable[[Connection, Path, int], Mapping[str, Any]]
"""At most so many rows of the file at that path, as the answer tells them. May raise what `translated` says."""


@frozen
class Recorded:
    """The state file at `path`; None: this store keeps none. `now` is the time that an answer carries, in UTC."""

    path: Path | None
    lane: Lane
    now: Callable[[], datetime]

    async def answer(self, request: Request, read: Read, nothing: Mapping[str, Any], most: int, usual: int) -> Response:
        """What is read, at most `limit` rows of it, else `nothing` where there is no file yet.

        | status | when                                                                    |
        |--------|-------------------------------------------------------------------------|
        | 200    | it was read, or there is no file                                         |
        | 400    | `limit` is no whole number from 1 to `most`: `error` says so             |
        | 503    | the file cannot be read now: `error` says why, and what to do if anything is |
        """
        limit = _limit(request.query_params.get("limit", str(usual)), most)
        if limit is None:
            return self._failed(f"limit must be a whole number from 1 to {most}", 400)
        try:
            with trio.fail_after(PATIENCE):
                found = await self.lane(self._read, read, nothing, limit)
        except (Refused, Transient) as problem:
            return self._failed(str(problem), 503)
        except trio.TooSlowError:
            return self._failed(f"the state file could not be read within {PATIENCE:.0f} s", 503)
        return JSONResponse({**found, "timestamp": self.now().isoformat()})

    def _read(self, read: Read, nothing: Mapping[str, Any], limit: int) -> Mapping[str, Any]:
        if self.path is None:
            return nothing
        try:
            with state_read(self.path) as connection, translated(self.path):
                return read(connection, self.path, limit)
        except Absent:
            return nothing

    def _failed(self, why: str, status: int) -> Response:
        return JSONResponse({"error": why, "timestamp": self.now().isoformat()}, status)


def _limit(said: str, most: int) -> int | None:
    """The number that was said; None when it is none, or not one of those."""
    if not said.isascii() or not said.isdecimal() or len(said) > len(str(most)):
        return None
    return int(said) if 1 <= int(said) <= most else None


def described(operation: str, summary: str, listed: Schema, most: int, usual: int) -> Schema:
    """The OpenAPI path item of such a list."""
    error = closed({"error": TEXT, "timestamp": TIME})
    limit = {"type": "integer", "minimum": 1, "maximum": most, "default": usual}
    return {
        "get": {
            "operationId": operation,
            "summary": summary,
            "parameters": [{"name": "limit", "in": "query", "required": False, "schema": limit}],
            "responses": {
                "200": answer("The newest, the newest first.", listed),
                "400": answer("The limit is none.", error),
                "503": answer("The state file cannot be read now.", error),
            },
        }
    }


def listing(name: str, each: Schema) -> Schema:
    """The schema of an answer that lists `each` under a name."""
    return closed({name: many(each), "total": {**COUNT, "description": "How many there are."}, "timestamp": TIME})
