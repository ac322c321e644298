from __future__ import annotations

import json
from typing import Any

import pytest
import trio
from attrs import evolve
from trio.testing import MockClock, wait_all_tasks_blocked
from wsproto.frame_protocol import FrameProtocol

from ingest.actors.connection import CommandFailed, Deadlines, TokenRefused, peek_version, within
from ingest.core.conversation import NAMELESS, Received, Unexpected
from ingest.core.secret import Secret
from ingest.core.state import Frame
from ingest.edge.websocket import Target
from ingest.errors import IngestError, Refused, Transient
from ingest.runtime.supervise import one_error
from tests.actors.peer import DEADLINES, TARGET, TOKEN, VERSION, Act, Side, answering, connection, no, ok, playing
from tests.core.test_conversation import event

REQUIRED = {"type": "auth_required", "ha_version": VERSION}


async def silence(_side: Side) -> None:
    await trio.sleep_forever()


async def hang_up(_side: Side) -> None:
    return


def saying(*messages: object) -> Act:
    """Says the first, and each further one after it heard something."""

    async def act(side: Side) -> None:
        await side.say(messages[0])
        for message in messages[1:]:
            await side.hear()
            await side.say(message)
        await trio.sleep_forever()

    return act


async def failure(*acts: Act) -> IngestError:
    async with playing(*acts) as peer:
        with pytest.raises(IngestError) as caught:
            async with connection(peer.dial):
                pytest.fail("connected")
    assert TOKEN not in str(caught.value)
    assert caught.value.where == TARGET.url
    return caught.value


async def test_the_token_is_sent_once_and_the_version_learnt(autojump_clock: MockClock) -> None:
    async with playing(answering()) as peer:
        async with connection(peer.dial) as opened:
            assert opened.ha_version == VERSION
        assert peer.sides[0].heard == [{"type": "auth", "access_token": TOKEN}]


async def test_what_follows_the_words_of_authentication_at_once_is_not_taken_for_them(
    autojump_clock: MockClock,
) -> None:
    async def act(side: Side) -> None:
        protocol = FrameProtocol(client=False, extensions=[])
        required, accepted, news = (
            bytes(protocol.send_data(json.dumps(said))) for said in (REQUIRED, {"type": "auth_ok"}, {"type": "news"})
        )
        await side.socket._stream.send_all(required + accepted + news)
        await trio.sleep_forever()

    delivered: list[Received] = []
    async with playing(act) as peer, connection(peer.dial, delivered.append):
        await wait_all_tasks_blocked()
    assert delivered == [Unexpected("news")]


async def test_a_refused_token_has_an_error_of_its_own_with_the_remedy(autojump_clock: MockClock) -> None:
    error = await failure(saying(REQUIRED, {"type": "auth_invalid", "message": "Invalid access token or password"}))
    assert isinstance(error, TokenRefused)
    assert "Invalid access token" in error.what
    assert "long-lived access token" in error.remedy


async def test_what_a_server_says_of_the_token_is_said_without_it(autojump_clock: MockClock) -> None:
    known = Secret(TOKEN).reveal()
    error = await failure(saying(REQUIRED, {"type": "auth_invalid", "message": f"nobody knows {known}"}))
    assert "the token: nobody knows ******** (" in str(error)
    assert "config/x: nobody knows ********" in str(
        CommandFailed("config/x", "odd", f"nobody knows {known}", where="here")
    )


@pytest.mark.parametrize("act", [silence, saying(REQUIRED)], ids=["at first", "after the token"])
async def test_silence_during_authentication_has_an_end(act: Act, autojump_clock: MockClock) -> None:
    assert type(await failure(act)) is Transient
    assert DEADLINES.auth <= trio.current_time() <= DEADLINES.auth + 2


@pytest.mark.parametrize(
    "act",
    [saying("hello"), saying({"type": "welcome"}), saying([]), saying(REQUIRED, {"type": "hm"}), saying(REQUIRED, "7")],
)
async def test_what_speaks_but_is_not_home_assistant_is_for_a_person(act: Act, autojump_clock: MockClock) -> None:
    error = await failure(act)
    assert type(error) is Refused
    assert "not Home Assistant" in error.what
    assert "home_assistant.url" in error.remedy


async def test_a_peer_that_hangs_up_is_transient(autojump_clock: MockClock) -> None:
    assert type(await failure(hang_up)) is Transient


async def test_connecting_has_a_deadline(autojump_clock: MockClock) -> None:
    async def never(_target: Target) -> trio.abc.Stream:
        await trio.sleep_forever()
        raise AssertionError

    with pytest.raises(Transient, match="within 10 s"):
        async with connection(never):
            pytest.fail("connected")
    assert trio.current_time() == DEADLINES.connect


