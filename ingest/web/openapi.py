"""`GET /openapi.json`: every endpoint in OpenAPI 3.1.

A module with routes has a sibling that describes them in `PATHS`; another one is a line in `PARTS`. What every endpoint
answers that is not for everybody, or that reads a request, is said here once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from ingest import __version__
from ingest.web import app_paths, discovery_paths, gaps_paths, house_paths, letters_paths, rates_paths
from ingest.web.schemas import TEXT, answer, failing, opened

PATH: Final = "/openapi.json"

_ITSELF = {
    PATH: {
        "get": {
            "operationId": "openapi",
            "summary": "This document.",
            "responses": {
                "200": answer(
                    "Always.", opened({"openapi": TEXT, "info": {"type": "object"}, "paths": {"type": "object"}})
                )
            },
        }
    }
}

PARTS: Final[Sequence[Mapping[str, Any]]] = (
    app_paths.PATHS,
    discovery_paths.PATHS,
    rates_paths.PATHS,
    house_paths.PATHS,
    gaps_paths.PATHS,
    letters_paths.PATHS,
    _ITSELF,
)
"""Who describes what."""

GUARDED: Final[Mapping[str, Any]] = {
    "401": {
        **failing("A token is configured, or networks are, and the caller has neither."),
        "headers": {"WWW-Authenticate": {"schema": TEXT}},
    },
    "403": failing("A page of a foreign origin asks, or the address that was asked is not ours."),
}
"""Answers of everything but what is for everybody."""

ALWAYS: Final[Mapping[str, Any]] = {
    "408": failing("The body of the request did not come in time."),
    "413": failing("The body of the request is too large: none is needed."),
    "500": failing("A bug; the log says which."),
}

SCHEMES: Final[Mapping[str, Any]] = {
    "bearer": {"type": "http", "scheme": "bearer", "description": "`api.token`"},
    "basic": {"type": "http", "scheme": "basic", "description": "any name, `api.token` as the password: for browsers"},
}

TEXT_OF_ALL: Final = (
    "Without api.token and api.trusted_networks the service listens on loopback only, and everybody there may ask. "
    "With either, everything but /health and /ready needs the token, or an address in one of the networks. "
    "What a reverse proxy of api.trusted_proxies passes on needs neither."
)


def document() -> dict[str, Any]:
    """The whole document, OpenAPI 3.1, as it is answered: every path of every part."""
    paths = {path: _whole(item) for part in PARTS for path, item in part.items()}
    return {
        "openapi": "3.1.0",
        "info": {"title": "homeiq-ingest", "version": __version__, "description": TEXT_OF_ALL},
        "servers": [{"url": "/"}],
        "security": [{name: []} for name in SCHEMES],
        "paths": paths,
        "components": {"securitySchemes": dict(SCHEMES)},
    }


def _whole(item: Mapping[str, Any]) -> dict[str, Any]:
    """A path with what each of its operations answers beside what it says itself."""
    return {method: _answering(operation) for method, operation in item.items()}


def _answering(operation: Mapping[str, Any]) -> dict[str, Any]:
    open_to_all = operation.get("security") == []
    more = ALWAYS if open_to_all else {**GUARDED, **ALWAYS}
    return {**operation, "responses": {**more, **operation["responses"]}}


async def _told(_: Request) -> Response:
    return JSONResponse(document())


def routes() -> list[BaseRoute]:
    """The path of the document itself."""
    return [Route(PATH, _told)]
