"""The server under a virtual clock, over connections in memory."""

from __future__ import annotations

from datetime import timedelta

import pytest
import trio
from trio.testing import MockClock

from ingest.simulator.client import MOST_PENDING
from ingest.simulator.home import Home
from ingest.simulator.serve import Peer
from ingest.simulator.values import iso, moment
from tests.simulator.caller import Caller, caller, listener, server_of

HOUR = 3600.0


def keys(events: list[dict[str, object]]) -> list[tuple[str, str]]:
    return [(str(event["data"]["entity_id"]), str(event["time_fired"])) for event in events]  # type: ignore[index]  # JSON


async def test_a_change_comes_when_it_happens(autojump_clock: MockClock, peer: Peer, home: Home) -> None:
    client = await listener(peer)
    due = home.due()
    (event,) = await client.events(1)
    assert event["time_fired"] >= iso(home.start).decode()
    assert peer.server.time() >= due
    assert peer.server.time() - due < timedelta(minutes=1)


async def test_the_past_is_replayed_to_the_first_listener_then_time_goes_on(
    autojump_clock: MockClock, home: Home, nursery: trio.Nursery
) -> None:
    server = server_of(home, ahead=2 * HOUR)
    nursery.start_soon(server.run)
    peer = Peer(server, nursery)
    await trio.sleep(100)
    assert home.now == home.start
    created = len(home.truth())
    begun = trio.current_time()
    client = await listener(peer)
    while moment(home.now) < server.time() - timedelta(minutes=2):
        await client.events(1)
    assert trio.current_time() - begun < 10
    with trio.move_on_after(HOUR / 2) as scope:
        heard = await client.events(100)
    assert not scope.cancelled_caught
    assert heard[-1]["time_fired"] > iso(home.start).decode()
    assert len(home.truth()) > created
    nursery.cancel_scope.cancel()


async def test_snapshot_and_events_meet(autojump_clock: MockClock, home: Home, nursery: trio.Nursery) -> None:
    """During a replay: every event later than the snapshot continues it, entity by entity."""
    server = server_of(home, ahead=20 * HOUR)
    nursery.start_soon(server.run)
    peer = Peer(server, nursery)
    client, other = await listener(peer), await caller(peer)
    await trio.sleep(0.05)
    states = {one["entity_id"]: one for one in (await other.ask("get_states"))["result"]}
    newest = max(state["last_updated"] for state in states.values())
    assert newest < iso(home.start + 19 * 3_600_000_000).decode()
    events = [event for event in await client.events(2000) if event["time_fired"] > newest]
    assert len(events) > 1000
    for event in events:
        key, old, new = (event["data"][one] for one in ("entity_id", "old_state", "new_state"))
        assert states.get(key) == old
        states[key] = new
    nursery.cancel_scope.cancel()


async def test_coalesced_messages_come_in_arrays_and_others_alone(autojump_clock: MockClock, peer: Peer) -> None:
    together, alone = await listener(peer), await listener(peer, coalesce=False)
    together.frames.clear()
    alone.frames.clear()
    await peer.server.burst(1000, batch=250)
    events = [await client.events(1000) for client in (together, alone)]
    assert keys(events[0]) == keys(events[1])
    assert max(together.frames) > 100
    assert set(alone.frames) == {1}


async def test_a_burst_over_the_limit_in_one_turn_drops_every_client(autojump_clock: MockClock, peer: Peer) -> None:
    at_limit = await listener(peer)
    await peer.server.burst(MOST_PENDING, batch=MOST_PENDING)
    assert len(await at_limit.events(MOST_PENDING)) == MOST_PENDING
    before = len(at_limit.frames)
    await peer.server.burst(MOST_PENDING + 1, batch=MOST_PENDING + 1)
    assert not await at_limit.rest()
    assert at_limit.closed == 1000
    assert len(at_limit.frames) == before


async def test_a_client_that_is_behind_for_ten_seconds_is_dropped(
    autojump_clock: MockClock, home: Home, peer: Peer
) -> None:
    slow = await listener(peer)
    await peer.server.burst(600, batch=600)
    await trio.sleep(0.1)
    await peer.server.burst(1500, batch=1500)
    (client,) = peer.server.clients()
    assert len(client.queue) == 1500
    await trio.sleep(8)  # the burst itself has waited for a second
    assert len(client.queue) == 1500
    await trio.sleep(2)
    assert client.dropped
    heard = [
        m["event"] for m in await slow.rest() if m["type"] == "event" and "burst" in m["event"]["data"]["entity_id"]
    ]
    assert [int(event["data"]["new_state"]["state"]) for event in heard] == list(range(len(heard)))
    assert slow.closed == 1000


async def test_a_client_that_catches_up_within_ten_seconds_stays(autojump_clock: MockClock, peer: Peer) -> None:
    slow = await listener(peer)
    await peer.server.burst(600, batch=600)
    await trio.sleep(0.1)
    await peer.server.burst(1500, batch=1500)
    await trio.sleep(7)
    assert len(await slow.events(2100)) == 2100
    await trio.sleep(20)
    assert (await slow.ask("ping"))["type"] == "pong"


