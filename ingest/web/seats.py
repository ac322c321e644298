"""The seats of those who listen for as long as they like: `/ws` and `/ws/status` have so many together.

Each keeps a connection, of which the server has so many for everybody: what is left is for questions, which always get in.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import wraps
from typing import Final, TypeAlias

from attrs import define, field
from starlette.responses import JSONResponse
from starlette.websockets import WebSocket

CLIENTS: Final = 256
AGAIN: Final = {"Retry-After": "30"}

Endpoint: TypeAlias = Callable[[WebSocket], Awaitable[None]]


@define(eq=False)
class Seats:
    """How many there are, how many are taken, and how many clients found none."""

    most: int = CLIENTS
    taken: int = field(default=0, init=False)
    refused: int = field(default=0, init=False)

    def within(self, endpoint: Endpoint) -> Endpoint:
        """The endpoint, each of whose clients has a seat until it is gone; 503 for whom there is none."""

        @wraps(endpoint)
        async def seated(websocket: WebSocket) -> None:
            if self.taken >= self.most:
                self.refused += 1
                refusal = {"error": f"{self.most} clients are connected, as many as may be"}
                return await websocket.send_denial_response(JSONResponse(refusal, 503, AGAIN))
            self.taken += 1
            try:
                await endpoint(websocket)
            finally:
                self.taken -= 1

        return seated
