"""The demo's stage: a simulated Home Assistant, the service in two lives, and what is shown of both."""

from __future__ import annotations

import random
import secrets
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, TypeAlias

import trio
from attrs import evolve, frozen

from ingest.cli.demo import Scene
from ingest.cli.demo_board import Board
from ingest.cli.demo_outages import locked_file, until_the_stop
from ingest.cli.demo_screen import LOOK, live_display, plain_lines
from ingest.cli.service import make_plan, opened
from ingest.config.settings import Settings
from ingest.core import reports
from ingest.core.point import Point
from ingest.core.reports import Report
from ingest.core.secret import Secret
from ingest.core.store import Codec
from ingest.core.urls import websocket_url
from ingest.edge.journal import open_journal
from ingest.pipeline import Pipeline
from ingest.plan import Destination
from ingest.runtime.signals import on_stop
from ingest.runtime.supervise import one_error
from ingest.simulator.home import Home
from ingest.simulator.serve import serve as serve_home

PAST = timedelta(hours=24)
PACE = 12.0
"""Changes of its past a second, for each entity: a day passes in a quarter of a minute."""

FASTEST = 4_000.0
"""Changes of its past a second, however large the home: the store must have time to make up for an outage."""

MEMORY = 64 * 1024 * 1024
"""Bytes that may wait while the file is locked. At the home's pace in five seconds: 16 MiB at most."""

HASTE = 0.1
"""How much of a pause between two attempts is kept: a viewer has less patience than a service."""

Ending: TypeAlias = Callable[[Pipeline], Awaitable[None]]
"""Returns when a life of the service is to end."""


@frozen
class Stage:
    """What both lives of the service share. `end` is set when the demo is to end; `begun` is trio's time."""

    board: Board
    scene: Scene
    settings: Settings
    end: trio.Event
    begun: float


def play(board: Board, scene: Scene) -> None:
    """Run everything until the scene is over, or SIGINT or SIGTERM."""
    with one_error():
        trio.run(_play, board, scene)


async def _play(board: Board, scene: Scene) -> None:
    end, begun = trio.Event(), trio.current_time()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(on_stop, end.set, nursery.cancel_scope.cancel, name="signals")
        nursery.start_soon(_end_after, scene.seconds, end, name="end")
        token = secrets.token_hex(32)
        port = await nursery.start(_home, scene, token, name="simulated home")
        nursery.start_soon(live_display if scene.rich else plain_lines, board, name="display")
        await _lives(Stage(board, scene, _settings(f"http://127.0.0.1:{port}", token, scene), end, begun))
        nursery.cancel_scope.cancel()


async def _end_after(seconds: float, end: trio.Event) -> None:
    await trio.sleep(seconds)
    end.set()


async def _home(scene: Scene, token: str, task_status: trio.TaskStatus[int]) -> None:
    home = Home(scene.seed, scene.entities, datetime.now(UTC) - PAST)
    now = partial(datetime.now, UTC)
    pace = min(PACE * scene.entities, FASTEST)
    await serve_home(home, token=token, now=now, pace=pace, task_status=task_status)


def _settings(url: str, token: str, scene: Scene) -> Settings:
    defaults = Settings()
    return evolve(
        defaults,
        home="demo",
        home_assistant=evolve(defaults.home_assistant, url=websocket_url(url), token=Secret(token)),
        embedded=evolve(defaults.embedded, path=scene.path),
        batch=evolve(defaults.batch, timeout=LOOK),
        spool=evolve(defaults.spool, path=scene.state, memory=MEMORY),
    )


# ---- the service ---------------------------------------------------------------------------------------------------


async def _lives(stage: Stage) -> None:
    """The service until the end; with outages, stopped on the way and started again."""
    await _life(stage, partial(_first_ending, stage))
    if stage.scene.acts is None:
        return
    with trio.move_on_after(stage.scene.acts.stopped):
        await stage.end.wait()
    if not stage.end.is_set():
        await _life(stage, partial(_wait_for, stage.end))


async def _life(stage: Stage, ending: Ending) -> None:
    """The service, from opening its store to closing it; what it holds at the `ending` it stores."""
    stop = trio.Event()
    listeners = (stage.board.add, _journal())
    async with _watched(stage) as destination:
        pipeline = Pipeline(make_plan(stage.settings, destination), listeners, lambda: random.random() * HASTE)  # noqa: S311  no secret
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_then, partial(ending, pipeline), stop.set, name="ending")
            await pipeline.run(stop)
            nursery.cancel_scope.cancel()


async def _first_ending(stage: Stage, pipeline: Pipeline) -> None:
    """The outages until it is time for the restart; an end of the demo ends them, too."""
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_then, stage.end.wait, nursery.cancel_scope.cancel)
        if stage.scene.acts is None:
            await trio.sleep_forever()  # until the end
        else:
            obstacle = partial(locked_file, stage.scene.path)
            settled = partial(_settled, stage.board, pipeline)
            await until_the_stop(stage.scene.acts, stage.begun, stage.board, obstacle, settled)
        nursery.cancel_scope.cancel()


async def _settled(board: Board, pipeline: Pipeline) -> None:
    while board.trouble or pipeline.spool.held.events:  # noqa: ASYNC110  a spool says when it is full, never when empty
        await trio.sleep(LOOK / 10)


async def _wait_for(end: trio.Event, _: Pipeline) -> None:
    await end.wait()


async def _then(first: Callable[[], Awaitable[None]], second: Callable[[], None]) -> None:
    await first()
    second()


@asynccontextmanager
async def _watched(stage: Stage) -> AsyncGenerator[Destination]:
    """The embedded store, with an eye on what goes in."""
    board = stage.board
    async with opened(stage.settings, board.add) as destination:
        store = destination.store
        encode = store.codec.encode

        def seen(point: Point) -> Any:
            board.see(point)
            return encode(point)

        codec: Codec[Any, Any] = evolve(store.codec, encode=seen)
        yield evolve(destination, store=evolve(store, codec=codec))


def _journal() -> reports.Emit:
    """The log of what the display does not say."""
    write = open_journal("warning", "console")

    def listen(report: Report) -> None:
        if not isinstance(report, reports.StoreWaiting):
            write(report)

    return listen
