"""Playing a scenario: the home, the wire, the database, the disk and the clocks, and one life of the service after another.

    acts ──▶ home, wire, database, disk, clock, process       until the last one is over
    calm ──▶ everything is well: the service has to come back, store what is new, and drain what waits
    stop ──▶ the last life ends in order

The oracle looks every few seconds, after every life, and at the end.
"""

from __future__ import annotations

import os
import tempfile
from collections import Counter, defaultdict
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random

import trio
import trio.lowlevel
from attrs import define, field
from trio.testing import MockClock

from ingest.actors.backfill import IN_SPOOL
from ingest.core import reports
from ingest.core.session import SessionState
from ingest.core.state import Source
from ingest.edge.aside import SetAside
from ingest.edge.late import LateLane, Opened, open_locked
from ingest.edge.websocket import Target
from ingest.errors import IngestError
from ingest.simulator import faults as f
from ingest.simulator import recorder_faults as r
from ingest.simulator.faults import Fault
from ingest.simulator.home import Home
from ingest.simulator.script import happen
from ingest.simulator.serve import Peer, clock
from ingest.simulator.server import Server
from tests.faults.campaign import oracle
from tests.faults.campaign.database import Database, Key
from tests.faults.campaign.disk import Disk
from tests.faults.campaign.life import TOKEN, Life
from tests.faults.campaign.scenario import (
    LAST,
    Act,
    Busy,
    Crash,
    Damage,
    Jump,
    Narrow,
    Outage,
    Picky,
    Scenario,
    Sick,
    Terminate,
)

MIDNIGHT = datetime(2026, 11, 22, 0, 1, tzinfo=UTC)
ENTITIES = 8
WORK = 2.5
"""Seconds between two turns of the home's own work."""

LOOK = 5.0
"""Seconds between two looks of the oracle."""

RECOVERY = 500.0
"""Seconds after the last fault within which the service is back and has nothing waiting: its longest backoff and some."""

TURN = 1.25
"""Seconds in which the history fills half of the spool once, and the batcher puts what is not a whole batch."""

REFUSED = 3_700.0
"""The same after a token was refused: it is tried again once an hour."""

PULSE = 5
"""Changes that are made when all is well, and must be stored."""

FOLDER = Path("/dev/shm") if os.access("/dev/shm", os.W_OK) else None
"""Where the files are: they need not survive anything but the scenario."""


@define(eq=False)
class Steps(trio.abc.Instrument):
    """Counts the scheduler's steps, and lets something happen before one of them.

    trio only logs what an instrument raises, and goes on without it: nothing would be killed any more.
    """

    count: int = 0
    at: int = -1
    then: object = None
    failed: Exception | None = None

    def before_task_step(self, task: trio.lowlevel.Task) -> None:
        self.count += 1
        if self.count == self.at and callable(self.then):
            try:
                self.then()
            except Exception as error:
                self.failed = error
                raise


