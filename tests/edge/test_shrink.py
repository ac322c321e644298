"""A state file whose backlog has drained is small again, and nothing has to wait long for that."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar, TypeVarTuple

import pytest
import trio

from ingest.core.store import Batch
from ingest.edge.shrink import SPARE, give_back, shrink
from ingest.edge.spool_file import Table
from ingest.edge.spool_rows import Key
from ingest.edge.sqlite import pragma
from ingest.edge.state import State, opened_state
from ingest.errors import Transient
from ingest.runtime.lane import ThreadLane

MIB = 2**20
KEY = Key("home", "influxdb")

T = TypeVar("T")
Args = TypeVarTuple("Args")


class Timed(ThreadLane):
    """Knows its longest piece of work, in seconds."""

    longest = 0.0

    async def __call__(self, work: Callable[[*Args], T], *args: *Args) -> T:
        began = time.monotonic()
        result = await super().__call__(work, *args)
        self.longest = max(self.longest, time.monotonic() - began)
        return result


def fill(state: State, mib: int) -> None:
    table = Table(state.connection, state.path, KEY)
    payload = random.Random(1).randbytes(MIB // 4)
    for number in range(4 * mib):
        table.put(Batch(payload, 1, len(payload), number, number), number, 0, (), ())


def drain(state: State) -> None:
    table = Table(state.connection, state.path, KEY)
    for row in list(table.oldest(())):
        table.remove([row.id])


def nothing(_: object) -> None:
    raise AssertionError


def size(path: Path) -> int:
    return path.stat().st_size


async def test_a_drained_file_is_small_again_and_no_step_takes_long(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    lane = Timed()
    async with opened_state(path, time.time_ns, nothing, lane) as state:
        fill(state, 50)
        drain(state)
        state.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        assert size(path) > 50 * MIB
        lane.longest = 0.0
        await shrink(state, lambda: True)
        assert size(path) < SPARE + MIB
        assert lane.longest < 0.5
        fill(state, 2)
        assert size(path) < SPARE + MIB


async def test_a_file_that_is_damaged_or_has_little_to_give_is_left_alone(tmp_path: Path) -> None:
    async with opened_state(tmp_path / "state.db", time.time_ns, nothing) as state:
        fill(state, 3)
        drain(state)
        before = pragma(state.connection, "page_count")
        await shrink(state, lambda: True)
        fill(state, 6)
        drain(state)
        between = pragma(state.connection, "page_count")
        await shrink(state, lambda: False)
        assert pragma(state.connection, "page_count") == between > before
        await shrink(state, lambda: True)
        assert SPARE < pragma(state.connection, "page_count") * 4096 < SPARE + MIB


async def test_a_file_that_never_gives_back_is_not_asked_for_ever(tmp_path: Path) -> None:
    async with opened_state(tmp_path / "state.db", time.time_ns, nothing) as state:
        state.connection.execute("PRAGMA journal_mode = DELETE").fetchall()
        state.connection.execute("PRAGMA auto_vacuum = NONE").fetchall()
        state.connection.execute("VACUUM")
        fill(state, 6)
        drain(state)
        assert give_back(state) == 0
        with trio.fail_after(5):
            await shrink(state, lambda: True)


async def test_a_lane_that_gave_up_is_no_bug(tmp_path: Path) -> None:
    async with opened_state(tmp_path / "state.db", time.time_ns, nothing) as state:
        state.give_up()
        with pytest.raises(Transient):
            await shrink(state, lambda: True)
