from __future__ import annotations

import os
import sqlite3
import tempfile
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trio
from attrs import define, evolve, field
from trio.testing import MockClock

from ingest.actors.control import RECOVERED, RETRIED, Control, Orders
from ingest.actors.replay import ATTEMPTS, SAFE
from ingest.actors.spoolless import about_a_spool
from ingest.core import control, reports
from ingest.core.control import Progress
from ingest.core.coverage import Cause, Mark, Missed, Note
from ingest.core.reports import Report
from ingest.core.sealing import joined, resealed
from ingest.edge.control import Commands, Complain
from ingest.edge.dead_letters import DeadLetters
from ingest.edge.disk_spool import RETRY, DiskSpool, Limits
from ingest.edge.free_space import Floor
from ingest.edge.ledger import Ledger
from ingest.edge.ledger_file import LedgerFile
from ingest.edge.letter_file import Letter, Letters
from ingest.edge.spool_control import SpoolControl
from ingest.edge.spool_file import Table
from ingest.edge.spool_rows import Changed, Key
from ingest.edge.state_file import open_state
from ingest.errors import Refused, Transient
from ingest.runtime.lane import InlineLane
from ingest.runtime.link import Weight
from tests.cli.stores import NOON, S
from tests.cli.waiting import KEY, buried, lines, spooled, waiting_lines
from tests.edge.ledgers import next_spans

OTHER = Key("cottage", "influxdb")
WAITING = reports.StoreWaiting("influxdb", "503", "", 1.0, 1)


@define(eq=False)
class Opened:
    """A control over a spool in a file, and what it said and told."""

    control: Control
    orders: Orders
    spool: DiskSpool
    letters: Letters
    emitted: list[Report]
    said: list[Progress]
    hurried: list[None]

    def listed(self) -> list[str]:
        return [each.line for each in self.letters.listed()]


async def nowhere(_commands: Commands, _complain: Complain) -> None:
    pass


def now_ns() -> int:
    return int(trio.current_time() * 1e9)


@asynccontextmanager
async def opened(path: Path, limit: int = 10**6) -> AsyncGenerator[Opened]:
    connection, _ = open_state(path, now_ns)
    emitted, lane, letters = list[Report](), InlineLane(0.01), Letters(connection, path)
    spool = DiskSpool(
        Table(connection, path, KEY), lane, Limits(limit, 10**6, Weight(1, 1)), joined, now_ns, emitted.append
    )
    await spool.load()
    dead = DeadLetters(letters, KEY, lane, now_ns, emitted.append)
    made = Control(SpoolControl(spool, dead, lane), "http://db", nowhere)
    hurried = list[None]()
    orders = made.orders(lambda: hurried.append(None), emitted.append)
    it = Opened(made, orders, spool, letters, emitted, [], hurried)
    try:
        yield it
        held = spool.held
        assert held == (await spool.load()).plus(spool.volatile)
    finally:
        connection.close()


