"""The first thing a newcomer runs."""

from __future__ import annotations

import os
import re
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import AsyncGenerator, Iterator, Mapping
from contextlib import asynccontextmanager, closing, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import trio
from attrs import define, field
from click.testing import CliRunner, Result
from trio.testing import MockClock

from ingest.cli import demo, demo_outages, demo_stage
from ingest.cli.demo import Acts, Scene
from ingest.cli.demo_board import WIDTH, Board, Glimpse, Look
from ingest.cli.demo_outages import Outages, locked_file
from ingest.cli.demo_screen import LOOK, line, plain_lines
from ingest.cli.demo_service import Service, service_for
from ingest.cli.demo_stage import play
from ingest.cli.main import main
from ingest.core.point import Attributes, Facts, Point
from ingest.core.rows import Row, row_of
from ingest.core.state import Source
from ingest.core.store import Batch, Delivered, Keep
from ingest.edge.embedded import EmbeddedSettings, open_embedded
from ingest.errors import Transient
from ingest.runtime.lane import InlineLane, ThreadLane
from ingest.runtime.supervise import one_error
from ingest.simulator.server import Server
from tests.support.homes import TOKEN

VERDICT = re.compile(r"^happened ([\d,]+) · stored ([\d,]+) · lost (-?[\d,]+) · outages survived (\d)$", re.MULTILINE)
FILLED = re.compile(r"^([\d,]+) of them came from Home Assistant's history and filled (\d) gaps?\.$", re.MULTILINE)
LOCKED = "another program holds the database file: database is locked (demo.db)"
BACKFILL = 2
STAMP = 1_795_600_000 * 10**9


def call(tmp_path: Path, *args: str) -> Result:
    return CliRunner().invoke(main, args, env={"XDG_CACHE_HOME": str(tmp_path)})


def figures(output: str) -> tuple[int, int, int, int]:
    """What the last line says: happened, stored, lost, outages survived."""
    (found,) = VERDICT.findall(output)
    happened, stored, lost, survived = (int(each.replace(",", "")) for each in found)
    return happened, stored, lost, survived


def rows_in(path: Path, origin: int | None = None) -> int:
    """How many changes the file holds; those of an origin."""
    with closing(sqlite3.connect(path)) as connection:
        (count,) = connection.execute(
            "SELECT count(*) FROM change WHERE ?1 IS NULL OR origin = ?1", (origin,)
        ).fetchone()
        return int(count)


def told(*heard: Mapping[str, Any], clock: Iterator[float] | None = None) -> tuple[Board, list[str]]:
    """A board that has heard these lines of the log, and the news it told."""
    news: list[str] = []
    board = Board(tell=news.append, clock=(lambda: next(clock)) if clock else time.monotonic)
    for said in heard:
        board.hear(said)
    return board, news


# ---- whole demos ---------------------------------------------------------------------------------------------------


def test_a_short_demo_stores_what_happens_and_says_how_to_go_on(tmp_path: Path) -> None:
    result = call(tmp_path, "demo", "--seconds", "4", "--entities", "8")
    assert result.exit_code == 0, result.output
    happened, stored, lost, survived = figures(result.output)
    assert happened == stored > 0
    assert (lost, survived) == (0, 0)
    assert "Too short for the outages" in result.output
    assert result.output.count("→ Look at it in a browser: http://127.0.0.1:") == 1
    assert "homeiq-ingest init" in result.output
    pasted = next(line.split()[1:] for line in result.output.splitlines() if " query " in line)
    shown = call(tmp_path, *pasted)
    assert shown.exit_code == 0, shown.output
    assert "°C" in shown.output


