from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext

import pytest
import trio
from attrs import define, field
from trio.testing import MockClock, check_two_way_stream, memory_stream_pair, wait_all_tasks_blocked
from wsproto.frame_protocol import FrameProtocol

from ingest.core.gathering import Text
from ingest.edge.gathered import AT_HAND, SMALL, Gathered
from ingest.errors import Transient

HEAD = b"HTTP/1.1 101 Switching Protocols\r\n\r\n"


def frame(payload: str | bytes) -> bytes:
    return bytes(FrameProtocol(client=False, extensions=[]).send_data(payload))


def said(stream: Gathered, ticket: bytes) -> Sequence[Text]:
    """What a library's reader is given for what the library got: the ticket, behind a head of two bytes."""
    return stream.apart(ticket[2:].decode())


async def test_it_is_a_stream_like_any_other() -> None:
    async def make() -> tuple[Gathered, Gathered]:
        one, other = memory_stream_pair()
        return Gathered(one, 1 << 20), Gathered(other, 1 << 20)

    await check_two_way_stream(make, None)


async def test_half_a_message_is_kept_when_reading_is_cancelled_and_told_at_the_end(autojump_clock: MockClock) -> None:
    mine, theirs = memory_stream_pair()
    stream = Gathered(mine, 1 << 20)
    message = frame("a message")
    await theirs.send_all(HEAD + message[:4])
    assert await stream.receive_some() == HEAD
    with trio.move_on_after(1) as scope:
        await stream.receive_some()
    assert scope.cancelled_caught
    await theirs.send_all(message[4:] + message[:4])
    assert said(stream, await stream.receive_some()) == [b"a message"]
    await theirs.aclose()
    assert [await stream.receive_some() for _ in range(3)] == [message[:4], b"", b""]


async def test_a_message_that_arrives_in_drops_is_told_when_it_is_whole(autojump_clock: MockClock) -> None:
    mine, theirs = memory_stream_pair()
    stream = Gathered(mine, 1 << 20)
    message = frame("a message")

    async def drip() -> None:
        for place in range(len(message)):
            await theirs.send_all(message[place : place + 1])
            await trio.sleep(1)

    await theirs.send_all(HEAD)
    assert await stream.receive_some() == HEAD
    async with trio.open_nursery() as nursery:
        nursery.start_soon(drip)
        assert said(stream, await stream.receive_some()) == [b"a message"]
        assert stream.last == trio.current_time()


async def test_when_nobody_asks_any_more_what_comes_goes_through() -> None:
    mine, theirs = memory_stream_pair()
    stream = Gathered(mine, 1 << 20)
    message = frame("a message")
    await theirs.send_all(HEAD + message[:4])
    assert await stream.receive_some() == HEAD
    stream.end()
    await theirs.send_all(message[4:])
    assert await stream.receive_some() == message


async def test_who_was_given_a_message_as_the_connection_was_closed_is_told_what_it_was() -> None:
    """Reader and closer may run in the same moment, in whichever order."""
    mine, theirs = memory_stream_pair()
    stream = Gathered(mine, 1 << 20)
    await theirs.send_all(HEAD + frame("a message"))
    ticket = (await stream.receive_some())[len(HEAD) :]
    stream.end()
    assert said(stream, ticket) == [b"a message"]


class WrongError(Exception):
    pass


PAUSE = 0.05


@define
class Trickle:
    """What is told of messages that come one by one: when, and how many together; with `haste` each may not be late."""

    haste: bool = False
    told: list[tuple[float, int]] = field(factory=list)

    async def come(self, *pauses: float, between: bytes = b"", size: int = 9) -> None:
        """A message after each of these pauses, in seconds; and a while in which nothing comes."""
        mine, theirs = memory_stream_pair()
        stream = Gathered(mine, 1 << 20, PAUSE)
        await theirs.send_all(HEAD)
        assert await stream.receive_some() == HEAD
        began = trio.current_time()

        def told(texts: Sequence[Text]) -> bool:
            self.told.append((round(trio.current_time() - began, 6), len(texts)))
            return not self.haste

        async def read() -> None:
            while await stream.receive_some():
                pass

        async with trio.open_nursery() as nursery:
            with stream.telling(told):
                nursery.start_soon(read)
                for pause in pauses:
                    await trio.sleep(pause)
                    await theirs.send_all(between + frame("m" * size))
                await trio.sleep(1)
                nursery.cancel_scope.cancel()


async def test_changes_that_come_soon_after_each_other_are_read_together(autojump_clock: MockClock) -> None:
    trickle = Trickle()
    await trickle.come(*[0.01] * 20)
    assert trickle.told == [(0.01, 1), (0.06, 5), (0.11, 5), (0.16, 5), (0.21, 4)]


