"""HomeIQ's data-api over HTTP. No text leaves here with the key in it."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager

from attrs import define, evolve

from ingest.core.data_api_answer import CHECK_KEY, CHECK_URL
from ingest.core.influx_answer import Answer
from ingest.core.secret import Secret, masked
from ingest.edge.http_client import HttpClient, Peer, Transport, bearer, open_client
from ingest.edge.tls import tls_context
from ingest.errors import Refused

LONGEST = 64 * 1024
"""Bytes of an answer that are kept: it is three members, or an error."""

DATA_API = Peer(
    "data-api",
    CHECK_URL,
    "Have the system trust the authority that signed it, or give an http address of data-api.",
)


@define(eq=False)
class DataApi:
    """An open data-api. `where` is its address; `key` reads the key anew, None when there is none.

    `check_key` is what a person does about a key that is refused.
    """

    where: str
    key: Callable[[], Secret | None]
    check_key: str
    _client: HttpClient

    async def post(self, path: str, body: bytes) -> Answer:
        """Post JSON; any status is an answer. The caller sets the deadline. Raises `Transient` or `Refused`."""
        key = self.key()
        answer = await self._client.post(f"{self.where}{path}", body, self._authorization(key), LONGEST)
        return evolve(answer, text=masked(answer.text))

    def _authorization(self, key: Secret | None) -> Mapping[str, str]:
        if key is None:
            return {}
        text = key.reveal()
        if not (text and text.isascii() and text.isprintable()):  # a header cannot hold it, and the error would show it
            raise Refused("the key holds characters that no key has", where=self.where, remedy=self.check_key)
        return bearer(text)


@asynccontextmanager
async def open_data_api(
    url: str,
    key: Callable[[], Secret | None],
    check_key: str = CHECK_KEY,
    transport: Transport | None = None,
) -> AsyncGenerator[DataApi]:
    """A data-api, as long as the block lasts. Nothing is sent before something is posted."""
    async with open_client(DATA_API, tls_context(), transport) as client:
        yield DataApi(url.rstrip("/"), key, check_key, client)
