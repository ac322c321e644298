from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from ingest.actors import subscription
from ingest.actors.connection import CommandFailed, Connection
from ingest.actors.subscription import CHUNK, Patience
from ingest.core import reports
from ingest.core.conversation import REGISTRY_EVENTS
from ingest.core.reports import Report
from ingest.core.state import Frame, Source
from ingest.errors import Refused, Transient
from ingest.runtime.link import Link, Overflow, Weight
from tests.actors.peer import Peer, Reply, answering, connection, no, ok, playing
from tests.core.changes import state
from tests.core.test_conversation import event
from tests.support.taken import drained, taken

PATIENCE = Patience()


@asynccontextmanager
async def talking(**answers: Reply) -> AsyncGenerator[tuple[Connection, Peer]]:
    async with playing(answering(**answers)) as peer, connection(peer.dial) as opened:
        yield opened, peer


def heard(peer: Peer) -> list[dict[str, Any]]:
    return [message for side in peer.sides for message in side.heard if message["type"] not in {"auth", "ping"}]


def intake(capacity: int = 100_000) -> Link[Frame]:
    return Link("intake", Weight(capacity, 10**9), lambda frame: Weight(len(frame.changes), frame.size))


def names(link: Link[Frame]) -> list[str]:
    return [change.data.entity_id for frame in drained(link) for change in frame.changes]


def config(*states: str) -> Reply:
    """`get_config` answers that go through these states; the last one stays."""
    following: Iterator[str] = iter(states)
    now = [""]

    def reply(_message: dict[str, Any]) -> list[object]:
        now[0] = next(following, now[0])
        return [ok({"state": now[0], "version": "2025.4.4"})]

    return reply


RUNNING = config("RUNNING")


async def snapshot(opened: Connection, link: Link[Frame], share: float = 1.0) -> list[Report]:
    emitted: list[Report] = []
    with link.sender(Overflow.BLOCK, share=share) as sender:
        await subscription.take_snapshot(opened, opened, sender, emitted.append, PATIENCE)
    return emitted


async def test_features_are_announced_and_a_server_without_them_is_fine(autojump_clock: MockClock) -> None:
    async with talking() as (opened, peer):
        await subscription.announce_features(opened, PATIENCE)
        assert heard(peer) == [{"id": 1, "type": "supported_features", "features": {"coalesce_messages": 1}}]
    async with talking(supported_features=[no("unknown_command")]) as (opened, _):
        await subscription.announce_features(opened, PATIENCE)


async def test_every_registry_is_followed_once(autojump_clock: MockClock) -> None:
    async with talking() as (opened, peer):
        await subscription.follow_registries(opened, PATIENCE)
        assert [message["event_type"] for message in heard(peer)] == list(REGISTRY_EVENTS)


async def test_a_server_without_registries_is_fine(autojump_clock: MockClock) -> None:
    async with talking(subscribe_events=[no("not_found")]) as (opened, peer):
        await subscription.follow_registries(opened, PATIENCE)
        assert [message["event_type"] for message in heard(peer)] == list(REGISTRY_EVENTS)


async def test_changes_are_subscribed_to_once(autojump_clock: MockClock) -> None:
    async with talking() as (opened, peer):
        await subscription.subscribe(opened, PATIENCE)
        assert [message["event_type"] for message in heard(peer)] == ["state_changed"]


async def test_who_may_not_subscribe_is_told_what_to_do(autojump_clock: MockClock) -> None:
    async with talking(subscribe_events=[no("unauthorized")]) as (opened, _):
        with pytest.raises(Refused) as caught:
            await subscription.subscribe(opened, PATIENCE)
    assert "token" in caught.value.remedy


async def test_a_subscription_that_fails_otherwise_is_tried_again_later(autojump_clock: MockClock) -> None:
    async with talking(subscribe_events=[no("home_assistant_error")]) as (opened, _):
        with pytest.raises(CommandFailed):
            await subscription.subscribe(opened, PATIENCE)


@pytest.mark.parametrize("act", ["announce_features", "follow_registries", "subscribe"])
async def test_no_answer_is_transient_and_takes_as_long_as_patience(act: str, autojump_clock: MockClock) -> None:
    async with talking(supported_features=[], subscribe_events=[]) as (opened, _):
        with pytest.raises(Transient, match="no answer to"):
            await getattr(subscription, act)(opened, PATIENCE)
    assert PATIENCE.answer <= trio.current_time() <= PATIENCE.answer + 2


