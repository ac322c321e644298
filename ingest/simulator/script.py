"""Making scripted faults happen."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import assert_never

import trio

from ingest.simulator import faults as f
from ingest.simulator import recorder_faults as r
from ingest.simulator.faults import Fault, Script, Step
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


@contextmanager
def _history(recorder: Recorder, fault: r.Lasting) -> Iterator[None]:
    """Let the history be so for the length of the block."""
    match fault:
        case r.LateHistory(delay):
            recorder.delay = delay
            yield
            recorder.delay = 0.0
        case r.SilentHistory():
            recorder.delay = math.inf
            yield
            recorder.delay = 0.0
        case r.PartialHistory(_, part):
            recorder.part = part
            yield
            recorder.part = 1.0
        case r.RecorderOff():
            with recorder.switched_off():
                yield
        case r.RecorderBehind():
            with recorder.standing_still():
                yield


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


@contextmanager
def _mood(
    server: Server, fault: f.Refuse | f.RefuseAuth | f.SilentAuth | f.AnswerError | f.SlowAnswers
) -> Iterator[None]:
    """Be in the mood of the fault for the length of the block."""
    mood = server.instance.mood
    match fault:
        case f.Refuse():
            server.accepting.set(False)
            yield
            server.accepting.set(True)
        case f.RefuseAuth():
            mood.refuse_auth = True
            yield
            mood.refuse_auth = False
        case f.SilentAuth():
            mood.silent_auth = True
            yield
            mood.silent_auth = False
        case f.AnswerError(command, _, code, message, without_id):
            mood.errors[command] = (code, message)
            mood.nameless |= {command} if without_id else set()
            yield
            del mood.errors[command]
            mood.nameless.discard(command)
        case f.SlowAnswers(delay):
            mood.delay = delay
            yield
            mood.delay = 0.0
