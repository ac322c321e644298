"""The demo's stage: a simulated Home Assistant, the service as a process, and an eye on both ends."""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import trio
from attrs import frozen

from ingest.cli.demo import Scene
from ingest.cli.demo_board import Board, Glimpse, Look
from ingest.cli.demo_outages import PATIENCE, Outages, locked_file
from ingest.cli.demo_screen import LOOK, live_display, plain_lines
from ingest.cli.demo_service import Service, service_for
from ingest.config.toml import toml_value
from ingest.core.rows import ORIGINS
from ingest.core.state import Source
from ingest.edge.embedded_read import open_store
from ingest.errors import IngestError
from ingest.runtime.lane import Lane, ThreadLane
from ingest.runtime.signals import on_stop
from ingest.runtime.supervise import one_error
from ingest.simulator.home import Home
from ingest.simulator.serve import LOOPBACK, listen
from ingest.simulator.server import Server

PAST = timedelta(hours=24)
PACE = 6.0
"""Changes of its past a second, for each entity: a day passes in half a minute."""

FASTEST = 4_000.0
"""Changes of its past a second, however large the home: the store must have time to make up for an outage."""

MEMORY = 64 * 1024 * 1024
"""Bytes that may wait while the file is locked. At the home's pace in three seconds: 10 MiB at most."""

ALONE = 20
"""Attempts after which a service whose demo has vanished gives up; a second apart at most."""

GUEST = "sensor.guest_phone_battery"
"""The one entity that comes and goes. Who is gone is looked for in the history after two minutes: not here."""

SHOWN = 8
"""Changes shown at once."""

REST = 10.0
"""Seconds at the end in which what is under way is stored; the home stands still."""

CONFIG = """[home_assistant]
url = {url}
token = {token}
max_retries = {retries}
max_retry_delay = "1s"
[embedded]
path = {store}
[batch]
timeout = "{timeout}s"
[spool]
path = {state}
memory = {memory}
[api]
port = {page}
[log]
format = "json"
level = "info"
"""

_HELD = "SELECT count(*), count(*) FILTER (WHERE origin = ?) FROM change WHERE time_ns > ?"
_LATEST = "SELECT time_ns, entity_id, state, unit FROM changes ORDER BY time_ns DESC LIMIT ?"


@frozen
class Stage:
    """What is played with. `end` is set when somebody wants it to end."""

    board: Board
    scene: Scene
    server: Server
    service: Service
    end: trio.Event


def play(board: Board, scene: Scene) -> None:
    """Run everything until the scene is over, or SIGINT or SIGTERM. Raises `Transient` when the service ends by itself."""
    with one_error():
        trio.run(_play, board, scene)


async def _play(board: Board, scene: Scene) -> None:
    end = trio.Event()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(on_stop, end.set, nursery.cancel_scope.cancel, name="signals")
        token = secrets.token_hex(32)
        server = served(scene, token)
        port = await nursery.start(listen, server, LOOPBACK, 0, name="simulated home")
        _configure(scene, f"http://{LOOPBACK}:{port}", token, await _free_port())
        nursery.start_soon(_watch, board, server, scene.path, name="look")
        nursery.start_soon(live_display if scene.rich else plain_lines, board, name="display")
        async with service_for(scene.config, board.hear) as service:
            await service.start()
            await _scene(Stage(board, scene, server, service, end))
        nursery.cancel_scope.cancel()


def served(scene: Scene, token: str) -> Server:
    """The simulated home: its last day is played when somebody listens, and nobody visits it."""
    home = Home(scene.seed, scene.entities, datetime.now(UTC) - PAST)
    home.remove(GUEST)
    home.registry.entities.pop(GUEST, None)
    return Server(home, token=token, now=partial(datetime.now, UTC), pace=min(PACE * scene.entities, FASTEST))


async def _free_port() -> int:
    """A port on which nobody listens: the page keeps its address when the service is started again."""
    (listener,) = await trio.open_tcp_listeners(0, host=LOOPBACK)
    async with listener:
        port: int = listener.socket.getsockname()[1]
        return port


def _configure(scene: Scene, url: str, token: str, page: int) -> None:
    """Write the service's configuration; the access token in it is nobody else's business."""
    text = CONFIG.format(
        url=toml_value(url),
        token=toml_value(token),
        retries=ALONE,
        store=toml_value(str(scene.path)),
        timeout=LOOK,
        state=toml_value(str(scene.state)),
        memory=MEMORY,
        page=page,
    )
    scene.config.unlink(missing_ok=True)
    scene.config.touch(mode=0o600)
    scene.config.write_text(text, encoding="utf-8")


async def _scene(stage: Stage) -> None:
    """Let the home live and the acts be played; at the end the home stands still, and what is under way is stored.

    The time begins when the service is subscribed: a busy machine takes longer to start it than a short demo lasts.
    """
    async with trio.open_nursery() as nursery:
        nursery.start_soon(stage.server.run, name="home")
        with trio.move_on_after(PATIENCE):
            await _unless_ended(stage, partial(stage.board.connected.until, bool))
        until = trio.current_time() + stage.scene.seconds
        await _acts(stage)
        with trio.move_on_at(until):
            await stage.end.wait()
        nursery.cancel_scope.cancel()
    board = stage.board
    if not board.owed:
        with trio.move_on_after(REST):
            await board.seen.until(lambda look: look.stored >= stage.server.instance.emitted.value)
    await stage.service.end()
    board.seen.set(await _looked(stage.server, stage.scene.path, ThreadLane()) or board.seen.value)


async def _acts(stage: Stage) -> None:
    """The outages, where there are any."""
    acts, server = stage.scene.acts, stage.server
    if acts is None:
        return
    obstacle = partial(locked_file, stage.scene.path)
    restart = partial(server.restart, down=acts.away, starting=acts.starting)
    await _unless_ended(stage, Outages(acts, stage.board, stage.service, obstacle, restart).play)


async def _unless_ended(stage: Stage, act: Callable[[], Awaitable[object]]) -> None:
    """All of it, or as much as there is until somebody wants an end."""
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_then, stage.end.wait, nursery.cancel_scope.cancel)
        await act()
        nursery.cancel_scope.cancel()


async def _then(first: Callable[[], Awaitable[None]], second: Callable[[], None]) -> None:
    await first()
    second()


# ---- the eye on both ends ------------------------------------------------------------------------------------------


async def _watch(board: Board, server: Server, path: Path) -> None:
    """Look again and again, for a tenth of the time at most."""
    lane = ThreadLane()
    while True:
        since = trio.current_time()
        look = await _looked(server, path, lane)
        if look is not None:
            board.seen.set(look)
        await trio.sleep(max(LOOK / 2, 9 * (trio.current_time() - since)))


async def _looked(server: Server, path: Path, lane: Lane) -> Look | None:
    """What both ends hold now; None when the file cannot be read. First the file: it never holds what did not happen."""
    try:
        stored, filled, latest = await lane(_read, path, server.home.start * 1000)
    except IngestError:
        return None
    return Look(server.instance.emitted.value, stored, latest, filled)


def _read(path: Path, since_ns: int) -> tuple[int, int, tuple[Glimpse, ...]]:
    """How many changes the file holds since then, how many of the history's, and the newest. Raises as `open_store`."""
    with open_store(path) as reader:
        stored, filled = reader.connection.execute(_HELD, (ORIGINS[Source.BACKFILL], since_ns)).fetchone()
        rows = reader.connection.execute(_LATEST, (SHOWN,)).fetchall()
    return stored, filled, tuple(Glimpse.of(*row) for row in reversed(rows))
