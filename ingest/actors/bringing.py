"""A batch's way into a store, for commands that nothing else waits behind: tried again until there is a verdict."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

import trio
from attrs import frozen

from ingest.core.backoff import backoff
from ingest.core.store import Batch, Delivered, Keep, Store
from ingest.errors import Refused, Transient

CAP = 30.0
"""Seconds between two attempts at most."""

ATTEMPTS = 12
"""Failed attempts in a row after which somebody should look."""

Item = TypeVar("Item")
Payload = TypeVar("Payload")


@frozen
class Bringer(Generic[Item, Payload]):
    """`waiting` is told why there is no progress, and for how many seconds. `chance` is in [0, 1).

    `remedy` is what to do after too many failures.
    """

    store: Store[Item, Payload]
    waiting: Callable[[Keep, float], None]
    chance: Callable[[], float]
    remedy: str

    async def bring(self, batch: Batch[Payload]) -> Delivered:
        """Deliver it. Raises `Refused` when a person must act, `Transient` after too many failures in a row."""
        failures = 0
        while isinstance(verdict := await self.store.deliver(batch), Keep):
            if verdict.progress:
                continue
            failures += 1
            if verdict.remedy:
                raise Refused(verdict.reason, remedy=verdict.remedy)
            if failures == ATTEMPTS:
                raise Transient(verdict.reason, remedy=self.remedy)
            delay = max(verdict.retry_after or 0.0, backoff(failures, CAP, self.chance))
            self.waiting(verdict, delay)
            await trio.sleep(delay)
        return verdict
