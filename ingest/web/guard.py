"""Who may ask: everybody for `/health` and `/ready`; for the rest who holds the token or sits in a trusted network.

Where neither is configured the API listens on loopback only, and everybody there may ask. A page that somebody has open
in a browser there is not meant by that: what does something is done for pages of configured origins and our own only.
"""

from __future__ import annotations

import hmac
from collections.abc import Sequence
from ipaddress import IPv4Network, IPv6Network, ip_address

from attrs import frozen
from starlette.datastructures import Headers
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from ingest.core.secret import Secret

READING = frozenset({"GET", "HEAD", "OPTIONS"})
OPEN = frozenset({"/health", "/ready"})


@frozen
class Guard:
    """An ASGI application before another."""

    app: ASGIApp
    token: Secret | None
    networks: Sequence[IPv4Network | IPv6Network]
    origins: Sequence[str] = ()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let the request through, or answer 401 or 403."""
        if not self._may(scope):
            answer = JSONResponse({"error": "a bearer token is needed"}, 401, {"WWW-Authenticate": "Bearer"})
            await answer(scope, receive, send)
        elif self._is_of_a_foreign_page(scope):
            await JSONResponse({"error": "api.cors_origins does not hold this origin"}, 403)(scope, receive, send)
        else:
            await self.app(scope, receive, send)

    def _is_of_a_foreign_page(self, scope: Scope) -> bool:
        """A browser says whose page asks, and asks even where that page may not read the answer."""
        headers = Headers(scope=scope)
        origin = headers.get("origin")
        if origin is None or scope.get("method", "GET") in READING:
            return False
        return origin.partition("://")[2] != headers.get("host") and not {origin, "*"} & set(self.origins)

    def _may(self, scope: Scope) -> bool:
        if scope["type"] != "http" or scope["path"] in OPEN or (self.token is None and not self.networks):
            return True
        return self._has_token(scope) or self._is_trusted(scope)

    def _has_token(self, scope: Scope) -> bool:
        scheme, _, given = Headers(scope=scope).get("authorization", "").partition(" ")
        if self.token is None or scheme.lower() != "bearer":
            return False
        return hmac.compare_digest(given.strip().encode(), self.token.reveal().encode())

    def _is_trusted(self, scope: Scope) -> bool:
        client = scope.get("client")
        if client is None:
            return False
        address = ip_address(client[0].partition("%")[0])
        plain = getattr(address, "ipv4_mapped", None) or address
        return any(plain in network for network in self.networks)