@define(eq=False)
class World:
    """Everything around the service."""

    scenario: Scenario
    path: Path
    steps: Steps
    home: Home = field(init=False)
    server: Server = field(init=False)
    database: Database = field(init=False)
    peer: Peer = field(init=False)
    disk: Disk = field(factory=Disk)
    lives: list[Life] = field(factory=list)
    aside: list[SetAside] = field(factory=list)
    met: Counter[str] = field(factory=Counter)
    skew: float = 0.0
    down: float = 0.0
    over: bool = False
    damaged: set[Key] = field(factory=set)
    pulse: set[Key] = field(factory=set)
    unheard_since: float | None = None
    settled_ns: int = 0
    covered_ns: int = 2**62
    """When the first mark was on disk: from then on nothing is missed without a word."""
    unrecorded: list[tuple[int, int]] = field(factory=list)
    """When the recorder was switched off. Who asks it later cannot know that."""
    _damage: Damage | None = None
    _turns: dict[str, trio.Lock] = field(factory=lambda: defaultdict(trio.Lock))

    @property
    def life(self) -> Life | None:
        """The present one, if the service is up."""
        return self.lives[-1] if self.lives and self.lives[-1].alive else None

    async def play(self) -> None:
        """The whole scenario. Raises `AssertionError` where the service broke its promise."""
        self.home = Home(self.scenario.seed, ENTITIES, MIDNIGHT, remember=True)
        wall = clock(MIDNIGHT)
        self.server = Server(self.home, token=TOKEN, now=wall)
        self.database = Database(wall)
        async with trio.open_nursery() as nursery:
            self.peer = Peer(self.server, nursery)
            nursery.start_soon(self.server.run)
            nursery.start_soon(self._look)
            async with trio.open_nursery() as service:
                service.start_soon(self._live)
                async with trio.open_nursery() as busy:
                    busy.start_soon(self._work)
                    await self._act()
                    busy.cancel_scope.cancel()
                await self._calm()
                self._end()
            oracle.check_end(self)
            nursery.cancel_scope.cancel()

    # ---- the service, life after life --------------------------------------------------------------------------

    async def _live(self) -> None:
        while not self.over:
            file = LateLane(self.disk.lane, self._open, self._set_aside)
            with closing(file.connection):
                await self._one_life(file)
            file.release()
            self._break_file()
            await trio.sleep(self.down)

    async def _one_life(self, file: LateLane) -> None:
        disk, chance = self.disk, Random(f"{self.scenario.seed}:{len(self.lives)}")
        disk.refused.clear()
        life = Life(self.scenario.room, self.path, file, disk, self.database, self._dial, self.now_ns, chance)
        disk.dead = lambda: life.dead
        self.lives.append(life)
        await life.run()
        disk.connection = None
        oracle.check_life(self, life)

    def _open(self) -> Opened:
        try:
            self.disk.open(self.path)
        except IngestError:
            self.met["file that could not be opened"] += 1
            raise
        opened = open_locked(self.path, self.now_ns)
        self.disk.connection = opened.connection
        self.disk.refused.clear()
        return opened

    def _set_aside(self, aside: SetAside) -> None:
        self.aside.append(aside)
        self.met["file set aside"] += 1

    def now_ns(self) -> int:
        """The service's wall clock."""
        moment = MIDNIGHT + timedelta(seconds=trio.current_time() + self.skew)
        return int(moment.timestamp() * 1e6) * 1000

    async def _dial(self, target: Target) -> trio.abc.Stream:
        return await self.peer.connect()

    def _end(self) -> None:
        self.over = True
        if self.life is not None:
            self.life.terminate()

    def _kill(self) -> None:
        if self.life is not None:
            self.life.die()

    def _break_file(self) -> None:
        """What a failing disk does to a file while nobody looks."""
        damage, self._damage = self._damage, None
        if damage is None or self.over or not self.path.exists():
            return
        before = oracle.on_disk(self.path)
        self.met["bytes overwritten"] += 1
        with self.path.open("r+b") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(int(size * damage.where))
            file.write(b"\xa5" * 512)
        # What is readable all the same is not excused.
        self.damaged |= before - oracle.on_disk(self.path)

    # ---- what happens ------------------------------------------------------------------------------------------

    async def _act(self) -> None:
        async with trio.open_nursery() as nursery:
            for act in self.scenario.acts:
                nursery.start_soon(self._perform, act)
            await trio.sleep(LAST / 10)

    async def _perform(self, act: Act) -> None:
        await trio.sleep_until(act.at)
        self.met[type(act.what).__name__] += 1
        match act.what:
            case Outage() | Picky() | Narrow():
                await self._at_the_database(act.what)
            case Sick(how, seconds):
                self.met[f"disk {how}"] += 1
                self.disk.become(how)
                await trio.sleep(seconds)
                self.disk.become("well")
            case Terminate() | Crash() | Damage() | Jump():
                self._at_the_process(act.what)
            case Busy(count, batch):
                await self.server.burst(count, 6, batch)
            case fault:
                async with self._turns[_turn(fault)]:
                    begun = self.home.present()
                    await happen(self.server, fault)
                if isinstance(fault, r.RecorderOff):
                    self.unrecorded.append((begun * 1000, self.home.present() * 1000))

    async def _at_the_database(self, what: Outage | Picky | Narrow) -> None:
        match what:
            case Outage(answer):
                self.database.mood = answer
            case Picky(way, every):
                self.database.way, self.database.every = way, every
            case Narrow(lines):
                self.database.limit = lines
        await trio.sleep(what.seconds)
        self.database.recover()

    def _at_the_process(self, what: Terminate | Crash | Damage | Jump) -> None:
        match what:
            case Jump(seconds):
                self.skew += seconds
            case Terminate(down):
                self.down = down
                if self.life is not None:
                    self.life.terminate()
            case Crash(steps, down):
                self.down = down
                self.steps.at, self.steps.then = self.steps.count + steps + 1, self._kill
            case Damage(_, down):
                self.down, self._damage = down, what
                if self.life is None:
                    self._break_file()  # it is down already
                self._kill()

    async def _work(self) -> None:
        """A home that has something to say all the time."""
        while True:
            await trio.sleep(WORK)
            await self.server.burst(round(self.scenario.pace * WORK), 6)

    async def _calm(self) -> None:
        """All is well from here on: the service has to come back by itself, and soon."""
        self.steps.at = -1
        self.database.recover()
        self.disk.become("well")
        with trio.move_on_after(recovery(self.scenario)) as back:
            await _until(self._is_live)
            await self.server.burst(PULSE, PULSE)
            await trio.sleep(0.5)
            self.pulse = {
                (state.entity_id, state.updated * 1000)
                for state in map(self.home.states.get, (f"sensor.burst_{number:04}" for number in range(PULSE)))
                if state is not None
            }
            await _until(lambda: self.pulse <= self.database.keys and not self._waits())
            await self._reconnect()
        assert not back.cancelled_caught, oracle.stuck(self)
        self.settled_ns = self.home.present() * 1000
        life = self.life
        assert life is not None
        told = sum(each.source is Source.BACKFILL for each in life.of(reports.Received))
        await trio.sleep(330)
        more = sum(each.source is Source.BACKFILL for each in life.of(reports.Received)) - told
        assert life.ledger.takes_notes() or not more, (
            f"told {more} times by the history, and nothing of it can be settled"
        )
        oracle.check_calm(self)

    async def _reconnect(self) -> None:
        """A snapshot after all that was lost: what is the state now must be stored, whatever happened before."""
        life = self.life
        assert life is not None
        snapshots = len(life.of(reports.Snapshot))
        await happen(self.server, f.Drop())
        await _until(lambda: len(life.of(reports.Snapshot)) > snapshots and not self._waits())

    def _is_live(self) -> bool:
        life = self.life
        return life is not None and life.built and life.health.connection.current.state == SessionState.LIVE.value

    def _waits(self) -> bool:
        if self.life is None:
            return True
        books, ledger = self.life.pipeline.books(), self.life.ledger
        # A damaged ledger is in memory until the next start, as health says: nobody fills what stands in it.
        damaged = self.met["bytes overwritten"] and (ledger.failing or not ledger.takes_notes())
        left = ledger.summary.oldest_left_ns is not None and not damaged
        return bool(books["spooled"] or books["in_flight"] or left)

    async def _look(self) -> None:
        while True:
            await trio.sleep(LOOK)
            heard = any(not client.line.silent for client in self.server.clients("live"))
            self.unheard_since = None if heard else self.unheard_since or trio.current_time()
            life = self.life
            if self.covered_ns == 2**62 and self.path.exists() and oracle.has_marks(self.path):
                self.covered_ns = self.home.present() * 1000
            if life is not None and life.built:
                life.was_sick |= self.disk.how != "well"
                oracle.check_now(self, life)


