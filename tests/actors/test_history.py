"""The history of a simulated home, asked over a connection in memory, under a virtual clock."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import pytest
import trio
import trio.lowlevel
from attrs import define, field
from msgspec import Raw
from trio.testing import MockClock

from ingest.actors.connection import CommandFailed, Connection
from ingest.actors.history import CHUNK, History, Pace, Unfillable
from ingest.core import recorder, reports
from ingest.core.coverage import Settled, Span
from ingest.core.history_query import COMMAND, SECOND_NS
from ingest.core.history_reading import MARGIN_NS, Reading
from ingest.core.reports import Report
from ingest.core.state import Change
from ingest.edge.websocket import Target
from ingest.errors import Refused, Transient
from ingest.simulator import recorder_faults as r
from ingest.simulator.faults import Fault
from ingest.simulator.home import Home
from ingest.simulator.script import happen
from ingest.simulator.serve import Peer, clock
from ingest.simulator.server import Server
from ingest.simulator.values import moment
from tests.actors.peer import TOKEN, Reply, answering, connection, no, ok, playing
from tests.core.rows import told, truth

START = datetime(2026, 11, 22, 10, tzinfo=UTC)
HOUR = 3600.0
INFO = {"recording": True, "thread_running": True, "migration_in_progress": False, "backlog": 0}
PACE = Pace()


@define
class Found:
    """What a reading came to."""

    changes: dict[int, list[Change]] = field(factory=dict)
    settled: dict[int, Settled] = field(factory=dict)

    async def read(self, history: History, reading: Reading) -> Found:
        while (pieces := await history.read(reading)) is not None:
            for piece in pieces:
                self.changes.setdefault(piece.span.id, []).extend(piece.changes)
                if piece.settled:
                    assert piece.span.id not in self.settled
                    self.settled[piece.span.id] = piece.settled
        return self

    @property
    def whys(self) -> set[str]:
        return {each.why for each in self.settled.values()}


@define
class Lived:
    """A home whose time runs, a connection to it, and what was reported."""

    server: Server
    nursery: trio.Nursery
    peer: Peer
    bulk: Connection
    emitted: list[Report]

    @property
    def home(self) -> Home:
        return self.server.home

    def history(self, bulk: Connection | None = None, pace: Pace = PACE) -> History:
        return History(bulk or self.bulk, self.emitted.append, self.now_ns, pace)

    async def dial(self, _target: Target) -> trio.abc.Stream:
        return await self.peer.connect()

    def now_ns(self) -> int:
        return self.home.present() * 1000

    def spans(self, since_ns: int = 0) -> list[Span]:
        """A span of each entity that changed often enough: from its first state, after a time, to its last one."""
        found: list[Span] = []
        for key in self.home.states:
            times = [row.at * 1000 for row in self.home.past.rows(key) if row.at * 1000 >= since_ns]
            if len(times) > 2:
                found.append(Span(key, key, times[0], times[-1], len(found) + 1))
        return found

    async def fault(self, fault: Fault) -> None:
        """Let a fault begin."""
        self.nursery.start_soon(happen, self.server, fault)
        await trio.sleep(1)

    def exact(self, spans: list[Span], found: Found) -> bool:
        return all(list(map(told, found.changes.get(each.id, []))) == truth(self.home.past, each) for each in spans)


@asynccontextmanager
async def lived(seconds: float = 2 * HOUR) -> AsyncGenerator[Lived]:
    """A home that lived for so long since it was connected to."""
    home = Home(1, 60, START, remember=True)
    server = Server(home, token=TOKEN, now=clock(moment(home.start)))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(server.run)
        peer = Peer(server, nursery)

        async def dial(_target: Target) -> trio.abc.Stream:
            return await peer.connect()

        async with connection(dial) as bulk:
            await trio.sleep(seconds)
            yield Lived(server, nursery, peer, bulk, [])
        nursery.cancel_scope.cancel()


async def test_every_span_is_filled_exactly(autojump_clock: MockClock) -> None:
    async with lived() as it:
        spans = it.spans()
        found = await Found().read(it.history(), Reading.of(spans, it.now_ns(), entities=7, target=40))
        assert len(spans) > 20
        assert sum(map(len, found.changes.values())) > 500
        assert it.exact(spans, found)
        assert found.settled == {each.id: Settled(each.id, len(found.changes.get(each.id, []))) for each in spans}
        assert it.emitted == []


async def test_at_most_half_of_home_assistants_time_is_ours(autojump_clock: MockClock) -> None:
    async with lived() as it:
        await it.fault(r.LateHistory(3, 10 * HOUR))
        reading = Reading.of(it.spans(), it.now_ns(), entities=10**6)
        history = it.history()
        begun, asked = trio.current_time(), 0
        while await history.read(reading) is not None:
            asked += 1
        assert asked > 3
        assert trio.current_time() - begun == pytest.approx(3 * (2 * asked - 1), abs=0.1)


async def test_the_share_is_a_setting(autojump_clock: MockClock) -> None:
    async with lived() as it:
        await it.fault(r.LateHistory(3, HOUR))
        history = it.history(pace=Pace(share=1.0))
        reading = Reading.of(it.spans(), it.now_ns(), entities=10**6)
        begun = trio.current_time()
        await history.read(reading)
        await history.read(reading)
        assert trio.current_time() - begun == pytest.approx(6, abs=0.1)


async def test_an_answer_that_does_not_come_is_tried_again_with_less(autojump_clock: MockClock) -> None:
    async with lived() as it:
        spans = it.spans()
        await it.fault(r.SilentHistory(90))
        reading, history, begun = Reading.of(spans, it.now_ns()), it.history(), trio.current_time()
        with pytest.raises(Transient, match=COMMAND):
            await history.read(reading)
        assert trio.current_time() - begun == pytest.approx(PACE.answer, abs=0.1)
        found = await Found().read(history, reading)
        assert it.exact(spans, found)
        assert found.whys == {""}


async def test_a_reading_goes_on_over_the_next_connection(autojump_clock: MockClock) -> None:
    async with lived() as it:
        spans = it.spans()
        reading = Reading.of(spans, it.now_ns(), entities=5, target=50)
        found = Found()
        with pytest.raises(Transient):  # noqa: PT012  the connection and what is asked over it belong together
            async with connection(it.dial) as other:
                history = it.history(other)
                for _ in range(4):
                    for piece in await history.read(reading) or []:
                        found.changes.setdefault(piece.span.id, []).extend(piece.changes)
                        if piece.settled:
                            found.settled[piece.span.id] = piece.settled
                await it.fault(r.SilentHistory(2))
                it.server.clients()[-1].line.reset()
                await history.read(reading)
        await trio.sleep(2)
        async with connection(it.dial) as again:
            await found.read(it.history(again), reading)
        assert it.exact(spans, found)
        assert found.whys == {""}


async def test_a_reading_may_be_cancelled_anywhere(autojump_clock: MockClock) -> None:
    """Each cancelled a few checkpoints later than the one before: no piece is lost, none comes twice."""
    async with lived() as it:
        spans = it.spans()
        reading, found, history = Reading.of(spans, it.now_ns(), target=100), Found(), it.history()
        steps = 0
        while not reading.done:
            steps += 1
            async with trio.open_nursery() as nursery:
                nursery.start_soon(found.read, history, reading)
                for _ in range(steps):
                    await trio.lowlevel.checkpoint()
                nursery.cancel_scope.cancel()
        assert steps > 10
        assert it.exact(spans, found)
        assert found.whys == {""}


@pytest.mark.parametrize("interval", [5.0, 30.0])
async def test_what_is_not_committed_yet_is_waited_for(interval: float, autojump_clock: MockClock) -> None:
    async with lived() as it:
        await it.fault(r.Commits(interval))
        await trio.sleep(100 - trio.current_time() % interval)
        change = next(iter(it.home.states))
        for _ in range(3):
            await trio.sleep(0.2)
            it.server.emit([made for made in [it.home.set(change, "x", {}, force=True)] if made])
        spans = [each for each in it.spans() if each.entity_id == change]
        reading, found = Reading.of(spans, it.now_ns()), Found()
        await found.read(it.history(), reading)
        assert found.settled == {}
        (left,) = reading.waiting
        assert left.after_ns >= spans[0].after_ns
        await trio.sleep(interval)
        await found.read(it.history(), Reading.of(reading.waiting, it.now_ns()))
        assert it.exact(spans, found)
        assert found.whys == {""}


async def test_a_recorder_that_is_far_behind_is_left_alone(autojump_clock: MockClock) -> None:
    async with lived() as it:
        begun = it.now_ns()
        await it.fault(r.RecorderBehind(200))
        await it.server.burst(1200)
        spans = it.spans(begun)
        reading = Reading.of(spans, begun, width_ns=10**15)
        with pytest.raises(Transient, match="states behind"):
            await it.history().read(reading)
        found = await Found().read(it.history(pace=Pace(backlog=10**5)), reading)
        assert len(reading.waiting) == len(spans)
        assert found.changes == {}
        await trio.sleep(200)
        await found.read(it.history(), Reading.of(reading.waiting, begun))
        assert it.exact(spans, found)
        assert found.whys == {""}


async def test_a_part_of_the_rows_is_never_taken_for_all(autojump_clock: MockClock) -> None:
    async with lived() as it:
        spans = it.spans()
        await it.fault(r.PartialHistory(MARGIN_NS / SECOND_NS))
        reading = Reading.of(spans, it.now_ns(), entities=1, width_ns=10**15)
        found = await Found().read(it.history(), reading)
        assert {each.why for each in found.settled.values() if each.filled} <= {recorder.NO_END}
        for each in spans:
            given = list(map(told, found.changes.get(each.id, [])))
            assert given == truth(it.home.past, each)[: len(given)]


async def test_what_happened_while_the_recorder_was_off_is_not_had(autojump_clock: MockClock) -> None:
    async with lived() as it:
        begun = it.now_ns()
        await it.fault(r.RecorderOff(2 * HOUR))
        await trio.sleep(HOUR)
        spans = it.spans(begun)
        now_ns = it.now_ns() - MARGIN_NS
        spans = [each for each in spans if each.before_ns < now_ns]
        found = await Found().read(it.history(), Reading.of(spans, begun))
        assert (found.whys, set(found.changes)) == ({recorder.SWITCHED_OFF}, {each.id for each in spans})
        assert sum(map(len, found.changes.values())) == 0
        await trio.sleep(HOUR + 10)
        found = await Found().read(it.history(), Reading.of(spans, begun))
        assert found.whys <= {recorder.NOT_RECORDED, recorder.NOT_KEPT}


async def test_an_entity_that_is_left_out_is_told_from_the_others(autojump_clock: MockClock) -> None:
    async with lived() as it:
        await it.fault(r.Exclude(("*_humidity", "sensor.house_power")))
        spans, since_ns = it.spans(), it.now_ns() - 60 * SECOND_NS
        await trio.sleep(MARGIN_NS / SECOND_NS)
        found = await Found().read(it.history(), Reading.of(spans, since_ns))
        excluded = {each.id for each in spans if each.entity_id.endswith(("_humidity", "house_power"))}
        assert excluded
        assert {number for number, each in found.settled.items() if each.why} == excluded
        assert found.whys == {"", recorder.NOT_RECORDED}
        assert it.exact([each for each in spans if each.id not in excluded], found)


async def test_what_was_purged_is_said_to_be(autojump_clock: MockClock) -> None:
    async with lived() as it:
        await it.fault(r.Purge(HOUR))
        since_ns = it.now_ns() - int(1.5 * HOUR) * SECOND_NS
        spans = [each for each in it.spans() if each.after_ns < since_ns]
        found = await Found().read(it.history(), Reading.of(spans, since_ns))
        kept = {each.id for each in spans if each.before_ns > it.server.instance.recorder.kept_from * 1000}
        assert {number for number, each in found.settled.items() if each.why == recorder.PURGED} == kept
        assert found.whys == {recorder.PURGED, recorder.NOT_KEPT}
        for each in spans:
            given = list(map(told, found.changes.get(each.id, [])))
            assert [row[:4] for row in given] == [
                row[:4] for row in truth(it.home.past, each) if row[0] >= it.server.instance.recorder.kept_from * 1000
            ]


async def test_an_old_checkpoint_before_a_gap_that_is_kept_lacks_nothing(autojump_clock: MockClock) -> None:
    async with lived() as it:
        await it.fault(r.Purge(HOUR))
        since_ns = it.now_ns() - 600 * SECOND_NS
        spans = [each for each in it.spans() if each.before_ns > since_ns]
        found = await Found().read(it.history(), Reading.of(spans, since_ns))
        assert found.whys == {""}


@asynccontextmanager
async def talking(**answers: Reply) -> AsyncGenerator[tuple[History, list[Report]]]:
    emitted: list[Report] = []
    named = {name.replace("__", "/"): reply for name, reply in answers.items()}
    act = answering(**{"recorder/info": [ok(INFO)], **named})
    async with playing(act) as peer, connection(peer.dial) as opened:
        yield History(opened, emitted.append, lambda: 10**18), emitted


def one_span() -> Reading:
    return Reading.of([Span("a.b", "a.b", 10 * SECOND_NS, 30 * SECOND_NS, 1)], 15 * SECOND_NS)


def rows(*at: object) -> list[Any]:
    return [{"s": "on", "a": {}, "lu": each} for each in at]


@pytest.mark.parametrize("command", ["recorder__info", "history__history_during_period"])
@pytest.mark.parametrize(
    ("code", "kind", "why"),
    [
        ("unknown_command", Unfillable, "no recorder|no history"),
        ("invalid_start_time", Unfillable, "refuses"),
        ("unauthorized", Refused, "token"),
        ("home_assistant_error", CommandFailed, "home_assistant_error"),
    ],
)
async def test_what_an_error_means(
    command: str, code: str, kind: type[Exception], why: str, autojump_clock: MockClock
) -> None:
    async with talking(**{command: [no(code)]}) as (history, _):
        reading = one_span()
        with pytest.raises(kind, match=why) as caught:
            await history.read(reading)
        assert type(caught.value) is kind
        assert not reading.done


@pytest.mark.parametrize(
    ("told", "why"),
    [
        ({**INFO, "migration_in_progress": True}, "migrating"),
        ({**INFO, "thread_running": False}, "does not run"),
        ({**INFO, "backlog": 5000}, "5000 states behind"),
        ([], "cannot be read"),
        (None, "cannot be read"),
    ],
)
async def test_a_recorder_that_has_no_time_is_asked_later(told: object, why: str, autojump_clock: MockClock) -> None:
    async with talking(recorder__info=[ok(told)]) as (history, _):
        with pytest.raises(Transient, match=why):
            await history.read(one_span())


async def test_no_answer_about_the_recorder_is_transient(autojump_clock: MockClock) -> None:
    async with talking(recorder__info=[]) as (history, _):
        with pytest.raises(Transient, match="no answer to recorder/info"):
            await history.read(one_span())


async def test_rows_that_cannot_be_read_are_reported_and_cost_the_others_nothing(autojump_clock: MockClock) -> None:
    answer = ok({"a.b": [*rows(10.0), 7, *rows("x", 20.0, 30.0)], "a.c": 5})
    async with talking(history__history_during_period=[answer]) as (history, emitted):
        pieces = await history.read(one_span())
    assert pieces is not None
    (piece,) = pieces
    assert [change.data.old_state for change in piece.changes] == [None]
    assert piece.settled == Settled(1, 1, recorder.UNREADABLE)
    assert [type(each) for each in emitted] == [reports.MalformedMessage] * 3


@pytest.mark.parametrize("answer", [None, [], "x"])
async def test_an_answer_that_is_none_is_tried_again(answer: object, autojump_clock: MockClock) -> None:
    async with talking(history__history_during_period=[ok(answer)]) as (history, emitted):
        with pytest.raises(Transient, match="cannot be read"):
            await history.read(one_span())
    assert [type(each) for each in emitted] == [reports.MalformedMessage]


async def test_a_long_answer_lets_others_have_their_turn(autojump_clock: MockClock) -> None:
    answer = ok({"a.b": rows(*(10 + number / 1000 for number in range(5 * CHUNK)))})
    turns = 0

    async def count() -> None:
        nonlocal turns
        while True:
            await trio.lowlevel.checkpoint()
            turns += 1

    async with talking() as (history, _), trio.open_nursery() as nursery:
        raw = Raw(json.dumps(answer["result"]).encode())
        nursery.start_soon(count)
        await trio.lowlevel.checkpoint()
        before = turns
        found = await history._rows(raw)
        assert turns - before >= 5
        nursery.cancel_scope.cancel()
    assert len(found["a.b"].rows) == 5 * CHUNK


async def test_nothing_to_read_asks_nothing(autojump_clock: MockClock) -> None:
    async with talking(recorder__info=[no("unknown_command")]) as (history, _):
        assert await history.read(Reading.of([], 0)) is None
