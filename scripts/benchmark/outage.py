"""A database that answers 503 for a while: what a tool has lost when it is over; and when it was killed meanwhile."""

from __future__ import annotations

import signal
from collections import Counter

import trio
from attrs import frozen

from scripts.benchmark.runs import Load, Stage, serving, stage
from scripts.benchmark.stores import LOOK, Sink
from scripts.benchmark.tools import Tool
from scripts.benchmark.traffic import chunks

RATE = 200
"""Events a second."""

PAUSE = 3.0
"""Seconds without events before a kill, so that none is on its way; nothing is sent either until it listens again."""

PATIENCE = 60.0
"""Seconds after the outage in which what was not lost is written: influxdb-client tries again after 5 to 10, then 10 to 20."""

DEADLINE = 200.0


@frozen
class Loss:
    """How many events were sent, and how many of them are not stored."""

    sent: int
    lost: int


async def outage(load: Load, tool: Tool, seconds: float, *, killed: bool, patience: float = PATIENCE) -> Loss:
    """Send the load at a pace to a tool whose database fails after its warming events, and a second longer than `seconds`.

    Raises `Failed` when the run proves nothing.
    """
    sink = Sink()

    async def opener(_: Stage) -> Sink:
        return sink

    async with stage(load.entities, seconds=DEADLINE) as scene:
        await sink.serve(scene.nursery)
        async with serving(scene, opener, tool) as (process, _, account):
            subscription = await scene.peer.subscribed()
            await scene.peer.send(chunks(load.stream[: load.warm], 1, subscription), account)
            await account.rest()
            sink.refusing = 503
            during = chunks(load.stream[load.warm :], 1, subscription, 1)[: round(RATE * seconds)]
            await scene.peer.pace(during, account, RATE)
            await trio.sleep(PAUSE)
            if killed:
                process.popen.send_signal(signal.SIGKILL)
                process.popen.wait()
            else:
                sink.refusing = 0
                await _settled(load, sink, patience)
        if killed:
            async with serving(scene, opener, tool):
                sink.refusing = 0
                await _settled(load, sink, patience)
        missing = Counter(event.time_ns for event in load.stream) - Counter(sink.times())
        return Loss(len(load.stream), missing.total())
    raise AssertionError  # pragma: no cover  `stage` raised


async def _settled(load: Load, sink: Sink, patience: float) -> None:
    with trio.move_on_after(patience):
        while len(set(sink.times())) < len(load.stream):  # noqa: ASYNC110  a sink has no event
            await trio.sleep(10 * LOOK)
