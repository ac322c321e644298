"""Commands on a running pipeline whose spool is a file, while its store and its disk come and go.

After every single step of the scheduler the books balance. At the end every line that was written is in the store, in
the spool or among the dead letters, unless somebody had it removed; and nothing is in two places.
"""

from __future__ import annotations

import tempfile
import threading
from collections import Counter
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

import attrs
import trio
from attrs import define, evolve, field
from hypothesis import given, settings
from hypothesis import strategies as st
from trio.testing import MockClock, memory_stream_pair

from ingest.actors.control import Control
from ingest.core import control, reports
from ingest.core.control import Progress, Request, line
from ingest.core.homeiq import Encoder
from ingest.core.point import Point
from ingest.core.reports import Report
from ingest.core.sealing import joined, seal, unsealed
from ingest.core.store import Batch, Codec, Delivered, Keep, Rejection, Store, Verdict
from ingest.core.tally import balanced
from ingest.edge.control import Command, Commands, Complain, Say, Server
from ingest.edge.control_client import converse
from ingest.edge.dead_letters import DeadLetters
from ingest.edge.disk_spool import DiskSpool, Limits
from ingest.edge.letter_file import Letters
from ingest.edge.spool_control import SpoolControl
from ingest.edge.spool_file import Table
from ingest.edge.spool_rows import Key
from ingest.edge.sqlite import Connection
from ingest.edge.state_file import open_state
from ingest.edge.websocket import Target
from ingest.errors import IngestError, Transient
from ingest.pipeline import Pipeline
from ingest.plan import Destination
from ingest.runtime.lane import InlineLane, ThreadLane
from ingest.runtime.link import Weight
from ingest.runtime.supervise import one_error
from ingest.simulator.home import Home
from ingest.simulator.serve import Peer
from tests.cli.waiting import lines, spooled
from tests.integration.house import MORNING, Memory, candidate, plan_of, server_of, target
from tests.support.spent import Spent

KEY = Key("home", "db")
RETENTION = "outside of the retention"


@define(eq=False)
class Database:
    """Takes lines, refuses some by name, or is away."""

    down: bool = False
    wish: float | None = None
    picky: bool = False
    lines: Counter[bytes] = field(factory=Counter)

    async def deliver(self, batch: Batch[bytes]) -> Verdict:
        await trio.sleep(0.2)
        if self.down:
            return Keep("it is away", self.wish)
        found = unsealed(batch.payload)
        bad = [each for each in found if self.picky and each[-10] % 3 == 0]
        self.lines.update(found)
        self.lines.subtract(bad)
        return Delivered(tuple(Rejection(each.decode(), RETENTION) for each in bad))


@define(eq=False)
class Balance(trio.abc.Instrument):
    """Looks at the books before every step."""

    pipeline: Pipeline | None = None
    wrong: list[dict[str, int]] = field(factory=list)

    def before_task_step(self, _task: trio.lowlevel.Task) -> None:
        if self.pipeline is not None and not balanced(books := self.pipeline.books()):
            self.wrong.append(books)


