"""Who may ask: everybody for `/health` and `/ready`; for the rest who holds the token or sits in a trusted network.

Where neither is configured the API listens on loopback only, and everybody there may ask.
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

OPEN = frozenset({"/health", "/ready"})


@frozen
class Guard:
    """An ASGI application before another."""

    app: ASGIApp
    token: Secret | None
    networks: Sequence[IPv4Network | IPv6Network]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let the request through, or answer 401."""
        if self._may(scope):
            await self.app(scope, receive, send)
            return
        answer = JSONResponse({"error": "a bearer token is needed"}, 401, {"WWW-Authenticate": "Bearer"})
        await answer(scope, receive, send)

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
