"""HomeIQ's data-api: the one module that knows `httpx`.

What replaces it must offer: bytes that are sent as they are, any status as a value, answers that are read piece by
piece, TLS with a context of ours, and trio's cancellation (it gets no timeout of its own: deadlines are the caller's).
Nothing of the environment is used: neither proxies nor `.netrc`, which would put another key in place of ours.
Every foreign error leaves as `Transient` or `Refused`, and no text leaves with the key in it.
"""

from __future__ import annotations

import ssl
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING

import trio
from attrs import define, evolve

from ingest.core.data_api_answer import CHECK_KEY, CHECK_URL
from ingest.core.influx_answer import Answer
from ingest.core.secret import MASK, Secret
from ingest.edge.reason import reason
from ingest.edge.tls import tls_context
from ingest.errors import Refused, Transient

if TYPE_CHECKING:
    import httpx

LONGEST = 64 * 1024
"""Bytes of an answer that are read: it is three members, or an error."""


@define(eq=False)
class DataApi:
    """An open data-api. `where` is its address; `key` reads the key anew, None when there is none.

    `check_key` is what a person does about a key that is refused.
    """

    where: str
    key: Callable[[], Secret | None]
    check_key: str
    _client: httpx.AsyncClient

    async def post(self, path: str, body: bytes) -> Answer:
        """Post JSON; any status is an answer. The caller sets the deadline. Raises `Transient` or `Refused`."""
        key = self.key()
        headers = {"Content-Type": "application/json", "Accept-Encoding": "identity", **self._authorization(key)}
        with _translated(self.where):
            async with self._client.stream("POST", f"{self.where}{path}", content=body, headers=headers) as response:
                text = await _beginning(response)
                answer = Answer(response.status_code, text, {k.lower(): v for k, v in response.headers.items()})
        return answer if key is None else evolve(answer, text=answer.text.replace(key.reveal(), MASK))

    def _authorization(self, key: Secret | None) -> dict[str, str]:
        if key is None:
            return {}
        text = key.reveal()
        if not (text and text.isascii() and text.isprintable()):  # a header cannot hold it, and the error would show it
            raise Refused("the key holds characters that no key has", where=self.where, remedy=self.check_key)
        return {"Authorization": f"Bearer {text}"}


@asynccontextmanager
async def open_data_api(
    url: str,
    key: Callable[[], Secret | None],
    check_key: str = CHECK_KEY,
    transport: httpx.AsyncBaseTransport | None = None,
) -> AsyncGenerator[DataApi]:
    """A data-api, as long as the block lasts. Nothing is sent before something is posted."""
    import httpx  # noqa: PLC0415  only where it is used

    async with httpx.AsyncClient(
        timeout=None,  # noqa: S113  deadlines are the caller's
        trust_env=False,
        verify=tls_context(),
        transport=transport,
        limits=httpx.Limits(max_connections=1),
    ) as client:
        yield DataApi(url.rstrip("/"), key, check_key, client)


async def _beginning(response: httpx.Response) -> str:
    body = bytearray()
    # Leaving the loop would leave httpx's generators open; what is cancelled inside them closes them.
    with trio.CancelScope() as enough:
        async for piece in response.aiter_raw():
            body += piece
            if len(body) > LONGEST:
                enough.cancel()
    return body[:LONGEST].decode("utf-8", "replace")


@contextmanager
def _translated(where: str) -> Iterator[None]:
    import httpx  # noqa: PLC0415  only where it is used

    try:
        yield
    except (httpx.InvalidURL, httpx.UnsupportedProtocol, UnicodeError) as error:
        raise Refused("data-api cannot have this address", where=where, remedy=CHECK_URL) from error
    except httpx.ConnectError as error:
        raise _not_connected(error, where) from error
    except httpx.HTTPError as error:
        raise Transient(
            f"data-api broke the connection off: {reason(_system_error(error) or error)}", where=where
        ) from error


def _not_connected(error: BaseException, where: str) -> Refused | Transient:
    cause = _system_error(error)
    if isinstance(cause, ssl.SSLCertVerificationError):
        remedy = "Have the system trust the authority that signed it, or give an http address of data-api."
        return Refused(f"data-api's certificate is not trusted: {cause.verify_message}", where=where, remedy=remedy)
    if isinstance(cause, ssl.SSLError):
        remedy = "Check whether data_api.url begins with http or https."
        return Refused("data-api does not speak TLS at this address", where=where, remedy=remedy)
    return Transient(f"data-api cannot be reached: {reason(cause or error)}", where=where)


def _system_error(error: BaseException | None) -> OSError | None:
    """What the library's error is about: of TLS, or of the network."""
    while error is not None and not isinstance(error, OSError):
        error = error.__cause__ or error.__context__
    return error
