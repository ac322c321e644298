"""Reading the configuration again: by a command, by a signal, and because a file changed; real processes, a simulated home."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import cast

import msgspec
import pytest
import trio
from attrs import define, evolve, field
from click.testing import CliRunner, Result
from trio.testing import MockClock

from ingest.cli import reloading
from ingest.cli.main import main
from ingest.cli.options import loaded
from ingest.cli.reloading import Reloading
from ingest.cli.service import serve
from ingest.config.load import Loaded, load
from ingest.config.service import Log
from ingest.config.settings import Settings
from ingest.core import reports
from ingest.core.control import line, read_as
from ingest.core.filter_settings import Pattern
from ingest.core.reloading import Outcome, Reload
from ingest.core.reports import Level, Report
from ingest.core.rules import Rules
from ingest.core.session import SessionState
from ingest.errors import Problems, Refused, Transient
from ingest.runtime.lane import InlineLane, ThreadLane
from ingest.runtime.supervise import one_error
from tests.cli.test_run import configuration, told
from tests.faults.remembering import remember
from tests.integration.house import living
from tests.support.homes import Running, running_home

ENTITIES, STATES = 3, 40


@pytest.fixture
def home() -> Iterator[Running]:
    with running_home(5, timedelta(0)) as running:
        running.do(lambda: remember(running.server.home, ENTITIES, STATES, datetime.now(UTC)))
        yield running


def say(config: Path, *lines: str) -> None:
    """Add lines to the configuration that was written first, in the place of those that were added before."""
    first = config.with_suffix(".first")
    if not first.exists():
        shutil.copy(config, first)
    config.write_text("\n".join([first.read_text(), *lines]))


def waiting_in(channel: socket.socket) -> Iterator[str]:
    channel.setblocking(False)
    with suppress(BlockingIOError):
        while True:
            yield channel.recv(65536).decode()


def command(config: Path, *arguments: str) -> Result:
    return CliRunner().invoke(main, [*arguments, "--config", str(config), "--set", "api.enabled=false"])


@define(eq=False)
class Service:
    """The service, in a thread of its own, with its configuration."""

    config: Path
    emitted: list[Report] = field(factory=list)
    levels: list[str] = field(factory=list)
    live: threading.Event = field(factory=threading.Event)
    stop: trio.Event = field(factory=trio.Event)
    token: trio.lowlevel.TrioToken | None = None

    def hear(self, report: Report) -> None:
        self.emitted.append(report)
        if isinstance(report, reports.SessionChanged) and report.state is SessionState.LIVE:
            self.live.set()

    async def main(self) -> None:
        self.token = trio.lowlevel.current_trio_token()
        read = partial(loaded, self.config, ("api.enabled=false",), for_running=True)
        changing = Reloading(read, read(), self.levels.append, ThreadLane(abandon=True))
        with one_error():
            await serve(changing.settings, (self.hear,), self.stop, changing)


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
        assert service.token is not None
        service.token.run_sync_soon(service.stop.set)
        thread.join(20)


def test_the_command_says_what_changes_and_offers_what_was_left_out(home: Running, tmp_path: Path) -> None:
    config = configuration(tmp_path, home.url)
    say(config, 'level = "info"', "[filter]", 'patterns = [{entity_id = "sensor.import_*"}]')
    with serving(config) as service:
        assert command(config, "reload").stdout == "nothing changed\n"
        say(
            config,
            'level = "debug"',
            "[filter]",
            'patterns = [{entity_id = "sensor.import_0000"}]',
            "[influxdb]",
            'org = "x"',
        )
        result = command(config, "reload")
        assert (result.exit_code, result.stderr) == (0, "")
        names = "--entities sensor.import_0001 --entities sensor.import_0002"
        assert result.stdout.splitlines() == [
            'filter.patterns: without {entity_id = "sensor.import_*"}, with {entity_id = "sensor.import_0000"}',
            'influxdb.org: "homeiq" → "x"',
            'log.level: "info" → "debug"',
            "stored from now on: 2 entities: sensor.import_0001, sensor.import_0002",
            "needs a restart: influxdb.org",
            f"what was left out of them before comes with: homeiq-ingest backfill --since 10d {names}",
        ]
        assert service.levels[-1] == "debug"
        offered = result.stdout.splitlines()[-1].partition("homeiq-ingest ")[2].split()
        brought = command(config, *offered)
        assert brought.stdout.endswith(f"{2 * (STATES - 1)} states came from Home Assistant's history.\n"), (
            brought.output
        )
        # What needs a restart goes on to need it.
        assert "needs a restart: influxdb.org" in command(config, "reload").stdout


def test_a_wrong_configuration_changes_nothing_and_every_error_is_said(
    home: Running, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = configuration(tmp_path, home.url)
    with serving(config) as service:
        say(config, 'level = "loud"', "[filter]", 'patterns = [{entity_id = "sensor.import_*"}]', "[batch]", "size = 0")
        result = command(config, "reload")
        assert result.exit_code == 2
        assert result.stdout == ""
        assert "error: log.level" in result.stderr
        assert "error: batch.size" in result.stderr
        assert "Nothing was changed" in result.stderr
        # systemd's ExecReload= says it to the journal, of which `journalctl -p err` shows it.
        monkeypatch.setattr("ingest.edge.journald.is_journal", lambda *_: True)
        assert {line[:3] for line in command(config, "reload").stderr.splitlines()} == {"<3>"}
        monkeypatch.undo()
        assert service.levels == []
        refused = [each for each in service.emitted if isinstance(each, reports.ReloadRefused)]
        assert len(refused[0].problems) == 2
        assert "batch.size" in refused[0].text()


def test_without_a_service_it_says_so(home: Running, tmp_path: Path) -> None:
    result = command(configuration(tmp_path, home.url), "reload")
    assert result.exit_code == 2
    assert "no service runs with this state file" in result.stderr
    assert "homeiq-ingest config check" in result.stderr


def test_a_signal_has_it_read_again_and_systemd_hears_of_it(home: Running, tmp_path: Path) -> None:
    config = configuration(tmp_path, home.url)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(20)
        environ = {**os.environ, "PYTHONUNBUFFERED": "1", "NOTIFY_SOCKET": str(tmp_path / "notify")}
        line = [sys.executable, "-m", "ingest", "run", "--config", str(config), "--set", "api.enabled=false"]
        with subprocess.Popen(line, env=environ, stderr=subprocess.PIPE, text=True, start_new_session=True) as process:
            told(process, "Snapshot")
            say(config, "[filter]", 'patterns = [{domain = "light"}]')
            process.send_signal(signal.SIGHUP)
            assert told(process, "Reloading")["why"] == "asked to by a signal"
            assert told(process, "Reloaded")["changes"][0] == 'filter.patterns: with {domain = "light"}'
            say(config, "[filter]", 'patterns = [{domian = "light"}]')
            process.send_signal(signal.SIGHUP)
            assert "unknown key" in told(process, "ReloadRefused")["message"]
            process.send_signal(signal.SIGTERM)
            process.communicate(timeout=10)
            assert process.returncode == 0
        heard = list(waiting_in(manager))
    kinds = [each.partition("\n")[0] for each in heard if not each.startswith(("STATUS", "EXTEND_TIMEOUT_USEC"))]
    assert kinds == ["READY=1", "RELOADING=1", "READY=1", "RELOADING=1", "READY=1", "STOPPING=1"]
    assert all(re.match(r"RELOADING=1\nMONOTONIC_USEC=\d+\nSTATUS=", each) for each in heard if each.startswith("REL"))


# ---- the files, under a virtual clock --------------------------------------------------------------------------------


@define(eq=False)
class Changing:
    """A configuration that is a file with the name of a level, and a filter's file."""

    folder: Path
    levels: list[str] = field(factory=list)
    reads: int = 0

    @property
    def file(self) -> Path:
        return self.folder / "config.toml"

    def read(self) -> Loaded:
        self.reads += 1
        if not self.file.exists():
            return Loaded(Settings(), {})
        level = cast("Level", self.file.read_text())
        if level not in {"info", "debug", "warning"}:
            raise Problems(("it is no level", "and wrong besides"))
        settings = Settings(home="home")
        chosen = evolve(settings.filter, file=self.folder / "filter.json")
        return Loaded(
            evolve(settings, filter=chosen, log=Log(level)),
            {},
            (f"{level} it is",),
            self.file,
        )


