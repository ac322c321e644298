"""`/ws` on a real port: what is streamed, what is answered, and what no client can do to the others."""

from __future__ import annotations

from contextlib import AsyncExitStack, suppress
from functools import partial

import httpx
import pytest
import trio
from wsproto.extensions import PerMessageDeflate

from ingest.config.service import Api
from ingest.core.secret import Secret
from ingest.core.ws_messages import LARGEST
from ingest.edge.http_server import Limits
from ingest.web.listeners import Bounds
from ingest.web.live import CALM
from ingest.web.seats import Seats
from tests.web.talking import Talker, talking
from tests.web.test_site import beside, listening, until
from tests.web.watching import judged, serving

EVERYTHING = {"type": "subscribe", "channels": ["*"]}
TIGHT = Bounds(every=0.01, frames=4, waiting=400_000)
HURRIED = Limits(send=0.3, buffer=4096)


async def test_what_happens_in_the_home_is_streamed_with_what_becomes_of_it() -> None:
    async with beside(Api(port=0)) as (pipeline, emitted, memory, server):
        await until(lambda: listening(emitted) and memory.points)
        others = pipeline.filter.tap._listeners
        async with talking(int(listening(emitted).rpartition(":")[2])) as talker:
            answer = await talker.ask({"type": "subscribe", "channels": ["sensor.burst_*"], "correlation_id": "mine"})
            assert (answer["type"], answer["status"], answer["channels"], answer["correlation_id"]) == (
                "subscription",
                "subscribed",
                ["sensor.burst_*"],
                "mine",
            )
            assert len(pipeline.filter.tap._listeners) == len(others) + 1
            await server.burst(40, entities=5)
            events = await talker.events(40)
            assert [event["state"] for event in events] == [str(number) for number in range(40)]
            assert (events[39]["entity_id"], events[39]["domain"]) == ("sensor.burst_0004", "sensor")
            assert (events[39]["previous_state"], events[39]["value"], events[39]["unit"]) == ("34", 39.0, "W")
            assert (events[39]["name"], events[39]["kind"], events[39]["verdict"]) == ("Burst", "changed", "stored")
        await until(lambda: pipeline.filter.tap._listeners == others)


async def test_the_first_message_says_what_is_allowed() -> None:
    async with serving(Api()) as served:
        greeting = await (await served.talker()).hear()
    assert (greeting["type"], greeting["status"]) == ("connection", "connected")
    assert greeting["limits"] == {
        "message_bytes": 65_536,
        "messages": 60,
        "window_seconds": 60.0,
        "channels": 100,
        "globs": 20,
    }
    assert greeting["correlation_id"]
    assert greeting["timestamp"]


async def test_each_hears_what_it_subscribed_to() -> None:
    async with serving() as served, talking(served.port) as lights, talking(served.port) as rest:
        await lights.ask({"type": "subscribe", "channels": ["light"]})
        await rest.ask({"type": "subscribe", "channels": ["sensor.a", "*.c"]})
        served.tell(*(judged(f"{domain}.{name}") for domain in ("light", "sensor") for name in "abc"))
        served.tell(judged("light.d", verdict=None))
        assert [event["entity_id"] for event in await lights.events(3)] == ["light.a", "light.b", "light.c"]
        assert [event["entity_id"] for event in await rest.events(3)] == ["light.c", "sensor.a", "sensor.c"]
        assert (await lights.ask({"type": "unsubscribe"}))["channels"] == []
        served.tell(judged("light.a"))
        assert (await lights.ask({"type": "ping", "correlation_id": "1"}))["correlation_id"] == "1"


async def test_a_message_of_any_size_is_answered_and_not_kept() -> None:
    async with serving() as served, talking(served.port) as talker:
        for message in ("x" * (LARGEST + 1), "x" * 3_000_000, "é" * 40_000):
            assert (await talker.ask(message))["message"] == "the message has more than 65,536 bytes"
        assert (await talker.ask(b"\x00" * 3_000_000))["message"] == "the message is binary: send JSON as text"
        await talker.say_in_parts(*["x" * 100_000] * 30, "", "x")
        assert (await talker.hear())["message"] == "the message has more than 65,536 bytes"
        exactly = '{"type":"echo","a":"' + "x" * (LARGEST - 22) + '"}'
        assert len(exactly) == LARGEST
        await talker.say_in_parts(exactly[:100], "", exactly[100:])
        assert len((await talker.hear())["original"]["a"]) == LARGEST - 22


