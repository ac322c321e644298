"""The contract of a spool: what every implementation must do, whatever it is made of.

`SpoolContract` is a class to inherit from: a test module makes a subclass that says how its spool is opened,
and pytest runs every test of the contract on it.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from typing import NoReturn

import pytest
import trio
from attrs import define, field
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from trio.testing import MockClock, wait_all_tasks_blocked

from ingest.core.store import Batch
from ingest.runtime.link import Weight
from ingest.runtime.spool import FRESH, Spool


class Stay(Exception):  # noqa: N818  a reason to leave a claim's block
    """The batch is to be kept."""


def fail() -> NoReturn:
    raise Stay


def batch(number: int, size: int = 10) -> Batch[bytes]:
    """A batch that is known by its payload."""
    return Batch(b"%d" % number, 1, size, number, number)


def numbers(batches: Sequence[Batch[bytes]]) -> list[int]:
    return [int(each.payload) for each in batches]


def known(evicted: Sequence[Batch[bytes]]) -> list[int]:
    """Evicted batches, which need not have their payloads any more."""
    return [each.oldest_ns for each in evicted]


async def put(spool: Spool[Batch[bytes]], *given: int, size: int = 10) -> list[int]:
    """Put batches, a second between them; what was evicted."""
    evicted: list[int] = []
    for number in given:
        evicted += known(await spool.put(batch(number, size)))
        await trio.sleep(1)
    return evicted


async def take(spool: Spool[Batch[bytes]]) -> int:
    async with spool.claim() as claimed:
        return int(claimed.payload)


async def taken(spool: Spool[Batch[bytes]]) -> list[int]:
    """Everything, in the order in which it is handed out; closes the spool."""
    spool.close()
    found = []
    while True:
        try:
            found.append(await take(spool))
        except trio.EndOfChannel:
            return found


async def keep(spool: Spool[Batch[bytes]]) -> int:
    """Claim a batch, fail, and so leave it in the spool."""
    seen = -1
    try:
        async with spool.claim() as claimed:
            seen = int(claimed.payload)
            fail()
    except Stay:
        return seen


@define
class Model:
    """A spool as a plain list of (number, size, when)."""

    limit: int
    kept: list[tuple[int, int, float]] = field(factory=list)
    newest_next: bool = True
    claimed: tuple[int, int, float] | None = None

    @property
    def size(self) -> int:
        return sum(size for _, size, _ in self.kept) + (self.claimed[1] if self.claimed else 0)

    def put(self, number: int, size: int, now: float) -> list[int]:
        self.kept.append((number, size, now))
        evicted = []
        while self.size > self.limit and len(self.kept) > 1:
            evicted.append(self.kept.pop(0)[0])
        return evicted

    def claim(self, now: float) -> int:
        newest = self.newest_next and now - self.kept[-1][2] < FRESH
        self.newest_next = not self.newest_next
        self.claimed = self.kept.pop(-1 if newest else 0)
        return self.claimed[0]

    def put_back(self) -> None:
        assert self.claimed is not None
        self.kept = sorted([*self.kept, self.claimed])
        self.claimed = None


class SpoolContract:
    """Inherit, and say how a spool is opened."""

    @staticmethod
    def opened(limit: int) -> AbstractAsyncContextManager[Spool[Batch[bytes]]]:
        """An empty spool that keeps at most so many bytes."""
        raise NotImplementedError

    @staticmethod
    async def listed(spool: Spool[Batch[bytes]]) -> list[int]:
        """The batches in it, claimed ones included."""
        raise NotImplementedError

    async def test_a_claim_that_ends_well_takes_the_batch_out(self, autojump_clock: MockClock) -> None:
        async with self.opened(100) as spool:
            await put(spool, 1)
            async with spool.claim() as claimed:
                assert claimed == batch(1)
                assert await self.listed(spool) == [1]
            assert await self.listed(spool) == []

    async def test_claims_alternate_between_the_newest_and_the_oldest(self, autojump_clock: MockClock) -> None:
        async with self.opened(1000) as spool:
            await put(spool, 1, 2, 3, 4, 5)
            assert await taken(spool) == [5, 1, 4, 2, 3]

    async def test_a_batch_is_fresh_for_a_minute(self, autojump_clock: MockClock) -> None:
        for waited, first in ((FRESH - 1.5, 3), (FRESH, 1)):
            async with self.opened(1000) as spool:
                await put(spool, 1, 2, 3)
                await trio.sleep(waited)
                assert await take(spool) == first

    async def test_an_old_backlog_goes_in_order(self, autojump_clock: MockClock) -> None:
        async with self.opened(1000) as spool:
            await put(spool, 1, 2, 3, 4)
            await trio.sleep(FRESH)
            assert await taken(spool) == [1, 2, 3, 4]

    async def test_neither_live_data_nor_the_backlog_starves(self, autojump_clock: MockClock) -> None:
        async with self.opened(1000) as spool:
            await put(spool, 1, 2, 3)
            await trio.sleep(FRESH)
            order = []
            for number in range(10, 16):
                await put(spool, number)
                order.append(await take(spool))
            assert order == [10, 1, 12, 2, 14, 3]

    async def test_an_exception_keeps_the_batch_in_its_place(self, autojump_clock: MockClock) -> None:
        async with self.opened(1000) as spool:
            await put(spool, 1, 2, 3)
            assert [await keep(spool) for _ in range(3)] == [3, 1, 3]
            await trio.sleep(FRESH)
            assert await taken(spool) == [1, 2, 3]

    async def test_batches_of_one_instant_keep_their_order_too(self, autojump_clock: MockClock) -> None:
        async with self.opened(1000) as spool:
            for number in (1, 2, 3):
                await spool.put(batch(number))
            await trio.sleep(FRESH)
            assert [await keep(spool) for _ in range(2)] == [1, 1]
            assert await taken(spool) == [1, 2, 3]

    async def test_a_cancellation_keeps_the_batch(self, autojump_clock: MockClock) -> None:
        async with self.opened(1000) as spool:
            await put(spool, 1)
            with trio.move_on_after(5):
                async with spool.claim():
                    await trio.sleep_forever()
            assert await self.listed(spool) == [1]
            assert await taken(spool) == [1]

    async def test_a_cancelled_put_has_not_taken_the_batch(self, autojump_clock: MockClock) -> None:
        async with self.opened(1000) as spool:
            with trio.CancelScope() as scope:
                scope.cancel()
                await spool.put(batch(1))
            assert (scope.cancelled_caught, await self.listed(spool)) == (True, [])

    async def test_a_cancelled_wait_takes_nothing(self, autojump_clock: MockClock) -> None:
        async with self.opened(1000) as spool:
            with trio.move_on_after(1) as scope:
                await take(spool)
            assert scope.cancelled_caught
            await put(spool, 1)
            assert await taken(spool) == [1]

    async def test_a_full_spool_evicts_the_oldest(self, autojump_clock: MockClock) -> None:
        async with self.opened(30) as spool:
            assert await put(spool, 1, 2, 3) == []
            assert await put(spool, 4, size=20) == [1, 2]
            assert await self.listed(spool) == [3, 4]

    async def test_what_is_claimed_is_never_evicted(self, autojump_clock: MockClock) -> None:
        async with self.opened(30) as spool:
            await put(spool, 1, 2, 3)
            await trio.sleep(FRESH)
            async with spool.claim() as claimed:
                assert int(claimed.payload) == 1
                assert await put(spool, 4, 5) == [2, 3]
                assert sorted(await self.listed(spool)) == [1, 4, 5]
            assert sorted(await self.listed(spool)) == [4, 5]
            assert await put(spool, 6) == []

    async def test_a_batch_larger_than_the_spool_is_kept_alone(self, autojump_clock: MockClock) -> None:
        async with self.opened(30) as spool:
            assert await put(spool, 1, 2) == []
            assert await put(spool, 3, size=500) == [1, 2]
            assert await put(spool, 4) == [3]
            assert await taken(spool) == [4]

    async def test_a_waiting_claim_gets_what_is_put(self, autojump_clock: MockClock) -> None:
        async with self.opened(1000) as spool, trio.open_nursery() as nursery:
            nursery.start_soon(put, spool, 1)
            assert await take(spool) == 1

    async def test_closing_ends_a_waiting_claim(self, autojump_clock: MockClock) -> None:
        async with self.opened(1000) as spool, trio.open_nursery() as nursery:

            async def wait() -> None:
                with pytest.raises(trio.EndOfChannel):
                    await take(spool)

            nursery.start_soon(wait)
            await wait_all_tasks_blocked()
            spool.close()

    async def test_what_comes_back_goes_to_who_waits(self, autojump_clock: MockClock) -> None:
        async with self.opened(1000) as spool:
            await put(spool, 1)
            found: list[list[int]] = []

            async def rest() -> None:
                found.append(await taken(spool))

            async with trio.open_nursery() as nursery:
                try:
                    async with spool.claim():
                        nursery.start_soon(rest)
                        await wait_all_tasks_blocked()
                        fail()
                except Stay:
                    pass
            assert found == [[1]]

    async def test_who_waits_ends_when_the_last_claim_is_committed(self, autojump_clock: MockClock) -> None:
        async with self.opened(1000) as spool:
            await put(spool, 1)
            found: list[list[int]] = []

            async def rest() -> None:
                found.append(await taken(spool))

            async with trio.open_nursery() as nursery, spool.claim():
                nursery.start_soon(rest)
                await wait_all_tasks_blocked()
            assert found == [[]]

    # Every spool inherits this one test: that is the point.
    @settings(max_examples=60, suppress_health_check=[HealthCheck.differing_executors])
    @given(st.data())
    def test_it_behaves_like_a_plain_list(self, data: st.DataObject) -> None:
        async def main() -> None:
            limit = data.draw(st.integers(1, 60), "limit")
            model = Model(limit)
            async with self.opened(limit) as spool:
                for number in range(data.draw(st.integers(0, 15), "operations")):
                    await _operate(spool, model, number, data)
                rest = [number for number, _, _ in model.kept]
                assert sorted(await taken(spool)) == rest

        trio.run(main, clock=MockClock(autojump_threshold=0))


async def _operate(spool: Spool[Batch[bytes]], model: Model, number: int, data: st.DataObject) -> None:
    await trio.sleep(data.draw(st.sampled_from([0, 0, 1, 40, FRESH]), "pause"))
    if not model.kept or data.draw(st.booleans(), "put"):
        size = data.draw(st.integers(0, 40), "size")
        assert known(await spool.put(batch(number, size))) == model.put(number, size, trio.current_time())
    else:
        await _claim(spool, model, number, data)
    assert spool.held == Weight(len(model.kept), model.size)


async def _claim(spool: Spool[Batch[bytes]], model: Model, number: int, data: st.DataObject) -> None:
    try:
        async with spool.claim() as claimed:
            assert int(claimed.payload) == model.claim(trio.current_time())
            if data.draw(st.booleans(), "put meanwhile"):
                size = data.draw(st.integers(0, 40), "size")
                evicted = known(await spool.put(batch(number, size)))
                assert evicted == model.put(number, size, trio.current_time())
            if data.draw(st.booleans(), "fail"):
                fail()
            model.claimed = None
    except Stay:
        model.put_back()
