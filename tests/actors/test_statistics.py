"""Long-term statistics of a simulated home into a database in memory, under a virtual clock."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any

import pytest
import trio
from attrs import define, evolve, field
from trio.testing import MockClock

from ingest.actors import statistics as actor
from ingest.actors.bringing import ATTEMPTS, Bringer
from ingest.actors.history import History, Unfillable
from ingest.actors.statistics import Brought, Connect, Series, StatisticsImport
from ingest.core import reports
from ingest.core.homeiq import homeiq
from ingest.core.influx_answer import Answer
from ingest.core.reports import Report
from ingest.core.sealing import unsealed
from ingest.core.state import HOUR_NS
from ingest.core.statistics import COMMAND, LIST, TOGETHER, WINDOW_NS, questions
from ingest.core.store import Batch, Delivered, Keep, Rejection, Store, Verdict
from ingest.edge.influx_deliver import Deliverer
from ingest.errors import Refused, Transient
from tests.actors.peer import Act, Peer, Reply, answering, connection, no, ok, playing

BEGIN_NS = 1_795_302_000_000_000_000
KEYS = [f"sensor.s{number}" for number in range(TOGETHER + 3)]
WINDOWS = 3
END_NS = BEGIN_NS + (WINDOWS - 1) * WINDOW_NS + HOUR_NS
INFO = {"recording": True, "thread_running": True, "migration_in_progress": False, "backlog": 0}


INFORMED = [ok(INFO)]


def hours(message: dict[str, Any]) -> list[dict[str, object]]:
    """Every hour of the question that is on the hour of a day's beginning, for each statistic."""
    start, end = (int(datetime.fromisoformat(message[key]).timestamp()) for key in ("start_time", "end_time"))
    rows = [{"start": at * 1000, "mean": 1.5, "min": 1, "max": 2} for at in range(start, end, 86_400)]
    return [ok(dict.fromkeys(message["statistic_ids"], rows))]


def truth() -> set[bytes]:
    day = 24 * HOUR_NS
    times = [
        at
        for window in range(WINDOWS)
        for at in range(BEGIN_NS + window * WINDOW_NS, min(BEGIN_NS + (window + 1) * WINDOW_NS, END_NS), day)
    ]
    return {
        b'home_assistant_statistics,registry_id=r,statistic_id=%b mean=1.5,min=1,max=2,unit="W" %d' % (key.encode(), at)
        for key in KEYS
        for at in times
    }


def home(reply: Reply = hours, **more: Reply) -> Act:
    return answering(**{"recorder/info": INFORMED, COMMAND: reply, **more})


@define
class Database:
    """Keeps lines; `verdicts` come first, then all is delivered."""

    verdicts: list[Verdict] = field(factory=list)
    lines: list[bytes] = field(factory=list)

    async def deliver(self, batch: Batch[bytes]) -> Verdict:
        await trio.lowlevel.checkpoint()
        verdict = self.verdicts.pop(0) if self.verdicts else Delivered()
        if isinstance(verdict, Delivered):
            lines = unsealed(batch.payload)
            assert (len(lines), sum(map(len, lines))) == (batch.count, batch.size)
            self.lines += lines
        return verdict


@define(eq=False)
class Work:
    """An import, what was told of it, and what was waited for."""

    told: list[Brought] = field(factory=list)
    waits: list[str] = field(factory=list)
    emitted: list[Report] = field(factory=list)

    def begin(self, connect: Connect, deliver: Callable[[Batch[bytes]], Any]) -> StatisticsImport:
        bringer = Bringer(
            Store("database", homeiq(), deliver), lambda keep, _: self.waits.append(keep.reason), lambda: 0.999, "again"
        )
        series = {
            key: Series(b"home_assistant_statistics,registry_id=r,statistic_id=%b " % key.encode(), "W") for key in KEYS
        }
        asking = deque(questions(KEYS, BEGIN_NS, END_NS))
        assert len(asking) == 2 * WINDOWS
        return StatisticsImport(
            connect,
            bringer,
            series,
            asking,
            lambda brought: self.told.append(evolve(brought)),
            lambda why, _: self.waits.append(why),
        )

    def connect(self, peer: Peer) -> Connect:
        @asynccontextmanager
        async def connected() -> AsyncGenerator[History]:
            async with connection(peer.dial) as bulk:
                yield History(bulk, self.emitted.append, lambda: END_NS)

        return connected


