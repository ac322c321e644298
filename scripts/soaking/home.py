"""The simulated home in a process of its own: `python -m scripts.soaking.home ENTITIES RATE FOLDER`.

It writes its port into FOLDER/port, and whatever happens in it into FOLDER/changes: a line each of the entity's id, the time
in microseconds and the state. It is told what to do on its standard input, a line of JSON each: a fault, `{"kind": "move"}`
to carry a device to another room, `{"kind": "rest"}` to let nothing more happen.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import cycle
from pathlib import Path
from typing import Any

import trio

from ingest.simulator import rooms
from ingest.simulator.faults import parse
from ingest.simulator.home import Home
from ingest.simulator.script import happen
from ingest.simulator.serve import LOOPBACK, listen
from ingest.simulator.server import Server
from ingest.simulator.values import Change, Entity, micros
from scripts.benchmark.peer import TOKEN

PAST = timedelta(hours=1)
"""What the recorder remembers: no gap here is as long."""

TURN = 0.1
"""Seconds between two turns of changes."""

SUBSCRIBED = "#"
"""Stands in place of an entity's id: from this time on somebody listens."""


class Written(Home):
    """A home that writes down what happens in it."""

    write: Callable[[str], object] | None = None

    def _record(self, change: Change) -> Change:
        if self.write is not None:
            self.write(line(change.entity_id, change.fired, change.new.state if change.new else "removed"))
        return super()._record(change)


def line(entity_id: str, at: int, state: str) -> str:
    """A change as a line: entity, time and state with tabs between, and a line break."""
    return f"{entity_id}\t{at}\t{state}\n"


def numbers(home: Home) -> list[Entity]:
    """The entities whose states are numbers."""
    return [each for each in home.registry.entities.values() if each.state.replace(".", "", 1).isdigit()]


async def main(entities: int, rate: float, folder: Path) -> None:
    """Serve until the input ends."""
    home = Written(1, entities, datetime.now(UTC), history=PAST)
    with (folder / "changes").open("w", encoding="utf-8", buffering=1) as file:
        for state in home.states.values():
            file.write(line(state.entity_id, state.updated, state.state))
        home.write = file.write
        server = Server(home, token=TOKEN, now=partial(datetime.now, UTC))
        async with trio.open_nursery() as nursery:
            port = await nursery.start(listen, server, LOOPBACK, 0)
            scope = await nursery.start(_live, server, rate, file.write)
            (part := folder / "port.part").write_text(str(port), "ascii")
            part.rename(folder / "port")
            await _obey(server, nursery, scope)
            nursery.cancel_scope.cancel()


async def _live(
    server: Server, rate: float, write: Callable[[str], object], task_status: trio.TaskStatus[trio.CancelScope]
) -> None:
    with trio.CancelScope() as scope:
        task_status.started(scope)
        await _change(server, rate, write)


async def _change(server: Server, rate: float, write: Callable[[str], object]) -> None:
    async with trio.open_nursery() as nursery:
        nursery.start_soon(server.run)  # the home's own life rests with the rest: what comes last would be under way
        await server.instance.heard.until(bool)
        write(line(SUBSCRIBED, micros(datetime.now(UTC)), ""))
        keys, count, due = cycle(each.entity_id for each in numbers(server.home)), 0, 0.0
        while True:
            await trio.sleep(TURN)
            due += rate * TURN
            while due >= 1:
                due, count = due - 1, count + 1
                changed = server.home.act(next(keys), f"{count % 9973 / 10}")
                server.emit([changed] if changed else [])


async def _obey(server: Server, nursery: trio.Nursery, life: trio.CancelScope) -> None:
    moved, pending = 0, b""
    async with trio.lowlevel.FdStream(os.dup(0)) as told:
        async for data in told:
            *lines, pending = (pending + data).split(b"\n")
            for each in lines:
                match json.loads(each):
                    case {"kind": "rest"}:
                        life.cancel()
                    case {"kind": "move"}:
                        moved += 1
                        _move(server, moved)
                    case fault:
                        [step] = parse({"fault": [fault]})
                        nursery.start_soon(happen, server, step.fault)


def _move(server: Server, number: int) -> None:
    registered: list[Any] = [each for each in server.home.registry.entities.values() if each.kind.registered]
    area = rooms.AREAS[number % len(rooms.AREAS)]
    server.instance.move(registered[number % len(registered)].entity_id, area_id=area.area_id)


if __name__ == "__main__":
    trio.run(main, int(sys.argv[1]), float(sys.argv[2]), Path(sys.argv[3]))