async def test_purge_leaves_what_is_being_delivered_and_goes_in_parts(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    path = spooled(tmp_path / "state.db", *(lines(1, each) for each in range(1_200)))
    spooled(path, lines(3), lines(4), key=OTHER)
    async with opened(path) as it:
        async with it.spool.claim():
            done = await it.orders.purge(control.Purge(), it.said.append)
            assert it.spool.held.events == 1
        told = [each for each in it.emitted if isinstance(each, reports.Purged)]
    assert done == control.Purged(1_199 + 7)
    assert (len(told), sum(each.count for each in told)) == (3, 1_199)
    assert [each.total for each in it.said] == [1_200] * 3
    assert told[0].oldest_ns < told[0].newest_ns < told[1].oldest_ns
    assert waiting_lines(path) == []


async def test_purge_does_not_count_again_what_was_delivered_and_cannot_be_deleted(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    path = spooled(tmp_path / "state.db", lines(1), lines(2, 1))
    async with opened(path) as it:
        connection = it.spool.table.connection
        async with it.spool.claim() as batch:
            connection.execute("PRAGMA query_only = ON")
        connection.execute("PRAGMA query_only = OFF")
        assert await it.orders.purge(control.Purge(), it.said.append) == control.Purged(3 - batch.count)
        assert it.spool.held.events == 0
        await trio.sleep(RETRY)
        await it.spool.put(resealed(lines(1, 7)))
    assert waiting_lines(path) == lines(1, 7)


ORDERS: dict[str, control.Purge | control.Retry | control.Recover] = {
    "purge": control.Purge(),
    "retry-letters": control.Retry(everything=True),
    "recover": control.Recover("old.db"),
}


@define(eq=False)
class Cut(trio.abc.Instrument):
    """Cancels a scope before the step with that number; counts the steps."""

    at: int
    scope: trio.CancelScope = field(factory=trio.CancelScope)
    steps: int = 0

    def before_task_step(self, _task: trio.lowlevel.Task) -> None:
        self.steps += 1
        if self.steps == self.at:
            self.scope.cancel()


@pytest.mark.parametrize("name", ORDERS)
def test_a_command_that_is_cut_off_before_any_step_has_counted_what_it_did(tmp_path: Path, name: str) -> None:
    old = buried(spooled(tmp_path / "old.db", *(lines(1, 1_000 + each) for each in range(250))), ("m v=1 5", "no"))
    ORDERS["recover"] = control.Recover(str(old))

    def play(at: int) -> Cut:
        with tempfile.TemporaryDirectory(dir=tmp_path) as folder:
            path = buried(spooled(Path(folder) / "state.db", lines(3), lines(4, 3)), (lines(1, 9)[0].decode(), "no"))
            cut = Cut(at)
            trio.run(_cut_off, path, name, cut, clock=MockClock(autojump_threshold=0), instruments=[cut])
            return cut

    steps = play(0).steps
    assert steps > 10
    for at in range(1, steps + 1):
        play(at)


async def _cut_off(path: Path, name: str, cut: Cut) -> None:
    async with opened(path) as it:
        before = it.spool.held.events
        with cut.scope:
            await about_a_spool(it.orders)[name].handler(ORDERS[name], it.said.append)
        made = sum(each.count for each in it.emitted if isinstance(each, reports.Made))
        purged = sum(each.count for each in it.emitted if isinstance(each, reports.Purged))
        assert it.spool.held.events == before + made - purged


async def test_purge_leaves_what_comes_meanwhile_and_takes_what_is_in_memory(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    path = spooled(tmp_path / "state.db", *(lines(1, each) for each in range(600)))
    async with opened(path) as it, trio.open_nursery() as nursery:
        await it.spool.memory.put(resealed(lines(5, 5_000)))

        async def come() -> None:
            await trio.sleep(0.015)
            await it.spool.put(resealed(lines(2, 9_000)))

        nursery.start_soon(come)
        assert await it.orders.purge(control.Purge(), it.said.append) == control.Purged(605)
    assert waiting_lines(path) == lines(2, 9_000)


async def test_what_is_purged_is_a_gap(tmp_path: Path, autojump_clock: MockClock) -> None:
    path = spooled(tmp_path / "state.db", lines(3), lines(2, 10))
    spooled(path, lines(2), key=OTHER)
    async with opened(path) as it:
        table, heard = it.spool.table, list[Changed]()
        ledger = LedgerFile(table.connection, path, KEY)
        it.spool.notes.noted = heard.append
        ledger.move_marks([Mark("a", "sensor.a", NOON + 2 * S), Mark("b", "sensor.b", NOON + 2 * S + 1)])
        shed = Missed(Cause.SHED, 1, 2, why="it was shed")
        await it.spool.memory.put(
            evolve(resealed(lines(5, 5_000)), note=Note([Mark("b", "sensor.b", 9)], missed=[shed]))
        )
        assert await it.orders.purge(control.Purge(), it.said.append) == control.Purged(12)
        assert [mark.time_ns for mark in ledger.load().marks] == [NOON + 2 * S - 1, NOON + 2 * S + 1]
        assert [(gap.cause, gap.from_ns, gap.to_ns) for gap in ledger.gaps()] == [
            (Cause.SHED, 1, 2),
            (Cause.PURGED, NOON, NOON + 11 * S),
            (Cause.PURGED, NOON + 5_000 * S, NOON + 5_004 * S),
        ]
        assert list(heard[-1].gaps) == ledger.gaps()
        assert [gap.cause for gap in LedgerFile(table.connection, path, OTHER).gaps()] == [Cause.PURGED]


async def test_replay_hurries_and_tells_how_far_it_is(tmp_path: Path, autojump_clock: MockClock) -> None:
    path = spooled(tmp_path / "state.db", lines(2), lines(3, 2))
    async with opened(path) as it, trio.open_nursery() as nursery:

        async def deliver() -> None:
            it.control.hear(WAITING)
            for _ in range(2):
                await trio.sleep(2)
                async with it.spool.claim() as batch:
                    await it.spool.put(resealed(lines(1, 1_000)))
                    it.control.hear(reports.Stored("influxdb", batch.count, 0.1))

        nursery.start_soon(deliver)
        done = await it.orders.replay(control.Replay(), it.said.append)
        await trio.sleep(1)
    assert len(it.hurried) == 1
    assert done == control.Replayed("http://db", 5, 0, 2)
    assert {each.done for each in it.said} in ({0, 2, 5}, {0, 3, 5})
    assert [each.said for each in it.said if each.said] == [f"{WAITING.text()}; {SAFE}"]


async def steps(path: Path, replays: int) -> int:
    """What SQLite does, in thousands of its steps, until a backlog is delivered while so many people wait for it."""
    done = 0

    def count() -> int:
        nonlocal done
        done += 1
        return 0

    async with opened(spooled(path, *(lines(1, each) for each in range(400)))) as it, trio.open_nursery() as nursery:
        connection = it.spool.table.connection
        assert isinstance(connection, sqlite3.Connection)
        connection.set_progress_handler(count, 1_000)
        for _ in range(replays):
            nursery.start_soon(it.orders.replay, control.Replay(), it.said.append)
        while it.spool.held.events:
            async with it.spool.claim() as batch:
                it.control.hear(reports.Stored("influxdb", batch.count, 0.1))
    return done


async def test_who_waits_for_a_replay_does_not_slow_it_down(tmp_path: Path, autojump_clock: MockClock) -> None:
    alone = await steps(tmp_path / "alone.db", 0)
    assert await steps(tmp_path / "watched.db", 4) < 1.2 * alone + 10


@pytest.mark.parametrize(
    ("told", "passing"),
    [
        ([reports.StoreWaiting("influxdb", "401", "Give it a token.", 60.0, 1)], False),
        ([WAITING] * ATTEMPTS, True),
    ],
)
async def test_replay_ends_when_somebody_should_look(
    tmp_path: Path, autojump_clock: MockClock, told: list[Report], *, passing: bool
) -> None:
    async with opened(spooled(tmp_path / "state.db", lines(2))) as it, trio.open_nursery() as nursery:

        async def hear() -> None:
            await trio.sleep(3)
            for each in told:
                it.control.hear(each)

        nursery.start_soon(hear)
        done = await it.orders.replay(control.Replay(), it.said.append)
    assert (done.stored, done.left) == (0, 2)
    assert done.problem is not None
    assert done.problem.passing == passing


async def test_replay_goes_on_while_refused_lines_are_looked_for(tmp_path: Path, autojump_clock: MockClock) -> None:
    searching = reports.StoreSearching("influxdb", "looking for refused lines, 3 found", 2)
    async with opened(spooled(tmp_path / "state.db", lines(2))) as it, trio.open_nursery() as nursery:

        async def hear() -> None:
            for each in [WAITING, searching] * ATTEMPTS:
                await trio.sleep(3)
                it.control.hear(each)
            nursery.cancel_scope.cancel()

        nursery.start_soon(hear)
        await it.orders.replay(control.Replay(), it.said.append)
    assert nursery.cancel_scope.cancelled_caught
    assert searching.text() in {each.said for each in it.said}


async def test_retry_moves_lines_and_leaves_the_rest(tmp_path: Path, autojump_clock: MockClock) -> None:
    path = spooled(tmp_path / "state.db", lines(1))
    a, b, c = (each.decode() for each in lines(3, 10))
    buried(path, (a, "no"), (b, "no"), ('{"a":1}', "a bug"))
    async with opened(path) as it:
        it.letters.add([Letter(0, OTHER.home, OTHER.store, 7, c, "no")])
        with pytest.raises(Refused, match="no dead letter 7, 8"):
            await it.orders.retry(control.Retry((1, 7, 8)), it.said.append)
        assert len(it.listed()) == 4
        assert await it.orders.retry(control.Retry((2,)), it.said.append) == control.Retried(1, 0)
        assert it.spool.held.events == 2
        assert await it.orders.retry(control.Retry(everything=True), it.said.append) == control.Retried(1, 2)
        assert (it.spool.held.events, it.listed()) == (3, ['{"a":1}', c])
        made = [each for each in it.emitted if isinstance(each, reports.Made)]
    assert [(each.count, each.how) for each in made] == [(1, RETRIED)] * 2
    assert waiting_lines(path) == [*lines(1), b.encode(), a.encode()]


async def test_retry_takes_letters_that_are_not_on_disk_yet(tmp_path: Path, autojump_clock: MockClock) -> None:
    async with opened(spooled(tmp_path / "state.db")) as it:
        it.control.file.letters._keep([Letter(0, *("home", "influxdb"), 7, lines(1)[0].decode(), "no")])
        assert await it.orders.retry(control.Retry(everything=True), it.said.append) == control.Retried(1, 0)


async def test_what_cannot_be_written_changes_nothing(tmp_path: Path, autojump_clock: MockClock) -> None:
    path = buried(spooled(tmp_path / "state.db", lines(2)), (lines(1, 5)[0].decode(), "no"))
    old = spooled(tmp_path / "old.db", lines(3, 20))
    async with opened(path) as it:
        it.spool.table.connection.execute("PRAGMA query_only = ON")
        for order in (
            it.orders.purge(control.Purge(), it.said.append),
            it.orders.retry(control.Retry(everything=True), it.said.append),
            it.orders.recover(control.Recover(str(old)), it.said.append),
        ):
            with pytest.raises((Refused, Transient)):
                await order
        it.spool.table.connection.execute("PRAGMA query_only = OFF")
        assert (it.spool.held.events, len(it.listed())) == (2, 1)
        assert not [each for each in it.emitted if isinstance(each, reports.Made | reports.Purged)]


async def test_recover_brings_batches_and_letters_once(tmp_path: Path, autojump_clock: MockClock) -> None:
    old = spooled(tmp_path / "old.db", *(lines(1, each) for each in range(450)))
    spooled(buried(old, ("m v=1 5", "no")), lines(4), key=OTHER)
    path = spooled(tmp_path / "state.db", lines(5, 10_000), every=7)
    async with opened(path) as it:
        done = await it.orders.recover(control.Recover(str(old)), it.said.append)
        assert done == control.Recovered(451, 454, 0, 1, 0)
        assert it.spool.held.events == 455
        again = await it.orders.recover(control.Recover(str(old)), it.said.append)
        assert again == control.Recovered(0, 0, 451, 0, 0)
        made = [each for each in it.emitted if isinstance(each, reports.Made)]
    assert {each.how for each in made} == {RECOVERED}
    assert (len(made), sum(each.count for each in made)) == (3, 450)
    assert len(waiting_lines(path)) == 459


async def test_recover_pushes_out_nothing_that_waits(tmp_path: Path, autojump_clock: MockClock) -> None:
    old = spooled(tmp_path / "old.db", *(lines(100, 100 * each) for each in range(5)))
    path = spooled(tmp_path / "state.db", lines(10, 10_000))
    async with opened(path, limit=2_000) as it:
        with pytest.raises(Refused, match=r"no room for more.*nothing is brought twice"):
            await it.orders.recover(control.Recover(str(old)), it.said.append)
    assert waiting_lines(path) == lines(10, 10_000)


async def test_recover_reads_only_regular_files_that_are_not_its_own(tmp_path: Path, autojump_clock: MockClock) -> None:
    path = spooled(tmp_path / "state.db", lines(1))
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to(path)
    (tmp_path / "junk").write_bytes(b"no database at all" * 1000)
    async with opened(path) as it:
        for name, words in (
            ("none", "cannot be read"),
            ("pipe", "no regular file"),
            ("", "no regular file"),
            ("link", "the state file itself"),
            ("junk", "damaged"),
        ):
            with pytest.raises(Refused, match=words):
                await it.orders.recover(control.Recover(str(tmp_path / name)), it.said.append)


async def test_recover_pushes_out_no_letter_that_is_there(tmp_path: Path, autojump_clock: MockClock) -> None:
    old = buried(spooled(tmp_path / "old.db"), *((f"m v=1 {each}", "no") for each in range(10_050)))
    path = buried(spooled(tmp_path / "state.db"), ("m v=1 99999", "no"))
    async with opened(path) as it:
        with pytest.raises(Refused, match=r"no room for more dead letters.*nothing is brought twice"):
            await it.orders.recover(control.Recover(str(old)), it.said.append)
        assert "m v=1 99999" in it.listed()
        assert len(it.listed()) > 9_000
        assert not [each for each in it.emitted if isinstance(each, reports.LettersDropped)]


async def test_recover_and_retry_leave_the_disk_its_floor(tmp_path: Path, autojump_clock: MockClock) -> None:
    old = spooled(tmp_path / "old.db", lines(10))
    path = buried(spooled(tmp_path / "state.db"), ("m v=1 1", "no"))
    async with opened(path) as it:
        it.spool.floor = Floor(2**20, lambda: 2**20)
        for order in (
            it.orders.recover(control.Recover(str(old)), it.said.append),
            it.orders.retry(control.Retry(everything=True), it.said.append),
        ):
            with pytest.raises(Refused, match="less than 1 MiB free"):
                await order
        assert (it.spool.held.events, it.listed()) == (0, ["m v=1 1"])
        it.spool.floor = Floor(2**20, lambda: 2**21)
        await it.orders.recover(control.Recover(str(old)), it.said.append)
        assert it.spool.held.events == 10


async def test_retry_pushes_out_nothing_that_waits(tmp_path: Path, autojump_clock: MockClock) -> None:
    path = buried(spooled(tmp_path / "state.db", lines(10)), ("m v=1 1", "no"))
    async with opened(path, limit=10) as it:
        with pytest.raises(Refused, match="no room for more"):
            await it.orders.retry(control.Retry(everything=True), it.said.append)
        assert (it.spool.held.events, it.listed()) == (10, ["m v=1 1"])


async def test_what_is_there_already_needs_no_room(tmp_path: Path, autojump_clock: MockClock) -> None:
    old = spooled(tmp_path / "old.db", lines(10))
    path = spooled(tmp_path / "state.db", lines(10))
    async with opened(path, limit=10) as it:
        done = await it.orders.recover(control.Recover(str(old)), it.said.append)
    assert (done.batches, done.known) == (0, 1)


async def test_reopen_opens_a_gap_of_everything_since(tmp_path: Path, autojump_clock: MockClock) -> None:
    path = spooled(tmp_path / "state.db", lines(1))
    async with opened(path) as it:
        told = (lambda: None), it.emitted.append
        assert "reopen" not in it.control.commands(*told)
        file = LedgerFile(it.spool.table.connection, path, KEY)
        ledger = Ledger(file, InlineLane(), it.emitted.append, lambda: None)
        reopen = Control(it.control.file, "http://db", nowhere, ledger).commands(*told)["reopen"].handler
        file.move_marks([Mark("a", "sensor.a", 50), Mark("b", "sensor.b", 20)])
        assert await reopen(control.Reopen(60), it.said.append) == control.Reopened()
        done = await reopen(control.Reopen(20), it.said.append)
        assert done == control.Reopened(1, 2, 20, 50)
        assert [each.registry_id for each in next_spans(file, 9)] == ["a", "b"]
        assert it.emitted == [reports.GapOpened(Cause.REOPENED, 20, 50, 2)]