@define(eq=False)
class World:
    """A home, the service, its database, its disk, and a person with commands."""

    folder: Path
    balance: Balance
    limit: int = 10**7
    delay: float = 0.01
    database: Database = field(factory=Database)
    encoded: Counter[bytes] = field(factory=Counter)
    emitted: list[Report] = field(factory=list)
    tried: int = 0
    brought: int = 0
    connection: Connection = field(init=False)
    spool: DiskSpool = field(init=False)
    letters: DeadLetters = field(init=False)
    pipeline: Pipeline = field(init=False)
    server: Server = field(init=False)
    bugs: list[str] = field(factory=list)

    @property
    def path(self) -> Path:
        return self.folder / "state.db"

    @property
    def old(self) -> Path:
        return self.folder / "old.db"

    async def listen(self, commands: Commands, _: Complain) -> None:
        self.server = Server(commands, self.bugs.append)
        await trio.sleep_forever()

    def encode(self, encoder: Encoder, point: Point) -> bytes:
        made = encoder.line(point)
        self.encoded[made] += 1
        return made

    def seal(self, found: Sequence[bytes]) -> bytes:
        return seal(found)

    async def destination(self) -> Destination:
        def now_ns() -> int:
            return int(trio.current_time() * 1e9)

        self.connection, _ = open_state(self.path, now_ns)
        lane, emit = InlineLane(self.delay), self.emitted.append
        table, limits = Table(self.connection, self.path, KEY), Limits(self.limit, 10**6, Weight(50, 10**6))
        self.spool = DiskSpool(table, lane, limits, joined, now_ns, emit)
        await self.spool.load()
        self.letters = DeadLetters(Letters(self.connection, self.path), KEY, lane, now_ns, emit)
        commands = Control(SpoolControl(self.spool, self.letters, InlineLane(self.delay)), "http://db", self.listen)
        store = Store(
            "db",
            Codec(partial(self.encode, Encoder()), lambda items: sum(map(len, items)), self.seal),
            self.database.deliver,
        )
        return Destination(store, "db", spool=self.spool, letters=self.letters, control=commands)

    @asynccontextmanager
    async def running(self) -> AsyncGenerator[None]:
        home = Home(1, 20, MORNING, remember=True)
        house = server_of(home)
        async with trio.open_nursery() as nursery:
            peer, stop = Peer(house, nursery), trio.Event()

            async def dial(wanted: Target) -> trio.abc.Stream:
                assert wanted == target("primary")
                return await peer.connect()

            plan = evolve(plan_of(Memory(), [candidate("primary")]), destination=await self.destination())
            self.pipeline = self.balance.pipeline = Pipeline(plan, (self.emitted.append,), lambda: 0.5, dial)
            nursery.start_soon(house.run)
            async with trio.open_nursery() as inner:
                inner.start_soon(self.pipeline.run, stop)
                await trio.sleep(3)
                yield
                stop.set()
            nursery.cancel_scope.cancel()

    async def order(self, command: str, arguments: attrs.AttrsInstance, patience: float = 600.0) -> Mapping[str, Any]:
        """One command on a connection of its own; it is given up when the patience has run out."""
        self.tried += command == "recover"
        ours, theirs = memory_stream_pair()
        heard: list[Progress] = []
        with one_error():
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self.server.connection, theirs)
                async with ours:
                    with trio.move_on_after(patience):
                        await ours.send_all(line(Request(command, attrs.asdict(arguments))))
                        return await converse(ours, heard.append, self.path)
        return {}

    def kept(self) -> Counter[bytes]:
        """What waits."""
        rows = self.spool.table.payloads(list(self.spool.table.oldest(self.spool._delivered.ids)))
        found = [*rows, *(batch.payload for batch in self.spool.memory.batches)]
        return Counter(each for payload in found for each in unsealed(payload))

    def refused(self) -> set[bytes]:
        return {each.line.encode() for each in self.letters.letters.listed()}

    def check(self) -> None:
        assert self.balance.wrong == []
        assert self.bugs == []
        books = self.pipeline.books()
        last = next(each for each in self.emitted if isinstance(each, reports.Stopped))
        assert (last.balanced, last.books) == (True, books)
        kept, given = self.kept(), self.encoded + Counter(dict.fromkeys(lines(30), self.tried))
        assert books["spooled"] == kept.total()
        assert books["stored"] == self.database.lines.total()
        assert not self.database.lines + kept - given
        if not books["evicted"]:
            wanted = {*self.encoded, *(lines(30) if self.brought else ())}
            assert wanted <= {*(+self.database.lines), *kept, *self.refused()}


def play(world: World, *acts: Any) -> None:
    """The acts, one after the other, on the running service."""

    async def main() -> None:
        async with world.running():
            for act in acts:
                await act(world)
        world.check()
        world.connection.close()

    trio.run(main, clock=MockClock(autojump_threshold=0), instruments=[world.balance])


async def purge(world: World) -> None:
    world.database.down = True
    await trio.sleep(30)
    before = world.pipeline.books()
    done = await world.order("purge", control.Purge())
    assert 0 < done["points"] <= before["spooled"]
    assert world.pipeline.books()["evicted"] == done["points"]
    assert world.spool.held.events < 10
    world.database.down = False


async def retry(world: World) -> None:
    world.database.picky = True
    await trio.sleep(60)
    world.database.picky = False
    refused = world.refused()
    assert refused
    done = await world.order("retry-letters", control.Retry(everything=True))
    assert done == {"moved": len(refused), "stay": 0}
    assert world.pipeline.books()["made"] == len(refused)
    await trio.sleep(60)
    assert refused <= (+world.database.lines).keys()
    assert world.refused() == set()


async def recover(world: World) -> None:
    spooled(world.old, lines(10), lines(20, 10), key=KEY)
    done = await world.order("recover", control.Recover(str(world.old)))
    world.brought += 1
    assert (done["points"], done["batches"], done["unreadable"]) == (30, 2, 0)
    await trio.sleep(60)
    assert {*lines(30)} <= (+world.database.lines).keys()


