from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.core.rates import FEW, LEARNT, RECENT, Window, unusual

HOUR = 3600.0


@given(
    st.lists(st.tuples(st.floats(0, 400), st.integers(0, 50)), max_size=60), st.integers(1, 12), st.integers(0, 100_000)
)
def test_a_window_counts_what_a_list_would(steps: list[tuple[float, int]], slots: int, begin: int) -> None:
    window, now = Window(width=5.0, slots=12), float(begin)
    came: list[tuple[int, int]] = []
    for wait, count in steps:
        now += wait
        window.add(count, now)
        came.append((int(now / 5), count))
    newest = int(now / 5)
    assert window.total(slots * 5.0, now) == sum(count for slot, count in came if newest - slots < slot <= newest)


def test_a_window_forgets_and_never_looks_further_than_it_reaches() -> None:
    window = Window(width=5.0, slots=4)
    window.add(3, 1.0)
    assert window.total(1000, 1.0) == window.per_minute(1.0) == 3
    assert window.total(1000, 21.0) == 0


def filled(minutes: int, per_minute: int, *, then: int) -> tuple[Window, float]:
    """That many minutes at a rate, and five at another; what comes in, comes every five seconds."""
    window = Window()
    now = 0.0
    for rate, length in ((per_minute, minutes), (then, 5)):
        for _ in range(length * 12):
            now += 5
            window.add(rate // 12, now)
    return window, now


@pytest.mark.parametrize(
    ("usual", "recent", "word"), [(120, 480, "many"), (120, 0, "few"), (120, 12, "few"), (120, 240, ""), (0, 0, "")]
)
def test_a_rate_is_compared_with_what_is_usual(usual: int, recent: int, word: str) -> None:
    window, now = filled(60, usual, then=recent)
    said = unusual(window, now, 0.0, now)
    assert (f"unusually {word} events" in said) if word else said == ""


def test_the_sentence_says_both_rates() -> None:
    window, now = filled(60, 120, then=480)
    assert unusual(window, now, 0.0, now).endswith("480 events a minute, usual are 120")


def test_little_is_no_news() -> None:
    window, now = filled(60, 0, then=0)
    window.add(FEW - 1, now)
    assert unusual(window, now, 0.0, now) == ""


def test_nothing_is_unusual_before_a_quarter_of_an_hour_was_seen() -> None:
    window, now = filled(10, 120, then=480)
    assert unusual(window, now, 0.0, now) == ""
    window, now = filled(int(LEARNT / 60), 120, then=480)
    assert "unusually many" in unusual(window, now, 0.0, now)


@pytest.mark.parametrize("last", [None, 50.0, 100.0])
def test_silence_while_connected_is_said_after_five_minutes(last: float | None) -> None:
    assert unusual(Window(), last, 100.0, 100.0 + RECENT - 1) == ""
    assert "no event for 5 minutes" in unusual(Window(), last, 100.0, 100.0 + RECENT)
