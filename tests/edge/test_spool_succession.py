"""What a full spool drops from its file: whose spans it leaves, and what they may never reach over."""

from __future__ import annotations

import sqlite3
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import pytest
import trio
from attrs import define, evolve, field
from hypothesis import example, given
from hypothesis import strategies as st
from trio.testing import MockClock

from ingest.core import reports
from ingest.core.coverage import MICROSECOND, UNNAMED, Cause, Note, Progress, Settled, Span
from ingest.core.evicted import Named, Owners
from ingest.core.homeiq import homeiq
from ingest.core.ledger import Opening
from ingest.core.line_owners import whose
from ingest.core.point import Attributes, Facts, Point
from ingest.core.reports import Report
from ingest.core.state import Source
from ingest.core.store import Batch
from ingest.edge.disk_spool import RETRY, DiskSpool, Limits
from ingest.edge.ledger_file import LedgerFile
from ingest.edge.spool_file import Table
from ingest.edge.spool_succession import insert
from ingest.edge.sqlite import Connection, transaction
from ingest.edge.state_file import open_state
from ingest.runtime.lane import InlineLane
from ingest.runtime.link import Weight
from tests.edge.ledgers import KEY, next_spans
from tests.edge.test_disk_spool_faults import Disk, OnDisk, joined
from tests.runtime.spools import Stay, fail

CODEC = homeiq()
State = tuple[str, int]


def batch(*states: State, origin: Source | None = None, note: Note | None = None) -> Batch[bytes]:
    points = [Point(f"sensor.{name}", at, "1", Facts(name), Attributes(), origin=origin) for name, at in states]
    payload = CODEC.seal([line for each in points if (line := CODEC.encode(each)) is not None])
    times = [at for _, at in states]
    made = Batch(payload, len(states), len(payload), min(times), max(times))
    return made if note is None else evolve(made, note=note)


@define
class File:
    """A spool's rows and the ledger beside them."""

    connection: Connection
    path: Path
    table: Table = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.start()

    def start(self) -> None:
        """As another process does."""
        self.table = Table(self.connection, self.path, KEY, whose=whose)

    @property
    def ledger(self) -> LedgerFile:
        return LedgerFile(self.connection, self.path, KEY)

    def put(self, made: Batch[bytes], excess: int = 0) -> int:
        return self.table.put(made, 0, excess, (), ()).row.id

    def full(self, made: Batch[bytes]) -> list[int]:
        """The oldest has to go for it; the ids of those that went."""
        return [row.id for row in self.table.put(made, 0, 1, (), ()).evicted]

    def spans(self) -> list[tuple[str, int, int]]:
        return [(each.registry_id, each.after_ns, each.before_ns) for each in next_spans(self.ledger, 10_000)]


@contextmanager
def file_in(folder: Path) -> Iterator[File]:
    connection, _ = open_state(folder / "state.db", lambda: 0)
    with closing(connection):
        yield File(connection, folder / "state.db")


@pytest.fixture
def it(tmp_path: Path) -> Iterator[File]:
    with file_in(tmp_path) as made:
        yield made


def test_what_goes_leaves_the_spans_of_its_entities(it: File) -> None:
    it.put(batch(("a", 1_000), ("b", 2_000), ("a", 3_000)))
    it.full(batch(("c", 9_000)))
    assert it.spans() == [("a", 999, 3_001), ("b", 1_999, 2_001)]
    (gap,) = it.ledger.gaps()
    assert (gap.cause, gap.from_ns, gap.to_ns, gap.progress, gap.why) == (
        Cause.EVICTED,
        1_000,
        3_000,
        Progress.OPEN,
        "",
    )


def test_what_goes_after_it_makes_them_longer(it: File) -> None:
    for at in range(1_000, 6_000, 1_000):
        it.put(batch(("a", at)))
    for at in range(6_000, 9_000, 1_000):
        it.full(batch(("a", at)))
    assert it.spans() == [("a", 999, 3_001)]
    (gap,) = it.ledger.gaps()
    assert (gap.from_ns, gap.to_ns, gap.spans, gap.left) == (1_000, 3_000, 1, 1)


def test_several_that_go_at_once_follow_each_other(it: File) -> None:
    for at in range(1_000, 6_000, 1_000):
        it.put(batch(("a", at)))
    size = batch(("a", 1_000)).size
    it.put(batch(("a", 9_000)), excess=3 * size)
    assert it.spans() == [("a", 999, 3_001)]


