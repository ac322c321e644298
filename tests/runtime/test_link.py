from __future__ import annotations

from collections import deque

import pytest
import trio
from attrs import define, field
from hypothesis import given
from hypothesis import strategies as st
from trio.testing import MockClock, wait_all_tasks_blocked

from ingest.runtime.link import EMPTY, Link, Overflow, Receiver, Sender, Weight
from tests.support.taken import drained, taken

Frame = tuple[int, int, int]
"""A number that tells frames apart, and what the frame weighs: events, bytes."""

BLOCK, OLDEST, NEWEST = Overflow.BLOCK, Overflow.DROP_OLDEST, Overflow.DROP_NEWEST


def link_of(events: int = 10, size: int = 1000) -> Link[Frame]:
    return Link("intake", Weight(events, size), lambda frame: Weight(*frame[1:]))


def frames(count: int, events: int = 1, size: int = 1) -> list[Frame]:
    return [(number, events, size) for number in range(count)]


async def test_frames_come_out_in_the_order_they_went_in() -> None:
    link = link_of()
    sender, receiver = link.sender(BLOCK), link.receiver()
    for frame in frames(3):
        assert sender.put(frame) == ()
    assert link.held == Weight(3, 3)
    assert [await receiver.receive() for _ in range(3)] == frames(3)
    assert (link.held, link.peak) == (EMPTY, Weight(3, 3))


@pytest.mark.parametrize(("events", "size"), [(4, 1), (1, 400)], ids=["events", "bytes"])
async def test_a_blocking_sender_waits_for_room_in_events_and_in_bytes(events: int, size: int) -> None:
    link = link_of()
    sender, receiver = link.sender(BLOCK), link.receiver()
    progress: list[int] = []

    async def send() -> None:
        for frame in frames(5, events, size):
            await sender.ready()
            assert sender.put(frame) == ()
            progress.append(frame[0])

    async with trio.open_nursery() as nursery:
        nursery.start_soon(send)
        await wait_all_tasks_blocked()
        assert progress == [0, 1, 2]
        assert await receiver.receive() == (0, events, size)
        await wait_all_tasks_blocked()
        assert progress == [0, 1, 2, 3]
        assert [await receiver.receive() for _ in range(4)] == frames(5, events, size)[1:]
    assert link.held == EMPTY


async def test_a_frame_larger_than_the_link_goes_through_alone() -> None:
    for overflow in Overflow:
        link = link_of(events=10)
        sender = link.sender(overflow)
        await sender.ready()
        assert sender.put((0, 4092, 4_200_000)) == ()
        assert drained(link) == [(0, 4092, 4_200_000)]


@pytest.mark.parametrize(("events", "size"), [(3, 1), (1, 300)], ids=["events", "bytes"])
async def test_drop_newest_returns_the_frame_that_does_not_fit(events: int, size: int) -> None:
    link = link_of()
    sender = link.sender(NEWEST)
    await sender.ready()
    shed = [sender.put(frame) for frame in frames(6, events, size)]
    everything = frames(6, events, size)
    assert shed == [(), (), (), (), (everything[4],), (everything[5],)]
    assert drained(link) == everything[:4]


@pytest.mark.parametrize(("events", "size"), [(3, 1), (1, 300)], ids=["events", "bytes"])
async def test_drop_oldest_sheds_until_the_rest_fits(events: int, size: int) -> None:
    link = link_of()
    sender = link.sender(OLDEST)
    everything = frames(6, events, size)
    shed = [frame for one in everything for frame in sender.put(one)]
    assert shed == everything[:3]
    assert link.held.events <= link.capacity.events
    assert link.held.size <= link.capacity.size
    assert drained(link) == everything[3:]


async def test_drop_oldest_sheds_everything_for_one_large_frame_but_never_the_frame_itself() -> None:
    link = link_of()
    sender = link.sender(OLDEST)
    small = frames(5)
    for frame in small:
        sender.put(frame)
    assert sender.put((9, 50, 1)) == tuple(small)
    assert drained(link) == [(9, 50, 1)]


async def test_a_shedding_sender_is_always_ready() -> None:
    for overflow in (OLDEST, NEWEST):
        sender = link_of(events=1).sender(overflow)
        sender.put((0, 5, 5))
        with trio.fail_after(1):
            await sender.ready()


async def test_a_share_leaves_the_rest_of_the_capacity_to_the_others() -> None:
    link = link_of(events=8)
    live, snapshot = link.sender(OLDEST), link.sender(BLOCK, share=0.25)
    for frame in frames(2):
        await snapshot.ready()
        snapshot.put(frame)
    with trio.move_on_after(0.01) as waited:
        await snapshot.ready()
    assert waited.cancelled_caught
    assert [live.put((number, 1, 1)) for number in range(2, 8)] == [()] * 6
    assert link.held == Weight(8, 8)


async def test_the_link_ends_when_the_last_of_several_senders_is_closed() -> None:
    link = link_of()
    first, second, receiver = link.sender(BLOCK), link.sender(OLDEST), link.receiver()
    first.put((1, 1, 1))
    first.close()
    first.close()
    second.put((2, 1, 1))
    assert [(await receiver.receive())[0] for _ in range(2)] == [1, 2]
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_ends, receiver)
        await wait_all_tasks_blocked()
        second.close()
    with pytest.raises(trio.ClosedResourceError):
        second.put((3, 1, 1))


