"""What the recorder shows of a home's past, and what it says of itself, as a client meets both."""

from __future__ import annotations

import json
from typing import Any

import h11
import pytest
import trio
from trio.testing import MockClock

from ingest.simulator import recorder_faults as r
from ingest.simulator.history import Question, full
from ingest.simulator.home import Home
from ingest.simulator.rest import answer
from ingest.simulator.script import happen
from ingest.simulator.serve import Peer
from ingest.simulator.values import SECOND, iso
from tests.simulator.caller import TOKEN, Caller, caller

KEY = "sensor.made"


async def asked(client: Caller, home: Home, key: str = KEY) -> list[str | None]:
    """The states in the history of an entity, since the home began."""
    answered = await client.ask(
        "history/history_during_period",
        start_time=iso(home.start - 3600 * SECOND).decode(),
        end_time=iso(home.present() + 3600 * SECOND).decode(),
        entity_ids=[key],
        significant_changes_only=False,
        include_start_time_state=False,
    )
    return [row["s"] for row in answered["result"].get(key, [])]


async def info(client: Caller) -> dict[str, Any]:
    result: dict[str, Any] = (await client.ask("recorder/info"))["result"]
    return result


def made(home: Home, *states: str) -> None:
    for state in states:
        home.set(KEY, state, {})


async def begun(nursery: trio.Nursery, peer: Peer, fault: Any) -> None:
    nursery.start_soon(happen, peer.server, fault)
    await trio.sleep(0.5)


async def test_by_default_everything_is_there_at_once(autojump_clock: MockClock, peer: Peer, home: Home) -> None:
    client = await caller(peer)
    made(home, "1", "2")
    assert await asked(client, home) == ["1", "2"]
    told = await info(client)
    assert (told["backlog"], told["recording"], told["thread_running"]) == (0, True, True)


async def test_what_is_not_committed_is_not_there(autojump_clock: MockClock, peer: Peer, home: Home) -> None:
    client = await caller(peer)
    await happen(peer.server, r.Commits(5))
    await trio.sleep(0.5)
    made(home, "1")
    assert await asked(client, home) == []
    await trio.sleep(5)
    made(home, "2")
    assert await asked(client, home) == ["1"]
    await trio.sleep(5)
    assert await asked(client, home) == ["1", "2"]


async def test_what_happens_while_it_is_off_is_never_there(
    autojump_clock: MockClock, peer: Peer, home: Home, nursery: trio.Nursery
) -> None:
    client = await caller(peer)
    made(home, "1")
    await begun(nursery, peer, r.RecorderOff(10))
    made(home, "2")
    assert (await info(client))["recording"] is False
    assert await asked(client, home) == ["1"]
    await trio.sleep(10)
    made(home, "3")
    assert (await info(client))["recording"] is True
    assert await asked(client, home) == ["1", "3"]


async def test_what_happens_while_it_stands_still_is_there_later(
    autojump_clock: MockClock, peer: Peer, home: Home, nursery: trio.Nursery
) -> None:
    client = await caller(peer)
    made(home, "1")
    await begun(nursery, peer, r.RecorderBehind(10))
    made(home, "2", "3")
    assert (await info(client))["backlog"] >= 2
    assert await asked(client, home) == ["1"]
    await trio.sleep(10)
    assert (await info(client))["backlog"] == 0
    assert await asked(client, home) == ["1", "2", "3"]


async def test_what_it_leaves_out_is_not_there(autojump_clock: MockClock, peer: Peer, home: Home) -> None:
    client = await caller(peer)
    made(home, "1")
    await happen(peer.server, r.Exclude(("sensor.m*",)))
    await happen(peer.server, r.Exclude(("light.*",)))
    assert await asked(client, home) == []
    assert await asked(client, home, "light.kitchen") == []
    assert await asked(client, home, "sun.sun") != []
    assert home.past.rows(KEY)


