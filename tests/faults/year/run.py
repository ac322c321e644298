"""The year: a home in which something changes every minute, its restarts, its database's outages, and the service beside it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import cycle
from pathlib import Path
from random import Random

import trio
from attrs import define, field
from trio.testing import MockClock

from ingest.edge.websocket import Target
from ingest.simulator.acts import Act
from ingest.simulator.serve import Peer, clock
from ingest.simulator.server import Server
from ingest.simulator.values import DAY, micros
from tests.faults.year.books import Books, Lasting, Telling
from tests.faults.year.life import TOKEN, Life
from tests.faults.year.looks import Look, Wakes, look

NEW_YEAR = datetime(2026, 1, 1, tzinfo=UTC)
ENTITIES = 20
MINUTE = 60.0
HOUR = 3600.0
A_DAY = 86_400.0
LOOKS = 12
"""How often it is looked at what grew: after each twelfth of the days."""

OUTAGES = (("503", 4 * MINUTE), ("refused", 40 * MINUTE), ("401", HOUR), ("hangs", 2 * HOUR), ("refused", 7 * HOUR))
"""What the database does when it is out, and for how long, week after week."""

STOPS = {3: True, 4: False}
"""After which twelfths the service itself ends, and whether it is killed."""

MOST = 5_000
"""Changes that are known and not stored at any time: those of the longest outage and some."""


@define(eq=False)
class Year:
    """`days` of the home with its service; `looks` are those of the first two twelfths' ends and of the last's.

    `wakes` are those of a quiet hour.
    """

    days: int
    path: Path
    wakes: Wakes = field(factory=Wakes)
    books: Books = field(factory=Books)
    looks: list[Look] = field(factory=list)
    lives: list[Life] = field(factory=list)
    chance: Random = field(factory=lambda: Random(1))
    over: bool = False
    home: Telling = field(init=False)
    server: Server = field(init=False)
    database: Lasting = field(init=False)

    async def pass_by(self) -> None:
        """From New Year on, on a clock that begins with it."""
        self.home = quiet(Telling(1, ENTITIES, NEW_YEAR))
        for key, state in self.home.states.items():
            self.books.due[key, state.updated * 1000] = state.state  # what is so at the start is stored, too
        self.home.books = self.books
        wall = clock(NEW_YEAR)
        self.server = Server(self.home, token=TOKEN, now=wall)
        self.database = Lasting(wall, books=self.books)
        async with trio.open_nursery() as nursery:
            peer = Peer(self.server, nursery)
            nursery.start_soon(self.server.run)
            async with trio.open_nursery() as service:
                service.start_soon(self._live, peer)
                for day in range(self.days):
                    await self._day(day)
                await self._quiet_hour()
                self.over = True
                self.lives[-1].stop.set()
            nursery.cancel_scope.cancel()

    @property
    def month(self) -> int:
        """Days between two looks."""
        return max(1, self.days // LOOKS)

    def now_ns(self) -> int:
        """The service's wall clock, which is right."""
        return micros(NEW_YEAR + timedelta(seconds=trio.current_time())) * 1000

    async def _live(self, peer: Peer) -> None:
        async def dial(_: Target) -> trio.abc.Stream:
            return await peer.connect()

        while not self.over:
            life = Life(self.path, self.database, dial, self.now_ns, self.chance)
            self.lives.append(life)
            await life.run()
            if not self.over:
                await trio.sleep(self.chance.uniform(1, 5 * MINUTE))

    # ---- a day ---------------------------------------------------------------------------------------------------

    async def _day(self, day: int) -> None:
        midnight = day * A_DAY
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._restart, midnight + 3 * HOUR + self.chance.uniform(0, HOUR))
            if day % 7 == 3:
                answer, seconds = OUTAGES[day // 7 % len(OUTAGES)]
                nursery.start_soon(self._outage, midnight + 10 * HOUR, answer, seconds)
            if day % self.month == 0 and (kill := STOPS.get(day // self.month)) is not None:
                nursery.start_soon(self._stop, midnight + 20 * HOUR, kill)
            await self._minutes(midnight)
        if (day + 1) % self.month == 0:
            assert self.lives[-1].settled()
            self.looks[2:] = [look(day + 1, self.path)]  # those between would be growth themselves

    async def _minutes(self, midnight: float) -> None:
        keys = cycle(self.home.registry.entities)
        for minute in range(1440):
            await trio.sleep_until(midnight + minute * MINUTE + self.chance.uniform(0.0, 50.0))
            self._change(next(keys), minute)
            assert len(self.books.due) < MOST, "changes are not stored any more"
        await trio.sleep_until(midnight + A_DAY - 1)

    def _change(self, key: str, minute: int) -> None:
        """What somebody or something does; while Home Assistant is down nobody sees it."""
        known = self.home.states.get(key)
        state = "off" if known and known.state == "on" else "on"
        if key.startswith("sensor."):
            state = f"{minute / 10 + self.chance.random():.3f}"
        changed = self.home.act(key, state)
        self.server.emit([changed] if changed else [])

    async def _restart(self, at: float) -> None:
        await trio.sleep_until(at)
        self.books.met["restarts of Home Assistant"] += 1
        await self.server.restart(down=self.chance.uniform(5, 120), starting=20, kill=self.chance.random() < 0.1)

    async def _outage(self, at: float, answer: str, seconds: float) -> None:
        await trio.sleep_until(at)
        self.books.met["outages of the database"] += 1
        self.database.mood = answer
        await trio.sleep(seconds)
        self.database.recover()

    async def _stop(self, at: float, kill: bool) -> None:
        await trio.sleep_until(at)
        life = self.lives[-1]
        self.books.met["kills" if kill else "stops"] += 1
        (life.die if kill else life.stop.set)()

    async def _quiet_hour(self) -> None:
        await trio.sleep(2 * HOUR)
        trio.lowlevel.add_instrument(self.wakes)
        await trio.sleep(HOUR)
        trio.lowlevel.remove_instrument(self.wakes)


def quiet(home: Telling) -> Telling:
    """The home without a life of its own: what happens in it is done to it."""
    home._next = Act(micros(NEW_YEAR) + 20 * 365 * DAY, "")
    return home


def year(days: int, path: Path) -> Year:
    """So many days, in virtual time."""
    made = Year(days, path)
    trio._core._run._r.seed(1)
    trio.run(made.pass_by, clock=MockClock(autojump_threshold=0))
    return made
