"""On real sockets: the port, a refused connection, a reset."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from functools import partial

import pytest
import trio

from ingest.simulator import faults as f
from ingest.simulator.faults import Step
from ingest.simulator.home import Home
from ingest.simulator.serve import LOOPBACK, clock, serve
from ingest.simulator.values import moment
from tests.simulator.caller import TOKEN, Caller


@asynccontextmanager
async def logged_in(port: int) -> AsyncGenerator[Caller]:
    async with await trio.open_tcp_stream(LOOPBACK, port) as stream:
        yield await Caller(stream).login()


async def test_a_port_is_closed_while_it_is_down_and_the_same_afterwards(home: Home, nursery: trio.Nursery) -> None:
    script = (Step(f.Restart(down=0.2, starting=0.0), after=5),)
    now = clock(moment(home.start + 3_600_000_000))
    port = await nursery.start(partial(serve, home, token=TOKEN, now=now, script=script))
    with trio.fail_after(10):
        async with logged_in(port) as client:
            await client.ask("subscribe_events", event_type="state_changed")
            await client.rest()
            assert client.closed == 1000
        with pytest.raises(OSError, match="connect"):
            await trio.open_tcp_stream(LOOPBACK, port)
        await _until_open(port)
        async with logged_in(port) as client:
            assert (await client.ask("ping"))["type"] == "pong"
    nursery.cancel_scope.cancel()


async def test_a_drop_is_a_reset(home: Home, nursery: trio.Nursery) -> None:
    script = (Step(f.Drop(), after=1),)
    now = clock(moment(home.start + 3_600_000_000))
    port = await nursery.start(partial(serve, home, token=TOKEN, now=now, script=script))
    with trio.fail_after(10):
        async with logged_in(port) as client:
            await client.say({"id": 1, "type": "subscribe_events", "event_type": "state_changed"})
            with pytest.raises(trio.BrokenResourceError):
                await client.events(100_000)
    nursery.cancel_scope.cancel()


async def _until_open(port: int) -> None:
    while True:
        try:
            await (await trio.open_tcp_stream(LOOPBACK, port)).aclose()
        except OSError:
            await trio.sleep(0.02)
        else:
            return