async def _ends(receiver: Receiver[Frame]) -> None:
    with pytest.raises(trio.EndOfChannel):
        await receiver.receive()


async def test_what_is_queued_is_still_received_after_the_end() -> None:
    link = link_of()
    with link.sender(BLOCK) as sender:
        for frame in frames(3):
            sender.put(frame)
    assert [frame async for frame in link.receiver()] == frames(3)


async def test_a_broken_link_stops_a_waiting_sender_and_loses_no_count() -> None:
    link = link_of(events=1)
    sender, receiver = link.sender(BLOCK), link.receiver()
    sender.put((0, 1, 1))

    async def wait() -> None:
        with pytest.raises(trio.BrokenResourceError):
            await sender.ready()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(wait)
        await wait_all_tasks_blocked()
        receiver.close()
    assert link.held == Weight(1, 1)


@pytest.mark.parametrize("overflow", Overflow)
async def test_a_frame_put_into_a_broken_link_is_shed_and_never_vanishes(overflow: Overflow) -> None:
    link = link_of()
    sender = link.sender(overflow)
    with link.receiver():
        sender.put((0, 1, 1))
    assert sender.put((1, 1, 1)) == ((1, 1, 1),)
    assert link.held == Weight(1, 1)


async def _stage(above: Receiver[Frame], below: Sender[Frame]) -> None:
    """The pattern that the module's prose promises to be safe."""
    with above, below:
        while True:
            await below.ready()
            try:
                frame = await above.receive()
            except trio.EndOfChannel:
                return
            assert below.put(frame) == ()


@pytest.mark.parametrize("steps", range(40))
async def test_a_stage_that_is_cancelled_at_any_step_loses_and_repeats_nothing(steps: int) -> None:
    above, below = link_of(events=2), link_of(events=2)
    source, sink = above.sender(BLOCK), below.receiver()
    put: list[Frame] = []
    got: list[Frame] = []

    async def feed() -> None:
        for frame in frames(12):
            await source.ready()
            source.put(frame)
            put.append(frame)

    async def drain() -> None:
        async for frame in sink:
            got.append(frame)  # noqa: PERF401  what was read before the cancel counts

    async with trio.open_nursery() as nursery:
        nursery.start_soon(feed)
        nursery.start_soon(drain)
        nursery.start_soon(_stage, above.receiver(), below.sender(BLOCK))
        for _ in range(steps):
            await trio.lowlevel.checkpoint()
        nursery.cancel_scope.cancel()
    rest = [*drained(below), *drained(above)]
    assert got + rest == put


@define
class Model:
    """A link as a plain deque."""

    capacity: Weight
    queue: deque[Frame] = field(factory=deque)

    @property
    def held(self) -> Weight:
        return Weight(sum(frame[1] for frame in self.queue), sum(frame[2] for frame in self.queue))

    def room(self, share: float) -> bool:
        events, size = self.held
        return events < self.capacity.events * share and size < self.capacity.size * share

    def put(self, frame: Frame, overflow: Overflow, share: float) -> tuple[Frame, ...]:
        if overflow is NEWEST and not self.room(share):
            return (frame,)
        self.queue.append(frame)
        shed = []
        while overflow is OLDEST and len(self.queue) > 1 and not self._fits():
            shed.append(self.queue.popleft())
        return tuple(shed)

    def _fits(self) -> bool:
        return all(held <= limit for held, limit in zip(self.held, self.capacity, strict=True))


@given(st.data())
def test_a_link_behaves_like_a_plain_deque(data: st.DataObject) -> None:
    async def main() -> None:
        capacity = data.draw(st.builds(Weight, st.integers(1, 12), st.integers(1, 60)), "capacity")
        link: Link[Frame] = Link("model", capacity, lambda frame: Weight(*frame[1:]))
        model = Model(capacity)
        ends = [
            link.sender(*data.draw(st.tuples(st.sampled_from(Overflow)), "overflow"), share=share)
            for share in data.draw(st.lists(st.sampled_from([1.0, 0.5, 0.25]), min_size=1, max_size=3), "shares")
        ]
        for number in range(data.draw(st.integers(0, 25), "operations")):
            if data.draw(st.booleans(), "receive"):
                expected = model.queue.popleft() if model.queue else None
                assert taken(link) == expected
            else:
                sender = data.draw(st.sampled_from(ends), "sender")
                frame = (number, data.draw(st.integers(0, 15)), data.draw(st.integers(0, 70)))
                with trio.move_on_after(1) as waited:
                    await sender.ready()
                blocks = sender.overflow is BLOCK and not model.room(sender.share)
                assert waited.cancelled_caught is blocks
                if not blocks:
                    assert sender.put(frame) == model.put(frame, sender.overflow, sender.share)
            assert link.held == model.held
            assert link.peak.events >= link.held.events
        for sender in ends:
            sender.close()
        assert [frame async for frame in link.receiver()] == list(model.queue)

    trio.run(main, clock=MockClock(autojump_threshold=0))
