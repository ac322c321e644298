"""A real Home Assistant that sets states as fast as its loop turns: what its own `influxdb` integration adds, and how fast it is.

The integration works in Home Assistant's process, under one interpreter lock with what sets the states. So its rate is
that of both together; and what it costs is what the process needs more than another one, started beside it, in which it
is not set up: for the same changes, over as many seconds, in turns. The recorder leaves them out in either: what it needs
for ten thousand changes differs from time to time by more than the integration takes.
"""

from __future__ import annotations

import time
from bisect import bisect_left
from collections.abc import Sequence
from statistics import median

import trio
from attrs import frozen

from scripts.benchmark.account import Account, Failed, Mark, Sample
from scripts.benchmark.beside import CALM, LATE, integrating, limit, stored
from scripts.benchmark.outage import PATIENCE
from scripts.benchmark.real_home import RealHome, Said, real_home
from scripts.benchmark.service import Process, tail
from scripts.benchmark.stores import Sink
from scripts.benchmark.traffic import TOGETHER

AT_ONCE = 1_000_000.0
"""Changes a second that no loop reaches: each of its turns sets as many as it should."""

TURNS = 3
"""How often each home gets all changes: the same processor is twice as fast in one second as in the next."""

REST = 0.2
"""Seconds of processor in a second with which a home is at rest: what else happens in it is little."""


@frozen
class Window:
    """All changes, from a rest to a rest: seconds of Home Assistant's processor, in how many seconds.

    `rate`: how many changes a second were stored, 0 where nobody stores them.
    """

    cpu: float
    seconds: float
    rate: float = 0.0


@frozen
class Rushed:
    """What the integration adds to a change, at which rate, and microseconds that Home Assistant needs for one without it."""

    added: Sample
    alone: float


async def rushed(known: Sequence[Said]) -> Rushed:
    """Both homes with all these changes, by turns. Raises `Failed` unless the integration stores every one of them."""
    with limit():
        async with integrating(known, recorded=False) as (home, sink), real_home(known, recorded=False) as other:
            await _warm(home, known)
            await _warm(other, known)
            pairs = []
            for _ in range(TURNS):
                storing = await _storing(home, known, sink)
                pairs.append((storing, await _alone(other, known, storing.seconds)))
            return compared(pairs, len(known))
    raise Failed(LATE)


def compared(pairs: Sequence[tuple[Window, Window]], count: int) -> Rushed:
    """What so many changes came to with the integration and without: medians of the turns, the difference of each turn's own."""
    more = median(storing.cpu - alone.cpu for storing, alone in pairs)
    rate, without = median(storing.rate for storing, _ in pairs), median(alone.cpu for _, alone in pairs)
    return Rushed(Sample(rate, more / count * 1e6), without / count * 1e6)


async def _storing(home: RealHome, known: Sequence[Said], sink: Sink) -> Window:
    """With the integration, until all is stored and Home Assistant at rest."""
    account = Account(home.process.cpu)
    account.acknowledged.set(len(sink.lines))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(sink.acknowledge, account)
        begun = account.mark()
        times = await home.play(len(known), AT_ONCE, TOGETHER)
        if not await stored(sink, times, PATIENCE):
            lost, said = len(set(times) - set(sink.times())), tail(home.folder)
            raise Failed(f"of {len(known):,} changes {lost:,} are not stored; Home Assistant last said:\n{said}")
        await _rest(home.process)
        ended = account.mark()
        nursery.cancel_scope.cancel()
    rate = account.sample(begun, whole(account.marks, sink.times(), times)).rate
    return Window(ended.cpu - begun.cpu, ended.seconds - begun.seconds, rate)


def whole(marks: Sequence[Mark], stored: Sequence[int], times: Sequence[int]) -> Mark:
    """The acknowledgement with which the last of these changes was stored; a mark counts what was stored before, too."""
    wanted = set(times)
    last = max(place for place, time in enumerate(stored, 1) if time in wanted)
    return marks[bisect_left([mark.events for mark in marks], last)]


async def _alone(home: RealHome, known: Sequence[Said], seconds: float) -> Window:
    """Without it, over as many seconds, and until it is at rest."""
    begun, before = time.perf_counter(), home.process.cpu()
    await home.play(len(known), AT_ONCE, TOGETHER)
    await trio.sleep(max(0.0, begun + seconds - 1 - time.perf_counter()))
    await _rest(home.process)
    return Window(home.process.cpu() - before, time.perf_counter() - begun)


async def _warm(home: RealHome, known: Sequence[Said]) -> None:
    await home.play(len(known), AT_ONCE, TOGETHER)
    await trio.sleep(CALM)
    await _rest(home.process)


async def _rest(process: Process) -> None:
    used = REST
    while used >= REST:
        before = process.cpu()
        await trio.sleep(1)
        used = process.cpu() - before