async def test_after_a_rush_a_trickle_is_read_as_before_it(autojump_clock: MockClock) -> None:
    trickle = Trickle()
    await trickle.come(*[0.001] * 200, *[0.01] * 200, size=1000)
    assert [count for _, count in trickle.told[-4:-1]] == [5, 5, 5]
    assert max(count for at, count in trickle.told if 0.1 < at < 0.2) < 16


async def test_who_comes_by_itself_is_told_at_once(autojump_clock: MockClock) -> None:
    trickle = Trickle()
    await trickle.come(0.03, 0.03, 0.03, 0.02, 0.01)
    assert trickle.told == [(0.03, 1), (0.06, 1), (0.09, 1), (0.11, 1), (0.16, 1)]


async def test_a_slow_rhythm_after_two_that_came_together_is_told_at_once_again(autojump_clock: MockClock) -> None:
    trickle = Trickle()
    await trickle.come(1, 0.01, *[0.045] * 5)
    assert trickle.told == [(1, 1), (1.01, 1), (1.06, 1), (1.1, 1), (1.145, 1), (1.19, 1), (1.235, 1)]


async def test_while_somebody_waits_for_an_answer_nothing_is_late(autojump_clock: MockClock) -> None:
    trickle = Trickle(haste=True)
    await trickle.come(0.01, 0.01, 0.01)
    assert trickle.told == [(0.01, 1), (0.02, 1), (0.03, 1)]


async def test_a_ping_that_came_with_it_is_answered_at_once(autojump_clock: MockClock) -> None:
    trickle = Trickle()
    await trickle.come(0.01, 0.01, 0.01, between=bytes(FrameProtocol(client=False, extensions=[]).ping(b"")))
    assert trickle.told == [(0.01, 1), (0.02, 1), (0.03, 1)]


async def test_who_says_that_there_is_haste_ends_a_pause(autojump_clock: MockClock) -> None:
    mine, theirs = memory_stream_pair()
    stream = Gathered(mine, 1 << 20, PAUSE)
    heard: list[float] = []

    def told(_: Sequence[Text]) -> bool:
        heard.append(round(trio.current_time(), 6))
        return True

    async def read() -> None:
        while await stream.receive_some():
            pass

    stream.hurry()
    await theirs.send_all(HEAD)
    async with trio.open_nursery() as nursery:
        with stream.telling(told):
            nursery.start_soon(read)
            for _ in range(3):
                await trio.sleep(0.01)
                await theirs.send_all(frame("a message"))
            stream.hurry()
            await trio.sleep(0.01)
            nursery.cancel_scope.cancel()
    assert heard == [0.01, 0.03]


@define
class Pausing:
    """A stream that pauses, and its peer; what is `heard` of it, and what the library has."""

    mine: trio.testing.MemoryReceiveStream
    theirs: trio.abc.SendStream
    stream: Gathered
    heard: list[Text] = field(factory=list)
    made: list[bytes] = field(factory=list)

    @classmethod
    async def begun(cls) -> Pausing:
        mine, theirs = memory_stream_pair()
        await theirs.send_all(HEAD)
        return cls(mine.receive_stream, theirs, Gathered(mine, 1 << 20, PAUSE))

    def told(self, texts: Sequence[Text]) -> bool:
        self.heard.extend(texts)
        return True

    async def read(self, max_bytes: int | None = None) -> None:
        while data := await self.stream.receive_some(max_bytes):
            self.made.append(data)

    async def tell(self) -> None:
        with self.stream.telling(self.told):
            await trio.sleep_forever()

    async def come(self, *payloads: bytes) -> None:
        for payload in payloads:
            await trio.sleep(0.01)
            await self.theirs.send_all(payload)


GOODBYE = bytes(FrameProtocol(client=False, extensions=[]).close(1000))


@pytest.mark.parametrize(
    ("late", "last", "ends"),
    [(0.01, b"", False), (0.01, b"", True), (0.01, GOODBYE, True), (1, b"", True)],
    ids=["cancelled", "closed", "closed by both", "closed after it"],
)
async def test_what_arrived_in_a_pause_is_told_when_that_is_the_end(
    late: float, last: bytes, ends: bool, autojump_clock: MockClock
) -> None:
    """A session that ends, or the service: nothing is lost that this machine has."""
    here = await Pausing.begun()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(here.tell)
        nursery.start_soon(here.read)
        await trio.sleep(1)
        await here.come(frame("one"), frame("two"), frame("three") + frame("four") + last)
        await trio.sleep(late)
        if ends:
            here.stream.end()
            with trio.fail_after(AT_HAND):
                await wait_all_tasks_blocked()
            assert here.heard[-1] == b"four"
            await here.come(frame("nobody asks"))
            await trio.sleep(1)
        nursery.cancel_scope.cancel()
    assert here.heard == [b"one", b"two", b"three", b"four"]
    assert b"".join(here.made) == HEAD + last + (frame("nobody asks") if ends else b"")