async def test_silence_instead_of_authentication_is_closed_after_ten_seconds(
    autojump_clock: MockClock, peer: Peer
) -> None:
    client = Caller(await peer.connect())
    await client.open()
    begun = trio.current_time()
    assert await client.rest() == []
    assert client.closed == 1000
    assert 9.9 < trio.current_time() - begun < 10.5


async def test_a_wrong_token_is_told_and_closed(autojump_clock: MockClock, peer: Peer) -> None:
    client = Caller(await peer.connect())
    await client.open()
    await client.say({"type": "auth", "access_token": "nonsense"})
    assert [message["type"] for message in await client.rest()] == ["auth_invalid"]
    assert client.closed == 1000


async def test_what_is_not_json_closes(autojump_clock: MockClock, peer: Peer) -> None:
    client = await caller(peer)
    await client.say("this is not json")
    assert await client.rest() == []
    assert client.closed == 1000


async def test_the_server_pings_and_leaves_who_does_not_answer(autojump_clock: MockClock, peer: Peer) -> None:
    deaf = await Caller(await peer.connect(), pong=False).login()
    polite = await caller(peer)
    begun = trio.current_time()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(polite.rest)
        assert await deaf.rest() == []
        assert 82 < trio.current_time() - begun < 84
        assert deaf.closed is None
        await trio.sleep(200)
        assert len(peer.server.clients()) == 1
        nursery.cancel_scope.cancel()


async def test_a_client_that_says_goodbye_is_gone(autojump_clock: MockClock, peer: Peer) -> None:
    client = await caller(peer)
    await client.stream.aclose()
    await trio.sleep(1)
    assert peer.server.clients() == []


async def test_a_client_that_closes_is_answered(autojump_clock: MockClock, peer: Peer) -> None:
    client = await caller(peer)
    await client.stream.send_all(b"\x88\x80\x00\x00\x00\x00")
    assert await client.rest() == []


@pytest.mark.parametrize("data", [b"\x82\x80\x00\x00\x00\x00", b"\xff\xff\xff\xff"])
async def test_binary_and_broken_frames_end_it(autojump_clock: MockClock, peer: Peer, data: bytes) -> None:
    client = await caller(peer)
    await client.stream.send_all(data)
    assert await client.rest() == []


async def test_a_ping_of_the_client_is_answered_and_a_fragmented_message_understood(
    autojump_clock: MockClock, peer: Peer
) -> None:
    client = await caller(peer)
    await client.stream.send_all(b"\x89\x80\x00\x00\x00\x00")
    await client.stream.send_all(b"\x01\x8a\x00\x00\x00\x00" + b'{"id":1,"t')
    await client.stream.send_all(b"\x80\x8a\x00\x00\x00\x00" + b'ype":"ping"'[:10])
    await client.stream.send_all(b"")
    assert await _closed_or_pong(client)


async def _closed_or_pong(client: Caller) -> bool:
    # The fragments together lack their last brace: not JSON, hence a close.
    await client.rest()
    return client.closed == 1000


async def test_restart_by_service(autojump_clock: MockClock, peer: Peer, home: Home) -> None:
    client, bulk = await listener(peer), await caller(peer)
    await bulk.say({"id": 1, "type": "call_service", "domain": "homeassistant", "service": "restart"})
    await client.rest()
    assert client.closed == 1000
    with pytest.raises(ConnectionRefusedError):
        await peer.connect()
    await peer.server.accepting.until(bool)
    again, bulk = await listener(peer), await caller(peer)
    assert (await bulk.ask("get_config"))["result"]["state"] == "NOT_RUNNING"
    assert len((await bulk.ask("get_states"))["result"]) < 10
    await trio.sleep(5)
    assert (await bulk.ask("get_config"))["result"]["state"] == "RUNNING"
    assert len((await bulk.ask("get_states"))["result"]) >= len(home.registry.entities) - 1
    events = await again.events(50)
    assert events[0]["data"]["old_state"] is None


async def test_a_slow_reader_does_not_stop_the_home(autojump_clock: MockClock, peer: Peer, home: Home) -> None:
    await listener(peer)
    await peer.server.burst(600, batch=600)
    await trio.sleep(0.1)
    begun = trio.current_time()
    await peer.server.burst(1000, batch=500)
    assert trio.current_time() - begun < 3


async def test_time_may_run_faster(autojump_clock: MockClock, home: Home, nursery: trio.Nursery) -> None:
    from ingest.simulator.serve import clock  # noqa: PLC0415  the one place that needs it bare
    from ingest.simulator.server import Server  # noqa: PLC0415  as above
    from tests.simulator.caller import TOKEN  # noqa: PLC0415  as above

    server = Server(home, token=TOKEN, now=clock(moment(home.start)), speed=60.0)
    nursery.start_soon(server.run)
    client = await listener(Peer(server, nursery))
    await trio.sleep(60)
    assert server.time() - moment(home.start) >= timedelta(hours=1)
    assert len(await client.events(200)) == 200
    nursery.cancel_scope.cancel()


async def test_what_is_done_from_outside_happens_now(autojump_clock: MockClock, peer: Peer, home: Home) -> None:
    await trio.sleep(1)
    client = await caller(peer)
    await client.ask("call_service", domain="switch", service="toggle", target={"entity_id": "switch.fridge"})
    assert abs(moment(home.states["switch.fridge"].updated) - peer.server.time()) < timedelta(seconds=1)
