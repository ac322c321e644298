"""The history of a real Home Assistant against the events it sent: every span is filled with exactly what was heard."""

from __future__ import annotations

import signal
from collections.abc import AsyncGenerator, Callable, Iterable
from contextlib import asynccontextmanager, suppress
from functools import partial

import pytest
import trio
from attrs import define, field

from ingest.actors.connection import Connection, Deadlines, connected
from ingest.actors.history import History
from ingest.core import recorder, wire
from ingest.core.conversation import STATE_CHANGED, Received
from ingest.core.coverage import Settled, Span
from ingest.core.history_query import SECOND_NS
from ingest.core.history_reading import Reading
from ingest.core.reports import Report
from ingest.core.state import Change, Frame, moment_of, nanoseconds
from ingest.edge.websocket import Target, open_socket
from ingest.errors import Transient
from ingest.runtime.supervise import one_error
from tests.live.homeassistant import HomeAssistant

pytestmark = pytest.mark.live

MARGIN_NS = 5 * SECOND_NS
"""The recorder of the live tests commits every second."""

LEVEL = "input_number.lab_level"


@define
class Heard:
    """What Home Assistant said by itself."""

    changes: list[Change] = field(factory=list)

    def deliver(self, value: Received) -> None:
        if isinstance(value, Frame):
            self.changes.extend(value.changes)

    def times(self) -> dict[str, list[int]]:
        found: dict[str, list[int]] = {}
        for change in self.changes:
            found.setdefault(change.data.entity_id, []).append(time_ns(change))
        return found


def time_ns(change: Change) -> int:
    return nanoseconds(moment_of(change))


def said(changes: Iterable[Change]) -> list[tuple[str, int, str | None, str | None]]:
    """Entity, time, state, and the state before."""
    return sorted(
        (
            change.data.entity_id,
            time_ns(change),
            None if change.data.new_state is None else change.data.new_state.state,
            None if change.data.old_state is None else change.data.old_state.state,
        )
        for change in changes
    )


@asynccontextmanager
async def connection(home: HomeAssistant, heard: Heard) -> AsyncGenerator[Connection]:
    target = Target(f"ws://127.0.0.1:{home.port}/api/websocket")
    with one_error():
        async with trio.open_nursery() as nursery:
            opening = connected(
                nursery,
                target,
                home.tokens["admin"],
                heard.deliver,
                deadlines=Deadlines(),
                opener=open_socket,
                opened=lambda: None,
            )
            async with opening as opened:
                await opened.subscribe(STATE_CHANGED)
                yield opened
            nursery.cancel_scope.cancel()


async def read(
    opened: Connection, spans: list[Span], since_ns: int, until_ns: int, now_ns: int
) -> tuple[list[Change], list[Settled]]:
    """Read the spans until none of them waits."""
    emitted: list[Report] = []
    history = History(opened, emitted.append, lambda: now_ns)
    changes: list[Change] = []
    settled: list[Settled] = []
    reading = Reading.of(spans, since_ns, until_ns, margin_ns=MARGIN_NS, target=200)
    while (pieces := await history.read(reading)) is not None:
        for piece in pieces:
            changes += piece.changes
            settled += [piece.settled] if piece.settled else []
    assert reading.waiting == []
    assert emitted == []
    return changes, settled


async def burst(home: HomeAssistant, tag: str, count: int) -> None:
    await trio.to_thread.run_sync(
        partial(home.admin.call, "lab_gen", "burst", count=count, entities=20, batch=1, rate=200, tag=tag)
    )
    await trio.sleep(6)


async def test_the_history_is_what_was_heard(home_assistant: HomeAssistant) -> None:
    heard = Heard()
    async with connection(home_assistant, heard) as opened:
        await burst(home_assistant, "h", 800)
        times = {key: found for key, found in heard.times().items() if len(found) > 2}
        spans = [Span(key, key, min(found), max(found), number) for number, (key, found) in enumerate(times.items(), 1)]
        changes, settled = await read(opened, spans, 2**62, 2**62, max(map(max, times.values())) + MARGIN_NS)
    inside = [change for change in heard.changes if any(_inside(span, change) for span in spans)]
    assert len(inside) >= 700
    assert said(changes) == said(inside)
    assert {each.why for each in settled} == {""}
    assert sum(each.filled for each in settled) == len(inside)


def _inside(span: Span, change: Change) -> bool:
    return span.entity_id == change.data.entity_id and span.after_ns < time_ns(change) < span.before_ns


def restart(home: HomeAssistant) -> None:
    home.restart()


def kill(home: HomeAssistant) -> None:
    home.stop(signal.SIGKILL)
    home.start()


async def states_of(opened: Connection) -> dict[str, int]:
    states = [wire.state(raw) for raw in wire.raw_list(await opened.ask("get_states"))]
    return {state.entity_id: nanoseconds(state.last_updated) for state in states}


async def change_until(home: HomeAssistant, end: Callable[[HomeAssistant], None], heard: Heard) -> dict[str, int]:
    """Listen while states change until Home Assistant ends; when each entity was heard of last."""
    known: dict[str, int] = {}
    with suppress(Transient):
        async with connection(home, heard) as opened:
            known = await states_of(opened)
            await burst(home, "r", 400)
            for level in range(20):
                await trio.to_thread.run_sync(
                    partial(home.admin.call, "input_number", "set_value", entity_id=LEVEL, value=level / 2)
                )
            await trio.to_thread.run_sync(end, home)
            await trio.sleep(60)
    return known | {key: max(found) for key, found in heard.times().items()}


@pytest.mark.parametrize("end", [restart, kill])
async def test_the_gap_of_a_restart_has_its_ends(
    home_assistant: HomeAssistant, end: Callable[[HomeAssistant], None]
) -> None:
    """What the recorder wrote before it stopped is there, and so is what every entity was when it came back."""
    heard = Heard()
    known = await change_until(home_assistant, end, heard)
    async with connection(home_assistant, Heard()) as opened:
        back = await states_of(opened)
        await trio.sleep(6)
        until_ns = max(back.values())
        pairs = [(key, after, back.get(key, until_ns)) for key, after in known.items()]
        spans = [
            Span(key, key, after, before, number)
            for number, (key, after, before) in enumerate(pairs, 1)
            if before > after
        ]
        since_ns = max(map(max, heard.times().values()))
        changes, settled = await read(opened, spans, since_ns, until_ns, until_ns + MARGIN_NS)
    assert len(spans) > 100
    assert len(settled) == len(spans)
    # What was changed in the last moment before a kill was heard, and never written.
    assert {each.why for each in settled} <= ({"", recorder.NO_BEGINNING} if end is kill else {""})
    assert all(since_ns < time_ns(change) < until_ns for change in changes if change.data.entity_id in heard.times())
