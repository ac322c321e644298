"""The first thing a newcomer runs."""

from __future__ import annotations

import os
import re
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager, closing, contextmanager
from functools import partial
from pathlib import Path

import attrs
import pytest
import trio
from click.testing import CliRunner, Result
from trio.testing import MockClock

from ingest.cli import demo, demo_outages, demo_stage
from ingest.cli.demo import Acts, Scene
from ingest.cli.demo_board import WIDTH, Board, Glimpse
from ingest.cli.demo_outages import locked_file, until_the_stop
from ingest.cli.demo_screen import line
from ingest.cli.demo_stage import play
from ingest.cli.main import main
from ingest.core import reports
from ingest.core.point import Attributes, Facts, Point
from ingest.core.reports import Report
from ingest.core.rows import Row, row_of
from ingest.core.state import Source
from ingest.core.store import Batch, Delivered, Keep
from ingest.edge.embedded import EmbeddedSettings, open_embedded
from ingest.runtime.lane import InlineLane, ThreadLane

VERDICT = re.compile(r"^received ([\d,]+) · stored ([\d,]+) · lost (-?[\d,]+) · outages survived (\d)$", re.MULTILINE)
BOOKS = {"carried": 0, "received": 3, "stored": 3}
LOCKED = "another program holds the database file: database is locked (demo.db)"


def call(tmp_path: Path, *args: str) -> Result:
    return CliRunner().invoke(main, args, env={"XDG_CACHE_HOME": str(tmp_path)})


def figures(output: str) -> tuple[int, int, int, int]:
    """What the last line says: received, stored, lost, outages survived."""
    (found,) = VERDICT.findall(output)
    received, stored, lost, survived = (int(each.replace(",", "")) for each in found)
    return received, stored, lost, survived


def rows_in(path: Path) -> int:
    with closing(sqlite3.connect(path)) as connection:
        (count,) = connection.execute("SELECT count(*) FROM change").fetchone()
        return int(count)


def told(*heard: Report, clock: Iterator[float] | None = None) -> tuple[Board, list[str]]:
    """A board that has heard these reports, and the news it told."""
    news: list[str] = []
    board = Board(tell=news.append, clock=(lambda: next(clock)) if clock else time.monotonic)
    for report in heard:
        board.add(report)
    return board, news


# ---- whole demos ---------------------------------------------------------------------------------------------------


def test_a_short_demo_stores_what_it_receives_and_says_how_to_go_on(tmp_path: Path) -> None:
    result = call(tmp_path, "demo", "--seconds", "2", "--entities", "8")
    assert result.exit_code == 0, result.output
    received, stored, lost, survived = figures(result.output)
    assert received == stored > 0
    assert (lost, survived) == (0, 0)
    assert "Too short for the two outages" in result.output
    assert "homeiq-ingest init" in result.output
    pasted = next(line.split()[1:] for line in result.output.splitlines() if " query " in line)
    shown = call(tmp_path, *pasted)
    assert shown.exit_code == 0, shown.output
    assert "°C" in shown.output


@pytest.mark.slow
def test_a_locked_store_and_a_restart_are_seen_and_survived(tmp_path: Path) -> None:
    result = call(tmp_path, "demo", "--seconds", "10", "--entities", "8")
    assert result.exit_code == 0, result.output
    received, stored, lost, survived = figures(result.output)
    assert received == stored
    assert (lost, survived) == (0, 2)
    said = result.output
    steps = (
        "locks the store's file for 2.5 s",
        "another program holds the database file: database is locked",
        " wait: database is locked",
        "The lock is gone",
        "points that waited are stored",
        "The service is stopped",
        "all it held is stored",
        "It runs again",
        "was not received",
        "outages survived 2",
    )
    assert sorted(steps, key=said.index) == list(steps)
    assert rows_in(tmp_path / "homeiq-ingest" / "demo.db") == stored  # counted by nobody of ours
    commands = (" query ", " init")
    assert all(len(each) <= WIDTH for each in said.splitlines() if not any(name in each for name in commands))


