from __future__ import annotations

import json
import time
from collections.abc import AsyncGenerator, Collection, Sequence
from contextlib import asynccontextmanager

import pytest
import trio
from attrs import define, field
from trio.testing import MockClock
from wsproto.frame_protocol import FrameProtocol

from ingest.actors.connection import CommandFailed, TokenRefused
from ingest.actors.connector import Candidate
from ingest.actors.session import FRAME_CHANGES, Sessions, _steady
from ingest.core import reports
from ingest.core.catalog import NO_CATALOG, Catalog
from ingest.core.home_clock import HomeClock
from ingest.core.point import Facts
from ingest.core.reports import Report
from ingest.core.state import Frame, Source
from ingest.edge.websocket import open_socket
from ingest.errors import IngestError, Transient
from ingest.runtime.link import Link, Overflow, Weight
from ingest.runtime.supervise import one_error
from ingest.runtime.watch import Watch
from tests.actors.peer import DEADLINES, TARGET, TOKEN, VERSION, Act, Peer, Reply, Side, answering, no, ok, playing
from tests.core.changes import change, state
from tests.core.test_conversation import event
from tests.support.taken import drained

REGISTRIES: dict[str, Reply] = {
    f"config/{kind}_registry/list": [ok([])] for kind in ("area", "floor", "label", "device", "entity")
}
ANSWERS: dict[str, Reply] = {
    **REGISTRIES,
    "get_config": [ok({"state": "RUNNING"})],
    "get_states": [ok([state("a.1", "on")])],
}


@define(eq=False)
class Held:
    """A session in progress."""

    peer: Peer
    link: Link[Frame]
    catalog: Watch[Catalog]
    emitted: list[Report] = field(factory=list)
    live_at: list[float] = field(factory=list)

    def sent(self, side: int) -> list[str]:
        """What was asked on the live (0) or the bulk (1) connection, authentication and pings left out."""
        heard = [message for message in self.peer.sides[side].heard if message["type"] not in {"auth", "ping"}]
        return [message.get("event_type", message["type"]) for message in heard]

    def names(self) -> list[str]:
        return [type(report).__name__ for report in self.emitted]


@asynccontextmanager
async def holding(
    *acts: Act, catalog: Catalog = NO_CATALOG, registry_wait: float = 10.0, intake: int = 100_000
) -> AsyncGenerator[Held]:
    """Hold a session with these acts (live, then bulk) while the block runs; what ends it is the block's error."""
    link: Link[Frame] = Link("intake", Weight(intake, 10**9), lambda frame: Weight(len(frame.changes), frame.size))
    async with playing(*acts) as peer:
        held = Held(peer, link, Watch(catalog))
        sessions = Sessions(
            link.sender(Overflow.DROP_OLDEST),
            link.sender(Overflow.BLOCK, share=0.25),
            held.catalog,
            held.emitted.append,
            DEADLINES,
            peer.open,
            registry_wait,
        )
        left = False
        try:
            with one_error():
                async with trio.open_nursery() as nursery:
                    candidate = Candidate("primary", TARGET, lambda: TOKEN)
                    nursery.start_soon(
                        sessions.hold, candidate, TOKEN, lambda: held.live_at.append(trio.current_time())
                    )
                    yield held
                    left = True
                    nursery.cancel_scope.cancel()
        except IngestError:
            if not left:
                raise


async def test_the_order_of_a_session_is_the_one_that_loses_nothing(autojump_clock: MockClock) -> None:
    async with holding(answering(**ANSWERS)) as held:
        await trio.sleep(5)
        assert held.sent(0) == [
            "supported_features",
            "area_registry_updated",
            "device_registry_updated",
            "entity_registry_updated",
            "floor_registry_updated",
            "label_registry_updated",
            "state_changed",
        ]
        assert held.sent(1) == [*REGISTRIES, "get_config", "get_states"]
        assert len(held.live_at) == 1
    states = [report.state.value for report in held.emitted if isinstance(report, reports.SessionChanged)]
    assert states == ["authenticating", "loading", "subscribing", "snapshot", "live"]
    connected = next(report for report in held.emitted if isinstance(report, reports.Connected))
    assert (connected.candidate, connected.ha_version, connected.attempts) == ("primary", VERSION, 1)


