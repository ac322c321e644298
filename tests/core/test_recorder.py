from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw

from ingest.core import recorder
from ingest.core.recorder import Horizon, Recorder, busy
from ingest.core.wire import Malformed

INFO = {"backlog": 0, "migration_in_progress": False, "recording": True, "thread_running": True}
ANSWERS = (
    json.dumps({**INFO, "max_backlog": 65000, "migration_is_live": False}).encode(),
    json.dumps({**INFO, "max_backlog": 65000, "migration_is_live": False, "db_in_default_location": True}).encode(),
)
"""As 2024.3.3 and 2025.4.4 gave them."""


@pytest.mark.parametrize("answer", ANSWERS)
def test_recorded_answers(answer: bytes) -> None:
    told = recorder.recorder(Raw(answer))
    assert told == Recorder(recording=True, thread_running=True, backlog=0)
    assert busy(told, 0) == ""


@pytest.mark.parametrize("answer", [b"null", b"[]", b'{"recording":5}', b"x"])
def test_what_is_no_answer_is_refused(answer: bytes) -> None:
    with pytest.raises(Malformed):
        recorder.recorder(Raw(answer))


@pytest.mark.parametrize(
    ("told", "why"),
    [
        (Recorder(recording=True, thread_running=True, backlog=1000), ""),
        (Recorder(recording=True, thread_running=True, backlog=1001), "1001 states behind"),
        (Recorder(recording=False, thread_running=True, backlog=0), ""),
        (Recorder(recording=True, thread_running=False), "does not run"),
        (Recorder(recording=True, thread_running=True, migration_in_progress=True), "migrating"),
        (Recorder(), "does not run"),
    ],
)
def test_when_it_should_be_left_alone(told: Recorder, why: str) -> None:
    said = busy(told, 1000)
    assert (why in said) if why else said == ""


@given(st.lists(st.tuples(st.floats(0, 60), st.integers(0, 9) | st.none()), max_size=30))
def test_the_horizon_is_the_oldest_row_of_the_last_minutes(seen: list[tuple[float, int | None]]) -> None:
    horizon, now = Horizon(100.0), 0.0
    told: list[tuple[float, int]] = []
    for later, oldest_ns in seen:
        now += later
        horizon.add(oldest_ns, now)
        if oldest_ns is not None:
            told.append((now + 100.0, oldest_ns))
        assert horizon.oldest_ns(now) == min((age for until, age in told if until > now), default=None)
        assert len(horizon._shown) <= 10
