from __future__ import annotations

import os
from pathlib import Path

import pytest
import trio

from ingest.core.homeiq import homeiq
from ingest.core.point import Attributes, Facts, Point
from ingest.core.sealing import line_of
from ingest.core.store import Batch, Delivered, Keep
from ingest.edge.stdout import stdout_store
from ingest.errors import Refused

POINT = Point("sensor.a", 1_000, "22.5", Facts("r1"), Attributes('{"a":1}'), 22.5)


def batch(lines: bytes) -> Batch[bytes]:
    return Batch(lines, 1, len(lines), 0, 0)


async def test_the_lines_of_the_schema_come_out_one_a_line(tmp_path: Path) -> None:
    with (tmp_path / "out").open("wb") as file:
        store = stdout_store(homeiq(), file.fileno())
        lines = [line for line in map(store.codec.encode, [POINT, POINT]) if line is not None]
        assert await store.deliver(batch(store.codec.seal(lines))) == Delivered()
    written = line_of(homeiq(), POINT)
    assert (tmp_path / "out").read_bytes().splitlines() == [written, written]


async def test_a_reader_that_left_ends_it() -> None:
    read, write = os.pipe()
    os.close(read)
    with pytest.raises(Refused, match="nobody reads"):
        await stdout_store(homeiq(), write).deliver(batch(b"a line\n"))
    os.close(write)


async def test_a_full_disk_keeps_the_batch() -> None:
    full = os.open("/dev/full", os.O_WRONLY)
    verdict = await stdout_store(homeiq(), full).deliver(batch(b"a line\n"))
    os.close(full)
    assert isinstance(verdict, Keep)
    assert verdict.remedy


async def test_a_reader_that_stalls_does_not_hold_up_the_end_and_slow_ones_get_every_byte() -> None:
    read, write = os.pipe()
    payload = b"x" * 1_000_000
    with trio.move_on_after(0.02) as scope:
        await stdout_store(homeiq(), write).deliver(batch(payload))
    assert scope.cancelled_caught
    got = 0
    while got < len(payload):
        got += len(os.read(read, 65_536))
    os.close(read)
    os.close(write)
