"""The simulated Home Assistant as a server: connections, the passing of time, and stopping and starting again.

Time. A home whose present lies in the past replays it to its first listener, a hundred changes every ten milliseconds
and never while somebody is far behind, until it has caught up with `now`; then each change comes when it happens.
Until its first listener comes, the home stands still.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from datetime import datetime

import trio

from ingest.runtime.watch import Watch
from ingest.simulator.client import Client
from ingest.simulator.home import Home
from ingest.simulator.instance import NOT_RUNNING, RUNNING, HomeAssistant
from ingest.simulator.line import Line
from ingest.simulator.values import Change
from ingest.simulator.web import serve_http

AT_ONCE = 100
"""Changes sent in one turn."""

PAUSE = 0.01
"""Seconds between turns: with `AT_ONCE`, 10,000 changes a second at most."""

BEHIND = 400
"""Messages waiting for the slowest client at which the home waits for it."""

PATIENCE = 1.0
"""Seconds it waits, so that a client that reads nothing does not stop the home."""

LONGEST_SLEEP = 3600.0
DOWN_SECONDS = 5.0
STARTING_SECONDS = 2.0
BURSTS = 4
"""In how many bursts the states come back at a start, besides the first few."""


class Server:
    """Serves a home to any number of clients.

    `now` is the wall clock; `speed` lets the home's time pass faster than the clock's; `pace` is how many changes a
    second of its past it replays. Nothing here opens a socket: `handle` serves any stream, `run` lets time pass, and
    both live in a nursery of the caller's.
    """

    def __init__(
        self, home: Home, *, token: str, now: Callable[[], datetime], speed: float = 1.0, pace: float = math.inf
    ) -> None:
        self.home = home
        self.instance = HomeAssistant(home, token)
        self.accepting = Watch(True)
        self._clients: dict[Line, Client | None] = {}
        self._now = now
        self._begun = now()
        self._speed = speed
        self._at_once = round(max(1, min(AT_ONCE, pace * PAUSE)))
        home.clock = self.time

    def time(self) -> datetime:
        """Return the time it is in the home, once it has caught up."""
        return self._begun + (self._now() - self._begun) * self._speed

    async def run(self) -> None:
        """Let time pass, and restart when asked, until cancelled."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._live)
            nursery.start_soon(self._obey)

    async def handle(self, stream: trio.abc.Stream) -> None:
        """Serve one connection, HTTP or WebSocket, until one side ends it."""
        line = Line(stream)
        if not self.accepting.value:
            line.reset()  # it was accepted in the instant in which the server went down
        self._clients[line] = None
        try:
            upgrade = await serve_http(line, self.instance)
            if upgrade:
                client = self._clients[line] = Client(line, upgrade, self.instance)
                await client.run()
            if line.silent:
                await trio.sleep_forever()  # nobody hangs up a half-open connection
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            pass  # the peer is gone: an ordinary end
        finally:
            del self._clients[line]
            await trio.aclose_forcefully(stream)

    def clients(self, which: str = "all") -> list[Client]:
        """Return the WebSocket clients: `all`, the `live` ones that listen to state changes, or the `bulk` others."""
        known = [client for client in self._clients.values() if client]
        return known if which == "all" else [client for client in known if client.live == (which == "live")]

    def emit(self, changes: Iterable[Change]) -> int:
        """Send changes in one turn; return how many. More than 4,096 drop every client, as in a real one."""
        return self.instance.emit(changes)

    async def burst(self, count: int, entities: int = 100, batch: int = 250) -> None:
        """Set `count` states of `entities` sensors as fast as clients take them, `batch` in one turn."""
        keys = [f"sensor.burst_{number:04}" for number in range(entities)]
        attributes = {"state_class": "measurement", "unit_of_measurement": "W", "friendly_name": "Burst"}
        for first in range(0, count, batch):
            numbers = range(first, min(first + batch, count))
            changes = (self.home.set(keys[n % entities], f"{n}", attributes, force=True) for n in numbers)
            self.emit(change for change in changes if change)
            await self._room()

    async def restart(
        self, *, down: float = DOWN_SECONDS, starting: float = STARTING_SECONDS, kill: bool = False
    ) -> None:
        """Stop, refuse connections for `down` seconds, and start again, RUNNING after `starting` more.

        Clients get a close with 1000, or with `kill` a reset. States come back in bursts, with `old_state` null and the
        times of the start; some as `unavailable` and `restored`, until all is running.
        """
        self._stop(kill)
        await trio.sleep(down)
        total = len(self.home.registry.entities)
        self.emit(self.home.restore(max(1, total // 20)))
        self.accepting.set(True)
        for _ in range(BURSTS):
            await trio.sleep(starting / BURSTS)
            await self._in_turns(self.home.restore, total // BURSTS + 1)
        self.instance.state = RUNNING
        await self._in_turns(self.home.settle, total)

    def _stop(self, kill: bool) -> None:
        self.instance.state = NOT_RUNNING
        self.accepting.set(False)
        self.home.stop()
        for line, client in tuple(self._clients.items()):
            if line.silent:
                continue
            if client is None or kill:
                line.reset()
            else:
                client.drop()

    async def _obey(self) -> None:
        while True:
            await self.instance.restarts.changed()
            await self.restart()

    async def _live(self) -> None:
        if self.home.due() < self.time():
            await self.instance.heard.until(bool)
        while True:
            changes = list(self.home.advance(self.time(), self._at_once))
            if changes:
                self.emit(changes)
                await self._room()
            wait = (self.home.due() - self.time()).total_seconds() / self._speed
            await trio.sleep(min(max(wait, PAUSE), LONGEST_SLEEP))

    async def _in_turns(self, some: Callable[[int], list[Change]], count: int) -> None:
        """Send what `some` makes, no more at once than a turn holds: what is made is sent before anything else."""
        for _ in range(0, count, AT_ONCE):
            self.emit(some(AT_ONCE))
            await self._room()

    async def _room(self) -> None:
        await trio.lowlevel.checkpoint()
        with trio.move_on_after(PATIENCE):
            while any(len(client.queue) > BEHIND for client in self.clients()):  # noqa: ASYNC110  a queue has no event
                await trio.sleep(PAUSE / 10)
