"""Asking a running service how it is, through its API."""

from __future__ import annotations

import json
from http.client import HTTPException
from typing import Any, Final
from urllib.error import HTTPError
from urllib.request import ProxyHandler, build_opener

from ingest.config.service import Api
from ingest.core.urls import without_credentials
from ingest.errors import Transient

PATIENCE: Final = 5.0
"""Seconds for an answer that somebody asked for."""

_LARGEST: Final = 2**20
_ANYWHERE: Final = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104  what is bound, not what is opened


def configured_url(api: Api) -> str:
    """Where the configured API answers, seen from this machine."""
    host = _ANYWHERE.get(api.host, api.host)
    return f"http://[{host}]:{api.port}" if ":" in host else f"http://{host}:{api.port}"


def ask_health(url: str, patience: float = PATIENCE) -> dict[str, Any]:
    """The answer of `GET /health`. Raises `Transient` when there is none."""
    asked = f"{url.rstrip('/')}/health"
    where = without_credentials(asked)
    if not url.startswith(("http://", "https://")):
        raise Transient("the address must begin with http:// or https://")
    try:
        with build_opener(ProxyHandler({})).open(asked, timeout=patience) as reply:
            answer = json.loads(reply.read(_LARGEST))
    except (OSError, HTTPException, ValueError) as error:
        if isinstance(error, HTTPError):
            error.close()  # it holds the connection
        reason = getattr(error, "reason", None) or error
        remedy = "Start it with `homeiq-ingest run`; api.enabled, api.host and api.port say where it answers."
        raise Transient(f"no service answers: {reason}", where=where, remedy=remedy) from error
    if not isinstance(answer, dict) or answer.get("service") != "homeiq-ingest":
        raise Transient("something else answers there", where=where, remedy="Look at api.port, or give --url.")
    return answer