async def test_everything_large_goes_over_the_bulk_connection(autojump_clock: MockClock) -> None:
    async with holding(answering(**ANSWERS)) as held:
        await trio.sleep(60)
        assert not {"get_states", "get_config", *REGISTRIES} & set(held.sent(0))
        assert not {"state_changed", "entity_registry_updated"} & set(held.sent(1))


def slow_registries(seconds: float) -> Act:
    return slow(seconds, {}, REGISTRIES)


def slow(seconds: float, other: dict[str, Reply], only: Collection[str] = ()) -> Act:
    """A bulk side that takes so long for an answer, or for those alone; `other` are answers that are not the usual ones."""

    async def act(side: Side) -> None:
        await side.accept()
        while True:
            message = await side.hear()
            if not only or message["type"] in only:
                await trio.sleep(seconds)
            (reply,) = {"ping": [{"type": "pong"}], **ANSWERS, **other}.get(message["type"], [ok()])  # type: ignore[misc]  # all are lists
            await side.say({**reply, "id": message["id"]})  # type: ignore[dict-item]  # of one dict

    return act


async def test_changes_wait_for_the_first_catalog_but_not_for_long(autojump_clock: MockClock) -> None:
    async with holding(answering(), slow_registries(15.0)) as held:
        await trio.sleep(9.5)
        assert "state_changed" not in held.sent(0)
        await trio.sleep(1)
        assert "state_changed" in held.sent(0)


async def test_with_a_catalog_from_before_nothing_waits(autojump_clock: MockClock) -> None:
    async with holding(answering(), slow_registries(15.0), catalog=Catalog({"a.1": Facts("r1")})) as held:
        await trio.sleep(0.5)
        assert "state_changed" in held.sent(0)
        assert held.catalog.value.facts("a.1").registry_id == "r1"


@pytest.mark.parametrize("seconds", [0.002, 0.02, 0.1])
async def test_a_reconnect_reads_the_registries_before_the_snapshot(autojump_clock: MockClock, seconds: float) -> None:
    """Who got another name meanwhile is in the old catalog under none: its states would be somebody else's."""
    entity = {"entity_id": "a.1", "id": "r1", "platform": "x"}
    renamed = slow(seconds, {"config/entity_registry/list": [ok([entity])]})
    async with holding(answering(), renamed, catalog=Catalog({"a.old": Facts("r1")})) as held:
        receiver = held.link.receiver()
        with trio.fail_after(5):
            frame = await receiver.receive()
        assert (frame.source, frame.changes[0].data.entity_id) == (Source.SNAPSHOT, "a.1")
        assert held.catalog.value.facts("a.1").registry_id == "r1"


@pytest.mark.parametrize("catalog", [Catalog({"a.1": Facts("r1")}), NO_CATALOG], ids=["a reconnect", "the first time"])
async def test_but_no_longer_than_changes_wait_for_the_first(autojump_clock: MockClock, catalog: Catalog) -> None:
    silent = answering(**{**ANSWERS, **{name: [] for name in REGISTRIES}})
    async with holding(answering(), silent, catalog=catalog, registry_wait=3.0) as held:
        receiver = held.link.receiver()
        await trio.sleep(2.5)
        assert not held.link.held.events
        with trio.fail_after(1):
            assert (await receiver.receive()).source is Source.SNAPSHOT


def chatting(*messages: object) -> Act:
    """A live side that says these right after the subscription to changes."""
    return answering(
        subscribe_events=lambda message: [ok(), *messages] if message["event_type"] == "state_changed" else [ok()]
    )


def frame_of(count: int) -> str:
    return json.dumps([event(f"a.{number}", number=7) for number in range(count)])


async def test_a_large_frame_is_split_and_counted_once(autojump_clock: MockClock) -> None:
    count = 2 * FRAME_CHANGES + 7
    async with holding(chatting(frame_of(count)), answering(**{**ANSWERS, "get_states": [ok([])]})) as held:
        await trio.sleep(5)
    sizes = [len(frame.changes) for frame in drained(held.link) if frame.source is Source.LIVE]
    assert sizes == [FRAME_CHANGES, FRAME_CHANGES, 7]
    assert [report.count for report in held.emitted if isinstance(report, reports.Received)] == [count]


