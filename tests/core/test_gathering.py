"""Whatever a peer sends, and however it is cut: a library hands out what it would have without us."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from wsproto import events
from wsproto.connection import CLIENT, Connection
from wsproto.frame_protocol import FrameProtocol

from ingest.core.gathering import LARGE, Gathering, Text

HEAD = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n"
TICKET = "a ticket that nobody guesses"
MOST = 1 << 20


def frame(payload: str | bytes, *, fin: bool = True) -> bytes:
    return bytes(FrameProtocol(client=False, extensions=[]).send_data(payload, fin))


def gathering(most: int = MOST) -> Gathering:
    """One that has seen the handshake."""
    made = Gathering(TICKET, most)
    assert made.feed(HEAD) == HEAD
    return made


def fed(made: Gathering, reads: Iterable[bytes]) -> list[bytes]:
    return [*filter(None, map(made.feed, reads)), made.rest()]


def said(reads: Iterable[bytes], apart: Gathering) -> Iterator[object]:
    """What a library hands out for these reads: messages as texts, and every other event as it is."""
    connection = Connection(CLIENT)
    parts: list[str | bytes] = []
    for read in reads:
        connection.receive_data(read)
        yield from spoken(connection, apart, parts)


def spoken(connection: Connection, apart: Gathering, parts: list[str | bytes]) -> Iterator[object]:
    for event in connection.events():
        if not isinstance(event, events.Message):
            yield event
            continue
        parts.append(event.data)
        if event.message_finished:
            whole: Text = parts[0][:0].join(parts)  # type: ignore[arg-type]  # all of one kind
            yield from (text.encode() if isinstance(text, str) else text for text in apart.apart(whole))
            parts.clear()


def cut(data: bytes, places: Iterable[int]) -> list[bytes]:
    """The data in reads, none of which is empty."""
    bounds = sorted({0, len(data), *(place % (len(data) + 1) for place in places)})
    return [data[start:end] for start, end in pairwise(bounds)]


def fragments(parts: Sequence[str]) -> bytes:
    protocol = FrameProtocol(client=False, extensions=[])
    return b"".join(bytes(protocol.send_data(part, fin)) for part, fin in zip(parts, [False, True], strict=True))


def interrupted(parts: Sequence[tuple[str, bytes]]) -> bytes:
    """A message in fragments, with whole control frames after each of them."""
    protocol = FrameProtocol(client=False, extensions=[])
    last = len(parts) - 1
    return b"".join(
        bytes(protocol.send_data(part, number == last)) + after for number, (part, after) in enumerate(parts)
    )


control = FrameProtocol(client=False, extensions=[])
SIZES = [0, 1, 125, 126, 127, LARGE - 1, LARGE, LARGE + 1]
"""Where a length is told in another way."""
pings = st.sampled_from([b"", bytes(control.ping(b"")), bytes(control.pong(b"now")), bytes(control.ping(b"x" * 125))])
small = st.text(max_size=300).map(frame)
frames = st.one_of(
    small,
    small,
    small,
    st.sampled_from(SIZES).map("x".__mul__).map(frame),
    st.sampled_from([LARGE - 7, LARGE - 2, LARGE]).map(lambda size: frame("°🧸" + "x" * size)),
    st.binary(max_size=300).map(frame),
    st.tuples(st.text(), st.text()).map(fragments),
    st.lists(st.tuples(st.text(max_size=20), pings), min_size=2, max_size=4).map(interrupted),
    st.binary(max_size=125).map(control.ping).map(bytes),
    st.binary(max_size=125).map(control.pong).map(bytes),
)
places = st.lists(st.integers(0, 1 << 18), max_size=12)


@given(st.lists(frames, max_size=12).map(b"".join), places)
def test_a_peer_is_heard_as_without_us(data: bytes, places: list[int]) -> None:
    made = gathering()
    assert list(said(fed(made, cut(data, places)), made)) == list(said([data], made))


@pytest.mark.parametrize("fin", [True, False])
@pytest.mark.parametrize("kind", [str, bytes])
@pytest.mark.parametrize("size", SIZES)
def test_a_length_is_read_wherever_it_is_cut(size: int, kind: type, *, fin: bool) -> None:
    head = frame("a") + frame("b")
    middle = bytearray(frame("x" * size if kind is str else b"x" * size, fin=fin))
    rest = b"" if fin else bytes(control.ping(b"")) + b"\x80\x01y"
    data = head + middle + rest + frame("c") + frame("d")
    ends = len(head) + len(middle)
    near = [*range(len(head) - 1, min(len(head) + 12, ends)), *range(max(len(head), ends - 2), ends + 5)]
    expected = list(said([data], gathering()))
    for place in near:
        for other in (place, place + 1, len(data) - 1):
            made = gathering()
            assert list(said(fed(made, cut(data, [place, other])), made)) == expected


@given(st.lists(small, max_size=12).map(b"".join), places, st.integers(0, 2000))
def test_whatever_the_limit_it_is_heard_as_without_us(data: bytes, places: list[int], most: int) -> None:
    made = gathering(most)
    reads = fed(made, cut(data, places))
    assert list(said(reads, made)) == list(said([data], made))
    assert most >= len(TICKET) or TICKET.encode() not in b"".join(reads)


MISTAKES = [
    b"\x81\x02\xff\xfe",  # no UTF-8
    b"\x81\x01\xc2\x81\x01\xb0",  # nor is one of these, which together would be
    b"\x81\x7f"
    + LARGE.to_bytes(8)
    + b"x" * 8191
    + "°".encode()
    + b"x" * (LARGE - 8194)
    + b"\xc2",  # nor is this, at its end
    b"\x81\x82abcdhi",  # masked
    b"\x81\x7e\x00\x02hi",  # a length longer than need be
    b"\x81\x7f" + bytes(6) + b"\x00\x02hi",
    b"\x82\x7f" + bytes(6) + b"\xff\xff" + bytes(0xFFFF),
    b"\x89\x7e\x00\x7e" + bytes(126),  # a ping of 126 bytes
    b"\x09\x00",  # half a ping
    b"\x83\x00",  # a kind that is none
    b"\xc1\x02hi",  # a reserved bit
    b"\xff\xff\xff\xff",
    b"\x80\x00",  # the end of nothing
    b"\x88\x02\x03\xe8",  # no mistake, but the end: goodbye
    b"\x88\x01x",
]


def past(reads: Iterable[bytes], made: Gathering) -> Iterator[object]:
    """As `said`, where somebody takes what is ready; whatever the library then says comes after it."""
    connection = Connection(CLIENT)
    parts: list[str | bytes] = []
    made.past = True
    for read in reads:
        heard = made.feed(read)
        yield from made.ready()
        if heard:
            connection.receive_data(heard)
            yield from spoken(connection, made, parts)
    connection.receive_data(made.rest())
    yield from spoken(connection, made, parts)


def without_pings(heard: Iterable[object]) -> list[object]:
    return [each for each in heard if not isinstance(each, events.Ping | events.Pong)]


@given(st.lists(frames, max_size=12), st.sampled_from([b"", *MISTAKES]), st.lists(frames, max_size=4), places)
def test_who_takes_what_is_ready_hears_the_same_in_the_same_order(
    before: list[bytes], mistake: bytes, after: list[bytes], places: list[int]
) -> None:
    """But for pings, which the library answers by itself."""
    data = b"".join([*before, mistake, *after])
    assert without_pings(past(cut(data, places), gathering())) == without_pings(said([data], gathering()))


@given(st.lists(small, max_size=4), st.lists(small, min_size=1, max_size=4))
def test_what_is_ready_never_overtakes_what_has_a_ticket(before: list[bytes], after: list[bytes]) -> None:
    made = gathering()
    made.feed(b"".join(before))
    made.past = True
    assert made.feed(b"".join(after)) == (frame(TICKET) if before else b"")
    assert bool(made.ready()) is not bool(before)


@given(st.lists(small, max_size=4).map(b"".join), st.sampled_from(MISTAKES), st.lists(frames, max_size=4), places)
@example(b"", b"\x81\x7e\x00\x02hi", [frame("x"), frame("y")], [])
def test_a_mistake_is_the_librarys_to_find(
    before: bytes, mistake: bytes, after: list[bytes], places: list[int]
) -> None:
    data = b"".join([before, mistake, *after])
    made = gathering()
    assert list(said(fed(made, cut(data, places)), made)) == list(said([data], made))


@given(st.lists(small, max_size=3).map(b"".join), st.sampled_from(MISTAKES))
def test_a_mistake_waits_for_nothing(before: bytes, mistake: bytes) -> None:
    """A library that is not told of it would not hang up, and its peer wait for ever."""
    made = gathering()
    heard = [made.feed(before + mistake)]
    assert list(said(heard, made)) == list(said([before + mistake], made))


@given(st.lists(st.binary(max_size=40)), places)
def test_noise_is_passed_on_as_it_is_refused(noise: list[bytes], places: list[int]) -> None:
    made = gathering()
    data = b"".join(noise)
    assert list(said(fed(made, cut(data, places)), made)) == list(said([data], made))


@given(st.lists(st.text(), min_size=1, max_size=40))
def test_texts_that_arrive_together_are_one_short_message(texts: list[str]) -> None:
    made = gathering()
    connection = Connection(CLIENT)
    connection.receive_data(made.feed(b"".join(map(frame, texts))))
    (message,) = connection.events()
    assert isinstance(message, events.TextMessage)
    assert message.data == TICKET
    assert made.apart(message.data) == [text.encode() for text in texts]


def test_the_beginning_of_a_text_waits_for_its_rest_and_then_goes_with_the_others() -> None:
    made = gathering()
    one, two = frame("one"), frame("two" * 50)
    assert list(said([made.feed(one + two[:3])], made)) == [b"one"]
    assert made.feed(two[3:9]) == b""
    assert list(said([made.feed(two[9:] + one)], made)) == [b"two" * 50, b"one"]
    for begun in (two[:1], two[:9]):
        assert made.feed(begun) == b""
        assert (made.rest(), made.rest()) == (begun, b"")


def test_a_ping_keeps_its_place() -> None:
    ping = bytes(control.ping(b"now"))
    made = gathering()
    assert made.feed((frame("a") + frame("b")) + ping + frame("c")) == frame(TICKET) + ping + frame(TICKET)
    assert [made.apart(TICKET), made.apart(TICKET)] == [[b"a", b"b"], [b"c"]]


def test_a_library_that_would_refuse_the_ticket_gets_none() -> None:
    short = frame("x") + frame("y")
    assert gathering(len(TICKET) - 1).feed(short) == short
    assert gathering(len(TICKET)).feed(short) == frame(TICKET)


@given(st.lists(frames, max_size=6).map(b"".join), st.lists(frames, max_size=6).map(b"".join), places)
def test_when_nobody_asks_any_more_nothing_more_is_kept(before: bytes, after: bytes, places: list[int]) -> None:
    made = gathering()
    for read in cut(before, places):
        made.feed(read)
    waiting, given_out = len(made._begun) + sum(map(len, made._parts)), list(made._kept)
    made.end()
    heard = b"".join(fed(made, cut(after, places)))
    assert heard.endswith(after)
    assert len(heard) >= len(after) + waiting
    assert (list(made._kept), made._parts) == (given_out, [])


@pytest.mark.parametrize("head", [HEAD, HEAD.replace(b"\r", b"")])
@given(places)
def test_frames_begin_where_the_handshake_ends(head: bytes, places: list[int]) -> None:
    made = Gathering(TICKET, MOST)
    data = head + frame("a") + frame("b")
    heard = b"".join(fed(made, cut(data, places)))
    assert heard.startswith(head)
    assert list(said([heard[len(head) :]], made)) == [b"a", b"b"]


@given(places)
def test_what_is_no_websocket_is_let_through(places: list[int]) -> None:
    data = b"HTTP/1.1 200 OK\r\n\r\n" + frame("a") + frame("b")
    assert b"".join(fed(Gathering(TICKET, MOST), cut(data, places))) == data


def test_a_binary_message_of_the_peers_is_an_empty_text() -> None:
    assert gathering().apart(b"\x00") == gathering().apart(b"") == gathering().apart(TICKET.encode()) == [""]


def test_a_text_that_went_through_the_library_is_itself() -> None:
    assert gathering().apart("in fragments") == ["in fragments"]
