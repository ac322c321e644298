"""The service as a real process that writes to a sink, and a look into its state file from outside."""

from __future__ import annotations

import gzip
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import httpx
from attrs import define

from tests.faults.sink import wait_for
from tests.support.homes import TOKEN

CONFIG = """
[home_assistant]
url = "{home}"
token_file = "token"
[influxdb]
url = "{sink}"
token_file = "token"
org = "home"
bucket = "home"
gaps = false
[spool]
path = "{state}"
min_free = "{min_free}"
[batch]
timeout = "100ms"
[log]
format = "json"
level = "debug"
"""


@define(eq=False)
class Service:
    process: subprocess.Popen[bytes]
    log: Path

    def reports(self, kind: str) -> list[dict[str, Any]]:
        lines = self.log.read_text("utf-8").splitlines()
        whole = (json.loads(line) for line in lines if line.startswith("{") and line.endswith("}"))
        return [entry for entry in whole if entry["report"] == kind]

    def wait(self, kind: str, seconds: float = 20.0) -> dict[str, Any]:
        """The first report of that kind."""
        wait_for(lambda: self.process.poll() is not None or self.reports(kind), seconds)
        found = self.reports(kind)
        assert found, self.log.read_text("utf-8")[-2000:]
        return found[0]

    def health(self) -> dict[str, Any]:
        """What it says of itself; for a service with an API."""
        url = self.wait("Listening")["where"]
        answer: dict[str, Any] = httpx.get(f"{url}/health/detailed", trust_env=False).raise_for_status().json()
        return answer

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(10)

    def stop(self) -> dict[str, int]:
        """SIGTERM; the books it closed."""
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(20) == 0, self.log.read_text("utf-8")[-2000:]
        books: dict[str, int] = self.reports("Stopped")[0]["books"]
        assert self.reports("Stopped")[0]["balanced"], books
        return books


@define
class Place:
    """A folder with a configuration in it. `inside` runs the service in surroundings of its own; `changes` are
    settings that differ, such as `log.level=info`; `program` is what runs instead of the module `ingest`."""

    folder: Path
    inside: Sequence[str] = ()
    changes: Sequence[str] = ("api.enabled=false",)
    program: Sequence[str] = ("-m", "ingest")
    starts: int = 0

    @property
    def state(self) -> Path:
        return self.folder / "state" / "state.db"

    @contextmanager
    def service(self) -> Iterator[Service]:
        """Started here, and gone with the block."""
        self.starts += 1
        log = self.folder / f"log-{self.starts}"
        changes = [f"--set={each}" for each in self.changes]
        program = [sys.executable, *self.program, "run", "--config", str(self.folder / "config.toml")]
        command = [*self.inside, *program, *changes]
        with log.open("wb") as file:
            process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=file, env={**os.environ})
        try:
            yield Service(process, log)
        finally:
            if process.poll() is None:
                process.kill()
            process.wait(10)


def place(folder: Path, home: str, sink: str, inside: Sequence[str] = (), min_free: str = "64MiB") -> Place:
    made = Place(folder, inside)
    made.state.parent.mkdir()
    for name, text in {
        "token": TOKEN,
        "config.toml": CONFIG.format(home=home, sink=sink, state=made.state, min_free=min_free),
    }.items():
        (folder / name).touch(mode=0o600)
        (folder / name).write_text(text, "utf-8")
    return made


def held(state: Path) -> int:
    """How many points are in the spool of a service that runs: a copy of its files could be torn."""
    with closing(sqlite3.connect(f"{state.as_uri()}?mode=ro", uri=True)) as connection:
        (count,) = connection.execute("SELECT coalesce(sum(count), 0) FROM batch").fetchone()
    return int(count)


def waiting(state: Path) -> list[bytes]:
    """Every line in the spool's rows, of a copy: nothing is touched. Also looks whether the file is sound.

    For a service that has ended.
    """
    with tempfile.TemporaryDirectory() as folder:
        for suffix in ("", "-wal"):
            if (part := state.with_name(state.name + suffix)).exists():
                shutil.copy(part, folder)
        with closing(sqlite3.connect(Path(folder) / state.name)) as connection:
            assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
            if not connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'batch'").fetchone():
                return []
            rows = connection.execute("SELECT payload, count FROM batch ORDER BY id").fetchall()
    lines: list[bytes] = []
    for payload, count in rows:
        found = gzip.decompress(payload).splitlines()
        assert len(found) == count
        lines += found
    return lines