@pytest.mark.slow
def test_four_outages_are_seen_and_survived_and_three_gaps_are_filled(tmp_path: Path) -> None:
    result = call(tmp_path, "demo", "--seconds", "20", "--entities", "60")
    assert result.exit_code == 0, result.output
    happened, stored, lost, survived = figures(result.output)
    assert happened == stored
    assert (lost, survived) == (0, 4)
    said = result.output
    assert said.count("Look at it in a browser") == 1  # on the same port whenever it is started again
    steps = (
        "locks the store's file for 2.5 s",
        "another program holds the database file: database is locked",
        " wait: database is locked",
        "The lock is gone",
        "changes that waited are stored",
        "The service is stopped",
        "The service is killed",
        "Home Assistant restarts.\n→",
        "It is back",
        "outages survived 4",
    )
    said = said.replace("Home Assistant restarts.\n", "", 1)  # the prologue's
    places = [said.find(step.partition("\n")[0]) for step in steps]
    assert places == sorted(places)
    assert min(places) > 0, [step for step, place in zip(steps, places, strict=True) if place < 0]
    assert said.count("→ The gap is filled: ") == 3
    ((filled, gaps),) = FILLED.findall(said)
    path = tmp_path / "homeiq-ingest" / "demo.db"
    assert gaps == "3"
    assert int(filled.replace(",", "")) == rows_in(path, BACKFILL) > 100
    assert rows_in(path) >= stored  # with the first state of each entity; counted by nobody of ours
    commands = (" query ", " init")
    assert all(len(each) <= WIDTH for each in said.splitlines() if not any(name in each for name in commands))


@pytest.mark.slow
def test_what_is_really_lost_is_counted_and_fails_the_demo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = demo_stage.served

    def forgetful(scene: Scene, token: str) -> Server:
        server = made(scene, token)
        server.instance.recorder.excluded = ("sensor.house_*",)
        return server

    monkeypatch.setattr(demo_stage, "served", forgetful)
    result = call(tmp_path, "demo", "--seconds", "20")
    assert result.exit_code == 1, result.output
    happened, stored, lost, survived = figures(result.output)
    assert lost == happened - stored > 0
    assert survived == 1
    assert "→ The gap is filled only in part: Home Assistant's recorder" in result.output


def test_the_demo_begins_with_an_empty_file_each_time(tmp_path: Path) -> None:
    path = tmp_path / "homeiq-ingest" / "demo.db"
    first = [figures(call(tmp_path, "demo", "--seconds", "3", "--entities", "8").output)[:2] for _ in range(2)]
    assert all(happened == stored for happened, stored in first)
    assert 0 <= rows_in(path) - first[1][1] <= 12  # the first states


@pytest.mark.slow
def test_on_a_terminal_it_is_drawn_and_news_are_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    board = Board()
    tell = board.tell
    play(board, Scene(tmp_path / "demo.db", 4.0, 8, 1, rich=True, acts=Acts(0.5, 0.1, 1.8, 0.2, 0.2)))
    assert board.agrees
    assert board.survived >= 3  # a busy machine may not write in the short time of the lock
    assert board.tell is tell
    shown = capsys.readouterr().out
    assert "happened" in shown
    assert "→ The service is stopped" in shown


def test_without_acts_it_is_drawn_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    board = Board()
    play(board, Scene(tmp_path / "demo.db", 6.0, 8, 1, rich=True))
    assert board.agrees
    assert "happened" in capsys.readouterr().out


def test_how_long_the_service_takes_to_start_is_no_part_of_its_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    start = Service.start

    async def late(service: Service) -> None:
        await trio.sleep(2.5)
        await start(service)

    monkeypatch.setattr(Service, "start", late)
    board, _ = told()
    play(board, Scene(tmp_path / "demo.db", 2.0, 8, 1, rich=False))
    assert board.agrees


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
    """Read until a line in which the pattern is found."""
    assert running.stdout
    assert any(re.search(text, said) for said in running.stdout)


def test_ctrl_c_ends_it_within_two_seconds_and_without_a_traceback(tmp_path: Path) -> None:
    with process(tmp_path) as running:
        read_until(running, r"· stored +[1-9]")
        assert figures(interrupted(running, within=2))[2] == 0


@pytest.mark.slow
def test_ctrl_c_while_the_store_is_locked_loses_nothing(tmp_path: Path) -> None:
    with process(tmp_path, "--seconds", "20") as running:
        read_until(running, "database is locked")
        assert figures(interrupted(running, within=12))[2] == 0


@pytest.mark.slow
def test_ctrl_c_while_the_service_is_down_says_what_is_still_to_be_filled_in(tmp_path: Path) -> None:
    with process(tmp_path, "--seconds", "20", "--entities", "100") as running:
        read_until(running, "the home goes on\n")
        said = interrupted(running, within=2)
    happened, stored, lost, _ = figures(said)
    assert lost == 0
    assert f"{happened - stored:,} are still to be filled in" in said