def test_no_span_reaches_over_what_was_delivered(it: File) -> None:
    ids = [it.put(batch(("a", at))) for at in range(1_000, 5_000, 1_000)]
    it.full(batch(("a", 5_000)))
    it.table.remove([ids[1]])
    it.full(batch(("a", 6_000)))
    assert it.spans() == [("a", 999, 1_001), ("a", 2_999, 3_001)]


def test_a_batch_that_went_past_the_file_breaks_it(it: File) -> None:
    it.put(batch(("a", 1_000)))
    it.table.succession.cut()  # memory took 2,000, and delivered it
    it.put(batch(("a", 3_000)))
    it.full(batch(("b", 4_000)))
    it.full(batch(("b", 5_000)))
    assert it.spans() == [("a", 999, 1_001), ("a", 2_999, 3_001)]


def test_so_does_a_row_that_somebody_added(it: File) -> None:
    it.put(batch(("a", 5_000)))
    with transaction(it.connection):
        insert(it.connection, KEY, batch(("a", 6_000)), 0)
    it.put(batch(("a", 7_000)))
    for at in (8_000, 9_000, 10_000):
        it.full(batch(("b", at)))
    assert it.spans() == [("a", 4_999, 5_001), ("a", 5_999, 6_001), ("a", 6_999, 7_001)]


def test_another_process_begins_anew_and_goes_on_in_what_it_finds(it: File) -> None:
    for at in (1_000, 2_000, 3_000):
        it.put(batch(("a", at)))
    it.full(batch(("b", 3_500)))
    it.start()
    it.put(batch(("a", 4_000)))
    for at in (5_000, 6_000, 7_000, 8_000):
        it.full(batch(("c", at)))
    assert it.spans() == [("a", 999, 1_001), ("a", 1_999, 3_001), ("b", 3_499, 3_501), ("a", 3_999, 4_001)]


def test_where_putting_fails_nothing_has_gone_and_spans_begin_anew(it: File) -> None:
    for at in (1_000, 2_000, 3_000):
        it.put(batch(("a", at)))
    it.full(batch(("b", 5_000)))
    with pytest.raises(AttributeError):
        it.full(batch(("b", 6_000), note=Note(settled=[None])))  # type: ignore[list-item]  # it breaks
    assert (it.spans(), it.table.held().events) == ([("a", 999, 1_001)], 3)
    it.full(batch(("b", 7_000)))
    assert it.spans() == [("a", 999, 1_001), ("a", 1_999, 2_001)]


def test_what_cannot_be_read_is_a_gap_without_names(it: File) -> None:
    it.put(Batch(b"x", 1, 1, 1_000, 2_000))
    it.full(batch(("b", 6_000)))
    assert [(gap.cause, gap.why) for gap in it.ledger.gaps()] == [(Cause.EVICTED, UNNAMED)]


def test_heartbeats_leave_nothing(it: File) -> None:
    it.put(batch(("a", 1_000), origin=Source.HEARTBEAT))
    it.full(batch(("b", 6_000)))
    assert it.ledger.gaps() == []


def test_a_span_that_grew_while_it_was_read_is_read_on(it: File) -> None:
    for at in (1_000, 2_000, 3_000):
        it.put(batch(("a", at)))
    it.full(batch(("b", 5_000)))
    (read,) = next_spans(it.ledger, 9)
    it.full(batch(("b", 6_000)))
    it.ledger.settle([Settled(read.id, 1, before_ns=read.before_ns)])
    (left,) = next_spans(it.ledger, 9)
    assert left == evolve(read, before_ns=2_001, done_ns=1_000, found=1)
    it.ledger.settle([Settled(left.id, 2, before_ns=left.before_ns)])
    (gap,) = it.ledger.gaps()
    assert (gap.progress, gap.spans, gap.left, gap.filled) == (Progress.FILLED, 1, 0, 2)


def test_where_something_was_lacking_all_of_it_is_read_again(it: File) -> None:
    it.put(batch(("a", 1_000)))
    it.put(batch(("a", 2_000)))
    it.full(batch(("b", 5_000)))
    (read,) = next_spans(it.ledger, 9)
    it.full(batch(("b", 6_000)))
    it.ledger.settle([Settled(read.id, 0, "it is not there", before_ns=read.before_ns)])
    assert next_spans(it.ledger, 9) == [evolve(read, before_ns=2_001)]


