"""A database that speaks InfluxDB's v2 API, as the service uses it: ask, write, deliver."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager

from attrs import define, field

from ingest.core.influx_answer import CHECK_BUCKET, Answer, check_token, words
from ingest.core.influx_server import QUESTION, NoSuchPlace, Server, lacks_bucket, problem, recognised
from ingest.core.store import Batch, Verdict
from ingest.edge.influx_client import Address, Client
from ingest.edge.influx_deliver import Deliverer
from ingest.runtime.lane import Lane

__all__ = ["Address", "Influx", "open_influx"]


@define(eq=False)
class Influx:
    """An open database. Everything it does runs in `lane`, one thing at a time."""

    client: Client
    lane: Lane
    now_ns: Callable[[], int]
    _deliverer: Deliverer = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._deliverer = Deliverer(self.post, self.now_ns, token=self.client.address.token_setting)

    @property
    def where(self) -> str:
        """Its address, without credentials."""
        return self.client.address.where

    async def deliver(self, batch: Batch[bytes]) -> Verdict:
        """Bring a batch into the database; never raises for what a server or a network may do."""
        return await self._deliverer.deliver(batch)

    def taken(self, lines: Sequence[bytes]) -> frozenset[bytes]:
        """Those of the lines that it took of batches that are kept for the rest. May be asked in another thread."""
        return self._deliverer.taken(lines)

    async def post(self, payload: bytes) -> Answer:
        """Write a compressed payload. A bucket that is missing is created when it may be, and the write repeated."""
        answer = await self.lane(self.client.write, payload)
        if lacks_bucket(answer) and self.client.address.create_bucket:
            created = await self.lane(self.client.create_bucket)
            if created.status == 201:
                return await self.lane(self.client.write, payload)
        return answer

    async def check(self) -> Server:
        """Ask whether we may write, creating the bucket when it is missing and may be created.

        Returns what database it is. Raises `Refused` with the remedy, or `Transient`.
        """
        asked = await self.ask()
        if lacks_bucket(asked) and self.client.address.create_bucket:
            await self._create()
            asked = await self.ask()
        wrong = problem(asked, self.where, self.client.address.token_setting)
        if wrong is not None:
            raise wrong
        return recognised(await self.lane(self.client.ping), asked)

    async def ask(self) -> Answer:
        """What it says to somebody who asks whether they may write. Raises `Transient` or `Refused`."""
        return await self.lane(self.client.write, QUESTION, "identity")

    async def _create(self) -> None:
        created = await self.lane(self.client.create_bucket)
        if created.status != 201:
            address = self.client.address
            raise NoSuchPlace(
                f'there is no bucket "{address.bucket}", and it could not be created: {words(created)}',
                where=self.where,
                remedy=check_token(address.token_setting) if created.status in {401, 403} else CHECK_BUCKET,
            )


@asynccontextmanager
async def open_influx(address: Address, lane: Lane, now_ns: Callable[[], int]) -> AsyncGenerator[Influx]:
    """A database, as long as the block lasts. Nothing is sent before something is asked of it."""
    client = Client(address)
    try:
        yield Influx(client, lane, now_ns)
    finally:
        client.close()
