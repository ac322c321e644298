"""Making scripted faults happen."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import assert_never

import trio
from attrs import AttrsInstance, fields_dict

from ingest.simulator import faults as f
from ingest.simulator import recorder_faults as r
from ingest.simulator.faults import Fault, Script, Step
from ingest.simulator.instance import Mood
from ingest.simulator.recorder import Recorder
from ingest.simulator.server import Server
from ingest.simulator.values import SECOND


async def perform(server: Server, script: Script) -> None:
    """Let every step happen at its time, until the last one is over."""
    begun = trio.current_time()
    async with trio.open_nursery() as nursery:
        for step in script:
            nursery.start_soon(_perform, server, step, begun)


async def _perform(server: Server, step: Step, begun: float) -> None:
    after = step.after
    if after is not None:
        await server.instance.emitted.until(lambda sent: sent >= after)
    else:
        await trio.sleep_until(begun + step.at)
    await happen(server, step.fault)


async def happen(server: Server, fault: Fault) -> None:
    """Let one fault happen now, and return when it is over."""
    match fault:
        case f.Restart(down, starting, kill):
            await server.restart(down=down, starting=starting, kill=kill)
        case f.Burst(count, entities):
            await server.burst(count, entities, batch=count)
        case f.Drop() | f.Cut() | f.Stall() | f.HalfOpen() | f.HugeFrame():
            _break(server, fault)
        case f.Malformed(what):
            await _garble(server, what)
        case f.Refuse() | f.RefuseAuth() | f.SilentAuth() | f.AnswerError() | f.SlowAnswers():
            with _mood(server, fault):
                await trio.sleep(fault.seconds)
        case r.LateHistory() | r.SilentHistory() | r.PartialHistory() | r.RecorderOff() | r.RecorderBehind():
            with _history(server.instance.recorder, fault):
                await trio.sleep(fault.seconds)
        case r.Commits() | r.Exclude() | r.Purge():
            _change(server.instance.recorder, fault)
        case _:  # pragma: no cover
            assert_never(fault)


def _change(recorder: Recorder, fault: r.Commits | r.Exclude | r.Purge) -> None:
    match fault:
        case r.Commits(interval):
            recorder.commit = round(interval * SECOND)
        case r.Exclude(entities):
            recorder.excluded = (*recorder.excluded, *entities)
        case r.Purge(keep):
            recorder.purge(round(keep * SECOND))


def _history(recorder: Recorder, fault: r.Lasting) -> AbstractContextManager[None]:
    """Let the history be so for the length of the block."""
    match fault:
        case r.LateHistory(delay):
            return changed(recorder, delay=delay)
        case r.SilentHistory():
            return changed(recorder, delay=math.inf)
        case r.PartialHistory(_, part):
            return changed(recorder, part=part)
        case r.RecorderOff():
            return recorder.switched_off()
        case r.RecorderBehind():
            return recorder.standing_still()


def _break(server: Server, fault: f.Drop | f.Cut | f.Stall | f.HalfOpen | f.HugeFrame) -> None:
    for client in server.clients(fault.which):
        match fault:
            case f.Drop():
                client.line.reset()
            case f.Cut():
                client.line.cut_next()
            case f.Stall(seconds):
                client.line.stall(seconds)
            case f.HalfOpen():
                client.fall_silent()
            case f.HugeFrame(size):
                client.put(b'{"id":0,"type":"pong","padding":"%b"}' % (b"x" * size))


async def _garble(server: Server, what: str) -> None:
    if what == "json":
        for client in server.clients("live"):
            client.put(b'{"type":"event","event":{"event_type":"state_ch')
        return
    await server.burst(1)
    server.instance.fire_shapeless()
    await server.burst(1)


def _mood(
    server: Server, fault: f.Refuse | f.RefuseAuth | f.SilentAuth | f.AnswerError | f.SlowAnswers
) -> AbstractContextManager[None]:
    """Be in the mood of the fault for the length of the block."""
    mood = server.instance.mood
    match fault:
        case f.Refuse():
            return _refusing(server)
        case f.RefuseAuth():
            return changed(mood, refuse_auth=True)
        case f.SilentAuth():
            return changed(mood, silent_auth=True)
        case f.AnswerError():
            return _answering(mood, fault)
        case f.SlowAnswers(delay):
            return changed(mood, delay=delay)


@contextmanager
def _refusing(server: Server) -> Iterator[None]:
    server.accepting.set(False)
    try:
        yield
    finally:
        server.accepting.set(True)


@contextmanager
def _answering(mood: Mood, fault: f.AnswerError) -> Iterator[None]:
    """Of two on one command the later one holds, until its own end."""
    error = mood.errors[fault.command] = (fault.code, fault.message)
    mood.nameless.discard(fault.command)
    mood.nameless |= {fault.command} if fault.without_id else set()
    try:
        yield
    finally:
        if mood.errors.get(fault.command) is error:
            del mood.errors[fault.command]
            mood.nameless.discard(fault.command)


@contextmanager
def changed(what: AttrsInstance, **values: object) -> Iterator[None]:
    """Give fields these values for the length of the block, and then their defaults.

    Not what they were before: of two that overlap, the later one would bring back what the earlier one had changed.
    """
    for name, value in values.items():
        setattr(what, name, value)
    try:
        yield
    finally:
        for name in values:
            setattr(what, name, fields_dict(type(what))[name].default)