async def test_what_was_purged_is_not_there(autojump_clock: MockClock, peer: Peer, home: Home) -> None:
    client = await caller(peer)
    made(home, "1")
    await trio.sleep(20)
    made(home, "2")
    await happen(peer.server, r.Purge(10))
    assert await asked(client, home) == ["2"]


@pytest.mark.parametrize(("part", "states"), [(0.5, ["1", "2"]), (0.0, []), (1.0, ["1", "2", "3"])])
async def test_a_part_of_the_rows(
    autojump_clock: MockClock, peer: Peer, home: Home, nursery: trio.Nursery, part: float, states: list[str]
) -> None:
    client = await caller(peer)
    made(home, "1", "2", "3")
    await begun(nursery, peer, r.PartialHistory(10, part))
    assert await asked(client, home) == states
    await trio.sleep(10)
    assert await asked(client, home) == ["1", "2", "3"]


async def test_a_late_answer_holds_up_no_other(
    autojump_clock: MockClock, peer: Peer, home: Home, nursery: trio.Nursery
) -> None:
    client, other = await caller(peer), await caller(peer)
    await begun(nursery, peer, r.LateHistory(30, 20))
    start = trio.current_time()
    nursery.start_soon(asked, other, home)
    await trio.sleep(1)
    assert (await client.ask("ping"))["type"] == "pong"
    assert await asked(client, home) == []
    assert trio.current_time() - start == pytest.approx(31, abs=0.1)
    start = trio.current_time()
    await asked(client, home)
    assert trio.current_time() - start < 0.1


async def test_commands_after_a_late_one_are_answered_before_it(
    autojump_clock: MockClock, peer: Peer, home: Home, nursery: trio.Nursery
) -> None:
    client = await caller(peer)
    await begun(nursery, peer, r.LateHistory(5, 20))
    ask = {"type": "history/history_during_period", "start_time": iso(home.start).decode(), "entity_ids": [KEY]}
    await client.say({"id": 1, **ask})
    await client.say({"id": 2, "type": "ping"})
    assert [(await client.hear())["id"], (await client.hear())["id"]] == [2, 1]


async def test_silence(autojump_clock: MockClock, peer: Peer, home: Home, nursery: trio.Nursery) -> None:
    client = await caller(peer)
    await begun(nursery, peer, r.SilentHistory(20))
    with trio.move_on_after(60) as scope:
        await asked(client, home)
    assert scope.cancelled_caught
    assert await asked(client, home) == []


async def test_the_rest_api_shows_what_the_recorder_shows(autojump_clock: MockClock, peer: Peer, home: Home) -> None:
    made(home, "1")
    await trio.sleep(10)
    made(home, "2")
    await happen(peer.server, r.Purge(5))
    target = f"/api/history/period/{iso(home.start).decode().replace('+', '%2B')}?filter_entity_id={KEY}"
    headers = [("Host", "home"), ("Authorization", f"Bearer {TOKEN}")]
    request = h11.Request(method="GET", target=target, headers=headers)
    (rows,) = json.loads(answer(peer.server.instance, request, b"").body)
    assert [row["state"] for row in rows] == ["2"]
    question = Question(home.start, home.present() + 1, (KEY,))
    assert len(json.loads(full(home.past, question))[0]) == 2


async def test_switched_off_twice_at_a_time_it_records_again_after_the_last_end(
    autojump_clock: MockClock, peer: Peer
) -> None:
    client, home = await caller(peer), peer.server.home
    async with trio.open_nursery() as nursery:
        nursery.start_soon(happen, peer.server, r.RecorderOff(10))
        await trio.sleep(5)
        nursery.start_soon(happen, peer.server, r.RecorderOff(10))
        await trio.sleep(7)
        made(home, "missed")
        assert (await info(client))["recording"] is False
    await trio.sleep(1)
    made(home, "kept")
    assert await asked(client, home) == ["kept"]
    assert (await info(client))["recording"] is True