async def test_nothing_is_compressed_though_a_client_would_like_it() -> None:
    async with serving() as served:
        stream = await trio.open_tcp_stream("127.0.0.1", served.port)
        talker = await Talker(stream, extensions=[PerMessageDeflate()]).open()
        assert (await talker.hear())["type"] == "connection"
        assert (await talker.ask({"type": "ping"}))["type"] == "pong"
        await stream.aclose()


async def test_what_breaks_the_protocol_ends_the_conversation_with_its_reason() -> None:
    for wrong, code, why in (
        (b"\x81\x82\x00\x00\x00\x00\xff\xff", 1007, "'utf-8' codec can't decode byte 0xff"),
        (b"\x81\x02{}", 1002, "unmasked"),
        (b"\x83\x80\x00\x00\x00\x00", 1002, "Invalid opcode"),
    ):
        async with serving() as served, talking(served.port) as talker:
            await talker.stream.send_all(wrong)
            await talker.end()
            assert talker.closed is not None
            assert talker.closed[0] == code
            assert why in (talker.closed[1] or "")
            await served.until(partial(lambda audience: not audience.clients, served.audience))


async def test_the_61st_message_of_a_window_waits_for_the_next() -> None:
    async with serving(Api(rate_limit_window=1.0)) as served, talking(served.port) as talker:
        begun = trio.current_time()
        for _ in range(60):
            assert (await talker.ask({"type": "ping"}))["type"] == "pong"
        refused = await talker.ask({"type": "ping", "correlation_id": "61"})
        if trio.current_time() - begun < 1:
            assert refused == {
                "type": "error",
                "message": "more than 60 messages in 1 s: wait 1 s",
                "correlation_id": "61",
            }
        await trio.sleep(1.05)
        assert (await talker.ask({"type": "ping"}))["type"] == "pong"


async def test_who_says_too_much_is_heard_ten_times_a_second() -> None:
    """A flood cost as much of the processor as there was: every message had its answer at once."""
    async with serving(Api(rate_limit_messages=1)) as served, talking(served.port) as talker:
        await talker.ask({"type": "ping"})
        begun = trio.current_time()
        for _ in range(4):
            assert (await talker.ask({"type": "ping"}))["type"] == "error"
        assert trio.current_time() - begun >= 3 * CALM


async def test_a_client_that_reads_too_slowly_is_told_so_and_the_others_go_on() -> None:
    async with serving(bounds=TIGHT, limits=Limits(buffer=4096)) as served, talking(served.port) as quick:
        await quick.ask(EVERYTHING)
        slow = await served.talker(buffer=4096)
        await slow.say(EVERYTHING)
        while not served.audience.dropped["slow"]:
            served.tell(*(judged(f"light.n{number}", name="x" * 1000) for number in range(60)))
            await quick.events(60)
        assert len(served.audience.clients) == 1
        await slow.end()
        assert slow.closed == (1008, "it does not read as fast as the home changes")
        served.tell(judged("light.last"))
        assert [each["entity_id"] for each in await quick.events(1)] == ["light.last"]
        assert served.audience.held == 0
    assert served.told == ["a client of /ws was dropped: it does not read as fast as the home changes"]


