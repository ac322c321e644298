from __future__ import annotations

import weakref
from collections.abc import Callable
from functools import partial
from typing import TypeAlias

import pytest
import trio
from attrs import define, field
from trio.testing import MockClock

from ingest.actors.connection import Deadlines, TokenRefused
from ingest.actors.connector import TOKEN_CHECK, VERSION_CHECK, Candidate, Connector, GaveUp, Persistence
from ingest.core import reports
from ingest.core.candidate import HEALTHY, REFUSED_DELAY
from ingest.core.reports import Report
from ingest.edge.websocket import Target, open_socket
from ingest.errors import Refused, Transient
from tests.actors.peer import Act, Side, playing
from tests.actors.states import check_states

Happening: TypeAlias = "float | Exception"
"""A session that breaks after so many seconds of being live, or the error that an attempt ends in."""

LIVE_FOR_EVER = 10.0**9


def refusal() -> TokenRefused:
    return TokenRefused("it does not accept the token: Invalid", where="ws://there", remedy="Make a new one.")


@define(eq=False, slots=False)
class World:
    """What each candidate's sessions come to, and what was tried when."""

    plans: dict[str, list[Happening]]
    tokens: dict[str, str | Refused] = field(factory=dict)
    version: str = "2025.4.4"
    tried: list[tuple[str, float]] = field(factory=list)
    peeks: list[float] = field(factory=list)
    emitted: list[Report] = field(factory=list)

    def token(self, name: str) -> str:
        token = self.tokens.get(name, "token")
        if isinstance(token, Refused):
            raise token
        return token

    async def session(self, candidate: Candidate, token: str, live_now: Callable[[], None]) -> None:
        self.tried.append((candidate.name, trio.current_time()))
        plan = self.plans[candidate.name]
        happening = plan.pop(0) if len(plan) > 1 else plan[0]
        await trio.sleep(0.1)
        if isinstance(happening, Exception):
            raise ExceptionGroup("as a nursery raises it", [happening])
        live_now()
        await trio.sleep(happening)
        raise Transient("the connection broke")

    async def greet(self, side: Side) -> None:
        self.peeks.append(trio.current_time())
        await side.say({"type": "auth_required", "ha_version": self.version})
        await side.hear()

    def times(self, name: str) -> list[float]:
        return [when for who, when in self.tried if who == name]


async def run(
    world: World, seconds: float, chance: Callable[[], float] = lambda: 0.5, persistence: Persistence | None = None
) -> None:
    """Let the connector run for so long, or until it gives up; the states it went through are checked."""
    act: Act = world.greet
    candidates = tuple(
        Candidate(name, Target(f"ws://{name}.test/api/websocket"), lambda name=name: world.token(name))  # type: ignore[misc]  # bound now
        for name in world.plans
    )
    async with playing(act) as peer:
        connector = Connector(
            candidates,
            persistence or Persistence(),
            world.session,
            world.emitted.append,
            chance,
            Deadlines(),
            peer.open,
        )
        with trio.move_on_after(seconds):
            await connector.run()
    check_states(world.emitted)


def failed(world: World) -> list[reports.ConnectionFailed]:
    return [report for report in world.emitted if isinstance(report, reports.ConnectionFailed)]


async def test_backoff_grows_to_the_cap_and_never_ends(autojump_clock: MockClock) -> None:
    world = World({"primary": [Transient("refused")]})
    await run(world, 3000, chance=lambda: 0.999, persistence=Persistence(max_delay=100))
    waits = [round(each.retry_in) for each in failed(world)]
    assert waits[:9] == [1, 2, 4, 8, 16, 32, 64, 100, 100]
    assert [each.failures for each in failed(world)] == list(range(1, len(waits) + 1))
    assert [each.breaker for each in failed(world)][3:6] == ["closed", "open", "open"]


async def test_a_healthy_session_forgives(autojump_clock: MockClock) -> None:
    broken = Transient("refused")
    world = World({"primary": [broken, broken, broken, HEALTHY, broken, HEALTHY - 1, LIVE_FOR_EVER]})
    await run(world, 1000)
    assert [each.failures for each in failed(world)] == [1, 2, 3, 1, 2, 3]


