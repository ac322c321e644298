"""The addresses of a Home Assistant: WebSocket and REST, each from the other.

An ordinary server answers at `…/api/websocket`; the supervisor's proxy at `ws://supervisor/core/websocket`, with REST
under `http://supervisor/core/api/`.
"""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import urlsplit, urlunsplit

SUPERVISOR: Final = "ws://supervisor/core/websocket"
"""Home Assistant as an app sees it: its Supervisor passes everything on."""

_TO_WS: Final = {"http": "ws", "https": "wss", "ws": "ws", "wss": "wss"}
_CREDENTIALS: Final = re.compile(r"(?<=://).*@")  # a password may have anything in it
_ELSEWHERE: Final = frozenset({301, 302, 303, 307, 308})
_TO_HTTP: Final = {"ws": "http", "wss": "https", "http": "http", "https": "https"}


def websocket_url(url: str) -> str:
    """`url` (http, https, ws or wss) as ws(s)://…/api/websocket; a path that ends in /websocket stays."""
    parts = urlsplit(url)
    path = parts.path.rstrip("/")
    if not path.endswith("/websocket"):
        path = path.removesuffix("/api") + "/api/websocket"
    return urlunsplit((_TO_WS[parts.scheme], parts.netloc, path, "", ""))


def without_credentials(url: str) -> str:
    """The address as it may be shown, be it one or not: no user, no password, no query."""
    return re.split(r"[?#]", _CREDENTIALS.sub("", url))[0]


def elsewhere(status: int, location: str) -> str:
    """Where an answer with that status and `Location` sends us; empty where it does not, or says no scheme and host.

    Scheme and host alone, for what follows them may hold a secret.
    """
    try:
        parts = urlsplit(location if location.isascii() and status in _ELSEWHERE else "")
        named = parts.scheme in {"http", "https"} and parts.hostname
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        return ""
    host = f"[{parts.hostname}]" if parts.hostname and ":" in parts.hostname else parts.hostname
    return f"{parts.scheme}://{host}{port}" if named else ""


def http_base(url: str) -> str:
    """What REST paths such as `/api/states` are appended to, for any URL that `websocket_url` takes."""
    parts = urlsplit(websocket_url(url))
    path = parts.path.removesuffix("/websocket").removesuffix("/api")
    return urlunsplit((_TO_HTTP[parts.scheme], parts.netloc, path, "", ""))
