"""One run of each kind. Every run starts processes of its own, so that none inherits from another."""

from __future__ import annotations

import math
import sys
from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeAlias, TypeVar, TypeVarTuple

import trio
from attrs import evolve, frozen

from ingest.runtime.supervise import one_error
from ingest.simulator.home import Home
from scripts.benchmark.account import Account, Failed, Mark, Sample
from scripts.benchmark.peer import TOKEN, Peer
from scripts.benchmark.service import Process, running, tail
from scripts.benchmark.stores import LOOK, File, Sink, Store
from scripts.benchmark.tools import NO_SETTINGS, SERVICE, Settings, Tool
from scripts.benchmark.traffic import Event, chunks, events, home, lines

T = TypeVar("T")
Args = TypeVarTuple("Args")

DEADLINE = 60.0
"""Seconds for one run: it ends with a sentence, never with a hang."""

SLOWEST = 1_000
"""Events a second: a run has a second more for so many, which the slowest machine takes."""


@frozen
class Load:
    """What is sent in a run: `warm` events that are not measured, then the others. `lines` are what must come of them."""

    entities: int
    warm: int
    stream: Sequence[Event]
    lines: Sequence[bytes]

    @classmethod
    def of(cls, entities: int, warm: int, measured: int) -> Load:
        """The load of a home of so many entities."""
        stream = events(entities, warm + measured)
        return cls(entities, warm, stream, lines(entities, stream))


@frozen
class Stage:
    """A run's scenery: a home that is served, a folder, a nursery whose tasks end with the run."""

    peer: Peer
    port: int
    folder: Path
    nursery: trio.Nursery


Opener: TypeAlias = Callable[[Stage], Awaitable[Store]]


async def embedded(scene: Stage) -> Store:
    """The embedded store in a file, for a run."""
    return File(scene.folder / "home.db")


async def influxdb(scene: Stage) -> Store:
    """A database that takes everything."""
    sink = Sink()
    await sink.serve(scene.nursery)
    return sink


STORES: Mapping[str, Opener] = {"InfluxDB": influxdb, "embedded": embedded}


def run(work: Callable[[*Args], Awaitable[T]], *args: *Args) -> T:
    """Do one run in an event loop of its own. Raises `Failed` when it proves nothing."""
    with one_error():
        return trio.run(work, *args)
    raise AssertionError  # pragma: no cover  `one_error` raised


@asynccontextmanager
async def stage(entities: int, played: Home | None = None, seconds: float = DEADLINE) -> AsyncGenerator[Stage]:
    """Set the scenery: a home of so many entities, or this one. Raises `Failed` when the run takes longer than its deadline."""
    with TemporaryDirectory(prefix="homeiq-bench-") as name:
        folder = Path(name)
        with trio.move_on_after(seconds) as scope:
            async with trio.open_nursery() as nursery:
                peer = Peer(played or home(entities))
                yield Stage(peer, await peer.serve(nursery), folder, nursery)
                nursery.cancel_scope.cancel()
        if scope.cancelled_caught:
            raise Failed(f"not done after {seconds:.0f} s; the process last said:\n{tail(folder)}")


@asynccontextmanager
async def serving(
    scene: Stage, opener: Opener, tool: Tool = SERVICE, settings: Settings = NO_SETTINGS
) -> AsyncGenerator[tuple[Process, Store, Account]]:
    """The tool, storing into that store, and the account of what is acknowledged; with these settings beside.

    Raises `Failed` when the run proves nothing.
    """
    store = await opener(scene)
    told = {**store.settings, **settings}
    command, environment = tool.command(scene.port, scene.folder, told), tool.environment(scene.port, told, TOKEN)
    async with running(command, scene.folder, **environment) as process:
        account = Account(process.cpu)
        scene.nursery.start_soon(store.acknowledge, account)
        yield process, store, account


async def saturate(load: Load, together: int, opener: Opener, tool: Tool = SERVICE) -> Sample:
    """The tool as fast as it takes events. Raises `Failed` unless every event is stored, once."""
    seconds = DEADLINE + len(load.stream) / SLOWEST
    async with (
        stage(load.entities, seconds=seconds) as scene,
        serving(scene, opener, tool) as (process, store, account),
    ):
        subscription = await scene.peer.subscribed()
        measured = chunks(load.stream[load.warm :], together, subscription)
        await scene.peer.send(chunks(load.stream[: load.warm], together, subscription), account)
        begun = await settled(scene, store, account, tool)
        await scene.peer.send(measured, account)
        ended = await account.rest()
        check(load, store, tool)
        return evolve(account.sample(begun, ended), peak=process.memory()[1])
    raise AssertionError  # pragma: no cover  `stage` raised


async def settled(scene: Stage, store: Store, account: Account, tool: Tool = SERVICE) -> Mark:
    """Wait until the tool rests, and what the home is at its start is stored, too: from here on it is measured."""
    while tool.ours and isinstance(store, Sink) and store.snapshot() < scene.peer.states:  # noqa: ASYNC110  a sink has none
        await trio.sleep(LOOK)
    return await account.rest()


def check(load: Load, store: Store, tool: Tool = SERVICE) -> None:
    """Raise `Failed` unless the store holds exactly the load's events."""
    sent, stored = Counter(event.time_ns for event in load.stream), Counter(store.times())
    if sent != stored:
        lost, more = (sent - stored).total(), (stored - sent).total()
        raise Failed(f"of {len(load.stream):,} events {lost:,} are not stored, and {more:,} are that were not sent")
    if tool.ours and isinstance(store, Sink) and sorted(store.lines) != sorted(load.lines):
        raise Failed("the service wrote other lines than the floor joins: the two cannot be compared")


async def receive_alone(load: Load, together: int) -> Sample:
    """trio-websocket alone, for the same frames. Raises `Failed` when the run proves nothing."""
    stream = load.stream[load.warm :]
    async with stage(load.entities) as scene:
        address = f"ws://127.0.0.1:{scene.port}/api/websocket"
        command = [sys.executable, "-m", "scripts.benchmark.receive", address, str(math.ceil(len(stream) / together))]
        async with running(command, scene.folder, TOKEN=TOKEN) as process:
            frames = chunks(stream, together, await scene.peer.subscribed())
            await scene.peer.send(frames, Account(process.cpu, math.inf))
            seconds, cpu = await _said(scene.folder)
    received = len(stream) - together
    return Sample(received / seconds, cpu / received * 1e6)


async def _said(folder: Path) -> tuple[float, float]:
    while len(said := tail(folder).split()) < 2:  # noqa: ASYNC110  a process has no event
        await trio.sleep(LOOK)
    return float(said[0]), float(said[1])