# ---- the service ---------------------------------------------------------------------------------------------------


async def ended(config: Path) -> None:
    """Start a service and wait until it ends by itself."""
    with trio.fail_after(20), one_error():
        async with service_for(config, lambda _: None) as service:
            await service.start()
            await trio.sleep_forever()


async def test_a_service_that_ends_by_itself_is_an_error_with_its_last_words(tmp_path: Path) -> None:
    (tmp_path / "demo.toml").write_text("[nonsense]\n")
    with pytest.raises(Transient, match=r"ended by itself, with code 2.*nonsense"):
        await ended(tmp_path / "demo.toml")


async def test_nothing_in_the_surroundings_configures_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOMEIQ_INGEST_LOG_LEVEL", "nonsense")
    monkeypatch.setenv("INFLUXDB_URL", "nonsense")
    config = tmp_path / "demo.toml"
    config.write_text(
        f"[home_assistant]\nurl = 'ws://127.0.0.1:9'\ntoken = '{TOKEN}'\n[log]\nformat = 'json'\n"
        f"[embedded]\npath = '{tmp_path}/a.db'\n[spool]\npath = '{tmp_path}/b.db'\n[api]\nenabled = false\n"
    )
    failed = trio.Event()
    heard: list[Mapping[str, Any]] = []

    def hear(said: Mapping[str, Any]) -> None:
        heard.append(said)
        if said["report"] == "ConnectionFailed":
            failed.set()

    with trio.fail_after(20):
        async with service_for(config, hear) as service:
            await service.start()
            await failed.wait()
            await service.end(signal.SIGTERM)
            await service.end(signal.SIGTERM)
    assert heard[-1]["report"] == "Stopped"


# ---- the outages ---------------------------------------------------------------------------------------------------


def test_the_outages_fit_into_the_time_there_is() -> None:
    assert Acts.within(19.9) is None
    assert Acts.within(float("inf")) == Acts.within(30) == Acts()
    short = Acts.within(20)
    assert short
    assert short.locked > 2  # SQLite itself waits a second before it says that a file is locked
    assert short.calm < Acts().calm


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


async def test_what_the_history_tells_of_what_was_stored_live_did_not_come_from_there(tmp_path: Path) -> None:
    path = tmp_path / "demo.db"
    live, again, missed = (
        row_of(Point("sensor.a", STAMP + after, "on", Facts("a"), Attributes("{}"), origin=origin))
        for after, origin in ((1, None), (1, Source.BACKFILL), (2, Source.BACKFILL))
    )
    async with open_embedded(EmbeddedSettings(path), InlineLane(), time.time_ns) as embedded:
        for rows in ((live,), (again, missed)):
            assert isinstance(await embedded.store.deliver(Batch(rows, len(rows), 1, 1, 1)), Delivered)
    stored, filled, _ = demo_stage._read(path, STAMP)
    board, _ = told(opened(1), settled(2))
    board.seen.set(Look(stored, stored, filled=filled))
    assert "stored 2 · lost 0" in board.verdict()
    assert "\n1 of them came from Home Assistant's history and filled 1 gap." in board.verdict()


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


def opened(entities: int, why: str = "") -> Mapping[str, Any]:
    return {"report": "GapOpened", "entities": entities, "why": why}


def settled(filled: int, why: str = "") -> Mapping[str, Any]:
    return {"report": "GapSettled", "filled": filled, "why": why}


CONNECTED = {"report": "Connected"}
WAITING = {"report": "StoreWaiting", "reason": LOCKED}
RECOVERED = {"report": "StoreRecovered"}


@define(eq=False)
class Quick(Service):
    """A service that is subscribed at once, finds a gap of `missed` entities, and has it filled a second later."""

    board: Board = field(kw_only=True)
    missed: int = 5
    ends: list[signal.Signals] = field(factory=list)

    async def start(self) -> None:
        self.board.hear(CONNECTED)
        self.nursery.start_soon(self.mend)

    async def end(self, how: signal.Signals = signal.SIGTERM) -> None:
        await trio.lowlevel.checkpoint()
        self.ends.append(how)

    async def mend(self) -> None:
        await trio.sleep(1)
        self.board.hear(opened(self.missed))
        if self.missed:
            await trio.sleep(1)
            self.board.hear(settled(40))

    async def restart(self) -> None:
        await trio.sleep(2)
        await self.start()


