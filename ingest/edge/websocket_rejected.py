"""What a server that opens no WebSocket says, as a sentence that a person can act on."""

from __future__ import annotations

from collections.abc import Mapping

from ingest.core.urls import elsewhere
from ingest.errors import Refused, Transient


def rejected(status: int, headers: Mapping[bytes, bytes], where: str) -> Refused | Transient:
    """Of an HTTP status instead of a WebSocket. `headers` have names in lower case."""
    if status == 403:
        remedy = "This address is probably banned there: look into ip_bans.yaml of Home Assistant, and fix the token."
        return Refused("Home Assistant answers 403 Forbidden", where=where, remedy=remedy)
    if other := elsewhere(status, headers.get(b"location", b"").decode("latin-1")):
        remedy = f"If that is Home Assistant, set home_assistant.url to it: {other}"
        return Refused(f"the address sends us to {other} (HTTP {status})", where=where, remedy=remedy)
    if status < 500 and status not in {408, 429}:
        return foreign(where, f" (HTTP {status})")
    return Transient(f"HTTP {status} instead of a WebSocket", where=where)


def foreign(where: str, said: str = "") -> Refused:
    """Of what does not speak as Home Assistant does."""
    return Refused(f"something answers there, but it is no Home Assistant{said}", where=where, remedy=check(where))


def check(where: str) -> str:
    """What to do about an address that is perhaps not that of Home Assistant."""
    return f"Check home_assistant.url: {address(where)}."


def address(where: str) -> str:
    """What the address must be, without a stop."""
    secure = ". If the browser shows https://, write that" if where.startswith("ws://") else ""
    return (
        f"the address must be that of Home Assistant itself, as in a browser up to the port: http://HOST:8123{secure}"
    )
