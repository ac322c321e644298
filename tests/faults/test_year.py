"""A small home for a long time, in virtual time: everything is stored once, nothing grows, and nobody wakes for nothing.

Without more, six days: half a minute. `DAYS=365` is the year: 525,600 changes, 365 restarts, 52 outages, an hour.
"""

from __future__ import annotations

import faulthandler
import os
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from ingest.core.coverage import Gap
from ingest.core.ledger import LEFT
from ingest.edge.ledger_bounds import BOUND
from ingest.edge.ledger_file import listed, told
from tests.faults.campaign.world import FOLDER
from tests.faults.year.looks import grown
from tests.faults.year.run import HOUR, Year, year

pytestmark = pytest.mark.slow

DAYS = int(os.environ.get("DAYS", "6"))

PATIENCE = 300.0
"""Seconds of real time that six days may take on a busy machine."""

TICK = 10.0
"""Seconds at least between two times that anything wakes while nothing happens."""

BLOCKS = 2_000
"""Python's blocks of memory that may come with the months, a two-hundredth, besides what a gap takes."""

OBJECTS = 300
"""Objects of one type that may; of gaps as many as the ledger lists."""

FILE = 1024 * 1024
"""Bytes of the state file that may, besides what a gap takes."""

A_GAP = 4_096

HELD_GAP = 12
"""Blocks of a gap in memory: the ledger lists the last thousand, and each restart of Home Assistant is one."""


@pytest.fixture(scope="module")
def passed() -> Iterator[Year]:
    if DAYS <= 6:  # more than the two minutes of any other test, beside something else
        faulthandler.dump_traceback_later(PATIENCE, exit=True)
    with tempfile.TemporaryDirectory(dir=FOLDER) as folder:
        yield year(DAYS, Path(folder) / "state.db")


def gaps(passed: Year) -> list[tuple[Gap, list[str]]]:
    """Every gap, and why something of it is missing."""
    with closing(sqlite3.connect(passed.path)) as connection:
        found = [gap for _, gap in listed(connection)]
        return [(gap, [each.why for each in told(connection, gap.id) if each.why]) for gap in found]


@pytest.mark.xdist_group("year")
def test_every_change_of_the_year_is_stored_once_at_its_time(passed: Year) -> None:
    met = passed.books.met
    assert passed.books.wrong == []
    assert passed.books.due == {}
    assert met["changes"] > DAYS * 1430
    assert met["restarts of Home Assistant"] == DAYS
    assert met["outages of the database"] == (DAYS + 3) // 7
    assert met["of them from the history"] > 0
    assert met["lines sent again"] <= met["changes"] // 1000
    assert [life.stopped.balanced for life in passed.lives if life.stopped] == [True] * len(passed.lives)


@pytest.mark.xdist_group("year")
def test_no_gap_of_the_year_is_left(passed: Year) -> None:
    every = gaps(passed)
    assert len(every) >= DAYS
    assert [gap for gap, _ in every if gap.progress in LEFT] == []
    assert [why for _, whys in every for why in whys] == []


@pytest.mark.xdist_group("year")
def test_nothing_grows_with_the_year(passed: Year, capsys: pytest.CaptureFixture[str]) -> None:
    _, second, *_, last = passed.looks
    with capsys.disabled():
        for each in (second, last):
            print(  # noqa: T201  the figures are what a person runs it for
                f"\nafter {each.day} days: {each.tasks} tasks, {each.files} files, {each.blocks:,} blocks, "
                f"{each.resident / 2**20:.1f} MiB resident, {each.on_disk / 2**20:.2f} MiB on disk, {each.held:,} elements"
            )
    assert last.tasks == second.tasks
    assert last.files == second.files
    assert last.blocks - second.blocks < BLOCKS + min(DAYS, 1000) * HELD_GAP
    assert last.held - second.held < BLOCKS
    assert last.objects["Gap"] <= BOUND.gaps
    assert {name: pair for name, pair in grown(second, last, OBJECTS).items() if name != "Gap"} == {}
    assert last.on_disk - second.on_disk < FILE + min(DAYS, 1000) * A_GAP


@pytest.mark.xdist_group("year")
def test_nothing_wakes_for_nothing(passed: Year) -> None:
    counts = passed.wakes.counts()
    assert counts
    assert {name: count for name, count in counts.items() if count > HOUR / TICK} == {}
