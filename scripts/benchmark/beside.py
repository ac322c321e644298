"""What it costs a real Home Assistant that its changes are stored: by its own `influxdb` integration, or by a client.

The integration runs in Home Assistant's own process, a client makes it write into a WebSocket: so what counts is Home
Assistant's processor time with either, less without, and a client's own process beside it. All is counted over windows
of the same length around the same changes, so that what else it does is in both.
"""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import trio
from attrs import frozen

from scripts.benchmark.account import Failed
from scripts.benchmark.outage import PATIENCE, PAUSE, RATE, Loss
from scripts.benchmark.pacing import together
from scripts.benchmark.real_home import RealHome, Said, real_home
from scripts.benchmark.service import Process, running, tail
from scripts.benchmark.stores import Sink
from scripts.benchmark.tools import Tool

AFTER = 3.0
"""Seconds of a window after its last change: the recorder commits, a batch becomes old enough."""

CALM = 5.0
"""Seconds before a window, in which what a start or a new client brings is done."""

DEADLINE = 300.0

GREETING = 200
"""Changes that are played until a client that was just started has stored all of them."""


@frozen
class Window:
    """Microseconds of processor time for a change: Home Assistant's, and the client's own process."""

    home: float
    client: float = 0.0


async def beside(known: Sequence[Said], rate: float, tools: Mapping[str, Tool]) -> tuple[Window, dict[str, Window]]:
    """Home Assistant alone, and the same process with each of these tools connected to it.

    Raises `Failed` when the run proves nothing.
    """
    with limit():
        async with real_home(known) as home:
            await home.play(len(known) // 5, rate, together(rate))
            alone = await _window(home, len(known), rate)
            found = {}
            for name, tool in tools.items():
                async with _client(home, tool) as client:
                    found[name] = await _window(home, len(known), rate, client.sink, client)
            return alone, found
    raise Failed(LATE)


async def integrated(known: Sequence[Said], rate: float) -> Window:
    """Home Assistant with its own integration. Raises `Failed` when the run proves nothing."""
    with limit():
        async with integrating(known) as (home, sink):
            await home.play(len(known) // 5, rate, together(rate))
            return await _window(home, len(known), rate, sink)
    raise Failed(LATE)


async def integrated_outage(known: Sequence[Said], warm: int, seconds: float, patience: float = PATIENCE) -> Loss:
    """What the integration loses while its database answers 503: as for the others, see `outage`.

    Raises `Failed` when the run proves nothing.
    """
    with limit():
        async with integrating(known) as (home, sink):
            before = await home.play(warm, RATE)
            await stored(sink, before, patience)
            sink.refusing = 503
            during = await home.play(round(RATE * seconds), RATE)
            await trio.sleep(PAUSE)
            sink.refusing = 0
            with trio.move_on_after(patience):
                await stored(sink, [*before, *during], patience)
            sent = {*before, *during}
            return Loss(len(sent), len(sent - set(sink.times())))
    raise Failed(LATE)


@frozen
class _Client:
    process: Process
    sink: Sink
    folder: Path


LATE = f"a real Home Assistant was not done after {DEADLINE:.0f} s"

limit = partial(trio.move_on_after, DEADLINE)


@asynccontextmanager
async def integrating(known: Sequence[Said], *, recorded: bool = True) -> AsyncGenerator[tuple[RealHome, Sink]]:
    """A home that can play these changes, and the database into which its own integration writes.

    Raises `Failed` when the run proves nothing.
    """
    sink = Sink(start=0)
    async with trio.open_nursery() as nursery:
        await sink.serve(nursery)
        async with real_home(known, sink, recorded=recorded) as home:
            yield home, sink
        nursery.cancel_scope.cancel()


@asynccontextmanager
async def _client(home: RealHome, tool: Tool) -> AsyncGenerator[_Client]:
    """A tool that is connected to the home and stores what happens in it."""
    sink = Sink(start=0)
    with TemporaryDirectory(prefix="homeiq-bench-") as name:
        async with trio.open_nursery() as nursery:
            await sink.serve(nursery)
            command = tool.command(home.port, Path(name), sink.settings)
            environment = tool.environment(home.port, sink.settings, home.client.token)
            async with running(command, Path(name), **environment) as process:
                while not await stored(sink, await home.play(GREETING, RATE), CALM):
                    pass
                yield _Client(process, sink, Path(name))
            nursery.cancel_scope.cancel()


async def _window(
    home: RealHome, count: int, rate: float, sink: Sink | None = None, client: _Client | None = None
) -> Window:
    await trio.sleep(CALM)
    begun = time.perf_counter()
    before = home.process.cpu(), client.process.cpu() if client else 0.0
    times = await home.play(count, rate, together(rate))
    if sink is not None and not await stored(sink, times, PATIENCE):
        lost, said = len(set(times) - set(sink.times())), tail(client.folder if client else home.folder)
        raise Failed(f"of {count:,} changes {lost:,} are not stored; who should have stored them last said:\n{said}")
    await trio.sleep(max(0.0, begun + count / rate + AFTER - time.perf_counter()))
    after = home.process.cpu(), client.process.cpu() if client else 0.0
    return Window(*((b - a) / count * 1e6 for a, b in zip(before, after, strict=True)))


async def stored(sink: Sink, times: Sequence[int], patience: float) -> bool:
    """Wait until all these changes are stored; False when they are not in time."""
    with trio.move_on_after(patience):
        while not set(times) <= set(sink.times()):  # noqa: ASYNC110  a sink has no event
            await trio.sleep(0.5)
        return True
    return False
