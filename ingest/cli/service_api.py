"""Asking a running service how it is, through its API."""

from __future__ import annotations

import json
from collections.abc import Callable
from http.client import HTTPException
from typing import Any, Final
from urllib.error import HTTPError
from urllib.request import ProxyHandler, Request, build_opener

from ingest.config.service import Api
from ingest.core.secret import Secret
from ingest.core.urls import without_credentials
from ingest.edge.reason import reason
from ingest.errors import Refused, Transient

PATIENCE: Final = 5.0
"""Seconds for an answer that somebody asked for."""

REFUSED: Final = (
    "the service does not take api.token as this configuration has it, so this is what everybody may see. Compare --config;"
    " a service takes another token when it is restarted."
)

_NOT_FOR_US: Final = {401, 403, 404}
_LARGEST: Final = 2**20
_ANYWHERE: Final = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104  what is bound, not what is opened


def configured_url(api: Api) -> str:
    """Where the configured API answers, seen from this machine."""
    host = _ANYWHERE.get(api.host, api.host)
    return f"http://[{host}]:{api.port}" if ":" in host else f"http://{host}:{api.port}"


def seen_url(api: Api, option: str) -> str:
    """The same for something that others are told. Raises `Refused` where it is chosen anew at every start."""
    if api.port == 0:
        raise Refused("api.port is 0, so every start takes another port", remedy=f"Set api.port, or give {option}.")
    return configured_url(api)


def ask_health(
    url: str, patience: float = PATIENCE, token: Secret | None = None, tell: Callable[[str], None] = lambda _: None
) -> dict[str, Any]:
    """The answer of `GET /health/detailed`, or of `GET /health` where that is not for us; `patience` in seconds.

    `tell` hears of a token that is refused. Raises `Transient`.
    """
    asked = f"{url.rstrip('/')}/health"
    where = without_credentials(asked)
    if not url.startswith(("http://", "https://")):
        raise Transient("the address must begin with http:// or https://")
    try:
        answer = _answer(f"{asked}/detailed", patience, token, tell) or _answer(asked, patience)
    except (OSError, HTTPException, ValueError) as error:
        if isinstance(error, HTTPError):
            error.close()  # it holds the connection
        cause = getattr(error, "reason", None) or error
        why = reason(cause) if isinstance(cause, BaseException) else cause
        remedy = "Start it with `homeiq-ingest run`; api.enabled, api.host and api.port say where it answers."
        raise Transient(f"no service answers: {why}", where=where, remedy=remedy) from error
    if not isinstance(answer, dict) or answer.get("service") != "homeiq-ingest":
        raise Transient("something else answers there", where=where, remedy="Look at api.port, or give --url.")
    return answer


def _answer(
    where: str, patience: float, token: Secret | None = None, tell: Callable[[str], None] = lambda _: None
) -> Any:
    """What is answered there; None where that is not for us."""
    headers = {} if token is None else {"Authorization": f"Bearer {token.reveal()}"}
    try:
        with build_opener(ProxyHandler({})).open(Request(where, headers=headers), timeout=patience) as reply:  # noqa: S310  checked above
            return json.loads(reply.read(_LARGEST))
    except HTTPError as error:
        if where.endswith("/detailed") and error.code in _NOT_FOR_US:
            error.close()
            if token is not None and error.code == 401:
                tell(REFUSED)
            return None
        raise
