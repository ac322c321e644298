"""Texts of which one read holds a part only: what waits, what does not, and how often it is looked at."""

from __future__ import annotations

import pytest

from ingest.core.gathering import LARGE, LONGEST
from tests.core.test_gathering import TICKET, frame, gathering, said


def test_what_arrives_in_drops_is_looked_at_as_often_as_it_is_large() -> None:
    """No more than one text waits, so what a read copies has a bound that the length of a message does not raise."""
    made = gathering()
    texts = [b"x" * (LARGE - 1)] * 3 + [b"y" * (10 * LARGE), b"z"]
    data = b"".join(map(frame, map(bytes.decode, texts)))
    heard: list[object] = []
    for start in range(0, len(data), 1000):
        heard += said([made.feed(data[start : start + 1000])], made)
        assert len(made._begun) < 10
        assert len(made._begun) + sum(map(len, made._parts)) <= max(map(len, texts))
        assert all(len(part) <= 1000 for part in made._parts)
    assert heard == texts
    assert made.rest() == b""


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
    assert made.feed(large) == frame(TICKET)
    assert made.apart(TICKET) == [text.encode()]


@pytest.mark.parametrize("most", [4 * LARGE, 2 * LONGEST])
def test_one_that_is_too_long_to_wait_for_goes_as_it_comes(most: int) -> None:
    made = gathering(most)
    large = frame("🧸" * (1 + min(most, LONGEST) // 4))
    for read in (large[:10], large[10:200_000], large[200_000:]):
        assert made.feed(read) == read
