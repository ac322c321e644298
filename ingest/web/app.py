"""The HTTP API: what it answers, over values that are read when they are asked for."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from attrs import field, frozen
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp

from ingest.config.service import Api
from ingest.core.health import Health
from ingest.core.health_outline import outlined
from ingest.edge.process import Usage
from ingest.web.contract import as_contract, identity, readiness
from ingest.web.discovery import Discover, triggered
from ingest.web.guard import Guard
from ingest.web.status_page import page, wants_page


@frozen
class Sources:
    """Where the answers come from."""

    health: Callable[[], Health]
    usage: Callable[[], Usage]
    metrics: Callable[[str], tuple[bytes, str]]
    discover: Discover
    files: Mapping[str, str] = field(factory=dict)

    def routes(self) -> list[BaseRoute]:
        """What is answered, by path."""
        return [
            Route("/", self.root),
            Route("/health", self.healthy),
            Route("/health/detailed", self.detailed),
            Route("/ready", self.ready),
            Route("/metrics", self.numbers),
            Route("/api/v1/discovery/trigger", self.read_registries, methods=["POST"]),
        ]

    async def root(self, request: Request) -> Response:
        """Who is this, and how is it; for a browser the status page, which asks for the rest."""
        if wants_page(request.headers.get("accept", "")):
            return page(request)
        return JSONResponse(identity(self.health()), headers={"Vary": "Accept"})

    async def healthy(self, _: Request) -> Response:
        """What everybody may know; 200 whatever the status is, so that it can be read."""
        return self._whole(outlined(self.health()), {})

    async def detailed(self, _: Request) -> Response:
        """The same with what others said, which may name entities, and where this machine keeps what is its own."""
        return self._whole(self.health(), self.files)

    def _whole(self, health: Health, files: Mapping[str, str]) -> Response:
        return JSONResponse({**as_contract(health, self.usage()), "files": dict(files)})

    async def ready(self, _: Request) -> Response:
        """503 until it is connected, subscribed, and the store takes points."""
        health = outlined(self.health())
        return JSONResponse(readiness(health), 200 if health.ready else 503)

    async def numbers(self, request: Request) -> Response:
        """For Prometheus, in the format that it asks for."""
        page, kind = self.metrics(request.headers.get("accept", ""))
        return Response(page, headers={"content-type": kind, "vary": "accept"})

    async def read_registries(self, request: Request) -> Response:
        """Now, and with what came of it."""
        return await triggered(self.discover, request.query_params, lambda: self.health().at)


def application(routes: Sequence[BaseRoute], api: Api) -> ASGIApp:
    """The ASGI application of these routes, guarded as configured."""
    answering = Starlette(routes=routes, exception_handlers={HTTPException: _refused, Exception: _broken})
    guarded: ASGIApp = Guard(answering, api.token, api.trusted_networks, api.cors_origins, api.trusted_proxies)
    if api.cors_origins:
        methods = ["GET", "POST"]
        guarded = CORSMiddleware(guarded, api.cors_origins, allow_methods=methods, allow_headers=["Authorization"])
    return guarded


async def _refused(_: Request, error: Exception) -> Response:
    """No such path, or not in that way: said as everything else is."""
    known = error if isinstance(error, HTTPException) else HTTPException(500)
    return JSONResponse({"error": known.detail}, known.status_code, known.headers)


async def _broken(_: Request, __: Exception) -> Response:
    """A bug; what it is the log tells."""
    return JSONResponse({"error": "this answer could not be made: the log says why"}, 500)