async def test_every_hour_is_brought_once(autojump_clock: MockClock) -> None:
    database, work = Database(), Work()
    async with playing(home()) as peer:
        brought = await work.begin(work.connect(peer), database.deliver).run()
    assert len(database.lines) == len(truth()) == brought.hours
    assert set(database.lines) == truth()
    assert [each.questions for each in work.told] == list(range(1, 2 * WINDOWS + 1))
    assert (work.waits, work.emitted, brought.refused) == ([], [], 0)


async def test_a_connection_that_ends_costs_nothing_and_doubles_nothing(autojump_clock: MockClock) -> None:
    asked = 0

    def dying(message: dict[str, Any]) -> list[dict[str, object]]:
        nonlocal asked
        asked += 1
        if asked % 2 == 0:
            raise trio.BrokenResourceError
        return hours(message)

    async def mortal(side: Any) -> None:
        try:
            await home(dying)(side)
        except trio.BrokenResourceError:
            return

    database, work = Database(), Work()
    async with playing(mortal) as peer:
        brought = await work.begin(work.connect(peer), database.deliver).run()
    assert len(peer.sides) > WINDOWS
    assert len(database.lines) == len(truth()) == brought.hours
    assert set(database.lines) == truth()
    assert len(work.waits) == len(peer.sides) - 1


async def test_a_home_that_stays_away_is_given_up(autojump_clock: MockClock) -> None:
    work = Work()
    busy = {**INFO, "backlog": 5000}
    async with playing(answering(**{"recorder/info": [ok(busy)]})) as peer:
        with pytest.raises(Transient, match="recorder"):
            await work.begin(work.connect(peer), Database().deliver).run()
    assert len(work.waits) == ATTEMPTS - 1


@pytest.mark.parametrize(("code", "error"), [("unknown_command", Unfillable), ("unauthorized", Refused)])
async def test_what_waiting_does_not_mend_ends_it(autojump_clock: MockClock, code: str, error: type[Exception]) -> None:
    work = Work()
    async with playing(home([no(code)])) as peer:
        with pytest.raises(error):
            await work.begin(work.connect(peer), Database().deliver).run()
    assert work.waits == []


async def test_a_database_that_is_away_for_a_while_is_waited_for(autojump_clock: MockClock) -> None:
    database = Database([Keep("full"), Keep("more", progress=True), Keep("full", 50.0)])
    work = Work()
    async with playing(home()) as peer:
        begun = trio.current_time()
        await work.begin(work.connect(peer), database.deliver).run()
    assert trio.current_time() - begun > 50
    assert work.waits == ["full", "full"]
    assert sorted(database.lines) == sorted(truth())


async def test_refused_lines_are_named_and_counted(autojump_clock: MockClock) -> None:
    rejected = tuple(Rejection(f"line {number}", "no") for number in range(5))
    database, work = Database([Delivered(rejected)]), Work()
    async with playing(home()) as peer:
        brought = await work.begin(work.connect(peer), database.deliver).run()
    assert (brought.refused, brought.rejected) == (5, rejected[:3])


@pytest.mark.parametrize("last", [Keep("no token", remedy="give one"), None])
async def test_a_database_that_nobody_mends_ends_it(autojump_clock: MockClock, last: Keep | None) -> None:
    work = Work()
    verdicts: list[Verdict] = [last] if last else [Keep("away")] * ATTEMPTS
    async with playing(home()) as peer:
        with pytest.raises(Refused if last else Transient, match="no token" if last else "away"):
            await work.begin(work.connect(peer), Database(verdicts).deliver).run()
        assert len(peer.sides) == 1


