"""The demo's stage: a simulated Home Assistant, the service, and what is shown of both."""

from __future__ import annotations

import secrets
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import trio
from attrs import evolve

from ingest.cli.demo import Board, Glimpse, Scene, state_of
from ingest.cli.service import opened, run_pipeline
from ingest.config.settings import Settings
from ingest.core.point import Point
from ingest.core.secret import Secret
from ingest.core.store import Codec
from ingest.core.urls import websocket_url
from ingest.edge.journal import open_journal
from ingest.pipeline import Destination
from ingest.runtime.signals import on_stop
from ingest.runtime.supervise import one_error
from ingest.simulator.home import Home
from ingest.simulator.serve import serve as serve_home

if TYPE_CHECKING:
    from rich.console import RenderableType

PAST = timedelta(hours=24)
PACE = 12.0
"""Changes of its past a second, for each entity: a day passes in a quarter of a minute."""

LOOK = 0.25
"""Seconds between two looks of the live display."""


def play(board: Board, scene: Scene) -> None:
    """Run everything until the scene is over, or SIGINT or SIGTERM."""
    with one_error():
        trio.run(_play, board, scene)


async def _play(board: Board, scene: Scene) -> None:
    stop = trio.Event()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(on_stop, stop.set, nursery.cancel_scope.cancel, name="signals")
        nursery.start_soon(_stop_after, scene.seconds, stop, name="end")
        token = secrets.token_hex(32)
        port = await nursery.start(_home, scene, token, name="simulated home")
        nursery.start_soon(_live_display if scene.rich else _plain_lines, board, name="display")
        settings = _settings(f"http://127.0.0.1:{port}", token, scene.path)
        async with _watched(settings, board) as destination:
            await run_pipeline(settings, destination, (board.add, open_journal("warning", "console")), stop)
        nursery.cancel_scope.cancel()


async def _home(scene: Scene, token: str, task_status: trio.TaskStatus[int]) -> None:
    home = Home(scene.seed, scene.entities, datetime.now(UTC) - PAST)
    now = partial(datetime.now, UTC)
    await serve_home(home, token=token, now=now, pace=PACE * scene.entities, task_status=task_status)


def _settings(url: str, token: str, path: Path) -> Settings:
    defaults = Settings()
    return evolve(
        defaults,
        home="demo",
        home_assistant=evolve(defaults.home_assistant, url=websocket_url(url), token=Secret(token)),
        embedded=evolve(defaults.embedded, path=path),
        spool=evolve(defaults.spool, path=state_of(path)),
        batch=evolve(defaults.batch, timeout=LOOK),
    )


@asynccontextmanager
async def _watched(settings: Settings, board: Board) -> AsyncGenerator[Destination]:
    """The embedded store, with an eye on what goes in."""
    async with opened(settings, board.add) as destination:
        store = destination.store
        encode = store.codec.encode

        def seen(point: Point) -> Any:
            board.see(point)
            return encode(point)

        codec: Codec[Any, Any] = evolve(store.codec, encode=seen)
        yield evolve(destination, store=evolve(store, codec=codec))


async def _stop_after(seconds: float, stop: trio.Event) -> None:
    await trio.sleep(seconds)
    stop.set()


# ---- on a terminal -------------------------------------------------------------------------------------------------


async def _live_display(board: Board) -> None:
    with _screen() as update:
        while True:
            update(_picture(board))
            await trio.sleep(LOOK)


@contextmanager
def _screen() -> Iterator[Callable[[RenderableType], None]]:
    from rich.live import Live  # noqa: PLC0415  heavy

    with Live(auto_refresh=False) as live:
        yield partial(live.update, refresh=True)


def _picture(board: Board) -> RenderableType:
    from rich.table import Table  # noqa: PLC0415  heavy

    table = Table(title=_headline(board), title_justify="left", box=None, show_header=False, padding=(0, 2))
    for glimpse in board.latest:
        table.add_row(*_row(glimpse))
    return table


# ---- anywhere else -------------------------------------------------------------------------------------------------


async def _plain_lines(board: Board) -> None:
    while True:
        await trio.sleep(4 * LOOK)
        last = "  ".join(_row(board.latest[-1])) if board.latest else ""
        click.echo(f"{_headline(board)}   {last}")


def _headline(board: Board) -> str:
    return f"received {board.received:>7,} · stored {board.tally.stored:>7,}"


def _row(glimpse: Glimpse) -> tuple[str, str, str]:
    moment = glimpse.moment.astimezone().strftime("%a %H:%M:%S")
    return moment, glimpse.entity_id, f"{glimpse.state} {glimpse.unit}".strip()
