"""`backfill` and `gaps fill`, with a simulated home that has a past: by a service, and without one."""

from __future__ import annotations

import os
import re
import signal
import sqlite3
import threading
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import closing, contextmanager, suppress
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import pytest
import trio
from attrs import define, field
from click.testing import CliRunner, Result

from ingest.actors import backfill
from ingest.cli import estimate, filling, progress
from ingest.cli.hopeless import Hopes
from ingest.cli.main import main
from ingest.cli.options import loaded
from ingest.cli.progress import Step, said
from ingest.cli.service import serve
from ingest.cli.two_series import TWO_SERIES
from ingest.core import reports
from ingest.core.coverage import Cause, Progress
from ingest.core.reports import Report
from ingest.core.session import SessionState
from ingest.edge.ledger_file import listed
from ingest.edge.ledger_import import Far, how_far
from ingest.edge.lock import SERVICE, locked
from ingest.edge.sqlite import Connection
from ingest.edge.state_read import state_read
from ingest.errors import Refused
from ingest.runtime.supervise import one_error
from ingest.simulator.faults import Drop
from ingest.simulator.script import happen
from tests.cli.test_run import configuration
from tests.faults.remembering import remember
from tests.support.homes import Running, running_home
from tests.support.terminal import on_a_terminal, screen

ENTITIES, STATES = 3, 40
IMPORTED = ENTITIES * (STATES - 1)
"""The present states come of the snapshot."""

API = ("--set", "api.enabled=false")
CONSOLE = ("--set", "log.format=console")


@pytest.fixture
def home() -> Iterator[Running]:
    with running_home(5, timedelta(0)) as running:
        running.do(lambda: remember(running.server.home, ENTITIES, STATES, datetime.now(UTC)))
        yield running


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backfill, "SETTLE", 0.2)


def command(config: Path, *arguments: str) -> Result:
    return CliRunner().invoke(main, [*arguments, "--config", str(config), *API])


@define(eq=False)
class Service:
    """The service, in a thread of its own."""

    config: Path
    emitted: list[Report] = field(factory=list)
    live: threading.Event = field(factory=threading.Event)
    stop: trio.Event = field(factory=trio.Event)
    token: trio.lowlevel.TrioToken | None = None

    def hear(self, report: Report) -> None:
        self.emitted.append(report)
        if isinstance(report, reports.SessionChanged) and report.state is SessionState.LIVE:
            self.live.set()

    async def main(self) -> None:
        self.token = trio.lowlevel.current_trio_token()
        settings = loaded(self.config, ("api.enabled=false",)).settings
        with one_error():
            await serve(settings, (self.hear,), self.stop)

    def end(self) -> None:
        assert self.token is not None
        with suppress(trio.RunFinishedError):
            self.token.run_sync_soon(self.stop.set)


@contextmanager
def serving(config: Path) -> Iterator[Service]:
    service = Service(config)
    thread = threading.Thread(target=trio.run, args=(service.main,))
    thread.start()
    try:
        assert service.live.wait(20)
        time.sleep(0.5)
        yield service
    finally:
        service.end()
        thread.join(20)


def stored(folder: Path, kind: str = "import_") -> int:
    with closing(sqlite3.connect(folder / "home.db")) as file:
        (count,) = file.execute("SELECT count(*) FROM changes WHERE entity_id LIKE ?", (f"sensor.{kind}%",)).fetchone()
    return int(count)


def gaps(folder: Path) -> list[tuple[Cause, Progress, int]]:
    with state_read(folder / "state.db") as connection:
        return [(gap.cause, gap.progress, gap.filled) for _, gap in listed(connection)]


def test_without_a_service_the_work_is_done_here(
    home: Running, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress, "LINE_EVERY", 0.0)
    config = configuration(tmp_path, home.url)
    dry = command(config, "backfill", "--since", "11d", "--dry-run")
    assert dry.exit_code == 0, dry.output
    assert re.match(
        r"\d+ entities, from 20.* to 20.*:\nabout [\d,]+ states in .*\n.*\nNothing was written\.\n$", dry.stdout
    )
    assert not (tmp_path / "state.db").exists()
    result = command(config, "backfill", "--since", "11d")
    assert result.exit_code == 0, result.output
    assert result.stdout.startswith("Gap 1 is filled: ")
    assert stored(tmp_path) == ENTITIES * STATES
    assert "states" in result.stderr
    again = command(config, "backfill", "--since", "11d")
    assert again.stdout.startswith("Everything since then is stored")
    nothing = command(config, "backfill", "--since", "11d", "--dry-run")
    assert nothing.stdout.startswith("Nothing: everything since then is stored")
    assert command(config, "gaps", "fill").stdout == "There is nothing to fill.\n"
    assert stored(tmp_path) == ENTITIES * STATES