@asynccontextmanager
async def failing_store(board: Board, recovery: float, nursery: trio.Nursery) -> AsyncGenerator[None]:
    """While the block runs the store fails; so long afterwards everything is stored."""

    async def recover() -> None:
        await trio.sleep(recovery)
        board.hear(RECOVERED)
        board.seen.set(Look(9, 9))

    board.hear(WAITING)
    board.seen.set(Look(9, 4))
    yield
    nursery.start_soon(recover)


async def acted(board: Board, recovery: float = 1.0, missed: int = 5) -> Quick:
    """All acts, with a quick service."""
    async with trio.open_nursery() as nursery:
        quick = Quick(Path(), board.hear, nursery, board=board, missed=missed)
        await quick.start()
        obstacle = partial(failing_store, board, recovery, nursery)
        await Outages(Acts(), board, quick, obstacle, quick.restart).play()
        nursery.cancel_scope.cancel()
    return quick


async def test_each_act_begins_when_the_one_before_is_mended(autojump_clock: MockClock) -> None:
    board, news = told()
    board.clock = trio.current_time
    quick = await acted(board)
    assert quick.ends == [signal.SIGTERM, signal.SIGKILL]
    assert board.survived == 4
    assert board.gaps == 4
    assert [said for said in news if " gap is " in said] == [
        "→ The gap is filled: 40 states came from that history."
    ] * 4
    assert [said for said in news if "All " in said] == ["→ All 5 changes that waited are stored, 1.0 s later."]
    assert [said for said in news if " without " in said and "It " in said] == [
        "→ It runs again and is subscribed: 1.5 s without the service.",
        "→ It runs again and is subscribed: 1.5 s without the service.",
        "→ It is back, and the service is subscribed: 2.0 s without it.",
    ]
    assert not board.condition
    assert not board.owed


async def test_a_store_that_does_not_recover_is_waited_for_and_not_survived(autojump_clock: MockClock) -> None:
    board, news = told()
    await acted(board, recovery=999)
    assert board.survived == 3
    assert not any("All " in said for said in news)


async def test_where_nothing_was_missed_that_is_said(autojump_clock: MockClock) -> None:
    board, news = told()
    await acted(board, missed=0)
    assert news.count("→ Nothing was missed.") == 4
    assert board.survived == 4
    assert board.gaps == 0
    assert "gap" not in board.verdict()


async def test_a_lock_that_nobody_met_is_no_outage(autojump_clock: MockClock, tmp_path: Path) -> None:
    board, news = told()
    async with trio.open_nursery() as nursery:
        quick = Quick(Path(), board.hear, nursery, board=board)
        await quick.start()
        obstacle = partial(locked_file, tmp_path / "demo.db", InlineLane())
        await Outages(Acts(), board, quick, obstacle, quick.restart).play()
        nursery.cancel_scope.cancel()
    assert "→ Nothing had to wait for it." in news
    assert board.survived == 3


async def test_a_file_that_cannot_be_locked_is_no_outage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, autojump_clock: MockClock
) -> None:
    monkeypatch.setattr(demo_outages, "ATTEMPTS", 1)
    board, news = told()
    obstacle = partial(locked_file, tmp_path / "demo.db", InlineLane())
    async with trio.open_nursery() as nursery:
        quick = Quick(Path(), board.hear, nursery, board=board)
        await quick.start()
        async with obstacle():
            await Outages(Acts(), board, quick, obstacle, quick.restart).play()
        nursery.cancel_scope.cancel()
    where = news.index("→ The demo could not lock the store's file:")
    assert news[where + 1] == "→ another program holds the database file: database is locked"
    assert board.survived == 3


# ---- the books -----------------------------------------------------------------------------------------------------


def test_trouble_is_told_once_and_shown_until_it_is_over() -> None:
    board, news = told()
    board.seen.set(Look(9, 3))
    for _ in range(2):
        board.hear(WAITING)
    assert board.condition == "6 wait: database is locked"
    assert news == [f"→ The service: {LOCKED.partition(' (')[0]}"]
    board.hear(RECOVERED)
    assert not board.condition


