"""The product as its users run it: a process with a configuration file, a log, and signals."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from attrs import frozen

from tests.live.homeassistant import HomeAssistant
from tests.live.lab import end, launch, tail, wait_for
from tests.live.servers import Database


@frozen
class Service:
    """A running `homeiq-ingest run`, writing to the database or else to its embedded store in `folder`."""

    process: subprocess.Popen[bytes]
    folder: Path

    @property
    def log(self) -> Path:
        return self.folder / "log"

    @property
    def embedded(self) -> Path:
        return self.folder / "home.db"

    def reported(self, kind: str) -> list[dict[str, Any]]:
        """The log lines of one kind of report so far."""
        lines = self.log.read_text("utf-8").splitlines()
        return [entry for line in lines if line.startswith("{") and (entry := json.loads(line))["report"] == kind]

    def wait_connected(self, times: int = 1) -> None:
        """Wait until it has been subscribed `times` times in its life; raises with its log when it ends instead."""

        def connected() -> bool:
            if self.process.poll() is not None:
                raise RuntimeError(f"the service ended with {self.process.returncode}:\n{tail(self.log)}")
            return len(self.reported("Connected")) >= times

        wait_for(connected, f"subscribed for time {times}:\n{tail(self.log)}")

    def wait_for(self, kind: str, times: int, seconds: float = 60.0) -> None:
        """Wait until its log holds so many reports of a kind; TimeoutError with the log's end."""
        try:
            wait_for(lambda: len(self.reported(kind)) >= times, f"{times} reports {kind}", seconds)
        except TimeoutError as late:
            late.add_note(tail(self.log))
            raise

    def stop(self) -> int:
        """SIGTERM; its exit code."""
        return end(self.process)

    def kill(self) -> None:
        """SIGKILL."""
        end(self.process, signal.SIGKILL)

    def again(self) -> Service:
        """Another life, in the same folder, with the same log."""
        return started(self.folder)

    def command(self, *arguments: str) -> str:
        """What a command says of this installation; raises CalledProcessError."""
        command = [sys.executable, "-m", "ingest", *arguments, "--config", str(self.folder / "config.toml")]
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout

    def gaps(self) -> list[dict[str, Any]]:
        """The ledger, as `gaps export` tells it."""
        return [json.loads(line) for line in self.command("gaps", "export", "-").splitlines()]


def configuration(database: Database | None, bucket: str, url: str, influxdb: Sequence[str] = ()) -> str:
    lines = ["[home_assistant]", f"url = '{url}'", "token_file = 'ha-token'", "max_retry_delay = '5s'"]
    lines += ["[embedded]", "path = 'home.db'", "[spool]", "path = 'state.db'", "[api]", "enabled = false"]
    if database:
        lines += ["[influxdb]", f"url = '{database.url}'", "token_file = 'db-token'"]
        lines += [f"org = '{database.org}'", f"bucket = '{bucket}'"]
        lines += [] if database.strings else ["numeric_only = true"]
        lines += influxdb
    return "\n".join(lines)


def installed(
    folder: Path, home: HomeAssistant, database: Database | None, bucket: str, url: str, influxdb: Sequence[str] = ()
) -> None:
    """Make a folder with a configuration and its tokens in it; `influxdb` are further lines of that section."""
    folder.mkdir()
    secrets = {"ha-token": home.tokens["admin"], "db-token": database.token if database else ""}
    for name, secret in secrets.items():
        (folder / name).touch(mode=0o600)
        (folder / name).write_text(secret, "utf-8")
    config = folder / "config.toml"
    config.touch(mode=0o600)
    config.write_text(configuration(database, bucket, url, influxdb), "utf-8")


def started(folder: Path) -> Service:
    """The service of an installed folder, running."""
    command = [sys.executable, "-m", "ingest", "run", "--config", str(folder / "config.toml")]
    return Service(launch(command, folder / "log"), folder)


@contextmanager
def service(
    folder: Path,
    home: HomeAssistant,
    database: Database | None = None,
    bucket: str = "",
    influxdb: Sequence[str] = (),
) -> Iterator[Service]:
    """A service for this home, started here and ended with the block."""
    installed(folder, home, database, bucket, home.admin.url, influxdb)
    running = started(folder)
    try:
        yield running
    finally:
        running.stop()