async def test_answers_out_of_order_reach_who_asked(autojump_clock: MockClock) -> None:
    async def act(side: Side) -> None:
        await side.accept()
        asked = [await side.hear() for _ in range(3)]
        await side.say([{**ok(message["type"]), "id": message["id"]} for message in reversed(asked)])
        await trio.sleep_forever()

    found: dict[str, Any] = {}
    async with playing(act) as peer, connection(peer.dial) as opened:

        async def ask(command: str) -> None:
            found[command] = json.loads(bytes(await opened.ask(command)))

        async with trio.open_nursery() as nursery:
            for command in ("a", "b", "c"):
                nursery.start_soon(ask, command)
        ids = [message["id"] for message in peer.sides[0].heard[1:]]
    assert found == {"a": "a", "b": "b", "c": "c"}
    assert ids == [1, 2, 3]


async def test_a_failed_command_is_known_by_its_code(autojump_clock: MockClock) -> None:
    async with playing(answering(get_config=[no("unauthorized")])) as peer, connection(peer.dial) as opened:
        with pytest.raises(CommandFailed, match="get_config: no: unauthorized") as caught:
            await opened.ask("get_config")
        assert caught.value.code == "unauthorized"


async def test_a_failed_subscription_is_an_error(autojump_clock: MockClock) -> None:
    act = answering(subscribe_events=[no("unknown_command")])
    async with playing(act) as peer, connection(peer.dial) as opened:
        with pytest.raises(CommandFailed, match="subscribe_events state_changed"):
            await opened.subscribe("state_changed")


async def test_changes_before_the_answer_to_their_subscription_are_delivered(autojump_clock: MockClock) -> None:
    got: list[Received] = []
    early = answering(subscribe_events=lambda message: [event("a.1", number=message["id"]), ok()])
    async with playing(early) as peer, connection(peer.dial, got.append) as opened:
        await opened.subscribe("state_changed")
    assert [type(value) for value in got] == [Frame]


async def test_an_answer_to_nobody_disturbs_nobody(autojump_clock: MockClock) -> None:
    got: list[Received] = []
    act = answering(x=[json.dumps({**ok(), "id": 99}), json.dumps(ok()), "", ok(1)])
    async with playing(act) as peer, connection(peer.dial, got.append) as opened:
        assert bytes(await opened.ask("x")) == b"1"
    assert {"result", "an answer that nobody waits for"} <= {each.kind for each in got if isinstance(each, Unexpected)}


@pytest.mark.parametrize("error", [no("unknown_command"), {"type": "error", "error": "what?"}, {"type": "error"}])
async def test_an_error_without_an_id_is_that_of_the_command_that_waits_longest(
    error: dict[str, Any], autojump_clock: MockClock
) -> None:
    got: list[Received] = []
    act = answering(first=[json.dumps(error)], second=[ok(2), json.dumps(error)])
    async with playing(act) as peer, connection(peer.dial, got.append) as opened:
        with pytest.raises(CommandFailed) as caught:
            await opened.ask("first")
        assert bytes(await opened.ask("second")) == b"2"
        await trio.sleep(1)
    assert caught.value.code in {"unknown_command", NAMELESS}
    assert [each for each in got if isinstance(each, Unexpected)] == [Unexpected("an answer that nobody waits for")]


async def test_who_gave_up_waiting_is_not_missed_by_the_late_answer(autojump_clock: MockClock) -> None:
    async def act(side: Side) -> None:
        await side.accept()
        first = await side.hear()
        await trio.sleep(5)
        await side.say({**ok("late"), "id": first["id"]})
        await side.answer({"second": [ok("in time")]})

    async with playing(act) as peer, connection(peer.dial) as opened:
        with pytest.raises(Transient, match="too late"), within(1, "too late", "there"):
            await opened.ask("first")
        assert bytes(await opened.ask("second")) == b'"in time"'


async def test_a_connection_that_ends_is_an_error_of_the_block_and_of_nobody_else(autojump_clock: MockClock) -> None:
    async def act(side: Side) -> None:
        await side.accept()
        await trio.sleep(3)

    async with playing(act) as peer:
        with pytest.raises(Transient, match="closed by Home Assistant"):
            async with connection(peer.dial) as opened:
                await opened.ask("never answered")
    assert trio.current_time() < 5