@define(eq=False, slots=False)
class Snapshot:
    """What a session holds."""

    myself: Snapshot | None = None


async def test_what_a_session_leaves_behind_is_gone_before_the_next_one(
    autojump_clock: MockClock, looking_seldom: None
) -> None:
    """Python looks for garbage seldom: a hundred sessions that broke would be a hundred snapshots of the home."""
    world, left, alive = World({"primary": [1.0]}), list[weakref.ref[Snapshot]](), list[int]()

    async def session(candidate: Candidate, token: str, live_now: Callable[[], None]) -> None:
        alive.append(sum(each() is not None for each in left))
        held = Snapshot()
        held.myself = held
        left.append(weakref.ref(held))
        await World.session(world, candidate, token, live_now)

    world.session = session  # type: ignore[method-assign]  # it is called the same
    await run(world, 60)
    assert len(alive) > 3
    assert not any(alive)


async def test_candidates_are_tried_in_their_order_in_every_cycle(autojump_clock: MockClock) -> None:
    world = World({"primary": [Transient("down")], "nabu casa": [Transient("down too")], "backup": [LIVE_FOR_EVER]})
    await run(world, 100)
    assert [name for name, _ in world.tried] == ["primary", "nabu casa", "backup"]


async def test_the_primary_is_tried_first_again_when_the_other_broke(autojump_clock: MockClock) -> None:
    world = World({"primary": [Transient("down"), LIVE_FOR_EVER], "backup": [500.0, LIVE_FOR_EVER]})
    await run(world, 1000)
    assert [name for name, _ in world.tried] == ["primary", "backup", "primary"]


async def test_a_refused_token_stops_only_that_candidate_and_is_tried_in_an_hour(autojump_clock: MockClock) -> None:
    world = World({"primary": [refusal()], "backup": [Transient("down")]})
    await run(world, 2 * REFUSED_DELAY + 60)
    first, second, third = world.times("primary")
    assert second - first == pytest.approx(REFUSED_DELAY, abs=5)
    assert third - second == pytest.approx(REFUSED_DELAY, abs=5)
    assert len(world.times("backup")) > 20
    refused = [report for report in world.emitted if isinstance(report, reports.CandidateRefused)]
    assert len(refused) == 3
    assert "Make a new one." in refused[0].text()


async def test_the_primary_is_back_within_one_backoff_while_the_others_token_is_wrong(
    autojump_clock: MockClock,
) -> None:
    down_until = 900.0
    world = World({"primary": [Transient("down")], "backup": [refusal()]})

    async def recover() -> None:
        await trio.sleep(down_until)
        world.plans["primary"] = [LIVE_FOR_EVER]

    async with trio.open_nursery() as nursery:
        nursery.start_soon(recover)
        await run(world, 3000, chance=lambda: 0.999, persistence=Persistence(max_delay=60))
    assert down_until < world.times("primary")[-1] <= down_until + 61
    assert len(world.times("backup")) == 1


async def test_a_new_token_is_noticed(autojump_clock: MockClock) -> None:
    world = World({"primary": [refusal(), LIVE_FOR_EVER]})

    async def renew() -> None:
        await trio.sleep(100)
        world.tokens["primary"] = "new"

    async with trio.open_nursery() as nursery:
        nursery.start_soon(renew)
        await run(world, 1000)
    assert 100 <= world.times("primary")[1] <= 100 + TOKEN_CHECK


async def test_a_new_token_is_noticed_also_while_another_candidate_is_tried_often(autojump_clock: MockClock) -> None:
    """No single wait is ever as long as the interval between two looks."""
    world = World({"primary": [refusal(), LIVE_FOR_EVER], "backup": [Transient("down")]})

    async def renew() -> None:
        await trio.sleep(100)
        world.tokens["primary"] = "new"

    async with trio.open_nursery() as nursery:
        nursery.start_soon(renew)
        await run(world, 1000, persistence=Persistence(max_delay=TOKEN_CHECK / 2))
    assert 100 <= world.times("primary")[1] <= 100 + TOKEN_CHECK