def test_what_went_again_is_missing_anew_while_it_is_being_filled(it: File) -> None:
    """The span that it fills may be settled at any moment, with what was on its way."""
    it.put(batch(("a", 1_000)))
    it.full(batch(("a", 1_000), origin=Source.BACKFILL))
    it.full(batch(("b", 5_000)))
    it.full(batch(("a", 1_000), origin=Source.BACKFILL))
    it.full(batch(("b", 6_000)))
    it.full(batch(("b", 7_000)))
    assert it.spans() == [("a", 999, 1_001), ("a", 998, 1_001), ("b", 4_999, 6_001), ("a", 998, 1_001)]


def test_what_is_told_again_is_the_same(it: File) -> None:
    """A batch in memory that goes gives back what it told of others, which may have become longer since then."""
    for before in (5_001, 3_001):
        it.ledger.open_gap(Opening(Cause.EVICTED, 1_000, 5_000, [Span("sensor.a", "a", 999, before)]))
    assert it.spans() == [("a", 999, 5_001)]


def test_what_is_seen_afterwards_leaves_them_as_they_are(it: File) -> None:
    """The next session may begin where the newest state went: what is found out of its end is another gap's."""
    it.put(batch(("a", 1_000)))
    it.put(batch(("a", 5_000)))
    it.full(batch(("b", 8_000)))
    it.full(batch(("b", 9_000)))
    for before in (7_000, 3_000):
        it.ledger.open_gap(Opening(Cause.CONNECTION, 999, before, [Span("sensor.a", "a", 999, before)]))
    assert sorted(it.spans()) == [("a", 999, 3_000), ("a", 999, 5_001)]