def bursting(*messages: str) -> Act:
    """A live side that says these right after the subscription to changes, each in a frame of its own, all in one piece."""
    protocol = FrameProtocol(client=False, extensions=[])
    burst = b"".join(bytes(protocol.send_data(message)) for message in messages)

    async def act(side: Side) -> None:
        await side.accept()
        while True:
            message = await side.hear()
            await side.say({**ok(), "id": message["id"]})
            if message.get("event_type") == "state_changed":
                await side.socket._stream.send_all(burst)

    return act


def singles(count: int) -> list[str]:
    return [json.dumps(event(f"a.{number}", number=7)) for number in range(count)]


NO_STATES: dict[str, Reply] = {**ANSWERS, "get_states": [ok([])]}


async def test_single_frames_that_arrive_together_are_one_hop_and_one_report(autojump_clock: MockClock) -> None:
    async with holding(bursting(*singles(200)), answering(**NO_STATES)) as held:
        await trio.sleep(5)
    (frame,) = [frame for frame in drained(held.link) if frame.source is Source.LIVE]
    assert [change.data.entity_id for change in frame.changes] == [f"a.{number}" for number in range(200)]
    assert [report.count for report in held.emitted if isinstance(report, reports.Received)] == [200]


async def test_single_frames_obey_the_intakes_capacity(autojump_clock: MockClock) -> None:
    async with holding(bursting(*singles(3 * FRAME_CHANGES)), answering(**NO_STATES), intake=FRAME_CHANGES) as held:
        await trio.sleep(5)
        assert held.link.held.events <= FRAME_CHANGES
    shed = [report for report in held.emitted if isinstance(report, reports.Shed)]
    live = sum(report.count for report in held.emitted if isinstance(report, reports.Received))
    assert sum(report.count for report in shed) == live - held.link.held.events >= 2 * FRAME_CHANGES
    assert all(report.entities for report in shed)


async def test_what_came_before_a_frame_that_cannot_be_read_is_kept(autojump_clock: MockClock) -> None:
    with pytest.raises(Transient, match="a frame that cannot be read"):
        async with holding(bursting(*singles(3), "{", *singles(3)), answering(**NO_STATES)) as held:
            await trio.sleep(5)
    assert [len(frame.changes) for frame in drained(held.link)] == [3]


async def test_a_single_malformed_event_costs_its_neighbours_nothing(autojump_clock: MockClock) -> None:
    bad = json.dumps({"type": "event", "event": {}, "id": 7})
    async with holding(bursting(*singles(3), bad, *singles(3)), answering(**NO_STATES)) as held:
        await trio.sleep(5)
    assert [len(frame.changes) for frame in drained(held.link) if frame.source is Source.LIVE] == [3, 3]
    assert [name for name in held.names() if name.endswith("Message")] == ["MalformedMessage"]


async def test_what_the_intake_has_no_room_for_is_named(autojump_clock: MockClock) -> None:
    async with holding(chatting(frame_of(3 * FRAME_CHANGES)), answering(**ANSWERS), intake=FRAME_CHANGES) as held:
        await trio.sleep(1)
    (shed,) = [report for report in held.emitted if isinstance(report, reports.Shed)][-1:]
    assert shed.link == "intake"
    assert shed.entities
    total = sum(report.count for report in held.emitted if isinstance(report, reports.Shed))
    assert total == 2 * FRAME_CHANGES


@pytest.mark.parametrize(
    ("messages", "kinds"),
    [
        ([json.dumps({"type": "event", "event": {}, "id": 7})], ["MalformedMessage"]),
        ([json.dumps({"type": "event", "event": {}, "id": 2})], ["MalformedMessage"]),
        ([json.dumps({"type": "news"}), json.dumps({"type": "auth_ok"})], ["UnexpectedMessage", "UnexpectedMessage"]),
    ],
)
async def test_what_cannot_be_used_is_reported_and_the_session_goes_on(
    messages: Sequence[str], kinds: list[str], autojump_clock: MockClock
) -> None:
    async with holding(chatting(*messages), answering(**ANSWERS)) as held:
        await trio.sleep(5)
        assert len(held.live_at) == 1
    assert [name for name in held.names() if name.endswith("Message")] == kinds