@pytest.mark.slow
def test_what_is_really_lost_is_counted_and_fails_the_demo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo_stage, "MEMORY", 1)  # while the file is locked, every batch evicts the one before
    result = call(tmp_path, "demo", "--seconds", "8", "--entities", "8")
    assert result.exit_code == 1, result.output
    received, stored, lost, survived = figures(result.output)
    assert lost == received - stored > 0
    assert survived >= 1
    assert f"Of what is lost: {lost} dropped by a full queue." in result.output
    # A state that was lost may have been read again after the restart.
    assert stored <= rows_in(tmp_path / "homeiq-ingest" / "demo.db") <= stored + 8


def test_the_demo_begins_with_an_empty_file_each_time(tmp_path: Path) -> None:
    for _ in range(2):
        received, stored, _, _ = figures(call(tmp_path, "demo", "--seconds", "1", "--entities", "8").output)
        assert received == stored
        assert rows_in(tmp_path / "homeiq-ingest" / "demo.db") == stored


def test_on_a_terminal_it_is_drawn_and_news_are_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    board = Board()
    tell = board.tell
    play(board, Scene(tmp_path / "demo.db", 4.0, 8, 1, rich=True, acts=Acts(0.8, 1.8, 2.8, 0.2)))
    assert board.agrees
    assert board.survived >= 1  # a busy machine may not write in the short time of the lock
    assert board.tell is tell
    shown = capsys.readouterr().out
    assert "received" in shown
    assert "→ The service is stopped" in shown


def test_without_acts_it_is_drawn_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    board = Board()
    play(board, Scene(tmp_path / "demo.db", 1.0, 8, 1, rich=True))
    assert board.agrees
    assert "received" in capsys.readouterr().out