def test_a_gap_of_too_many_spans_takes_in_no_more(it: File, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the ledger is full the oldest gap goes, and that is not all of them."""
    monkeypatch.setattr("ingest.edge.ledger_rows.SPANS", 2)
    for at in range(1_000, 6_000, 1_000):
        it.put(batch((f"e{at}", at)))
        it.table.succession.cut()
    for at in range(6_000, 10_000, 1_000):
        it.full(batch(("b", at)))
    assert [gap.spans for gap in it.ledger.gaps()] == [2, 2]


# ---- whatever happens --------------------------------------------------------------------------------------------


@define
class Model:
    """What became of every state."""

    it: File
    waiting: dict[int, list[State]] = field(factory=dict)
    gone: list[State] = field(factory=list)
    delivered: list[State] = field(factory=list)
    at: int = 0

    def made(self, names: str) -> list[State]:
        states = [(name, self.at + 1_000 * place) for place, name in enumerate(names, 1)]
        self.at += 1_000 * len(names)
        return states

    def put(self, names: str, excess: int) -> None:
        states = self.made(names)
        placed = self.it.table.put(batch(*states), 0, excess, (), ())
        self.gone += [each for row in placed.evicted for each in self.waiting.pop(row.id)]
        self.waiting[placed.row.id] = states

    def deliver(self, row_id: int) -> None:
        self.it.table.remove([row_id])
        self.delivered += self.waiting.pop(row_id)

    def do(self, doing: str, names: str) -> None:
        match doing:
            case "put" | "full":
                self.put(names, excess=1 if doing == "full" else 0)
            case "newest" | "oldest" if self.waiting:
                self.deliver((max if doing == "newest" else min)(self.waiting))
            case "past":
                self.it.table.succession.cut()
                self.delivered += self.made(names)
            case _:
                self.it.start()


_doings = st.sampled_from(["put", "put", "put", "full", "full", "newest", "oldest", "past", "start"])
_names = st.text("ab", min_size=1, max_size=3)


@given(st.lists(st.tuples(_doings, _names), max_size=30))
def test_spans_hold_what_went_and_nothing_that_was_delivered(doings: Sequence[tuple[str, str]]) -> None:
    with tempfile.TemporaryDirectory() as folder, file_in(Path(folder)) as it:
        model = Model(it)
        for doing, names in doings:
            model.do(doing, names)
        spans = it.spans()
    waiting = [each for states in model.waiting.values() for each in states]
    for states, missing in ((model.gone, True), (model.delivered, False), (waiting, False)):
        for name, time_ns in states:
            assert any(key == name and after < time_ns < before for key, after, before in spans) == missing


# ---- with memory beside the file ---------------------------------------------------------------------------------


def numbered(number: int) -> Batch[bytes]:
    """One live state of the entity `a`, so many microseconds after the epoch."""
    return Batch(b"%d " % number, 1, 10, number * MICROSECOND, number * MICROSECOND)


def whose_number(payload: bytes) -> Sequence[Named]:
    owners = Owners()
    for number in payload.split():
        owners.add("a", "sensor.a", int(number) * MICROSECOND, live=True)
    return owners.all


@define
class Mixed:
    """A spool that is put into and taken from while its disk fails and comes back."""

    spool: DiskSpool
    disk: Disk
    gone: list[int] = field(factory=list)
    delivered: list[int] = field(factory=list)
    last: int = 0

    async def do(self, doing: str) -> None:
        match doing:
            case "put":
                self.last += 1
                self.tell(await self.spool.put(numbered(self.last)))
            case "fails" | "well":
                self.disk.writing = sqlite3.SQLITE_FULL if doing == "fails" else 0
            case "later":
                await trio.sleep(RETRY)
            case _:
                await self.claim(keep=doing == "keep")

    def tell(self, lost: Sequence[Batch[bytes]]) -> None:
        self.gone += [each.oldest_ns // MICROSECOND for each in lost]

    async def claim(self, *, keep: bool) -> None:
        with trio.move_on_after(RETRY), suppress(Stay):
            async with self.spool.claim() as claimed:
                if keep:
                    fail()
                self.delivered += [int(each) for each in claimed.payload.split()]


_mixed = st.sampled_from(["put"] * 5 + ["fails", "well", "later", "claim", "claim", "keep"])


async def _played(folder: Path, doings: Sequence[str]) -> tuple[Mixed, list[tuple[int, int]]]:
    """What became of what was put, and the spans that it left."""
    connection, _ = open_state(folder / "state.db", lambda: 0)
    with closing(connection):
        disk = Disk()
        table = OnDisk(connection, folder / "state.db", KEY, disk, whose=whose_number)
        told: list[Report] = []
        spool = DiskSpool(table, InlineLane(), Limits(40, 30, Weight(1, 1)), joined, lambda: 0, told.append)
        await spool.load()
        mixed = Mixed(spool, disk)
        for doing in doings:
            await mixed.do(doing)
        disk.writing = 0
        mixed.tell(await spool.flush())
        # What goes while nothing is put is told in a report, in figures.
        beside = sum(each.count for each in told if isinstance(each, reports.Evicted))
        held = {time_ns // MICROSECOND for (time_ns,) in connection.execute("SELECT oldest_ns FROM batch")}
        held |= {each.oldest_ns // MICROSECOND for each in spool.memory.batches}
        gone = set(range(1, mixed.last + 1)) - {*mixed.delivered} - held
        assert gone >= {*mixed.gone}
        assert len(gone) == len(mixed.gone) + beside
        mixed.gone = sorted(gone)
        spans = next_spans(LedgerFile(connection, folder / "state.db", KEY), 10_000)
    return mixed, [(each.after_ns // MICROSECOND + 1, each.before_ns // MICROSECOND) for each in spans]


FULL = ["put"] * 12


@pytest.mark.parametrize(
    ("doings", "delivered", "spans"),
    [
        (["put", "put", *FULL], [], [(1, 10)]),
        (["put", "fails", "put", "claim", "well", "later", *FULL], [2], [(1, 1), (3, 10)]),
        (
            ["put", "fails", "put", "put", "put", "claim", "well", "later", *FULL],
            [2],
            [(1, 1), (3, 3), (4, 4), (5, 12)],
        ),
        (["fails", *FULL], [], [(1, 9)]),
        (["fails", *FULL[:5], "claim", *FULL], [3], [(1, 2), (4, 14)]),
    ],
)
async def test_what_memory_delivered_is_never_reached_over(
    tmp_path: Path,
    autojump_clock: MockClock,
    doings: Sequence[str],
    delivered: Sequence[int],
    spans: Sequence[tuple[int, int]],
) -> None:
    mixed, found = await _played(tmp_path, doings)
    assert (mixed.delivered, found) == (delivered, spans)


@given(st.lists(_mixed, max_size=40))
@example(["put", "put", "put", "put", "fails", "put", "well", "later", "claim"])
def test_so_it_is_where_memory_stands_in_for_the_file(doings: Sequence[str]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        mixed, spans = trio.run(_played, Path(folder), doings, clock=MockClock(autojump_threshold=0))
    waiting = set(range(1, mixed.last + 1)) - {*mixed.gone, *mixed.delivered}
    for numbers, missing in ((mixed.gone, True), (mixed.delivered, False), (waiting, False)):
        for number in numbers:
            assert any(first <= number <= last for first, last in spans) == missing, number