@pytest.mark.parametrize("max_delay", [300.0, 60.0])
async def test_a_new_version_of_the_server_is_noticed(max_delay: float, autojump_clock: MockClock) -> None:
    world = World({"primary": [refusal(), LIVE_FOR_EVER], "backup": [Transient("down")]})

    async def update() -> None:
        await trio.sleep(700)
        world.version = "2025.5.0"

    async with trio.open_nursery() as nursery:
        nursery.start_soon(update)
        await run(world, 3000, persistence=Persistence(max_delay=max_delay))
    assert 700 <= world.times("primary")[1] <= 700 + VERSION_CHECK + TOKEN_CHECK
    assert len(world.peeks) <= 4


async def test_an_unchanged_server_is_looked_at_rarely_and_never_asked_with_the_token(
    autojump_clock: MockClock,
) -> None:
    world = World({"primary": [refusal()], "backup": [Transient("down")]})
    await run(world, REFUSED_DELAY - 10)
    assert len(world.times("primary")) == 1
    assert 2 <= len(world.peeks) <= REFUSED_DELAY / VERSION_CHECK + 1


async def test_a_token_that_cannot_be_read_is_reported_and_waited_for(autojump_clock: MockClock) -> None:
    world = World(
        {"primary": [LIVE_FOR_EVER]}, {"primary": Refused("the token file cannot be read", remedy="Mend it.")}
    )

    async def mend() -> None:
        await trio.sleep(50)
        world.tokens["primary"] = "token"

    async with trio.open_nursery() as nursery:
        nursery.start_soon(mend)
        await run(world, 500)
    assert len(world.tried) == 1
    assert failed(world)[0].needs_person
    assert "Mend it." in failed(world)[0].text()


async def test_a_token_that_is_refused_and_then_unreadable_is_no_news(autojump_clock: MockClock) -> None:
    world = World({"primary": [refusal()]})

    async def remove() -> None:
        await trio.sleep(100)
        world.tokens["primary"] = Refused("the token file cannot be read")

    async with trio.open_nursery() as nursery:
        nursery.start_soon(remove)
        await run(world, REFUSED_DELAY - 10)
    assert len(world.tried) == 1


@pytest.mark.parametrize("retries", [0, 1, 3])
async def test_limited_retries_end_with_an_error_of_their_own(retries: int, autojump_clock: MockClock) -> None:
    world = World({"primary": [Transient("down")], "backup": [refusal()]})
    with pytest.raises(GaveUp) as caught:
        await run(world, 10**6, persistence=Persistence(max_retries=retries))
    check_states(world.emitted)
    assert "ws://primary.test" in caught.value.where
    assert "max_retries" in caught.value.remedy
    assert len(world.times("primary")) >= retries + 1
    assert len(world.times("backup")) == retries + 1


async def test_a_server_that_is_gone_after_its_refusal_has_no_version(autojump_clock: MockClock) -> None:
    world = World({"primary": [refusal()]}, version="")

    async def gone(_target: Target) -> trio.abc.Stream:
        raise ConnectionRefusedError("refused")

    opening = partial(open_socket, dialer=gone)
    connector = Connector(
        (Candidate("primary", Target("ws://primary.test/"), lambda: "token"),),
        Persistence(), world.session, world.emitted.append, lambda: 0.5, Deadlines(), opening,
    )  # fmt: skip
    with trio.move_on_after(2 * VERSION_CHECK):
        await connector.run()
    assert len(world.tried) == 1


async def test_a_bug_is_not_taken_for_a_failure(autojump_clock: MockClock) -> None:
    world = World({"primary": [ZeroDivisionError("bug")]})
    with pytest.raises(ZeroDivisionError):
        await run(world, 100)


async def test_a_bug_does_not_hide_behind_a_broken_connection(autojump_clock: MockClock) -> None:
    both = ExceptionGroup("", [Transient("the connection broke"), ZeroDivisionError("bug")])
    with pytest.raises(ZeroDivisionError):
        await run(World({"primary": [both]}), 100)


async def test_nothing_spins_even_when_chance_is_unkind(autojump_clock: MockClock) -> None:
    world = World({"primary": [Refused("no Home Assistant at this address")], "backup": [Transient("down")]})
    await run(world, 600, chance=lambda: 0.05)
    assert len(world.tried) < 150