async def test_after_a_bug_nobody_waits_for_what_does_not_come(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> bytes:
        raise ZeroDivisionError

    async with serving() as served, talking(served.port) as idle:
        talker = await served.talker()
        await talker.say(EVERYTHING)
        await served.until(lambda: served.audience.tap)
        with monkeypatch.context() as patch:
            patch.setattr("ingest.web.audience.live_event", broken)
            with pytest.raises(ZeroDivisionError):
                served.tell(judged("light.a"))
        await talker.end()
        assert talker.closed == (1011, "the live events broke: look at the log, and report it")
        await idle.ask(EVERYTHING)
        served.tell(judged("light.b"))
        assert [each["entity_id"] for each in await idle.events(1)] == ["light.b"]


async def test_clients_that_do_not_read_are_cut_off_in_time() -> None:
    async with serving(bounds=TIGHT, limits=HURRIED) as served:
        sleepers = [await served.sleeper() for _ in range(10)]
        async with talking(served.port) as quick:
            await quick.ask(EVERYTHING)
            with trio.fail_after(10):
                while served.audience.dropped["slow"] + served.audience.dropped["stalled"] < 10:
                    served.tell(*(judged(f"light.n{number}", name="x" * 1000) for number in range(60)))
                    await quick.events(60)
            for sleeper in sleepers:
                with trio.fail_after(5):
                    await sleeper.end()
            assert len(served.audience.clients) == 1


async def test_one_frame_that_is_not_taken_is_enough() -> None:
    async with serving(limits=HURRIED) as served:
        await served.sleeper()
        served.tell(*(judged(f"light.n{number}", name="x" * 4000) for number in range(120)))
        await served.until(lambda: served.audience.dropped["stalled"])
        await served.until(lambda: not served.audience.clients)


async def test_who_asks_and_does_not_hear_the_answers_is_cut_off_too() -> None:
    async with serving(limits=HURRIED) as served:
        talker = await served.talker(buffer=4096)
        with trio.fail_after(10), suppress(trio.BrokenResourceError):
            while True:
                await talker.say('{"type": "x", "a": "' + "x" * 60_000 + '"}')
        await served.until(lambda: served.audience.dropped["stalled"])
        assert served.audience.dropped["stalled"] == 1
        await served.until(lambda: not served.audience.clients)


async def test_clients_are_bounded_and_the_next_one_is_told_to_come_again() -> None:
    async with serving(seats=Seats(2)) as served, talking(served.port):
        async with talking(served.port):
            third = await served.talker()
            await third.end()
            assert third.refused == (503, b'{"error":"2 clients are connected, as many as may be"}')
        await served.until(lambda: served.seats.taken == 1)
        async with talking(served.port):
            assert served.seats.refused == 1


async def test_both_live_endpoints_have_256_seats_together_and_a_question_always_gets_in() -> None:
    async with beside(Api(port=0)) as (_, emitted, memory, _), AsyncExitStack() as talkers:
        await until(lambda: listening(emitted) and memory.points)
        url = listening(emitted)
        port = int(url.rpartition(":")[2])

        async def sit(path: str) -> Talker:
            talker = Talker(await trio.open_tcp_stream("127.0.0.1", port))
            talkers.push_async_callback(trio.aclose_forcefully, talker.stream)
            return await talker.open(path=path)

        for number in range(256):
            assert (await sit("/ws/status" if number else "/ws")).refused is None
        for path in ("/ws", "/ws/status"):
            late = await sit(path)
            await late.end()
            assert late.refused == (503, b'{"error":"256 clients are connected, as many as may be"}')
        async with httpx.AsyncClient(base_url=url, trust_env=False) as client:
            page = (await client.get("/metrics")).text.splitlines()
        assert "homeiq_ingest_websocket_clients 256.0" in page
        assert 'homeiq_ingest_websocket_dropped_total{reason="full"} 2.0' in page


async def test_a_token_is_asked_of_who_would_listen() -> None:
    async with serving(Api(token=Secret("let-me-in"))) as served:
        stranger = await served.talker()
        await stranger.end()
        assert stranger.refused is not None
        assert stranger.refused[0] == 401
        async with talking(served.port, authorization="Bearer let-me-in") as talker:
            assert (await talker.ask({"type": "ping"}))["type"] == "pong"


async def test_200_clients_of_which_none_reads_end_at_once_with_the_service() -> None:
    async with serving() as served:
        for _ in range(200):
            await served.sleeper()
        while not served.audience.held:
            served.tell(*(judged(f"light.n{number}", name="x" * 1000) for number in range(100)))
            await trio.sleep(0.02)
        assert len(served.audience.clients) == 200


async def test_who_is_alive_is_pinged() -> None:
    async with serving(limits=Limits(ping=0.05)) as served, talking(served.port) as talker:
        await trio.sleep(0.2)
        await talker.ask({"type": "ping"})
        assert talker.pings > 1
