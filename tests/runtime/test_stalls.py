"""Stalls of the event loop are measured where they happen, and nothing ticks for it."""

from __future__ import annotations

import time

import trio
from trio.testing import MockClock

from ingest.runtime.stalls import BOUNDS, Stalls


async def test_a_step_that_computes_too_long_is_seen() -> None:
    stalls = Stalls()
    with stalls.measured():
        await trio.sleep(0.01)
        before = stalls.busy
        time.sleep(0.12)  # noqa: ASYNC251  this is what is looked for
        await trio.lowlevel.checkpoint()
        await trio.sleep(0.01)
    assert stalls.longest >= 0.12
    assert stalls.busy - before >= 0.12
    counts = dict(stalls.up_to())
    assert list(counts) == list(BOUNDS)
    assert counts[0.1] < counts[5.0] <= stalls.rounds
    seen = stalls.rounds
    await trio.sleep(0.01)
    assert stalls.rounds == seen


async def test_waiting_is_no_stall_and_costs_no_round(autojump_clock: MockClock) -> None:
    stalls = Stalls()
    with stalls.measured():
        await trio.sleep(3600)
    assert stalls.rounds < 20
    assert stalls.busy < 1


def test_rounds_are_told_apart_by_how_long_they_took() -> None:
    times = iter([0.0, 0.002, 1.0, 1.03, 2.0, 2.006, 3.0, 10.0])
    stalls = Stalls(lambda: next(times))
    stalls.before_io_wait(0)
    for _ in range(4):
        stalls.after_io_wait(0)
        stalls.before_io_wait(0)
    assert stalls.rounds == 4
    assert [count for _, count in stalls.up_to()] == [1, 2, 2, 3, 3, 3, 3, 3, 3, 3]
    assert stalls.longest == 7.0
