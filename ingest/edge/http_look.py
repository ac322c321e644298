"""Looking at an address as a browser does: whoever answers there says more of itself than an error does."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from typing import Final

from attrs import frozen

from ingest.core.influx_answer import Answer
from ingest.edge.http_client import Peer, open_client

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