def recovery(scenario: Scenario) -> float:
    """Seconds within which all is well again: what a burst left to the history comes through the spool bit by bit."""
    acts = [act.what for act in scenario.acts]
    bursts = sum(each.count for each in acts if isinstance(each, f.Burst))
    refused = any(isinstance(each, f.RefuseAuth) for each in acts)
    return (REFUSED if refused else RECOVERY) + TURN * bursts / max(1, scenario.room.disk // (2 * IN_SPOOL))


async def _until(met: Callable[[], bool]) -> None:
    while not met():  # noqa: ASYNC110  a condition over everything has no event
        await trio.sleep(1)


def _turn(fault: Fault) -> str:
    """Faults that would undo each other happen one after the other."""
    match fault:
        case f.Restart() | f.Refuse():
            return "up"
        case r.LateHistory() | r.SilentHistory():
            return "history"
        case _:
            return type(fault).__name__


def play(scenario: Scenario) -> World:
    """Play a scenario to its end, and return what is left of its world. The same scenario is the same run."""
    trio._core._run._r.seed(scenario.seed)
    steps = Steps()
    with tempfile.TemporaryDirectory(dir=FOLDER) as folder:
        world = World(scenario, Path(folder) / "state.db", steps)
        trio.run(world.play, clock=MockClock(autojump_threshold=0), instruments=[steps])
    assert steps.failed is None, "nothing was killed"
    return world