@contextmanager
def process(tmp_path: Path, *options: str) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", "ingest", "demo", "--plain", "--entities", "8", *options]
    environ = {**os.environ, "XDG_CACHE_HOME": str(tmp_path), "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(command, env=environ, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as running:
        yield running


def interrupted(running: subprocess.Popen[str], within: float) -> str:
    """What a demo says after Ctrl-C."""
    assert running.stdout
    asked = time.monotonic()
    running.send_signal(signal.SIGINT)
    rest = running.stdout.read()
    assert running.wait(10) == 0, rest
    assert time.monotonic() - asked < within
    assert "Traceback" not in rest
    return rest


def read_until(running: subprocess.Popen[str], text: str) -> None:
    assert running.stdout
    assert any(text in said for said in running.stdout)


def test_ctrl_c_ends_it_within_two_seconds_and_without_a_traceback(tmp_path: Path) -> None:
    with process(tmp_path) as running:
        read_until(running, "· stored")
        assert figures(interrupted(running, within=2))[2:] == (0, 0)


@pytest.mark.slow
def test_ctrl_c_while_the_store_is_locked_loses_nothing(tmp_path: Path) -> None:
    with process(tmp_path, "--seconds", "12") as running:
        read_until(running, "database is locked")
        assert figures(interrupted(running, within=4))[2:] == (0, 1)


# ---- the outages ---------------------------------------------------------------------------------------------------


def test_the_outages_fit_into_the_time_there_is() -> None:
    assert Acts.within(7.9) is None
    endless = Acts.within(float("inf"))
    assert endless == Acts.within(3600) == Acts(6, 5, 15, 2)
    for seconds in range(8, 30):
        acts = Acts.within(seconds)
        assert acts
        assert acts.locked >= 2  # SQLite itself waits a second before it says that a file is locked
        assert acts.lock + acts.locked < acts.stop
        assert acts.stop + acts.stopped < seconds - 1


async def test_while_the_file_is_locked_the_store_keeps_and_says_why(tmp_path: Path) -> None:
    path = tmp_path / "demo.db"
    row = row_of(Point("sensor.a", 1, "on", Facts("a"), Attributes("{}")))
    batch: Batch[tuple[Row, ...]] = Batch((row,), 1, 1, 1, 1)
    async with open_embedded(EmbeddedSettings(path), InlineLane(), time.time_ns) as embedded:
        async with locked_file(path, InlineLane()):
            kept = await embedded.store.deliver(batch)
        assert isinstance(kept, Keep)
        assert kept.reason == LOCKED.replace("demo.db", str(path))
        assert not kept.remedy
        assert isinstance(await embedded.store.deliver(batch), Delivered)


async def test_the_lock_is_waited_for_and_let_go(tmp_path: Path) -> None:
    path = tmp_path / "demo.db"
    async with open_embedded(EmbeddedSettings(path), ThreadLane(), time.time_ns):
        got = trio.Event()

        async def wait_for_it() -> None:
            async with locked_file(path):
                got.set()

        async with trio.open_nursery() as nursery:
            async with locked_file(path):
                nursery.start_soon(wait_for_it)
                await trio.sleep(0.3)
                assert not got.is_set()
            with trio.fail_after(5):
                await got.wait()


async def test_the_service_is_stopped_at_its_time_and_not_while_points_wait(autojump_clock: MockClock) -> None:
    board, news = told(reports.Received(3, Source.LIVE), waiting(), reports.StoreRecovered("embedded", 5.0))
    times: list[float] = []

    @asynccontextmanager
    async def obstacle() -> AsyncGenerator[None]:
        times.append(trio.current_time())
        yield
        times.append(trio.current_time())

    for recovery in (1.0, 9.0, 99.0):
        begun = trio.current_time()
        news.clear()

        async def settled(recovery: float = recovery) -> None:
            await trio.sleep(recovery)

        await until_the_stop(Acts(6, 5, 15, 2), begun, board, obstacle, settled)
        assert [round(at - begun) for at in times[-2:]] == [6, 11]
        # As planned; later when the store is not ready; and at last in any case.
        assert round(trio.current_time() - begun) == {1.0: 15, 9.0: 20, 99.0: 26}[recovery]
        assert any("All 3 points that waited are stored" in said for said in news) == (recovery < 99)


async def test_a_lock_that_nobody_met_is_no_outage(tmp_path: Path, autojump_clock: MockClock) -> None:
    board, news = told()
    obstacle = partial(locked_file, tmp_path / "demo.db", InlineLane())
    await until_the_stop(Acts(6, 5, 15, 2), trio.current_time(), board, obstacle, trio.lowlevel.checkpoint)
    assert "→ Nothing had to wait for it." in news
    assert board.survived == 0


async def test_a_file_that_cannot_be_locked_is_no_outage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, autojump_clock: MockClock
) -> None:
    monkeypatch.setattr(demo_outages, "ATTEMPTS", 1)
    board, news = told()
    obstacle = partial(locked_file, tmp_path / "demo.db", InlineLane())
    async with obstacle():
        await until_the_stop(Acts(6, 5, 15, 2), trio.current_time(), board, obstacle, trio.sleep_forever)
    assert news[:2] == [
        "→ The demo could not lock the store's file:",
        "→ another program holds the database file: database is locked",
    ]
    assert board.survived == 0


# ---- the books -----------------------------------------------------------------------------------------------------


def waiting(reason: str = LOCKED) -> reports.StoreWaiting:
    return reports.StoreWaiting("embedded", reason, "", 1.0, 3)


def test_an_outage_counts_when_it_happened_and_points_were_stored_after_it() -> None:
    board, news = told(reports.Received(9, Source.LIVE), reports.Stored("embedded", 3, 0.1))
    assert board.survived == 0
    for report in (waiting(), waiting()):
        board.add(report)
    assert board.condition == "6 wait: database is locked"
    assert news == [f"→ The service: {LOCKED.partition(' (')[0]}"]
    board.add(reports.StoreRecovered("embedded", 5.0))
    assert (board.survived, board.waited, board.condition) == (0, 6, "")
    board.add(reports.Stored("embedded", 6, 0.1))
    assert board.survived == 1
    board.add(reports.Stopped(BOOKS, balanced=True))
    assert board.survived == 1
    board.add(reports.Stored("embedded", 1, 0.1))
    assert board.survived == 2


def test_a_restart_says_how_long_it_took() -> None:
    board, news = told(clock=iter([10.0, 10.25, 12.5]))
    board.restarts()
    assert "is down" in board.condition
    board.add(reports.Stopped(BOOKS, balanced=True))
    board.add(reports.Connected("home", "ws://127.0.0.1", "2025.4.4", 1))
    assert not board.condition
    assert news[0] == "→ It ended in 0.25 s; all it held is stored."
    assert news[1] == "→ It runs again and is subscribed: 2.5 s without the service."
    board.add(reports.Stopped(BOOKS, balanced=True))  # the end of the demo
    assert len(news) == 3


