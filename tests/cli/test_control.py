"""The commands while a service holds the state file: they have it do the work. The service is in a thread of its own."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
import trio
from attrs import define, field

from ingest.actors.control import Control
from ingest.actors.mending import SpoollessControl
from ingest.actors.writer import Writer
from ingest.cli import asking, progress
from ingest.cli.exits import FAILED
from ingest.cli.held import held
from ingest.core.homeiq import homeiq
from ingest.core.reports import Report
from ingest.core.sealing import joined, unsealed
from ingest.core.store import Batch, Delivered, Keep, Store, Verdict
from ingest.edge.control_socket import ControlSocket
from ingest.edge.dead_letters import DeadLetters
from ingest.edge.disk_spool import DiskSpool, Limits
from ingest.edge.ledger import Ledger
from ingest.edge.ledger_file import LedgerFile
from ingest.edge.letter_file import Letters
from ingest.edge.lock import COMMAND, NOBODY, SERVICE, Held, Holder, locked
from ingest.edge.spool_control import Leftover, SpoolControl
from ingest.edge.spool_file import Table
from ingest.edge.state import opened_state
from ingest.runtime.lane import ThreadLane
from ingest.runtime.link import Weight
from tests.cli.waiting import KEY, buried, letters, lines, run, spooled, waiting_lines
from tests.support.homes import TOKEN as HOME_TOKEN

AWAY = Keep("it is away", 3600.0)


@define(eq=False)
class Service:
    """A writer over a state file, and its control socket."""

    path: Path
    verdict: Verdict = AWAY
    stored: list[bytes] = field(factory=list)
    ready: threading.Event = field(factory=threading.Event)
    token: trio.lowlevel.TrioToken | None = None
    scope: trio.CancelScope = field(factory=trio.CancelScope)
    control: Control | None = None
    embedded: bool = False

    async def deliver(self, batch: Batch[bytes]) -> Verdict:
        if self.verdict == Delivered():
            self.stored += unsealed(batch.payload)
        return self.verdict

    def hear(self, report: Report) -> None:
        assert self.control is not None
        self.control.hear(report)

    async def main(self) -> None:
        async with opened_state(self.path, time.time_ns, lambda _: None) as state:
            table, limits = Table(state.connection, state.path, KEY), Limits(10**7, 10**7, Weight(10, 10**6))
            spool = DiskSpool(table, state.lane, limits, joined, time.time_ns, self.hear)
            await spool.load()
            dead = DeadLetters(Letters(state.connection, state.path), KEY, state.lane, time.time_ns, self.hear)
            assert state.lane.file is not None
            socket = ControlSocket(state.path, state.lane.file.lock, {})
            file = LedgerFile(state.connection, state.path, KEY)
            ledger = Ledger(file, state.lane, self.hear, state.give_up)
            self.control = Control(
                SpoolControl(spool, dead, ThreadLane(abandon=True)), "http://db", socket.serve, ledger
            )
            writer = Writer(Store("influxdb", homeiq(), self.deliver), spool, self.hear, lambda: 0.999)
            self.token = trio.lowlevel.current_trio_token()
            with self.scope:
                async with trio.open_nursery() as nursery:
                    alone = SpoollessControl(ledger, Leftover(state.connection, state.path, state.lane), socket.serve)
                    control = alone if self.embedded else self.control
                    nursery.start_soon(control.run, writer.hurry, self.hear)
                    nursery.start_soon(writer.run)
                    while not list(self.path.parent.glob("*.sock")):  # noqa: ASYNC110  a file has no event
                        await trio.sleep(0.01)
                    await trio.sleep(0.05)
                    self.ready.set()


@contextmanager
def serving(path: Path, *, embedded: bool = False) -> Iterator[Service]:
    service = Service(path, embedded=embedded)
    thread = threading.Thread(target=trio.run, args=(service.main,))
    thread.start()
    try:
        assert service.ready.wait(10)
        yield service
    finally:
        assert service.token is not None
        service.token.run_sync_soon(service.scope.cancel)
        thread.join(10)


def test_purge(tmp_path: Path) -> None:
    path = spooled(tmp_path / "state.db", lines(3), lines(4, 3))
    with serving(path):
        unsure = run(path, "spool", "purge")
        assert (unsure.exit_code, unsure.stdout) == (2, "")
        assert "7 points wait" in unsure.stderr
        assert run(path, "spool", "purge", "--yes").stdout == "7 points removed.\n"
    assert waiting_lines(path) == []


def test_retry(tmp_path: Path) -> None:
    (line,) = lines(1)
    path = buried(tmp_path / "state.db", (line.decode(), "no"), ('{"a":1}', "a bug"))
    with serving(path):
        result = run(path, "dead-letters", "retry", "--all")
        assert result.stdout == "1 point is back in the spool; the service sends what is there.\n"
        assert "1 letter stays" in result.stderr
        missing = run(path, "dead-letters", "retry", 7)
        assert (missing.exit_code, "there is no dead letter 7" in missing.stderr) == (2, True)
    assert waiting_lines(path) == [line]
    assert letters(path) == [('{"a":1}', "a bug")]


def test_recover(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    old = spooled(tmp_path / "old.db", lines(3), lines(4, 3))
    path = spooled(tmp_path / "state.db")
    monkeypatch.chdir(tmp_path)
    with serving(path):
        told = run(path, "spool", "recover", "old.db").stdout.splitlines()
        assert told == [
            "7 points in 2 batches and 0 dead letters came back.",
            "The service sends them; then old.db may be deleted.",
        ]
        assert "2 batches were there already" in run(path, "spool", "recover", old).stdout
        assert "the state file itself" in run(path, "spool", "recover", path).stderr
    assert waiting_lines(path) == lines(7)


def test_replay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "LINE_EVERY", 0.0)
    path = spooled(tmp_path / "state.db", *(lines(10, 10 * each) for each in range(30)))
    with serving(path) as service:
        service.verdict = Keep("it wants a token", remedy="Give it one.")
        refused = run(path, "spool", "replay", url="http://localhost:9")
        assert refused.exit_code == 2
        assert "it wants a token. Give it one." in refused.stderr
        assert "0 points stored in http://db, 0 refused, 300 still wait.\n" in refused.stdout
        service.verdict = Delivered()
        result = run(path, "spool", "replay", url="http://localhost:9")
        assert result.exit_code == 0, result.output
        assert result.stdout == "300 points stored in http://db, 0 refused, 0 still wait.\n"
        assert "of 300 points" in result.stderr
        assert sorted(service.stored) == sorted(lines(300))
    assert waiting_lines(path) == []


def test_a_service_that_takes_no_commands_must_be_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asking, "STARTING", 0.3)
    path = spooled(tmp_path / "state.db", lines(1))
    old = spooled(tmp_path / "old.db", lines(1))
    with locked(path, remedy="") as lock:
        for word in (SERVICE.word, str(tmp_path / "gone.sock")):
            lock.leave(word)
            for command in (("spool", "purge", "--yes"), ("spool", "recover", old), ("spool", "replay")):
                result = run(path, *command, url="http://localhost:9")
                assert result.exit_code == 2
                assert "a running service holds the state file" in result.stderr
                assert "run this again, then start" in result.stderr
                assert ("If it is only starting" in result.stderr) == (word == SERVICE.word)
    assert waiting_lines(path) == lines(1)


@pytest.mark.parametrize(("by", "who"), [(COMMAND, "another command"), (NOBODY, "another process")])
def test_what_is_no_service_is_not_called_one(tmp_path: Path, by: Holder, who: str) -> None:
    path = spooled(tmp_path / "state.db", lines(1))
    old = spooled(tmp_path / "old.db", lines(1))
    with locked(path, remedy="", by=by):
        for command in (("spool", "purge", "--yes"), ("spool", "recover", old), ("spool", "replay")):
            result = run(path, *command, url="http://localhost:9")
            assert result.exit_code == FAILED
            assert f"{who} holds the state file" in result.stderr
            assert "when it has ended" in result.stderr


def test_a_command_says_in_the_lock_that_it_is_one(tmp_path: Path) -> None:
    path = spooled(tmp_path / "state.db", lines(1))
    with held(path), pytest.raises(Held) as caught, locked(path, remedy=""):
        pass
    assert caught.value.word == COMMAND.word


def test_a_service_puts_back_nothing_of_another_home(tmp_path: Path) -> None:
    path = buried(tmp_path / "state.db", (lines(1)[0].decode(), "no"))
    with serving(path):
        retried = run(path, "dead-letters", "retry", "--all", "--set", "home=cottage")
    assert (retried.exit_code, retried.stdout) == (2, "")
    assert "the service that runs is of home home, and sends nothing of cottage" in retried.stderr
    assert len(letters(path)) == 1


def test_a_service_with_the_embedded_store_has_nothing_to_put_back_or_to_remove(tmp_path: Path) -> None:
    path = buried(tmp_path / "state.db", ('{"a":1}', "a bug"))
    buried(path, (lines(1)[0].decode(), "no"), store="embedded")
    with serving(path, embedded=True):
        retried = run(path, "dead-letters", "retry", "--all")
        assert (retried.exit_code, retried.stdout) == (0, "Nothing was put back.\n")
        assert "2 letters stay" in retried.stderr
        missing = run(path, "dead-letters", "retry", 7)
        assert (missing.exit_code, "there is no dead letter 7" in missing.stderr) == (2, True)
        purged = run(path, "spool", "purge", "--yes")
        assert (purged.exit_code, purged.stdout) == (0, "0 points removed.\n")


def test_a_service_with_the_embedded_store_says_that_it_has_no_spool(tmp_path: Path) -> None:
    """What is in the file is of an earlier configuration."""
    path, old = spooled(tmp_path / "state.db", lines(3)), spooled(tmp_path / "old.db", lines(1))
    buried(path, (lines(1)[0].decode(), "no"))
    asked = (
        ("dead-letters", "retry", "--all"), ("dead-letters", "retry", 1), ("spool", "purge", "--yes"),
        ("spool", "recover", old), ("spool", "replay"),
    )  # fmt: skip
    with serving(path, embedded=True):
        for command in asked:
            result = run(path, *command, url="http://localhost:9")
            assert (result.exit_code, result.stdout) == (2, ""), result.output
            assert "this service stores in its embedded store and has no spool" in result.stderr
            assert "knows no command" not in result.stderr
    assert len(waiting_lines(path)) == 3
    assert len(letters(path)) == 1


@pytest.mark.parametrize(
    "command", [("gaps", "fill"), ("gaps", "reopen", "--since", "1d"), ("backfill", "--since", "1d")], ids=" ".join
)
@pytest.mark.parametrize("embedded", [False, True])
def test_a_service_fills_nothing_of_another_home(
    tmp_path: Path, command: tuple[str, ...], embedded: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Such as where the home has a new name in the configuration, and the service was not restarted."""
    monkeypatch.setenv("HOME_ASSISTANT_URL", "ws://home.test")
    monkeypatch.setenv("HOME_ASSISTANT_TOKEN", HOME_TOKEN)
    path = spooled(tmp_path / "state.db", lines(1))
    with serving(path, embedded=embedded):
        result = run(path, *command, "--set", "home=cottage")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "the service that runs is of home home, and fills nothing of cottage" in result.stderr
    assert "restart the service" in result.stderr


def test_a_command_waits_for_a_service_that_is_only_starting(tmp_path: Path) -> None:
    path = spooled(tmp_path / "state.db", lines(1))
    with ExitStack() as stack:
        stack.enter_context(locked(path, remedy="", by=SERVICE))
        with ThreadPoolExecutor() as pool:
            ended = pool.submit(run, path, "gaps", "reopen", "--since", "1d")
            time.sleep(0.5)
            stack.close()
            result = ended.result()
    assert result.exit_code == FAILED
    assert "the service has ended" in result.stderr


def test_what_a_starting_service_is_asked_it_does_once_it_takes_commands(tmp_path: Path) -> None:
    path = spooled(tmp_path / "state.db", lines(1))
    with serving(path):
        word = path.with_name("state.db.lock").read_text("utf-8")
        path.with_name("state.db.lock").write_text(SERVICE.word, "utf-8")
        with ThreadPoolExecutor() as pool:
            ended = pool.submit(run, path, "gaps", "reopen", "--since", "1d")
            time.sleep(0.5)
            path.with_name("state.db.lock").write_text(word, "utf-8")
            result = ended.result()
    assert (result.exit_code, result.stdout) == (0, "Nothing was stored since then.\n")
