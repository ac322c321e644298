"""Where the documents' shell is run: a folder that is a whole machine to it, with a simulated home and a running service.

`HOME`, the XDG folders and PATH lie in the folder; addresses and places of the documents are led there. The service stores
the simulated home's last day, then follows it; letters 1 to 20 are dead.
"""

from __future__ import annotations

import gzip
import os
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import httpx
from attrs import define, field, frozen

from ingest.edge.backup import known_until
from ingest.edge.letter_file import Letter, Letters
from ingest.edge.state_file import open_state
from tests.documents.blocks import ROOT
from tests.documents.furniture import CONFIG, PLACES, SUDO, WRAPPER, answer, local
from tests.edge.answering import Reply, Request, answering
from tests.live.lab import GRACE, end, free_port, launch, tail, wait_for
from tests.support.marked import secret, watched

DATABASE = re.compile(r"homeiq-ingest (dead-letters|spool|statistics|convert|compare)\b")
"""Commands that are about a database; with all others the service has the embedded store."""

PATIENCE = 120.0  # seconds for a block: others may keep the machine busy
RECENT_NS = 120 * 10**9


@frozen
class Told:
    """The exit code of a script, and what it said on both of its outputs."""

    code: int
    said: str


@define(eq=False)
class Stand:
    """A machine in a folder. `ports` are those of home, API and database, by name; `kind` is the store that is written to."""

    folder: Path
    kind: str = "embedded"
    ports: Mapping[str, int] = field(factory=lambda: {name: free_port() for name in ("home", "api", "database")})
    service: subprocess.Popen[bytes] | None = None
    written: list[bytes] = field(factory=list)
    filled: bool = False

    @property
    def home(self) -> Path:
        return self.folder / "home"

    @property
    def config(self) -> Path:
        return self.home / ".config" / "homeiq-ingest"

    @property
    def data(self) -> Path:
        return self.home / ".local" / "share" / "homeiq-ingest"

    @property
    def work(self) -> Path:
        return self.home / "work"

    @property
    def environment(self) -> dict[str, str]:
        run = self.folder / "machine" / "run"
        return {
            "HOME": str(self.home),
            "PATH": f"{self.folder / 'bin'}:/usr/bin:/bin",
            "XDG_CONFIG_HOME": str(self.home / ".config"),
            "XDG_DATA_HOME": str(self.home / ".local" / "share"),
            "XDG_RUNTIME_DIR": str(run),
            "LANG": "C.UTF-8",
            "COLUMNS": "160",
        }

    def furnish(self, token: str) -> None:
        """Make the folders, the programs, the configuration and the letters."""
        for place in (self.config, self.data, self.work, self.folder / "bin"):
            place.mkdir(parents=True)
        for name in PLACES:
            (self.folder / "machine" / name).mkdir(parents=True, mode=0o700)
        for name, target in {"etc": self.config, "var/lib": self.data}.items():
            (self.folder / "machine" / name).mkdir(exist_ok=True)
            (self.folder / "machine" / name / "homeiq-ingest").symlink_to(target)
        self._program("homeiq-ingest", WRAPPER.format(root=ROOT, python=sys.executable))
        self._program("sudo", SUDO)
        self._program("python3", f'#!/bin/sh\nexec {sys.executable} "$@"\n')
        for part in (
            "ingest",
            "scripts",
            ".ci",
            ".changes",
        ):  # the checkout, which a reader stands in who has no package
            if (ROOT / part).is_dir():
                shutil.copytree(ROOT / part, self.work / part, ignore=shutil.ignore_patterns("__pycache__"))
        for path in (ROOT / "pyproject.toml", *ROOT.glob("*.md"), ROOT / "LICENSE"):
            shutil.copy(path, self.work)
        self._configure()
        for folder in (self.config, self.work):
            for name, text in {"ha-token": token, "influx-token": secret("documents")}.items():
                (folder / name).touch(mode=0o600)
                (folder / name).write_text(text, "utf-8")
        (self.work / "secrets.yaml").write_text(f"influxdb_token: {secret('documents')}\n", "utf-8")
        for name in ("home.db", "state.db"):
            (self.work / name).symlink_to(self.data / name)
        (self.config / "credentials").mkdir()
        (self.home / ".cache" / "homeiq-ingest").mkdir(parents=True)
        (self.home / ".cache" / "homeiq-ingest" / "demo.db").symlink_to(self.data / "home.db")
        self._bury()

    def _program(self, name: str, text: str) -> None:
        path = self.folder / "bin" / name
        path.write_text(text, "utf-8")
        path.chmod(0o755)

    def _bury(self) -> None:
        path = self.data / "state.db"
        lines = [f"home_assistant_events,entity_id=sensor.old value={each} 1364144000000000000" for each in range(20)]
        connection, _ = open_state(path, lambda: 1)
        with closing(connection):
            Letters(connection, path).add(Letter(0, "home", "influxdb", 1, line, "too old") for line in lines)

    def start(self, kind: str = "embedded") -> None:
        """Have the service run with this store; when it first does, it has stored the home's last day when this returns."""
        if self.kind != kind:
            self.stop()
            self.kind = kind
            self._configure()
        if self.service is None or self.service.poll() is not None:
            log = self.folder / "service.log"
            command = [sys.executable, "-m", "ingest", "run"]
            self.service = launch(command, log, {**self.environment, "PYTHONPATH": str(ROOT)})
            try:
                wait_for(self._caught_up, "the home's last day is stored")
            except (RuntimeError, TimeoutError) as late:
                late.add_note(tail(log))
                raise
            self.filled = True

    def _configure(self) -> None:
        (self.config / "config.toml").write_text(CONFIG.format(kind=self.kind, **self.ports), "utf-8")

    def stop(self) -> None:
        """Stop the service."""
        if self.service is not None:
            end(self.service)

    def _caught_up(self) -> bool:
        """The home's last day is stored, what came since, and that the home is known. RuntimeError when the service has ended."""
        if self.service and self.service.poll() is not None:
            raise RuntimeError(f"the service ended with {self.service.returncode}")
        if self.filled:  # the simulated home plays its day once
            return self._ready()
        if self.kind == "influxdb":
            return sum(len(gzip.decompress(each)) for each in self.written) > 200_000
        try:
            with closing(sqlite3.connect(f"{(self.data / 'home.db').as_uri()}?mode=ro", uri=True)) as connection:
                (newest,) = connection.execute("SELECT max(time_ns) FROM changes").fetchone()
        except sqlite3.OperationalError:
            return False
        return (newest or 0) > time.time_ns() - RECENT_NS and known_until(self.data / "state.db") > 0

    def _ready(self) -> bool:
        with suppress(httpx.HTTPError):
            return httpx.get(f"http://127.0.0.1:{self.ports['api']}/ready", trust_env=False).status_code == 200
        return False

    @contextmanager
    def prepared(self, script: str) -> Iterator[None]:
        """As a script of the documents expects it: the service runs unless the script runs or restores one: two cannot share a
        state file; and there is no configuration yet where it makes one. Afterwards there is the old one."""
        first = re.search(r"homeiq-ingest init\b", script)
        if first or re.search(r"homeiq-ingest (run|restore)\b", script):
            self.stop()
        else:
            self.start("influxdb" if DATABASE.search(script) else "embedded")
        written = self.config / "config.toml"
        before = written.read_text("utf-8")
        if first:
            written.unlink()
        yield
        written.write_text(before, "utf-8")

    def local(self, text: str) -> str:
        """The text with the documents' addresses, places and entities led here."""
        return local(text, self.folder, self.ports)

    def answer(self, request: Request) -> Reply:
        """What the database says."""
        if request.path == "/api/v2/write":
            self.written.append(request.body)
        return answer(request)

    def run(self, script: str) -> Told:
        """Run a script of the documents; it ends with its first failure, and says which statement that was.

        Each begins in the same folder, the checkout's, with nothing exported.
        """
        text = f"trap 'echo \"this failed: $BASH_COMMAND\" >&2' ERR\n{self.local(script)}"
        said = self.folder / "said"
        with said.open("wb") as out:
            running = subprocess.Popen(
                ["bash", "-eu", "-o", "pipefail", "-c", text],
                cwd=self.work, env=self.environment, stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True,
            )  # fmt: skip
        try:
            code = running.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            code = -1
            os.killpg(running.pid, signal.SIGKILL)
            running.wait(GRACE)
        late = f"this did not end within {PATIENCE:g} s\n" if code == -1 else ""
        return Told(code, said.read_text("utf-8", "replace") + late)


@contextmanager
def stand(folder: Path) -> Iterator[Stand]:
    """A stand, its home started here and its service when it is asked for, both ended with the block."""
    made = Stand(folder)
    log = folder / "home-token.log"  # it says the token, which is what its reader wants
    ports = ["--port", str(made.ports["home"]), "--entities", "60"]
    home = launch([sys.executable, "-m", "ingest", "simulate", *ports], log, {"PYTHONPATH": str(ROOT)})
    try:
        found = wait_for(lambda: re.search(r"access token +(\S+)", log.read_text("utf-8")), f"a home:\n{tail(log)}")
        made.furnish(watched(found[1]))
        with answering(made.answer, port=made.ports["database"]):
            yield made
    finally:
        made.stop()
        end(home)