def test_since_ever_is_asked_for_once(home: Running, tmp_path: Path) -> None:
    config = configuration(tmp_path, home.url)
    result = command(config, "backfill", "--since", "1000y")
    assert result.exit_code == 0, result.output
    assert result.stdout.startswith("Gap 1 is filled: ")
    assert stored(tmp_path) == ENTITIES * STATES
    for since in ("1000y", "0001-01-01", "1970-01-01T00:00Z"):
        assert command(config, "backfill", "--since", since).stdout.startswith("Everything since then is stored")


def test_a_running_service_does_the_work(home: Running, tmp_path: Path) -> None:
    config = configuration(tmp_path, home.url)
    with serving(config):
        result = command(config, "backfill", "--since", "11d", "--entities", "sensor.import_*[01]")
        assert result.exit_code == 0, result.output
        assert result.stdout == f"Gap 1 is filled: {2 * (STATES - 1)} states came from Home Assistant's history.\n"
        assert "of 2 entities is open.\nThe service fills it." in result.stderr
        assert stored(tmp_path) == 2 * STATES + 1
        assert command(config, "gaps", "fill").stdout == "There is nothing to fill.\n"
        again = command(config, "backfill", "--since", "11d", "--entities", "sensor.import_*[01]")
        assert again.stdout.startswith("Everything since then is stored")
    assert gaps(tmp_path) == [(Cause.IMPORTED, Progress.FILLED, 2 * (STATES - 1))]


MISSPELT = ("backfill", "--since", "11d", "--entities", "senosr.*")


def test_a_pattern_that_no_entity_matches_is_no_success(home: Running, tmp_path: Path) -> None:
    config = configuration(tmp_path, home.url)

    def refuse(*more: str) -> None:
        result = command(config, *MISSPELT, *more)
        assert (result.exit_code, result.stdout) == (2, ""), result.output
        assert "no entity that is to be stored matches 'senosr.*'" in result.stderr

    for more in ((), ("--dry-run",), ("--again",), ("--again", "--dry-run")):
        refuse(*more)
    with serving(config):
        for more in ((), ("--again",), ("--dry-run",)):
            refuse(*more)
    assert gaps(tmp_path) == []


def test_what_could_not_be_had_is_tried_again(home: Running, tmp_path: Path) -> None:
    recorder = home.server.instance.recorder
    home.do(lambda: setattr(recorder, "excluded", ("sensor.import_0001",)))
    config = configuration(tmp_path, home.url)
    with serving(config):
        lacking = command(config, "backfill", "--since", "11d", "--entities", "sensor.import_*")
        assert "and that is all there is: Home Assistant's recorder has nothing of the entity" in lacking.stdout
        assert "homeiq-ingest gaps show 1" in lacking.stderr
        home.do(lambda: setattr(recorder, "excluded", ()))
        filled = command(config, "gaps", "fill")
        assert filled.stdout.splitlines() == [
            "Filling 1 gap, 1 of their entities once more.",
            f"Gap 1 is filled: {IMPORTED} states came from Home Assistant's history.",
        ]
        assert TWO_SERIES not in filled.stderr, "the embedded store has each once"
    assert stored(tmp_path) == ENTITIES * STATES


def interrupting(monkeypatch: pytest.MonkeyPatch, act: Callable[[], None]) -> None:
    """When the progress is shown for the first time."""
    acts = iter([act])

    def look(connection: Connection, ids: Collection[int], now_ns: int) -> Far:
        next(acts, lambda: None)()
        return how_far(connection, ids, now_ns)

    monkeypatch.setattr(filling, "how_far", look)