async def test_the_products_own_delivery_finds_the_line_that_a_database_refuses(autojump_clock: MockClock) -> None:
    stored, conflict = list[bytes](), b"statistic_id=sensor.s7 "
    message = 'partial write: field type conflict: input field "unit" on measurement "x" is type string, already exists as type float dropped=1'

    async def post(payload: bytes) -> Answer:
        await trio.lowlevel.checkpoint()
        lines = unsealed(payload)
        stored.extend(line for line in lines if conflict not in line)
        if any(conflict in line for line in lines):
            return Answer(422, json.dumps({"code": "unprocessable entity", "message": message}), {})
        return Answer(204, "", {})

    work = Work()
    async with playing(home()) as peer:
        brought = await work.begin(work.connect(peer), Deliverer(post, lambda: END_NS).deliver).run()
    theirs = {line for line in truth() if conflict in line}
    assert set(stored) == truth() - theirs
    assert brought.refused == len(theirs)


async def test_at_most_half_of_home_assistants_time_is_ours(autojump_clock: MockClock) -> None:
    work = Work()

    async def slow(side: Any) -> None:
        await side.accept()
        while True:
            message = await side.hear()
            if message["type"] == COMMAND:
                await trio.sleep(4)
            (reply,) = hours(message) if message["type"] == COMMAND else INFORMED
            await side.say({**reply, "id": message["id"]})

    async with playing(slow) as peer:
        begun = trio.current_time()
        await work.begin(work.connect(peer), Database().deliver).run()
    assert trio.current_time() - begun == pytest.approx(4 * (4 * WINDOWS - 1), abs=0.5)


async def test_what_cannot_be_read_is_reported_and_what_was_not_asked_for_is_left(autojump_clock: MockClock) -> None:
    answer = {
        KEYS[0]: [{"start": 0, "mean": 1}, {"start": None}],
        "sensor.other": [{"start": 0, "mean": 1}],
        KEYS[1]: [{"start": 0}],
    }
    database, work = Database(), Work()
    async with playing(home([ok(answer)])) as peer:
        brought = await work.begin(work.connect(peer), database.deliver).run()
    assert set(database.lines) == {b'home_assistant_statistics,registry_id=r,statistic_id=sensor.s0 mean=1,unit="W" 0'}
    assert brought.hours == 2 * WINDOWS
    assert [type(each) for each in work.emitted] == [reports.MalformedMessage] * 2 * WINDOWS


async def test_an_answer_that_is_none_is_asked_for_again(autojump_clock: MockClock) -> None:
    work = Work()
    async with playing(home([ok(5)])) as peer:
        with pytest.raises(Transient, match="cannot be read"):
            await work.begin(work.connect(peer), Database().deliver).run()
    assert len(work.waits) == ATTEMPTS - 1


async def test_what_has_statistics_is_listed(autojump_clock: MockClock) -> None:
    work = Work()
    names = [
        {"statistic_id": "sensor.a", "has_mean": True},
        {"statistic_id": "sensor.b", "mean_type": 0, "has_sum": True},
        {"statistic_id": "sensor.neither", "mean_type": 0},
        {"name": "nothing"},
    ]
    async with playing(
        home(**{LIST: [ok(names)]}), home(**{LIST: [ok(5)]}), home(**{LIST: [no("unknown_command")]})
    ) as peer:
        async with work.connect(peer)() as history:
            assert [each.statistic_id for each in await actor.listed(history)] == ["sensor.a", "sensor.b"]
        assert len(work.emitted) == 1
        async with work.connect(peer)() as history:
            with pytest.raises(Transient, match="cannot be read"):
                await actor.listed(history)
        async with work.connect(peer)() as history:
            with pytest.raises(Unfillable, match="no long-term statistics"):
                await actor.listed(history)
