"""Looking at an address as a browser does: whoever answers there says more of itself than an error does."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from typing import Final
from urllib.parse import urlsplit

import trio
from attrs import frozen

from ingest.core.influx_answer import Answer
from ingest.edge.http_client import Peer, open_client
from ingest.errors import Transient

LONGEST: Final = 64 * 1024
"""Bytes of an answer: a page says what it is at its beginning."""

NOTHING: Final[Mapping[str, str]] = {}


@frozen
class Address:
    """A URL, and whom one expects there. `tls` None: plain HTTP only."""

    peer: Peer
    url: str
    tls: ssl.SSLContext | None = None


async def look(address: Address, headers: Mapping[str, str] = NOTHING) -> Answer:
    """What is answered there. The caller sets the deadline. Raises `Transient` or `Refused`."""
    async with open_client(address.peer, address.tls) as client:
        return await client.get(address.url, headers, LONGEST)


async def unnamed(url: str, seconds: float) -> Transient | None:
    """That the host's name is not answered for within so many seconds; None where it is, if only with a no."""
    host = urlsplit(url).hostname or ""
    with trio.move_on_after(seconds):
        try:
            await trio.socket.getaddrinfo(host, None)
        except (OSError, UnicodeError):
            return None  # who connects says it better
        return None
    remedy = "Look at the name server of this machine (/etc/resolv.conf), or write the IP address instead."
    return Transient(f"nobody says within {seconds:.0f} s who {host} is", where=url, remedy=remedy)
