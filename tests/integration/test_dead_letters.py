"""What breaks a pure function somewhere in the pipeline reaches the state file."""

from __future__ import annotations

from pathlib import Path
from typing import NoReturn

import trio
from attrs import evolve
from trio.testing import MockClock

from ingest.core import reports
from ingest.core.reports import Report
from ingest.edge.dead_letters import DeadLetters
from ingest.edge.letter_file import Letters
from ingest.edge.spool_rows import Key
from ingest.edge.state_file import open_state
from ingest.edge.websocket import Target
from ingest.errors import Transient
from ingest.pipeline import Pipeline
from ingest.runtime.lane import InlineLane
from tests.integration.house import Memory, candidate, plan_of

BROKEN = reports.DeadLetter("filter", "sensor.a", '{"a":1}', "Traceback …\nZeroDivisionError: division by zero")


async def nobody(_: Target) -> NoReturn:
    raise Transient("nobody is there")


async def test_a_change_that_breaks_a_function_is_on_disk_soon_and_what_came_last_at_the_end(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    connection, _ = open_state(tmp_path / "state.db", lambda: 7)
    emitted: list[Report] = []
    letters = Letters(connection, tmp_path / "state.db")
    dead = DeadLetters(letters, Key("home", "db"), InlineLane(0.01), lambda: 7, emitted.append)
    plan = plan_of(Memory(), [candidate("primary")])
    plan = evolve(plan, destination=evolve(plan.destination, letters=dead))
    pipeline, stop = Pipeline(plan, (emitted.append,), lambda: 0.5, nobody), trio.Event()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(pipeline.run, stop)
        await trio.sleep(1)
        pipeline.emit(BROKEN)
        await trio.sleep(1)
        assert [(each.store, each.line, each.reason) for each in letters.listed()] == [
            ("filter", BROKEN.json, BROKEN.traceback)
        ]
        pipeline.emit(evolve(BROKEN, json='{"a":2}'))
        stop.set()
    assert [each.line for each in letters.listed()] == ['{"a":1}', '{"a":2}']
    assert emitted.count(BROKEN) == 1
    connection.close()