def test_ctrl_c_ends_only_the_looking(home: Running, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt() -> None:
        raise KeyboardInterrupt

    config = configuration(tmp_path, home.url)
    interrupting(monkeypatch, interrupt)
    with serving(config):
        result = command(config, "backfill", "--since", "11d")
        assert (result.exit_code, "The service goes on" in result.stderr) == (0, True), result.output
        assert "is not filled yet" in result.stdout
        deadline = time.monotonic() + 20
        while stored(tmp_path) < ENTITIES * STATES:
            assert time.monotonic() < deadline
            time.sleep(0.1)


def test_a_service_that_ends_meanwhile_is_told(home: Running, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = configuration(tmp_path, home.url)
    home.do(lambda: setattr(home.server.instance.recorder, "delay", 60.0))
    monkeypatch.setattr(filling, "LOOKS", 1)
    with serving(config) as service:
        interrupting(monkeypatch, service.end)
        result = command(config, "backfill", "--since", "11d")
    assert (result.exit_code, "the service has ended" in result.stderr) == (1, True), result.output


def test_a_signal_stops_the_work_and_it_can_go_on(
    home: Running, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = configuration(tmp_path, home.url)
    recorder = home.server.instance.recorder
    home.do(lambda: setattr(recorder, "delay", 60.0))
    timer = threading.Timer(2.5, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    result = command(config, "backfill", "--since", "11d")
    assert (result.exit_code, "Run this again to go on" in result.stderr) == (0, True), result.output
    assert result.stdout == "Gap 1 is not filled yet; 0 states came from Home Assistant's history until now.\n"
    home.do(lambda: setattr(recorder, "delay", 0.0))
    result = command(config, "backfill", "--since", "10d")
    assert "that goes on" in result.stderr
    assert stored(tmp_path) == ENTITIES * STATES


def test_what_waits_for_the_database_is_told(home: Running, tmp_path: Path) -> None:
    database = '[influxdb]\nurl = "http://127.0.0.1:9"\ntoken_file = "token"'
    config = configuration(tmp_path, home.url, database)
    result = command(config, "backfill", "--since", "11d", "--entities", "sensor.import_*")
    assert result.exit_code == 0, result.output
    assert result.stdout == f"Gap 1 is filled: {IMPORTED} states came from Home Assistant's history.\n"
    assert "states that were stored while it was are written over" in result.stderr
    assert re.search(r"\d+ points wait for the database; the service sends them when it runs\.", result.stderr)
    assert TWO_SERIES not in result.stderr
    again = command(config, "backfill", "--since", "11d", "--again", "--dry-run")
    assert TWO_SERIES in again.stderr


def test_what_comes_in_part_is_read_whole_once_more_and_that_is_said(home: Running, tmp_path: Path) -> None:
    recorder = home.server.instance.recorder
    home.do(lambda: setattr(recorder, "excluded", ("sensor.import_0001",)))
    database = '[influxdb]\nurl = "http://127.0.0.1:9"\ntoken_file = "token"'
    config = configuration(tmp_path, home.url, database)
    assert command(config, "backfill", "--since", "11d", "--entities", "sensor.import_*").exit_code == 0
    home.do(lambda: setattr(recorder, "excluded", ()))
    filled = command(config, "gaps", "fill")
    assert filled.stdout.startswith("Filling 1 gap, 1 of their entities once more.\n")
    assert TWO_SERIES in filled.stderr


def test_home_assistant_must_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(filling, "READY", 0.5)
    config = configuration(tmp_path, "http://127.0.0.1:9")
    result = command(config, "backfill", "--since", "1d")
    assert (result.exit_code, "did not tell its states within" in result.stderr) == (1, True), result.output
    assert command(config, "backfill", "--since", "1d", "--dry-run").exit_code == 1


def test_a_refused_token_ends_it_at_once(home: Running, tmp_path: Path) -> None:
    config = configuration(tmp_path, home.url)
    home.do(lambda: setattr(home.server.instance.mood, "refuse_auth", True))
    dry = command(config, "backfill", "--since", "1d", "--dry-run")
    assert (dry.exit_code, "does not accept the token" in dry.stderr) == (2, True), dry.output
    for words in (("backfill", "--since", "1d"), ("gaps", "fill")):
        began = time.monotonic()
        result = command(config, *words)
        assert (result.exit_code, result.stderr.splitlines()[-1]) == (2, dry.stderr.splitlines()[-1]), result.output
        assert result.stderr.count("does not accept the token") == 1, "nor is it said that it will be tried again"
        assert time.monotonic() - began < 20


def test_one_address_that_may_come_back_is_waited_for() -> None:
    heard: list[Report] = []
    hopes = Hopes(["home", "remote"], heard.append)
    hopes.hear(reports.CandidateRefused("home", "no such token", 600.0, "Make one."))
    hopes.hear(reports.ConnectionFailed("remote", "it is away", 1.0, 1, "closed"))
    hopes.check()
    assert len(heard) == 2
    hopes.hear(reports.ConnectionFailed("remote", "no certificate of its", 1.0, 2, "closed", needs_person=True))
    with pytest.raises(Refused, match=r"no such token\. Make one"):
        hopes.check()
    assert len(heard) == 2
    hopes.hear(reports.SessionChanged("remote", SessionState.LOADING))
    hopes.check()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--since", "2999-01-01"), "is not in the past"),
        (("--since", "yesterday"), "neither a duration"),
        ((), "--since"),
        (("--since", "1d", "--set", "store.kind=stdout"), "standard output keeps nothing"),
    ],
)
def test_what_makes_no_sense_is_refused(tmp_path: Path, arguments: tuple[str, ...], said: str) -> None:
    result = command(configuration(tmp_path, "http://127.0.0.1:9"), "backfill", *arguments)
    assert (result.exit_code, said in result.stderr) == (2, True), result.output


def test_a_service_that_takes_no_commands_must_be_stopped(tmp_path: Path) -> None:
    config = configuration(tmp_path, "http://127.0.0.1:9")
    with locked(tmp_path / "state.db", remedy="", by=SERVICE):
        for words in (("backfill", "--since", "1d"), ("gaps", "fill")):
            result = command(config, *words)
            assert (result.exit_code, "Stop the service" in result.stderr) == (2, True)


def test_on_a_terminal_the_log_stands_above_the_bar(home: Running, tmp_path: Path) -> None:
    """On a real one: Home Assistant loses the connection while the bar is shown, and does not record one entity."""
    recorder = home.server.instance.recorder
    home.do(lambda: setattr(recorder, "excluded", ("sensor.import_0001",)))
    home.do(lambda: setattr(recorder, "delay", 0.3))
    config = configuration(tmp_path, home.url)
    threading.Timer(4.5, partial(trio.from_thread.run, happen, home.server, Drop(), trio_token=home.token)).start()
    code, written = on_a_terminal(["backfill", "--since", "11d", "--config", str(config), *API, *CONSOLE])
    lines = screen(written)
    assert code == 0, "\n".join(lines)
    (bar,) = [line for line in lines if "━" in line]
    assert re.fullmatch(r"filling ━+ 100% \d+ states.*", bar), "\n".join(lines)
    logged = [line for line in lines if "[warning" in line]
    assert any("connection" in line for line in logged), "\n".join(lines)
    assert all(re.match(r"20\d\d-\S+Z \[warning", line) for line in logged), "\n".join(lines)
    assert max(map(lines.index, logged)) < lines.index(bar), "\n".join(lines)


def number_in(said: str, pattern: str) -> int:
    found = re.search(pattern, said)
    assert found is not None, said
    return int(found[1].replace(",", ""))


@pytest.mark.parametrize("step", ["snapshot", "marks", "again"])
def test_a_dry_run_of_a_few_hours_says_what_will_come(tmp_path: Path, step: str) -> None:
    """The history also tells what lies at the ends of a span, and a question reaches over its window."""
    with running_home(5, timedelta(0)) as home:
        home.do(lambda: remember(home.server.home, ENTITIES, 300, datetime.now(UTC), timedelta(hours=3)))
        compare_dry_run(home, configuration(tmp_path, home.url), step)


def compare_dry_run(home: Running, config: Path, step: str) -> None:
    rows = list(home.server.home.past.rows("sensor.import_0001"))
    words, since = ["--entities", "sensor.import_*"], datetime.fromtimestamp(rows[40].at / 1e6, UTC)
    if step == "marks":
        shorter = (since + timedelta(hours=1)).isoformat()
        assert command(config, "backfill", *words, "--since", shorter).stdout.startswith("Gap 1 is filled")
    if step == "again":
        words.append("--again")
        command(config, "backfill", *words, "--since", since.isoformat())
    words += ["--since", since.isoformat()]
    expected = number_in(command(config, "backfill", *words, "--dry-run").stdout, r":\n([\d,]+) states in")
    result = command(config, "backfill", *words)
    assert number_in(result.stdout, r"is filled: ([\d,]+) states came") == expected, result.output
    assert expected > 200


# ---- how far it is ------------------------------------------------------------------------------------------------


def test_rate_and_estimate_are_of_what_came_since_the_first_look() -> None:
    first = Step(0.1, 1_000, 50.0)
    assert said(first, first) == "1,000 states"
    assert said(Step(0.4, 61_000, 80.0), first) == "61,000 states, 2,000 a second, about 60 s left"
    assert said(Step(0.2, 61_000, 850.0), first).endswith("about 1.8 h left")
    assert said(Step(0.5, 61_000, 850.0), first).endswith("about 17 min left")
    assert said(Step(1.0, 61_000, 90.0), first) == "61,000 states, 1,500 a second"


def test_a_terminal_gets_a_bar(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    with progress.filling() as show:
        show(0.0, 0)
        show(0.5, 1_000)
    assert "50%" in capsys.readouterr().err


def test_an_estimate_says_how_it_was_made() -> None:
    about = estimate.Estimate(3, 0, 10**9, 1_234, exact=False)
    assert "about 1,234 states" in str(about)
    assert "24 windows of 10 minutes were counted" in str(about)
    assert ":\n1,234 states in Home Assistant's history." in str(estimate.Estimate(3, 0, 10**9, 1_234, exact=True))