@pytest.mark.parametrize("how", ["haste", "nobody listens"])
async def test_who_was_woken_and_then_cancelled_has_told_all(how: str, autojump_clock: MockClock) -> None:
    """Something is asked in the very moment in which the service stops; and who listened is gone when the pause is over."""
    here = await Pausing.begun()
    with here.stream.telling(here.told) if how == "haste" else nullcontext():
        async with trio.open_nursery() as nursery:
            nursery.start_soon(here.read)
            with here.stream.telling(here.told) if how != "haste" else nullcontext():
                await here.come(frame("one"), frame("two") + frame("three"))
            if how == "haste":
                here.stream.hurry()
            else:
                await trio.sleep(1)
            nursery.cancel_scope.cancel()
    assert here.heard == [b"one", b"two", b"three"]


async def test_more_than_one_read_holds_is_told_at_the_end(autojump_clock: MockClock) -> None:
    here = await Pausing.begun()
    with here.stream.telling(here.told):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(here.read, 1024)
            await here.come(frame("one"), frame("m" * 100) * 100)
            nursery.cancel_scope.cancel()
    assert len(here.heard) == 101


async def test_a_pause_at_the_end_in_which_nothing_arrived_ends_at_once(autojump_clock: MockClock) -> None:
    trickle = Trickle()
    with trio.move_on_after(0.03):
        await trickle.come(0.01)
    assert trickle.told == [(0.01, 1)]
    assert trio.current_time() <= 0.03 + AT_HAND + 1e-6


@define
class Window:
    """A peer that has more than enough to say, and lets no more be under way than a small window: what is read opens it again, a moment later."""

    stream: trio.abc.SendStream
    size: int
    moment: float = 0.002
    segment: int = 1460

    async def say(self, message: bytes) -> None:
        rest = b""
        while True:
            while len(rest) < self.segment:
                rest += message
            while self.size < self.segment:  # noqa: ASYNC110  a window has no event
                await trio.sleep(self.moment / 4)
            await self.stream.send_all(rest[: self.segment])
            rest, self.size = rest[self.segment :], self.size - self.segment

    async def opened(self, count: int) -> None:
        await trio.sleep(self.moment)
        self.size += count


@pytest.mark.parametrize("window", [16, 32, 64])
async def test_a_window_that_is_full_is_no_trickle(window: int, autojump_clock: MockClock) -> None:
    """Home Assistant drops a client for which 4,096 messages wait; after a full window its next segments are small, and come soon."""
    here = await Pausing.begun()
    await here.stream.receive_some()
    peer = Window(here.theirs, window * 1024)
    receive_some = here.mine.receive_some
    async with trio.open_nursery() as nursery:

        async def counted(max_bytes: int | None = None) -> bytearray:
            data = await receive_some(max_bytes)
            nursery.start_soon(peer.opened, len(data))
            return data

        here.mine.receive_some = counted  # type: ignore[method-assign]
        with here.stream.telling(here.told):
            nursery.start_soon(here.read, 256 * 1024)
            nursery.start_soon(peer.say, frame("m" * 500))
            await trio.sleep(0.5)
            nursery.cancel_scope.cancel()
    assert len(here.heard) > 2_048


async def test_after_a_large_read_nobody_pauses(autojump_clock: MockClock) -> None:
    trickle = Trickle()
    await trickle.come(0.01, 0.01, 0.01, size=SMALL)
    assert trickle.told == [(0.01, 1), (0.02, 1), (0.03, 1)]


async def test_texts_are_told_where_they_are_read_and_what_that_raises_ends_the_block(
    autojump_clock: MockClock,
) -> None:
    mine, theirs = memory_stream_pair()
    stream = Gathered(mine, 1 << 20)
    message = frame("a message")
    await theirs.send_all(HEAD)
    assert await stream.receive_some() == HEAD
    heard: list[Text] = []

    def told(texts: Sequence[Text]) -> bool:
        heard.extend(texts)
        if len(heard) > 1:
            raise WrongError
        return True

    async def read() -> None:
        assert said(stream, await stream.receive_some()) == [b"a message"]

    async def tell() -> None:
        with stream.telling(told):
            for _ in range(2):
                await theirs.send_all(message)
                await trio.sleep(1)
            await trio.sleep_forever()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(read)
        with pytest.raises(WrongError):
            await tell()
        assert heard == [b"a message"] * 2
        await theirs.send_all(message)


async def test_a_connection_that_ends_with_it_does_not_hide_what_was_raised(autojump_clock: MockClock) -> None:
    mine, theirs = memory_stream_pair()
    stream = Gathered(mine, 1 << 20)

    def told(_: Sequence[Text]) -> bool:
        raise WrongError

    async def tell(message: bytes) -> None:
        with stream.telling(told):
            await theirs.send_all(message)
            assert message.endswith(await stream.receive_some())
            raise Transient("gone", where="there")

    with pytest.raises(Transient):
        await tell(HEAD)
    with pytest.raises(WrongError):
        await tell(frame("a message") + frame(b"binary"))