async def test_a_half_open_connection_is_found_within_a_minute(autojump_clock: MockClock) -> None:
    async def act(side: Side) -> None:
        await side.accept()
        await trio.sleep_forever()

    async with playing(act) as peer:
        with pytest.raises(Transient, match="ping"):
            async with connection(peer.dial):
                await trio.sleep_forever()
    assert trio.current_time() <= 60


async def test_a_quiet_connection_that_answers_pings_lives(autojump_clock: MockClock) -> None:
    async with playing(answering()) as peer, connection(peer.dial):
        await trio.sleep(3600)
        pings = [message for message in peer.sides[0].heard if message["type"] == "ping"]
    assert len(pings) == pytest.approx(3600 / DEADLINES.ping_interval, abs=2)


@pytest.mark.parametrize("between", [0.0, 0.03])
async def test_what_trickles_in_is_gathered_but_not_while_an_answer_is_waited_for(
    between: float, autojump_clock: MockClock
) -> None:
    """An event every 10 ms; each answer comes after 20 ms, behind two of them."""

    async def act(side: Side) -> None:
        await side.accept()
        await side.hear()
        await side.say({"id": 1, **ok()})

        async def trickle() -> None:
            while True:
                await trio.sleep(0.01)
                await side.say({"type": "news"})

        with one_error():
            async with trio.open_nursery() as nursery:
                nursery.start_soon(trickle)
                while True:
                    asked = await side.hear()
                    await trio.sleep(0.02)
                    await side.say({"id": asked["id"], **ok()})

    told: list[float] = []

    def deliver(_: Received) -> None:
        told.append(round(trio.current_time(), 6))

    target = evolve(TARGET, pause=0.05)
    async with playing(act) as peer, connection(peer.dial, deliver, target=target) as opened:
        await opened.subscribe("news")
        await trio.sleep(1)
        events, moments = len(told), len(set(told))
        began = trio.current_time()
        for _ in range(10):
            await trio.sleep(between)
            await opened.ask("get_config")
        took = trio.current_time() - began
    assert (events, moments) == pytest.approx((100, 20), abs=6)
    assert took == pytest.approx(10 * (between + 0.02))


async def test_a_pong_behind_an_answer_that_takes_minutes_is_waited_for(autojump_clock: MockClock) -> None:
    large = "x" * 2_000_000
    async with playing(answering(get_states=[ok(large)])) as peer:

        async def dial(target: Target) -> trio.abc.Stream:
            stream = await peer.dial(target)
            receive_some = stream.receive_some

            async def slowly(max_bytes: int | None = None) -> bytes | bytearray:
                await trio.sleep(0.05)
                return await receive_some(1000)

            stream.receive_some = slowly  # type: ignore[method-assign]  # 20 kB a second
            return stream

        async with connection(dial) as opened:
            assert len(bytes(await opened.ask("get_states"))) == len(large) + 2
    assert trio.current_time() > DEADLINES.ping_interval + DEADLINES.pong + 30


async def test_a_connection_that_dies_within_a_large_answer_is_found_within_a_minute(autojump_clock: MockClock) -> None:
    async def act(side: Side) -> None:
        await side.accept()
        await side.hear()
        async with side.socket._stream_lock:
            await side.socket._stream.send_all(b"\x81\x7f" + (10**6).to_bytes(8, "big") + b"x" * 1000)
            await trio.sleep_forever()

    async with playing(act) as peer:
        with pytest.raises(Transient, match="ping"):
            async with connection(peer.dial) as opened:
                await opened.ask("get_states")
    assert trio.current_time() <= 60


async def test_a_send_that_does_not_get_through_is_found_as_well(autojump_clock: MockClock) -> None:
    """A peer whose window is full: nobody gets past the sender's turn."""
    deadlines = evolve(DEADLINES, ping_interval=5.0, pong=5.0)
    async with playing(answering()) as peer:
        with pytest.raises(Transient, match="ping"):
            async with connection(peer.dial, deadlines=deadlines) as opened, opened._turn:
                await trio.sleep_forever()
    assert trio.current_time() <= 15


async def test_a_peek_learns_the_version_and_shows_no_token(autojump_clock: MockClock) -> None:
    async with playing(answering()) as peer:
        with one_error():
            assert await peek_version(TARGET, DEADLINES, peer.open) == VERSION
        await wait_all_tasks_blocked()
        assert peer.sides[0].heard == []


@pytest.mark.parametrize("act", [silence, saying("hello"), hang_up])
async def test_a_peek_at_something_else_fails_within_the_deadline(act: Act, autojump_clock: MockClock) -> None:
    async with playing(act) as peer:
        with pytest.raises(IngestError), one_error():
            await peek_version(TARGET, Deadlines(auth=3.0), peer.open)
    assert trio.current_time() <= 5