@asynccontextmanager
async def changing(folder: Path) -> AsyncGenerator[tuple[Changing, Reloading, list[Report]]]:
    made = Changing(folder)
    made.file.write_text("info")
    async with living(entities=5) as it:
        await it.live()
        reading = Reloading(made.read, made.read(), made.levels.append, InlineLane())
        async with reading.attached(it.pipeline):
            yield made, reading, it.emitted


async def test_a_file_that_changes_is_read_when_it_stands_still(tmp_path: Path, autojump_clock: MockClock) -> None:
    async with changing(tmp_path) as (made, _, emitted):
        await trio.sleep(300)
        assert made.reads == 1
        for part in ("d", "de", "deb", "debu", "debug"):
            made.file.write_text(part)
            await trio.sleep(0.7)
        # The look comes while it is written, or after it.
        await trio.sleep(reloading.LOOK + 3 * reloading.STILL)
        assert (made.reads, made.levels) == (2, ["debug"])
        (tmp_path / "filter.json").write_text("{}")
        await trio.sleep(reloading.LOOK + 3 * reloading.STILL)
        assert made.reads == 3
        made.file.unlink()
        await trio.sleep(0.5)
        made.file.write_text("warning")
        await trio.sleep(reloading.LOOK + 3 * reloading.STILL)
        assert (made.reads, made.levels[-1]) == (4, "warning")
        await trio.sleep(300)
        assert made.reads == 4
        notices = [each.sentence for each in emitted if isinstance(each, reports.Notice)]
        assert notices == ["debug it is", "warning it is"]


