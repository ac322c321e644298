"""Who listens to the live events, under a virtual clock."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import trio
import trio.lowlevel
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, generate_latest
from trio.testing import MockClock

from ingest.core.channels import alike, wanting
from ingest.core.point import Point
from ingest.web.audience import ROUTES, TOGETHER, Audience
from ingest.web.listeners import Bounds, Client
from ingest.web.live_metrics import LiveMetrics
from ingest.web.seats import Seats
from tests.core.changes import together
from tests.web.watching import audience_of, judged


def entered(audience: Audience, *channels: str) -> Client:
    client = audience.enter()
    audience.choose(client, channels)
    return client


def tell(audience: Audience, *entity_ids: str, **more: Any) -> None:
    audience.tap.tell(together(*(judged(each, **more) for each in entity_ids)))


def waiting(client: Client) -> list[dict[str, Any]]:
    return [json.loads(each.text) for each in client.queue]


def ids(client: Client) -> list[str]:
    return [event["entity_id"] for each in waiting(client) for event in each["events"]]


async def framed(audience: Audience) -> None:
    """Until the frames of what has come are made."""
    with trio.move_on_after(audience.bounds.every + 0.01):
        await audience.run()


async def test_what_comes_in_a_quarter_of_a_second_is_one_frame_made_once(autojump_clock: MockClock) -> None:
    audience = audience_of()
    first, second, other = entered(audience, "*"), entered(audience, "all", "light"), entered(audience, "sensor")
    async with trio.open_nursery() as nursery:
        nursery.start_soon(audience.run)
        await trio.sleep(10)
        tell(audience, "light.a", "sensor.b")
        await trio.sleep(0.2)
        assert ids(first) == []
        tell(audience, "light.c")
        await trio.sleep(0.06)
        assert ids(first) == ids(second) == ["light.a", "sensor.b", "light.c"]
        assert ids(other) == ["sensor.b"]
        assert first.queue[0].text is second.queue[0].text
        await trio.sleep(100)
        assert [len(each.queue) for each in (first, second, other)] == [1, 1, 1]
        nursery.cancel_scope.cancel()


async def test_the_tap_is_listened_to_only_while_somebody_wants_something(autojump_clock: MockClock) -> None:
    audience = audience_of()
    client = audience.enter()
    assert not audience.tap
    audience.choose(client, ["light"])
    assert audience.tap
    audience.choose(client, [])
    assert not audience.tap
    audience.choose(client, ["light"])
    audience.leave(client)
    assert not audience.tap
    assert audience.clients == set()


async def test_what_is_stored_already_is_no_news(autojump_clock: MockClock) -> None:
    audience = audience_of()
    client = entered(audience, "*")
    audience.tap.tell(together(judged("light.a", verdict=None), judged("light.b", verdict="pattern 1")))
    await framed(audience)
    assert [(each["entity_id"], each["verdict"]) for each in waiting(client)[0]["events"]] == [("light.b", "filtered")]


async def test_what_the_schema_does_not_write_is_not_called_stored_and_only_who_wants_it_has_it_asked(
    autojump_clock: MockClock,
) -> None:
    asked: list[str] = []
    audience = audience_of()

    def writes(point: Point) -> bool:
        asked.append(point.entity_id)
        return point.state != "unavailable"

    audience.writes = writes
    client, other = entered(audience, "light"), entered(audience, "light.a")
    tell(audience, "light.a", "sensor.a", state="unavailable")
    tell(audience, "light.b", "sensor.b", state="on")
    await framed(audience)
    events = {each["entity_id"]: (each["verdict"], each.get("rule")) for each in waiting(client)[0]["events"]}
    assert events == {"light.a": ("filtered", "schema"), "light.b": ("stored", None)}
    assert ids(other) == ["light.a"]
    assert asked == ["light.a", "light.b"]


async def test_a_frame_is_bounded_and_says_what_it_leaves_out(autojump_clock: MockClock) -> None:
    audience = audience_of(Bounds(events=5, frame=2000))
    many, few, long = entered(audience, "*"), entered(audience, "light.n3", "light.n25"), entered(audience, "switch")
    tell(audience, *(f"light.n{number}" for number in range(30)))
    tell(audience, "switch.a", name="x" * 1500)
    tell(audience, "switch.b", name="x" * 1500)
    tell(audience, "switch.c")
    await framed(audience)
    assert (len(ids(many)), waiting(many)[0]["omitted"]) == (5, 28)
    assert ids(few) == ["light.n3", "light.n25"]
    assert (ids(long), waiting(long)[0]["omitted"]) == (["switch.a", "switch.c"], 1)
    assert "omitted" not in waiting(few)[0]
    assert audience.omitted == 29


async def test_who_takes_no_frame_any_more_is_dropped_and_what_waited_is_gone(autojump_clock: MockClock) -> None:
    audience = audience_of(Bounds(frames=3))
    sleeper, reader = entered(audience, "*"), entered(audience, "*")
    heard: list[str] = []

    async def read() -> None:
        while (text := await audience.next(reader)) is not None:
            heard.append(text)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(audience.run)
        nursery.start_soon(read)
        for number in range(5):
            tell(audience, f"light.n{number}")
            await trio.sleep(0.3)
        assert sleeper.dropped == "slow"
        assert await audience.next(sleeper) is None
        assert (len(heard), audience.held, audience.dropped["slow"]) == (5, 0, 1)
        audience.drop(sleeper, "stalled")
        assert (audience.dropped["stalled"], audience.clients) == (0, {reader})
        audience.choose(sleeper, ["light"])
        assert sleeper.group is None
        audience.leave(sleeper)
        nursery.cancel_scope.cancel()


async def test_who_chooses_anew_and_has_no_room_for_what_came_before_is_dropped(autojump_clock: MockClock) -> None:
    audience = audience_of(Bounds(frames=1))
    client, other = entered(audience, "light"), entered(audience, "light")
    tell(audience, "light.a")
    audience.choose(client, ["light", "sensor"])
    assert ids(client) == ["light.a"]
    assert ids(other) == []
    tell(audience, "light.b")
    audience.choose(client, ["sensor"])
    assert (client.dropped, client.group) == ("slow", None)
    await framed(audience)
    assert ids(other) == ["light.a", "light.b"]


async def test_so_many_bytes_wait_for_one_and_so_many_for_all(autojump_clock: MockClock) -> None:
    audience = audience_of(Bounds(waiting=3000, held=5000))
    greedy, modest = entered(audience, "light"), entered(audience, "sensor")
    for _ in range(2):
        tell(audience, "light.a", name="x" * 1000)
        await framed(audience)
    assert greedy.dropped is None
    for _ in range(2):
        tell(audience, "sensor.a", name="x" * 1000)
        await framed(audience)
    assert {greedy.dropped, modest.dropped} == {"memory", None}
    assert audience.dropped["memory"] == 1
    left = next(iter(audience.clients))
    for _ in range(2):
        tell(audience, "light.a", "sensor.a", name="x" * 1000)
        await framed(audience)
    assert left.dropped == "slow"
    assert audience.held == 0


async def test_who_leaves_while_frames_are_handed_out_gets_none(autojump_clock: MockClock) -> None:
    audience = audience_of()
    clients = [entered(audience, "*") for _ in range(TOGETHER + 4)]
    async with trio.open_nursery() as nursery:
        nursery.start_soon(audience.run)
        await trio.lowlevel.checkpoint()
        tell(audience, "light.a")
        assert await audience.next(clients[0])
        audience.leave(clients[-1])
        await trio.sleep(0.1)
        assert [len(each.queue) for each in clients] == [0, *[1] * (TOGETHER + 2), 0]
        for each in clients:
            audience.leave(each)
        assert audience.held == 0
        nursery.cancel_scope.cancel()


async def test_who_wants_whom_is_remembered_of_so_many_entities(autojump_clock: MockClock) -> None:
    audience = audience_of(Bounds(events=1))
    client = entered(audience, "light.last")
    audience.tap.tell(together(*(judged(f"sensor.n{number}", verdict=None) for number in range(ROUTES + 5))))
    assert len(audience._routes) == 5
    tell(audience, "light.last")
    await framed(audience)
    assert ids(client) == ["light.last"]


def test_metrics_say_who_listens_and_who_was_dropped() -> None:
    audience = audience_of()
    seats = Seats()
    seats.taken, seats.refused = 5, 2
    audience.dropped["slow"] = 3
    audience.omitted = 7
    registry = CollectorRegistry()
    registry.register(LiveMetrics(audience, seats))
    page = generate_latest(registry).decode()
    for line in (
        "homeiq_ingest_websocket_clients 5.0",
        "homeiq_ingest_websocket_waiting_bytes 0.0",
        'homeiq_ingest_websocket_dropped_total{reason="slow"} 3.0',
        'homeiq_ingest_websocket_dropped_total{reason="full"} 2.0',
        "homeiq_ingest_websocket_omitted_total 7.0",
    ):
        assert line in page.splitlines()


CHANNELS = ["*", "light", "sensor", "light.a", "sensor.*", "*.b"]
STEPS: st.SearchStrategy[tuple[str, Any, list[str]]] = st.one_of(
    st.tuples(st.just("choose"), st.integers(0, 2), st.lists(st.sampled_from(CHANNELS), max_size=3)),
    st.tuples(st.just("tell"), st.sampled_from(["light.a", "light.b", "sensor.a", "sensor.b"]), st.just([])),
    st.tuples(st.just("wait"), st.just(0), st.just([])),
)


@given(st.lists(STEPS, max_size=25))
@settings(max_examples=150, deadline=None)
def test_each_hears_what_it_wants_in_order_and_once(steps: list[tuple[str, Any, Sequence[str]]]) -> None:
    async def play() -> None:
        audience = audience_of()
        clients = [entered(audience) for _ in range(3)]
        wants: dict[int, Sequence[str]] = defaultdict(tuple)
        expected: dict[int, list[str]] = defaultdict(list)
        for number, (what, whom, channels) in enumerate(steps):
            if what == "choose":
                wants[whom] = channels
                audience.choose(clients[whom], channels)
            elif what == "tell":
                audience.tap.tell(judged(whom, f"{number}"))
                for each in range(3):
                    if wants[each] and wanting(alike(wants[each]))(whom):
                        expected[each].append(f"{number}")
            else:
                await framed(audience)
        await framed(audience)
        for number, client in enumerate(clients):
            states = [event["state"] for each in waiting(client) for event in each["events"]]
            assert states == expected[number]
            audience.leave(client)
        assert (audience.held, audience.omitted, bool(audience.tap)) == (0, 0, False)

    trio.run(play, clock=MockClock(autojump_threshold=0))
