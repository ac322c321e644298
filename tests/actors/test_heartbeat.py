"""When a session is asked whether it stands, by a connection that answers or does not."""

from __future__ import annotations

from typing import Any, cast

import pytest
import trio
from attrs import define, field
from trio.testing import MockClock

from ingest.actors.connection import Connection
from ingest.actors.heartbeat import LATE_NS, PONG, prove
from ingest.core.filter_settings import FilterSettings, Pattern
from ingest.core.home_clock import HomeClock
from ingest.core.rules import Rules
from ingest.core.state import Frame, Source
from ingest.errors import Transient
from ingest.runtime.link import Link, Overflow, Weight
from ingest.runtime.watch import Watch
from tests.support.taken import drained

SECOND = 10**9
MINUTE = 60 * SECOND


@define
class Socket:
    where: str = "ws://home"


@define(eq=False)
class Answering:
    """A live connection that answers after `seconds`."""

    seconds: float = 0.1
    asked: list[float] = field(factory=list)
    socket: Socket = field(factory=Socket)

    async def ask(self, command: str, **_: Any) -> None:
        assert command == "ping"
        self.asked.append(trio.current_time())
        await trio.sleep(self.seconds)


def wall_ns() -> int:
    return 20 * SECOND + int(trio.current_time() * SECOND)


@define(eq=False)
class Stage:
    live: Answering = field(factory=Answering)
    clock: HomeClock = field(factory=lambda: HomeClock(wall_ns))
    rules: Watch[Rules] = field(factory=lambda: Watch(Rules(FilterSettings())))
    link: Link[Frame] = field(factory=lambda: Link("intake", Weight(10, 10), lambda _: Weight(0, 0)))

    async def run(self, *intervals: int) -> None:
        live = cast("Connection", self.live)
        beats = tuple(Pattern(domain="sensor", heartbeat=each / SECOND) for each in intervals)
        self.rules.set(Rules(FilterSettings(exceptions=beats)))
        await prove(live, self.link.sender(Overflow.BLOCK), 7, self.clock, self.rules)

    @property
    def proven(self) -> list[int]:
        frames = drained(self.link)
        assert {(frame.source, frame.session, len(frame.changes)) for frame in frames} <= {(Source.HEARTBEAT, 7, 0)}
        return [frame.until_ns for frame in frames]


async def test_it_is_asked_at_once_and_when_a_heartbeat_is_due(autojump_clock: MockClock) -> None:
    stage = Stage()
    stage.clock.heard(wall_ns())
    with trio.move_on_after(250):
        await stage.run(MINUTE, 5 * MINUTE)
    first, *later = stage.proven
    assert first == 20 * SECOND - LATE_NS
    assert len(later) == 4
    assert all(0 <= until - number * MINUTE < SECOND for number, until in enumerate(later, start=1))
    assert len(stage.live.asked) == 5


async def test_nothing_is_proven_while_home_assistants_clock_is_not_known(autojump_clock: MockClock) -> None:
    stage = Stage()
    with trio.move_on_after(100):
        await stage.run(MINUTE)
    assert (stage.live.asked, stage.proven) == ([], [])
    stage.clock.heard(wall_ns() - 3 * MINUTE)
    with trio.move_on_after(5):
        await stage.run(MINUTE)
    assert stage.proven == [20 * SECOND + 100 * SECOND - 3 * MINUTE - LATE_NS]


async def test_a_session_that_does_not_answer_ends(autojump_clock: MockClock) -> None:
    stage = Stage(Answering(PONG + 1))
    stage.clock.heard(wall_ns())
    with pytest.raises(Transient, match="no answer to a ping"):
        await stage.run(MINUTE)
    assert stage.proven == []
