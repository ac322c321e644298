"""HTTP towards a server: the one module that knows `httpx`.

What replaces it must offer: bytes that are sent as they are, any status as a value, answers that are read piece by
piece, TLS with a context of ours, and trio's cancellation (it gets no timeout of its own: deadlines are the caller's).
Nothing of the environment is used: neither proxies nor `.netrc`, which would put another key in place of ours.
Every foreign error leaves as `Transient` or `Refused`. What a server says may have our token in it: who makes a
sentence of an answer masks it.
"""

from __future__ import annotations

import ssl
from collections.abc import AsyncGenerator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, TypeAlias

import trio
from attrs import define, frozen

from ingest.core.influx_answer import Answer
from ingest.core.secret import masked
from ingest.edge.reason import reason
from ingest.edge.tls import tls_failure
from ingest.errors import Refused, Transient

if TYPE_CHECKING:
    import httpx


Transport: TypeAlias = "httpx.AsyncBaseTransport"
"""What stands in for the network."""


@frozen
class Peer:
    """Who is at the other end, as a sentence names it; and what a person does about its address, or its certificate."""

    name: str
    check_address: str
    check_trust: str


@define(eq=False)
class HttpClient:
    """Connections to one peer, kept open between requests."""

    peer: Peer
    _client: httpx.AsyncClient

    async def post(self, url: str, body: bytes, headers: Mapping[str, str], longest: int) -> Answer:
        """Post JSON; any status is an answer, of which `longest` bytes are read. The caller sets the deadline.

        Raises `Transient` or `Refused`.
        """
        return await self._answer("POST", url, {"Content-Type": "application/json", **headers}, longest, body)

    async def get(self, url: str, headers: Mapping[str, str], longest: int) -> Answer:
        """Ask for what is there, as `post` does."""
        return await self._answer("GET", url, headers, longest)

    async def _answer(
        self, method: str, url: str, headers: Mapping[str, str], longest: int, body: bytes | None = None
    ) -> Answer:
        sent = {"Accept-Encoding": "identity", **headers}
        with _translated(self.peer, url):
            async with self._client.stream(method, url, content=body, headers=sent) as response:
                text = await _beginning(response, longest)
                return Answer(response.status_code, text, {k.lower(): v for k, v in response.headers.items()})


@asynccontextmanager
async def open_client(
    peer: Peer, tls: ssl.SSLContext | None, transport: Transport | None = None
) -> AsyncGenerator[HttpClient]:
    """A client, as long as the block lasts; nothing is sent before something is posted. Without `tls` only plain HTTP."""
    import httpx  # noqa: PLC0415  only where it is used

    limits = httpx.Limits(max_connections=1)
    async with httpx.AsyncClient(
        timeout=None,  # noqa: S113  deadlines are the caller's
        trust_env=False,
        verify=tls or False,
        limits=limits,
        transport=transport,
    ) as client:
        yield HttpClient(peer, client)


def bearer(token: str) -> Mapping[str, str]:
    """The header that says who asks: `Authorization: Bearer …`."""
    return {"Authorization": f"Bearer {token}"}


async def _beginning(response: httpx.Response, longest: int) -> str:
    body = bytearray()
    # Leaving the loop would leave httpx's generators open; what is cancelled inside them closes them.
    with trio.CancelScope() as enough:
        async for piece in response.aiter_raw():
            body += piece
            if len(body) > longest:
                enough.cancel()
    return body[:longest].decode("utf-8", "replace")


@contextmanager
def _translated(peer: Peer, where: str) -> Iterator[None]:
    import httpx  # noqa: PLC0415  only where it is used

    try:
        yield
    except (httpx.InvalidURL, httpx.UnsupportedProtocol, UnicodeError) as error:
        raise Refused(f"{peer.name} cannot have this address", where=where, remedy=peer.check_address) from error
    except httpx.ConnectError as error:
        raise _not_connected(error, peer, where) from error
    except httpx.HTTPError as error:
        why = masked(reason(_system_error(error) or error))
        raise Transient(f"{peer.name} broke the connection off: {why}", where=where) from error


def _not_connected(error: BaseException, peer: Peer, where: str) -> Refused | Transient:
    cause = _system_error(error)
    if isinstance(cause, ssl.SSLCertVerificationError):
        what = f"the certificate of {peer.name} is not trusted: {cause.verify_message}"
        return Refused(what, where=where, remedy=peer.check_trust)
    if isinstance(cause, ssl.SSLError):
        return tls_failure(peer.name, str(cause), where, peer.check_address)
    return Transient(f"{peer.name} cannot be reached: {reason(cause or error)}", where=where)


def _system_error(error: BaseException | None) -> OSError | None:
    """What the library's error is about: of TLS, or of the network."""
    while error is not None and not isinstance(error, OSError):
        error = error.__cause__ or error.__context__
    return error