def test_the_pages_address_is_told_once() -> None:
    listening = {"report": "Listening", "where": "http://127.0.0.1:4711"}
    _, news = told(listening, listening)
    assert news == ["→ Look at it in a browser: http://127.0.0.1:4711"]


def test_errors_of_the_service_are_news_on_one_line() -> None:
    _, news = told(
        {"report": "DeadLetter", "level": "error", "message": "x" * 99}, {"report": "Notice", "level": "warning"}
    )
    assert len(news) == 1
    assert len(news[0]) == WIDTH


def standing(board: Board) -> tuple[str, bool]:
    return board.condition, board.owed


def test_while_something_is_down_it_is_said_and_owed() -> None:
    board, _ = told()
    with board.without("the service is down"):
        assert standing(board) == ("the service is down", True)
    assert standing(board) == ("", False)
    board.hear(opened(3))
    assert standing(board) == ("", True)
    board.hear(settled(7))
    assert standing(board) == ("", False)


def test_what_is_lost_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    board, news = told(opened(0, "it is not known whose states these were"))
    board.seen.set(Look(9, 7))
    demo.epilogue(board, Path("demo.db"))
    assert not board.agrees
    assert figures(capsys.readouterr().out) == (9, 7, 2, 0)
    assert news == ["→ Changes were lost: it is not known whose states these were."]


def test_what_the_history_has_yet_to_tell_is_not_lost(capsys: pytest.CaptureFixture[str]) -> None:
    board, _ = told(opened(3))
    board.seen.set(Look(9, 7))
    demo.epilogue(board, Path("demo.db"))
    assert board.agrees
    said = capsys.readouterr().out
    assert figures(said) == (9, 7, 0, 0)
    assert "2 are still to be filled in: the demo ended before that." in said


def test_a_gap_that_is_filled_in_part_says_why() -> None:
    board, news = told(opened(3), settled(7, "the recorder has nothing"))
    assert news[-1] == "→ The gap is filled only in part: the recorder has nothing."
    board.seen.set(Look(9, 9, filled=7))
    assert "7 of them came from Home Assistant's history and filled 1 gap." in board.verdict()


def test_books_that_do_not_balance_are_a_bug(capsys: pytest.CaptureFixture[str]) -> None:
    board, _ = told({"report": "Stopped", "balanced": False}, {"report": "Stopped", "balanced": True})
    board.seen.set(Look(9, 9))
    demo.epilogue(board, Path("demo.db"))
    assert not board.agrees
    assert "DO NOT BALANCE" in capsys.readouterr().out


def test_more_stored_than_happened_is_no_success() -> None:
    board, _ = told()
    board.seen.set(Look(3, 4))
    assert not board.agrees
    assert "lost -1" in board.verdict()


# ---- the lines -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("entity_id", ["sun.sun", "sensor.node_0426_bedroom_power_of_a_very_long_name"])
@pytest.mark.parametrize("state", ["on", "x" * 24])
@pytest.mark.parametrize("count", [1, 9_999_999])
def test_a_line_has_eighty_columns(entity_id: str, state: str, count: int) -> None:
    board, _ = told()
    board.seen.set(Look(count))
    assert len(line(board)) < WIDTH
    board.seen.set(Look(count, count, [Glimpse.of(STAMP, entity_id, state, "kWh")]))
    assert len(line(board)) <= WIDTH
    board.hear({"report": "StoreWaiting", "reason": "x: " + "y" * 99})
    assert len(line(board)) == WIDTH


async def test_off_a_terminal_the_same_is_not_said_twice(autojump_clock: MockClock) -> None:
    board, lines = told()
    with trio.move_on_after(4 * LOOK * 6.5):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(plain_lines, board)
            await trio.sleep(4 * LOOK * 3.5)
            board.seen.set(Look(9, 3))
    assert [each.split() for each in lines] == [
        ["happened", "0", "·", "stored", "0"],
        ["happened", "9", "·", "stored", "3"],
    ]


def test_a_value_is_not_cut_for_the_sake_of_a_name() -> None:
    board, _ = told()
    glimpse = Glimpse.of(STAMP, "sensor.node_0426_bedroom_power", "8138.401", "kWh")
    board.seen.set(Look(1, 1, [glimpse]))
    assert glimpse.value == "8138.401 kWh"
    assert line(board).endswith("…  8138.401 kWh")
