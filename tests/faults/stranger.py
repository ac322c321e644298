"""`python -m tests.faults.stranger URL ROUTES TOKEN_FILE`: who has no token, or a wrong one, asks for everything.

Prints an object: `asked` counts requests, `answered` lists those to which the answer was another than that a token is
needed (`/health` and `/ready` are asked for, too), `welcome` the statuses for GET with the right token by path.
"""

from __future__ import annotations

import json
import sys
from base64 import b64encode
from collections.abc import Iterator, Mapping
from http.client import HTTPConnection
from pathlib import Path
from typing import TypeAlias
from urllib.parse import urlsplit

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND")
ODD = (
    "/health/", "/ready/", "/HEALTH", "/health.json", "//health", "/health//detailed", "/health/../metrics",
    "/health%2f..%2fmetrics", "/ready%00", "/health;/metrics", "/nothing-here", "/metrics/", "/%6detrics", "*",
)  # fmt: skip
UPGRADE = {
    "Connection": "Upgrade",
    "Upgrade": "websocket",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
}

Answered: TypeAlias = tuple[str, str, str, int]
"""By which means, method, path, status."""


def attempts(token: str) -> Iterator[tuple[str, str, dict[str, str]]]:
    """What somebody may try: what it is called, what stands behind the path, and headers."""
    for name, given in {
        "a wrong one": f"Bearer {'x' * len(token)}",
        "its beginning": f"Bearer {token[:-1]}",
        "half of it": f"Bearer {token[: len(token) // 2]}",
        "more than it": f"Bearer {token}x",
        "capitals": f"Bearer {token.upper()}",
        "other capitals": f"Bearer {token.swapcase()}",
        "in pieces": f"Bearer {token[:9]} {token[9:]}",
        "nothing": "Bearer ",
        "no scheme": token,
        "another scheme": f"Token {token}",
        "as the user": f"Basic {b64encode(f'{token}:'.encode()).decode()}",
        "no base64": f"Basic {token}",
        "an empty password": f"Basic {b64encode(b'user:').decode()}",
    }.items():
        yield name, "", {"Authorization": given}
    for name in ("token", "access_token", "api_key"):
        yield f"{name} in the query", f"?{name}={token}", {}
    for name in ("X-API-Key", "X-Auth-Token", "Proxy-Authorization"):
        yield name, "", {name: f"Bearer {token}"}
    yield "a cookie", "", {"Cookie": f"token={token}; Authorization=Bearer {token}"}
    yield "as if from here", "", {"X-Forwarded-For": "127.0.0.1", "Forwarded": "for=127.0.0.1", "Host": "localhost"}
    yield "a foreign page", "", {"Origin": "http://evil.example"}


class Stranger:
    def __init__(self, url: str) -> None:
        self.host, self.port = urlsplit(url).hostname or "", urlsplit(url).port
        self.connection = HTTPConnection(self.host, self.port, timeout=10)
        self.asked = 0

    def ask(self, method: str, path: str, headers: Mapping[str, str]) -> int:
        self.asked += 1
        try:
            return self._ask(method, path, headers)
        except (ConnectionError, OSError):  # it closes connections, as after a refused upgrade
            self.connection.close()
            return self._ask(method, path, headers)

    def _ask(self, method: str, path: str, headers: Mapping[str, str]) -> int:
        self.connection.request(method, path, headers=dict(headers))
        answer = self.connection.getresponse()
        if answer.status == 101:
            self.connection.close()
        else:
            answer.read()
        return answer.status


def asked(stranger: Stranger, routes: list[str], token: str) -> Iterator[Answered]:
    """Every request and its answer."""
    for path in (*routes, *ODD):
        for method in METHODS:
            yield "no token", method, path, stranger.ask(method, path, {})
        yield "a WebSocket", "GET", path, stranger.ask("GET", path, UPGRADE)
        for name, query, headers in attempts(token):
            for method in ("GET", "POST"):
                yield name, method, path, stranger.ask(method, path + query, headers)
            yield f"a WebSocket: {name}", "GET", path, stranger.ask("GET", path + query, {**UPGRADE, **headers})


if __name__ == "__main__":
    where, file, secret = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]).read_text("utf-8")
    known, somebody = json.loads(file.read_text("utf-8")), Stranger(where)
    answered = [each for each in asked(somebody, known, secret) if each[3] != 401]
    authorized = {"Authorization": f"Bearer {secret}"}
    welcome = {path: somebody.ask("GET", path, authorized) for path in known}
    sys.stdout.write(json.dumps({"asked": somebody.asked, "answered": answered, "welcome": welcome}))