async def test_a_snapshot_waits_until_home_assistant_runs(autojump_clock: MockClock) -> None:
    begun = trio.current_time()
    states = [ok([state("a.1", "on")])]
    starting = config(*["NOT_RUNNING"] * 4, "STARTING", "RUNNING")
    link = intake()
    async with talking(get_config=starting, get_states=states) as (opened, peer):
        emitted = await snapshot(opened, link)
        asked = [message["type"] for message in heard(peer)]
    assert asked == ["get_config"] * 6 + ["get_states"]
    assert trio.current_time() - begun >= 5 * PATIENCE.poll
    assert emitted == [reports.Received(1, Source.SNAPSHOT), reports.Snapshot(1, complete=True)]


@pytest.mark.parametrize("reply", [[no("unknown_command")], [ok()], [ok([1])], [ok({})]])
async def test_a_server_that_cannot_say_whether_it_runs_is_asked_all_the_same_and_nobody_claims_it_was_complete(
    reply: Reply, autojump_clock: MockClock
) -> None:
    link = intake()
    async with talking(get_config=reply, get_states=[ok([state("a.1", "on")])]) as (opened, _):
        emitted = await snapshot(opened, link)
    assert names(link) == ["a.1"]
    assert emitted[-1] == reports.Snapshot(1, complete=False)


async def test_a_snapshot_never_overtakes_a_change(autojump_clock: MockClock) -> None:
    """Whatever came before the pong is on the link first."""
    link = intake()
    live = link.sender(Overflow.DROP_OLDEST)

    def slow_pong(_message: dict[str, Any]) -> list[object]:
        return [json.dumps(event(f"live.{number}", number=1)) for number in range(3)] + [{"type": "pong"}]

    def deliver(value: object) -> None:
        assert isinstance(value, Frame)
        live.put(value)

    states = [ok([state("snapshot.1", "on")])]
    act = answering(ping=slow_pong, get_config=RUNNING, get_states=states)
    async with playing(act) as peer, connection(peer.dial, deliver) as opened:
        await subscription.subscribe(opened, PATIENCE)
        await snapshot(opened, link)
    assert names(link) == ["live.0", "live.1", "live.2", "snapshot.1"]


async def test_a_large_snapshot_comes_in_chunks_and_leaves_room_for_changes(autojump_clock: MockClock) -> None:
    link = intake(capacity=4 * CHUNK)
    states = [ok([state(f"a.{number}", "on") for number in range(3 * CHUNK + 1)])]
    emitted: list[Report] = []
    sizes: list[int] = []

    async def drain() -> None:
        async for frame in link.receiver():
            sizes.append(len(frame.changes))
            await trio.sleep(1)

    async with talking(get_config=RUNNING, get_states=states) as (opened, _), trio.open_nursery() as nursery:
        nursery.start_soon(drain)
        emitted += await snapshot(opened, link, share=0.25)
    assert sizes == [CHUNK, CHUNK, CHUNK, 1]
    assert link.peak.events <= CHUNK
    assert emitted[-1] == reports.Snapshot(3 * CHUNK + 1, complete=True)
    assert sum(each.count for each in emitted if isinstance(each, reports.Received)) == 3 * CHUNK + 1


async def test_a_state_that_cannot_be_read_costs_the_others_nothing(autojump_clock: MockClock) -> None:
    link = intake()
    states = [ok([state("a.1", "on"), {"entity_id": "a.2"}, 7, state("a.3", "on")])]
    async with talking(get_config=RUNNING, get_states=states) as (opened, _):
        emitted = await snapshot(opened, link)
    assert names(link) == ["a.1", "a.3"]
    assert [type(each).__name__ for each in emitted] == ["MalformedMessage"] * 2 + ["Received", "Snapshot"]


async def test_states_none_of_which_can_be_read_make_a_frame_that_only_says_that_it_is_the_last(
    autojump_clock: MockClock,
) -> None:
    link = intake()
    async with talking(get_config=RUNNING, get_states=[ok([7, 8])]) as (opened, _):
        await snapshot(opened, link)
    frame = taken(link)
    assert frame is not None
    assert (frame.changes, frame.final) == ([], True)


@pytest.mark.parametrize("answer", [ok(), ok({}), ok("x"), no("unauthorized")])
async def test_a_snapshot_that_is_none_ends_the_session_only(answer: object, autojump_clock: MockClock) -> None:
    async with talking(get_config=RUNNING, get_states=[answer]) as (opened, _):
        with pytest.raises(Transient, match="get_states"):
            await snapshot(opened, intake())


async def test_a_snapshot_into_a_broken_link_is_in_the_books(autojump_clock: MockClock) -> None:
    link = intake()
    link.receiver().close()
    emitted: list[Report] = []
    with link.sender(Overflow.DROP_NEWEST) as sender:
        async with talking(get_config=RUNNING, get_states=[ok([state("a.1", "on")])]) as (opened, _):
            await subscription.take_snapshot(opened, opened, sender, emitted.append, PATIENCE)
    shed = next(each for each in emitted if isinstance(each, reports.Shed))
    assert (shed.count, shed.entities) == (1, ("a.1",))