async def test_a_frame_that_cannot_be_read_breaks_the_session_for_nobody_knows_what_was_in_it(
    autojump_clock: MockClock,
) -> None:
    with pytest.raises(Transient, match="a frame that cannot be read"):
        async with holding(chatting("{"), answering(**ANSWERS)) as held:
            await trio.sleep(5)
    assert [name for name in held.names() if name.endswith("Message")] == ["MalformedMessage"]


async def test_an_excerpt_of_a_message_shows_no_secret(autojump_clock: MockClock) -> None:
    planted = json.dumps({"type": "event", "event": {"access_token": "planted-secret"}, "id": 7})
    async with holding(chatting(planted), answering(**ANSWERS)) as held:
        await trio.sleep(5)
    assert "MalformedMessage" in held.names()
    assert "planted-secret" not in str(held.emitted)


async def test_a_registry_event_makes_a_new_catalog(autojump_clock: MockClock) -> None:
    updated = {"event_type": "area_registry_updated", "data": {"action": "create", "area_id": "x"}}
    message = json.dumps({"type": "event", "event": updated, "id": 2})
    async with holding(chatting(message), answering(**ANSWERS)) as held:
        await trio.sleep(30)
    assert held.names().count("CatalogLoaded") == held.names().count("CatalogChanged") == 1


async def hang_up_soon(side: Side) -> None:
    with trio.move_on_after(20):
        await answering(**ANSWERS)(side)


@pytest.mark.parametrize("acts", [(hang_up_soon, answering(**ANSWERS)), (answering(**ANSWERS), hang_up_soon)])
async def test_both_connections_live_and_die_together(acts: Sequence[Act], autojump_clock: MockClock) -> None:
    with pytest.raises(Transient):
        await _held_to_the_end(*acts)
    assert trio.current_time() < 30


async def _held_to_the_end(*acts: Act) -> None:
    async with holding(*acts):
        await trio.sleep_forever()


async def test_why_a_session_ends_is_not_hidden_by_its_own_goodbye(autojump_clock: MockClock) -> None:
    no_states = {**ANSWERS, "get_states": [no("unknown_error")]}
    with pytest.raises(CommandFailed, match="get_states"):
        await _held_to_the_end(answering(**ANSWERS), answering(**no_states))


async def test_a_token_that_only_the_bulk_connection_finds_refused_is_still_a_refusal(
    autojump_clock: MockClock,
) -> None:
    async def refuse(side: Side) -> None:
        await side.say({"type": "auth_required", "ha_version": VERSION})
        await side.hear()
        await side.say({"type": "auth_invalid", "message": "no"})

    with pytest.raises(TokenRefused):
        await _held_to_the_end(answering(**ANSWERS), refuse)


async def test_a_clock_that_is_set_forward_during_a_session_changes_nothing(autojump_clock: MockClock) -> None:
    wall = [10**18]
    clock = HomeClock(_steady(lambda: wall[0]))
    clock.heard(10**18 + 5 * 10**9)
    wall[0] += 3_600 * 10**9
    await trio.sleep(2)
    assert clock.now_ns() == 10**18 + 7 * 10**9


def test_that_a_snapshot_is_through_is_not_lost_with_its_last_frame() -> None:
    link: Link[Frame] = Link("intake", Weight(1, 10**9), lambda frame: Weight(len(frame.changes), frame.size))
    live, snapshot = link.sender(Overflow.DROP_OLDEST), link.sender(Overflow.BLOCK)
    emitted: list[Report] = []
    sessions = Sessions(live, snapshot, Watch(NO_CATALOG), emitted.append, DEADLINES, open_socket, attempts=2)
    sessions._clock = HomeClock(time.time_ns)
    for session in (1, 2):
        snapshot.put(Frame([change(state("a.1", "on"))], 10, Source.SNAPSHOT, session, final=True))
    sessions._take(Frame([change(state("a.2", "on"))], 10, session=2))
    assert [(len(frame.changes), frame.size, frame.session, frame.final) for frame in drained(link)] == [
        (1, 10, 2, False), (0, 0, 2, True),
    ]  # fmt: skip
    assert [each.count for each in emitted if isinstance(each, reports.Shed)] == [2]
