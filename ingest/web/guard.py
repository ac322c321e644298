"""Who may ask: everybody for `/health` and `/ready`; for the rest who holds the token or sits in a trusted network.

Where neither is configured the API listens on loopback only, and everybody there may ask. A page that somebody has open
in a browser there is not meant by that: what does something, and every WebSocket, is for pages of configured origins and
our own only; and no name of somebody else's is ours, though it be made to lead here (DNS rebinding). In a trusted network
it is the same, where a name without a dot, or under one that no registry sells, is one of that network's own.

What comes through a trusted proxy was asked before: it may ask all, by the name under which that proxy is known. Whose page
asks is looked at there, too, for a browser shows a proxy what it remembers of it, whoever makes it ask. From this machine
come a proxy and every browser on it: there the name is looked at as well.

A program sends the token as `Authorization: Bearer TOKEN`. A browser asks for it, as a password with any user name.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import socket
from collections.abc import Collection, Iterable, Iterator, Sequence
from ipaddress import IPv4Network, IPv6Network, ip_address
from urllib.parse import urlsplit

from attrs import frozen
from starlette.datastructures import Headers
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send
from starlette.websockets import WebSocket

from ingest.core.secret import Secret

READING = frozenset({"GET", "HEAD", "OPTIONS"})
OPEN = frozenset({"/health", "/ready"})
NEAR = (".local", ".lan", ".home", ".internal", ".home.arpa")
"""How names end that are those of a network of one's own."""

ASK = ('Basic realm="homeiq-ingest: any name, the API token as password"', "Bearer")
"""Browsers know the first way only, and they ask a person for it: Chromium where each way has a line of its own."""


_ANYBODY_HERE = (IPv4Network("127.0.0.1"), IPv6Network("::1"))
"""Where programs of this machine come from that ask for no other address to come from."""


@frozen
class Guard:
    """An ASGI application before another."""

    app: ASGIApp
    token: Secret | None
    networks: Sequence[IPv4Network | IPv6Network]
    origins: Sequence[str] = ()
    proxies: Sequence[IPv4Network | IPv6Network] = ()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let the request through, or answer 401 or 403."""
        refusal = self._refusal(scope) if scope["type"] in {"http", "websocket"} else None
        if refusal is None:
            await self.app(scope, receive, send)
        elif scope["type"] == "websocket":
            await WebSocket(scope, receive, send).send_denial_response(refusal)
        else:
            await refusal(scope, receive, send)

    def _refusal(self, scope: Scope) -> JSONResponse | None:
        headers = Headers(scope=scope)
        is_open = scope["path"] in OPEN
        by_proxy = _is_from(scope, self.proxies)
        any_name = by_proxy and not _is_from(scope, _ANYBODY_HERE)
        if not is_open and not any_name and not self._has_token(headers):
            if self._is_guarded and not by_proxy and not _is_from(scope, self.networks):
                return _unknown() if self.token else _outside()
            if not self._is_our_name(headers.get("host", "")):
                return JSONResponse({"error": "this is no name of this machine; api.cors_origins may hold it"}, 403)
        names = {headers.get("host"), _forwarded(headers) if by_proxy else None}
        if self._is_of_a_foreign_page(scope, headers, names):
            return JSONResponse({"error": "api.cors_origins does not hold this origin"}, 403)
        return None

    @property
    def _is_guarded(self) -> bool:
        return self.token is not None or bool(self.networks) or bool(self.proxies)

    def _is_of_a_foreign_page(self, scope: Scope, headers: Headers, names: Collection[str | None]) -> bool:
        """A browser says whose page asks, and asks even where that page may not read the answer."""
        origin = headers.get("origin")
        if origin is None or (scope["type"] == "http" and scope.get("method", "GET") in READING):
            return False
        return origin.partition("://")[2] not in names and not {origin, "*"} & set(self.origins)

    def _is_our_name(self, host: str) -> bool:
        try:
            name = urlsplit(f"//{host}").hostname or ""
        except ValueError:
            return False
        known = {"", "localhost", socket.gethostname().lower(), *(urlsplit(each).hostname for each in self.origins)}
        own = (".localhost", *(NEAR if self.networks else ()))
        is_near = bool(self.networks) and "." not in name and ":" not in name
        return name in known or is_near or name.endswith(own) or _is_address(name)

    def _has_token(self, headers: Headers) -> bool:
        if self.token is None:
            return False
        expected = self.token.reveal().encode()
        return any(hmac.compare_digest(given, expected) for given in _given(headers.get("authorization", "")))


def _is_from(scope: Scope, networks: Iterable[IPv4Network | IPv6Network]) -> bool:
    client = scope.get("client")
    if client is None:
        return False
    address = ip_address(client[0].partition("%")[0])
    plain = getattr(address, "ipv4_mapped", None) or address
    return any(plain in network for network in networks)


def _forwarded(headers: Headers) -> str | None:
    """The name that a browser asked a proxy by, as the first one says it."""
    return headers.get("x-forwarded-host", "").partition(",")[0].strip() or None


def _unknown() -> JSONResponse:
    answer = JSONResponse({"error": "a bearer token is needed"}, 401)
    for way in ASK:
        answer.headers.append("WWW-Authenticate", way)
    return answer


def _outside() -> JSONResponse:
    """There is no token that a browser could ask a person for."""
    said = {"error": "api.trusted_networks holds no network of this address, and there is no api.token"}
    return JSONResponse(said, 401, {"WWW-Authenticate": "Bearer"})


def _given(authorization: str) -> Iterator[bytes]:
    """The token that a header carries, if it does."""
    scheme, _, rest = authorization.partition(" ")
    if scheme.lower() == "bearer":
        yield rest.strip().encode()
    elif scheme.lower() == "basic":
        try:
            yield base64.b64decode(rest.strip(), validate=True).partition(b":")[2]
        except (binascii.Error, ValueError):
            return


def _is_address(name: str) -> bool:
    try:
        ip_address(name.partition("%")[0])
    except ValueError:
        return False
    return True