async def test_what_is_wrong_is_read_again_until_it_is_good_and_said_when_it_changes(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    """A file that the wrong configuration names is not known yet: a filter's, a token's."""
    wrong: list[str] = []

    async with changing(tmp_path) as (made, reading, emitted):

        def read() -> Loaded:
            if wrong:
                raise Problems(tuple(wrong))
            return made.read()

        def said() -> list[tuple[str, ...]]:
            return [
                each.problems if isinstance(each, reports.ReloadRefused) else () for each in emitted if is_end(each)
            ]

        def is_end(report: Report) -> bool:
            return isinstance(report, reports.ReloadRefused | reports.Reloaded)

        reading.read = read
        wrong[:] = ["the token's file is missing"]
        made.file.write_text("debug")
        await trio.sleep(300)
        assert said() == [("the token's file is missing",)]
        wrong[:] = ["the token's file is empty"]
        await trio.sleep(300)
        assert said()[1:] == [("the token's file is empty",)]
        assert made.levels == []
        wrong.clear()
        await trio.sleep(300)
        assert said()[2:] == [()]
        # Once at the start, and twice until it was known to stand still; then never again.
        assert (made.levels, made.reads) == (["debug"], 3)


async def test_the_next_file_of_the_search_does_not_take_the_place_of_one_that_is_gone(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    other = tmp_path / "etc.toml"
    async with changing(tmp_path) as (made, reading, _):
        reading.read = lambda: evolve(made.read(), file=other)
        outcome = await reading.reload("asked to")
        assert "another configuration file is found first now" in outcome.problems[0]
        assert str(other) in outcome.problems[0]
        made.file.unlink()
        reading.read = lambda: Loaded(Settings(home="home", log=Log("debug")), {}, (), other)
        outcome = await reading.reload("asked to")
        assert "the configuration file is gone" in outcome.problems[0]
        assert str(made.file) in outcome.problems[0]
        assert made.levels == []


async def test_who_asks_is_told_of_all_that_was_read_when_nobody_was_told(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    async with changing(tmp_path) as (made, reading, _):
        handler = reading.commands["reload"].handler

        async def asked() -> Outcome:
            return cast("Outcome", await handler(Reload(), lambda _: None))

        async def ask() -> list[str]:
            result = line({"result": await asked()})  # as it goes over the socket
            said = read_as(msgspec.json.decode(result)["result"], Outcome).lines()
            return [re.sub(r"\b[0-9]+ s ago", "N s ago", each) for each in said]

        async def seen(level: str) -> None:
            made.file.write_text(level)
            await trio.sleep(reloading.LOOK + 3 * reloading.STILL)

        await seen("debug")
        assert await ask() == ["read already, N s ago:", 'log.level: "info" → "debug"']
        assert await ask() == ["nothing changed"]
        await seen("info")
        made.file.write_text("warning")
        await reading.signalled()
        made.file.write_text("loud")
        assert (await asked()).problems == ("it is no level", "and wrong besides")
        made.file.write_text("debug")
        assert await ask() == [
            "read already, N s ago:", 'log.level: "debug" → "info"',
            "read already, N s ago:", 'log.level: "info" → "warning"',
            "read now:", 'log.level: "warning" → "debug"',
        ]  # fmt: skip
        assert await ask() == ["nothing changed"]
        await seen("info")
        await trio.sleep(reloading.FRESH)
        assert await ask() == ["nothing changed"]


async def test_what_an_asker_did_not_wait_for_is_told_to_the_next(autojump_clock: MockClock) -> None:
    """Who leaves does so when the other rules hold already, and the states that they let in are on their way."""
    settings = Settings(home="home")
    without = evolve(settings, filter=evolve(settings.filter, patterns=(Pattern(domain="sensor"),)))
    async with living(entities=5) as it:
        await it.live()
        it.pipeline.rules.set(Rules(without.filter))
        await trio.sleep(60)
        reading = Reloading(lambda: Loaded(settings, {}), Loaded(without, {}), lambda _: None, InlineLane())
        async with reading.attached(it.pipeline):
            ask = partial(reading.commands["reload"].handler, Reload(), lambda _: None)
            async with trio.open_nursery() as asker:
                before = it.pipeline.rules.value

                async def leave() -> None:
                    await it.pipeline.rules.until(lambda rules: rules is not before)
                    asker.cancel_scope.cancel()

                asker.start_soon(leave)
                await ask()
            assert asker.cancel_scope.cancelled_caught
            first, *rest = cast("Outcome", await ask()).lines()
    assert re.fullmatch(r"read already, [0-9]+ s ago:", first)
    assert rest[0] == 'filter.patterns: without {domain = "sensor"}'
    assert rest[1].startswith("stored from now on: ")
    assert len(it.reports(reports.Reloaded)) == 2


async def test_a_file_that_is_as_before_again_is_not_read(tmp_path: Path, autojump_clock: MockClock) -> None:
    async with changing(tmp_path) as (made, reading, _):
        status = made.file.stat()
        made.file.rename(tmp_path / "elsewhere")
        await trio.sleep(reloading.LOOK + 0.5 * reloading.STILL)
        (tmp_path / "elsewhere").rename(made.file)
        os.utime(made.file, ns=(status.st_atime_ns, status.st_mtime_ns))
        await trio.sleep(100)
        assert made.reads == 1
        assert (await reading.reload("test")).lines() == ["nothing changed"]
        await trio.sleep(100)
        assert made.reads == 2


@pytest.mark.parametrize("after", [reloading.LOOK * 3 - each / 2 for each in range(8)])
async def test_what_was_wrong_is_read_when_it_is_written_whole(
    tmp_path: Path, autojump_clock: MockClock, after: float
) -> None:
    config, rules = tmp_path / "config.toml", tmp_path / "filter.toml"
    config.write_text('home = "home"\n')
    pieces = ['mode = "include"\n', *(f'[[patterns]]\ndomain = "{each}"\n' for each in ("light", "sensor", "switch"))]
    async with living(entities=5) as it:
        await it.live()
        read = partial(load, config, {}, {})
        reading = Reloading(read, read(), lambda _: None, InlineLane())
        async with reading.attached(it.pipeline):
            config.write_text('home = "home"\n[filter]\nfile = "filter.toml"\n')
            await trio.sleep(after)
            for count in range(1, len(pieces) + 1):
                rules.write_text("".join(pieces[:count]))
                await trio.sleep(0.7 * reloading.STILL)
            await trio.sleep(60)
    (told,) = it.reports(reports.Reloaded)
    assert "switch" in str(told)


async def test_a_configuration_that_is_gone_while_it_is_read_ends_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = tmp_path / "config.toml"
    config.write_text('[home_assistant]\ntoken = "a-token-in-clear-which-is-long-enough"\n')

    def gone(path: Path) -> bool:
        raise FileNotFoundError(path)

    monkeypatch.setattr("ingest.config.warnings.readable_by_all", gone)
    assert load(config, {}, {}).file == config


async def test_a_file_that_is_wrong_or_gone_changes_nothing(tmp_path: Path, autojump_clock: MockClock) -> None:
    async with changing(tmp_path) as (made, reading, emitted):
        made.file.write_text("loud")
        await trio.sleep(30)
        assert made.levels == []
        (refused,) = [each for each in emitted if isinstance(each, reports.ReloadRefused)]
        assert refused.problems == ("it is no level", "and wrong besides")
        made.file.unlink()
        outcome = await reading.reload("test")
        assert outcome.problems[0].startswith("the configuration file is gone")
        made.file.write_text("debug")
        await reading.signalled()
        assert made.levels == ["debug"]


async def test_before_the_pipeline_runs_it_is_said(tmp_path: Path) -> None:
    made = Changing(tmp_path)
    made.file.write_text("info")
    with pytest.raises(Transient, match="only starting"):
        await Reloading(made.read, made.read(), made.levels.append, InlineLane()).reload("test")


async def test_what_is_refused_otherwise_is_a_problem_too(tmp_path: Path, autojump_clock: MockClock) -> None:
    async with changing(tmp_path) as (made, reading, _):

        def unreadable() -> Loaded:
            raise Refused("it cannot be read", remedy="Mend it.")

        reading.read = unreadable
        assert (await reading.reload("test")).problems == ("it cannot be read. Mend it.",)
        assert made.levels == []


def test_many_entities_are_offered_by_domain() -> None:
    settings = Settings(home="home")
    reading = Reloading(lambda: Loaded(settings, {}), Loaded(settings, {}), lambda _: None, InlineLane())
    assert reading._offer({}) == ""
    many = dict.fromkeys([*(f"sensor.a{number}" for number in range(30)), "light.b"], None)
    assert reading._offer(many) == "homeiq-ingest backfill --since 10d --entities 'light.*' --entities 'sensor.*'"
    since = int(datetime(2026, 11, 20, 8, 30, 20, tzinfo=UTC).timestamp()) * 10**9
    local = datetime(2026, 11, 20, 8, 30, tzinfo=UTC).astimezone()
    assert f"--since {local:%Y-%m-%dT%H:%M} " in reading._offer({"light.b": since})
    reading.settings = evolve(settings, store=evolve(settings.store, kind="stdout"))
    assert reading._offer(many) == ""
