"""Texts of which one read holds a part only: what waits, what does not, and how often it is looked at."""

from __future__ import annotations

import pytest
from wsproto import events
from wsproto.connection import CLIENT, Connection

from ingest.core.gathering import LARGE, LONGEST
from tests.core.test_gathering import frame, gathering, said


def test_what_arrives_in_drops_is_looked_at_as_often_as_it_is_large() -> None:
    """No more than one text waits, so what a read copies has a bound that the length of a message does not raise."""
    made = gathering()
    data = frame("x" * (LARGE - 1)) * 3 + frame("y" * (20 * LARGE)) + frame("z")
    heard = b""
    for start in range(0, len(data), 1000):
        heard += made.feed(data[start : start + 1000])
        held = sum(map(len, made._held))
        assert held < LARGE + 4
        assert start + 1000 >= len(data) or len(heard) + held == start + 1000
    assert heard == data


def test_a_large_message_goes_as_it_comes_and_is_not_kept() -> None:
    made = gathering()
    large = frame("x" * 3_000_000)
    begun, amid, end = large[:10], large[10:1_000_000], large[1_000_000:]
    assert made.feed(begun) == begun
    assert made.feed(amid) is amid
    assert made.feed(end) == end


def test_a_large_text_is_waited_for_and_comes_as_bytes() -> None:
    made, text = gathering(), "🧸" * LARGE
    large = frame(text)
    assert [made.feed(large[start : start + 50_000]) for start in range(0, 250_000, 50_000)] == [b""] * 5
    (message,) = said([made.feed(large[250_000:])], made)
    assert message == text.encode()
    connection = Connection(CLIENT)
    connection.receive_data(made.feed(large))
    assert {type(event) for event in connection.events()} == {events.BytesMessage}


@pytest.mark.parametrize("most", [4 * LARGE, 2 * LONGEST])
def test_one_that_is_too_long_to_wait_for_goes_as_it_comes(most: int) -> None:
    made = gathering(most)
    large = frame("🧸" * (1 + min(most, LONGEST) // 4))
    for read in (large[:10], large[10:200_000], large[200_000:]):
        assert made.feed(read) == read