async def replay(world: World) -> None:
    """A writer that was asked to wait for an hour does not, then."""
    world.database.down, world.database.wish = True, 3600.0
    await trio.sleep(600)
    world.database.down = False
    waits, began = world.spool.held.events, trio.current_time()
    done = await world.order("replay", control.Replay())
    assert trio.current_time() - began < 30
    assert done["stored"] >= waits
    assert (done["problem"], done["where"]) == (None, "http://db")


async def test_a_stop_waits_for_no_command_on_a_dead_disk(tmp_path: Path) -> None:
    world, lane, released, stop = World(tmp_path, Balance()), ThreadLane(), threading.Event(), trio.Event()

    async def work(_: control.Purge, _say: Say) -> bool:
        return await lane(released.wait)

    async def dead(_commands: Commands, complain: Complain) -> None:
        ours, theirs = memory_stream_pair()
        await ours.send_all(line(Request("dead")))
        await Server({"dead": Command(control.Purge, work)}, complain).connection(theirs)

    async def nobody(_: Target) -> NoReturn:
        raise Transient("nobody is there")

    with trio.fail_after(10):
        made = await world.destination()
        assert made.control is not None
        made.control.listen = dead
        plan = evolve(plan_of(Memory(), [candidate("primary")], stop_within=0.3), destination=made)
        plan = evolve(plan, destination=evolve(made, give_up=lane.give_up))
        async with trio.open_nursery() as nursery:
            nursery.start_soon(Pipeline(plan, (world.emitted.append,), lambda: 0.5, nobody).run, stop)
            await trio.sleep(0.2)
            spent = Spent.begin()
            stop.set()
        assert spent.end() < 2
    assert not [each for each in world.emitted if isinstance(each, reports.Notice)]
    released.set()
    world.connection.close()


def test_purge_removes_what_waits_and_only_that() -> None:
    with tempfile.TemporaryDirectory() as folder:
        play(World(Path(folder), Balance()), purge)


def test_what_was_refused_is_stored_after_a_retry() -> None:
    with tempfile.TemporaryDirectory() as folder:
        play(World(Path(folder), Balance()), retry)


def test_what_was_set_aside_is_stored_after_a_recover() -> None:
    with tempfile.TemporaryDirectory() as folder:
        play(World(Path(folder), Balance()), recover)


def test_replay_does_not_wait() -> None:
    with tempfile.TemporaryDirectory() as folder:
        play(World(Path(folder), Balance()), replay)


COMMANDS = (
    ("purge", control.Purge()),
    ("retry-letters", control.Retry(everything=True)),
    ("retry-letters", control.Retry((1, 2, 3))),
    ("replay", control.Replay()),
    ("recover", control.Recover("old.db")),
)


@define
class Tale:
    """Whatever a person, a database and a disk may do, in any order and at the same time."""

    data: st.DataObject

    async def __call__(self, world: World) -> None:
        spooled(world.old, lines(10), lines(20, 10), key=KEY)
        async with trio.open_nursery() as nursery:
            for _ in range(self.data.draw(st.integers(1, 8), "acts")):
                world.database.down = self.data.draw(st.booleans(), "down")
                world.database.picky = self.data.draw(st.booleans(), "picky")
                world.connection.execute(
                    f"PRAGMA query_only = {self.data.draw(st.sampled_from((0, 0, 1)), 'read-only')}"
                )
                command, arguments = self.data.draw(st.sampled_from(COMMANDS), "command")
                patience = self.data.draw(st.sampled_from((0.005, 0.03, 2.0, 60.0)), "patience")
                nursery.start_soon(self.order, world, command, arguments, patience)
                await trio.sleep(self.data.draw(st.sampled_from((0.0, 0.02, 1.0, 20.0)), "pause"))
            world.connection.execute("PRAGMA query_only = 0")
        world.database.down = self.data.draw(st.booleans(), "down at the end")

    async def order(self, world: World, command: str, arguments: Any, patience: float) -> None:
        if command == "recover":
            arguments = control.Recover(str(world.old))
        with suppress(IngestError):
            done = await world.order(command, arguments, patience)
            world.brought += command == "recover" and bool(done)


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_whatever_comes_together_the_books_balance_and_nothing_is_lost_or_doubled(data: st.DataObject) -> None:
    with tempfile.TemporaryDirectory() as folder:
        world = World(Path(folder), Balance(), data.draw(st.sampled_from((10**7, 20_000)), "limit"))
        world.delay = data.draw(st.sampled_from((0.0, 0.01)), "delay")
        play(world, Tale(data))