def test_points_that_a_stop_left_in_memory_are_lost_and_said(capsys: pytest.CaptureFixture[str]) -> None:
    board, news = told(reports.Received(3, Source.LIVE), reports.Stored("embedded", 2, 0.1))
    board.restarts()
    board.add(reports.Lost("embedded", 1))
    board.add(reports.Stopped(BOOKS, balanced=True))
    assert "NOT ALL IT HELD IS STORED" in news[0]
    board.add(reports.Received(5, Source.SNAPSHOT))
    board.add(reports.Stored("embedded", 5, 0.1))
    demo.epilogue(board, Path("demo.db"))
    assert not board.agrees
    said = capsys.readouterr().out
    assert figures(said) == (8, 7, 1, 1)
    assert "Of what is lost: 1 left in memory at a stop." in said


def test_what_nobody_accounts_for_is_lost_too(capsys: pytest.CaptureFixture[str]) -> None:
    board, _ = told(
        reports.Received(9, Source.LIVE),
        reports.Evicted("embedded", 1, 0, 0),
        reports.Stored("embedded", 5, 0.1),
        reports.Stopped(BOOKS, balanced=False),
    )
    demo.epilogue(board, Path("demo.db"))
    assert not board.agrees
    said = capsys.readouterr().out
    assert figures(said) == (9, 5, 4, 0)
    assert "Of what is lost: 1 dropped by a full queue, 3 unexplained." in said
    assert "DO NOT BALANCE" in said


def test_what_is_stored_already_or_left_out_by_a_rule_is_not_lost() -> None:
    heard = (reports.Received(9, Source.SNAPSHOT), reports.Repeated(3), reports.Filtered({"domain": 2}))
    board, _ = told(*heard, reports.Stored("embedded", 4, 0.1))
    assert board.agrees
    assert board.verdict() == "received 4 · stored 4 · lost 0 · outages survived 0"


def test_a_state_that_is_read_again_after_the_restart_counts_once() -> None:
    first = Point("sensor.a", 5, "on", Facts("a"), Attributes("{}"))
    board, _ = told()
    for heard, point in (
        (Source.LIVE, first),
        (Source.SNAPSHOT, attrs.evolve(first, origin=Source.SNAPSHOT)),
        (Source.SNAPSHOT, attrs.evolve(first, time_ns=6, origin=Source.SNAPSHOT)),
    ):
        board.add(reports.Received(1, heard))
        board.see(point)
        assert board.shown >= board.stored
        board.add(reports.Stored("embedded", 1, 0.1))
        assert board.shown == board.stored
    assert (board.received, board.stored, board.lost) == (2, 2, 0)


def test_more_stored_than_received_is_no_success() -> None:
    board, _ = told(reports.Received(3, Source.LIVE), reports.Stored("embedded", 4, 0.1))
    assert not board.agrees
    assert "lost -1" in board.verdict()


# ---- the lines -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("entity_id", ["sun.sun", "sensor.node_0426_bedroom_power_of_a_very_long_name"])
@pytest.mark.parametrize("state", ["on", "x" * 24])
@pytest.mark.parametrize("count", [1, 9_999_999])
def test_a_line_has_eighty_columns(entity_id: str, state: str, count: int) -> None:
    board, _ = told(reports.Received(count, Source.LIVE))
    assert len(line(board)) < WIDTH
    board.see(Point(entity_id, 0, state, Facts("a"), Attributes("{}", None, "kWh")))
    assert len(line(board)) <= WIDTH
    board.add(waiting("x: " + "y" * 99))
    assert len(line(board)) == WIDTH


def test_a_value_is_not_cut_for_the_sake_of_a_name() -> None:
    board, _ = told()
    point = Point("sensor.node_0426_bedroom_power", 0, "8138.401", Facts("a"), Attributes("{}", None, "kWh"))
    board.see(point)
    assert Glimpse.of(point).value == "8138.401 kWh"
    assert line(board).endswith("…  8138.401 kWh")
