"""Subscribing to a home, once a session, and reading its present state.

Subscribe first, then the snapshot, so that nothing falls between them. The snapshot travels on the same link as the
live changes and must not overtake one: a ping on the live connection is answered after every event that Home
Assistant had queued for it, so whatever came before the snapshot is on the link when the pong is here.
"""

from __future__ import annotations

from contextlib import suppress

import msgspec
import trio
from attrs import frozen

from ingest.actors.connection import CommandFailed, Connection, within
from ingest.core import reports, token, wire
from ingest.core.conversation import REGISTRY_EVENTS, STATE_CHANGED
from ingest.core.loss import shed_changes
from ingest.core.reports import Emit
from ingest.core.state import Change, Frame, Source, from_snapshot, moment_of, nanoseconds
from ingest.errors import Refused, Transient
from ingest.runtime.link import Sender

CHUNK = 1000
"""States decoded between two checkpoints."""

RUNNING = "RUNNING"


@frozen
class Patience:
    """Seconds: for an ordinary answer, for one of many megabytes, and between two looks whether the start is over."""

    answer: float = 30.0
    bulk: float = 120.0
    poll: float = 1.0


async def announce_features(live: Connection, patience: Patience) -> None:
    """Allow many messages in one frame. A server that does not know the command sends them one by one."""
    with within(patience.answer, "no answer to supported_features", live.socket.where):
        try:
            await live.ask("supported_features", features={"coalesce_messages": 1})
        except CommandFailed:
            return


async def follow_registries(live: Connection, patience: Patience) -> None:
    """Subscribe to what says that a registry changed; a server has nothing to say of registries that it has not."""
    for event_type in REGISTRY_EVENTS:
        silence = f"no answer to subscribing to {event_type}"
        with suppress(CommandFailed), within(patience.answer, silence, live.socket.where):
            await live.subscribe(event_type)


async def subscribe(live: Connection, patience: Patience) -> None:
    """Subscribe to every change of state. Raises `Transient` or `Refused`: without it a session is worth nothing."""
    with within(patience.answer, "no answer to subscribing to state_changed", live.socket.where):
        try:
            await live.subscribe(STATE_CHANGED)
        except CommandFailed as error:
            if error.code != "unauthorized":
                raise
            raise Refused(error.what, where=error.where, remedy=token.SEES_ALL) from error


async def take_snapshot(
    live: Connection, bulk: Connection, snapshot: Sender[Frame], emit: Emit, patience: Patience, *, session: int = 0
) -> int:
    """Read every current state once Home Assistant is RUNNING, and send it down the link, the last frame marked so.

    Returns the time of the newest, in nanoseconds; 0 where there is none. Raises `Transient`.
    """
    config = await _running(bulk, patience)
    states = await _states(bulk, patience)
    with within(patience.answer, "no answer to a ping", live.socket.where):
        await live.ask("ping")
    newest_ns = 0
    for start in range(0, max(len(states), 1), CHUNK):
        part, final = states[start : start + CHUNK], start + CHUNK >= len(states)
        frame = Frame(_changes(part, emit), sum(map(len, part)), Source.SNAPSHOT, session, final)
        newest_ns = max([newest_ns, *(nanoseconds(moment_of(each)) for each in frame.changes)])
        await _send(frame, snapshot, emit)
    emit(reports.Snapshot(len(states), complete=config.state == RUNNING, temperature=config.temperature_unit))
    return newest_ns


async def _states(bulk: Connection, patience: Patience) -> list[msgspec.Raw]:
    where = bulk.socket.where
    with within(patience.bulk, "no answer to get_states", where):
        try:
            return wire.raw_list(await bulk.ask("get_states"))
        except wire.Malformed as problem:
            raise Transient(f"the answer to get_states cannot be read: {problem}", where=where) from problem


async def _running(bulk: Connection, patience: Patience) -> wire.CoreConfig:
    """Wait for RUNNING; another state when the server does not say how far it is."""
    while True:
        with within(patience.answer, "no answer to get_config", bulk.socket.where):
            try:
                config = wire.core_config(await bulk.ask("get_config"))
            except (CommandFailed, wire.Malformed):
                return wire.CoreConfig()
        if config.state in {RUNNING, ""}:
            return config
        await trio.sleep(patience.poll)


def _changes(states: list[msgspec.Raw], emit: Emit) -> list[Change]:
    changes: list[Change] = []
    for raw in states:
        try:
            changes.append(from_snapshot(wire.state(raw)))
        except wire.Malformed as problem:
            emit(reports.MalformedMessage(problem.kind, problem.problem, problem.excerpt))
    return changes


async def _send(frame: Frame, snapshot: Sender[Frame], emit: Emit) -> None:
    if not (frame.changes or frame.final):
        return
    await snapshot.ready()
    if frame.changes:
        emit(reports.Received(len(frame.changes), Source.SNAPSHOT))
    lost = snapshot.put(frame)
    if (report := shed_changes(snapshot.link.name, lost)) is not None:
        emit(report)
