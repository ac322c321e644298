"""Real databases that are killed, started again, stopped and continued while the service writes into them.

Marked `live`: the programs are fetched the first time, as for `nox -s live`. `KILLS` is how often each is killed.
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from pathlib import Path
from typing import TypeAlias

import httpx
import pytest
from attrs import define, field

from tests.faults.service import Place, Service, held, place
from tests.faults.test_kill import NOTHING_LOST, lost
from tests.live.lab import end, free_port, launch
from tests.live.lab import wait_for as wait_until
from tests.live.readback import Reader, Row, influxql, victoria
from tests.live.servers import TOKEN, answers, influxdb_command, victoria_command
from tests.live.v2envelope import envelope
from tests.support.homes import Running, running_home

pytestmark = [pytest.mark.slow, pytest.mark.live]

KILLS = int(os.environ.get("KILLS", "1"))
SUBJECTS = [f"sensor.number_{number:02}" for number in range(40)]
PER_SECOND = 100
MEASUREMENT = "home_assistant_events"
BUCKET = "home"

Windows: TypeAlias = list[tuple[int, int]]
"""From when to when, in milliseconds."""


@define(eq=False)
class Engine:
    """A database program on a port of its own, started again and again on the same data."""

    command: list[str | Path]
    log: Path
    alive: str
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self.process = launch(self.command, self.log)
        wait_until(lambda: answers(self.alive), self.alive)

    def send(self, which: signal.Signals) -> None:
        assert self.process is not None
        self.process.send_signal(which)
        if which is signal.SIGKILL:
            self.process.wait(20)

    def close(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)
            end(self.process)


@define(eq=False)
class Scene:
    home: Running
    engine: Engine
    read: Reader
    where: Place
    service: Service
    told: dict[tuple[str, int], float] = field(factory=dict)

    def load(self, seconds: float) -> None:
        """Numbers, each another, so often that each second has many."""
        stop = time.monotonic() + seconds
        while time.monotonic() < stop:
            number = float(len(self.told))
            keys = self.home.change([SUBJECTS[len(self.told) % len(SUBJECTS)]], f"{number:g}")
            self.told |= {(key, ns // 1_000_000): number for key, ns in keys}
            time.sleep(1 / PER_SECOND)

    def torment(self, save: Callable[[], None]) -> Windows:
        """Kill it, and then let it hang, each under load, and wait until everything has arrived.

        Returns when what had been saved was not everything: from `save`, which makes it write to its disk, to the kill.
        """
        unsaved: Windows = []
        for _ in range(KILLS):
            self.load(1)
            self.settle()
            save()
            saved = now_ms()
            self.load(1)
            self.engine.send(signal.SIGKILL)
            unsaved.append((saved, now_ms()))
            self.load(1)
            self.engine.start()
            self.load(1)
            self.engine.send(signal.SIGSTOP)
            self.load(2)
            self.engine.send(signal.SIGCONT)
        self.load(1)
        self.settle()
        return unsaved

    def settle(self) -> None:
        """Wait until the database has everything: the last change, and nothing of what was batched before it waits."""
        last = {(key, ns // 1_000_000) for key, ns in self.home.change(["sensor.number_last"], f"{len(self.told)}")}

        def stored() -> bool:
            rows = self.read(BUCKET, MEASUREMENT)
            return last <= {keyed(row) for row in rows} and not held(self.where.state)

        wait_until(stored, "everything is stored", 90)


def keyed(row: Row) -> tuple[str, int]:
    return row.tags["entity_id"], row.time // 1_000_000


def now_ms() -> int:
    return time.time_ns() // 1_000_000


@contextmanager
def scene(folder: Path, engine: Engine, url: str, read: Reader, *changes: str) -> Iterator[Scene]:
    with ExitStack() as stack:
        stack.callback(engine.close)
        engine.start()
        home = stack.enter_context(running_home(20, timedelta(0)))
        where = place(folder, home.url, url)
        (folder / "database-token").touch(mode=0o600)
        (folder / "database-token").write_text(TOKEN, "utf-8")
        where.changes = [
            *where.changes,
            *changes,
            f"influxdb.token_file={folder / 'database-token'}",
            "influxdb.org=homeiq",
        ]
        service = stack.enter_context(where.service())
        service.wait("Connected")
        yield Scene(home, engine, read, where, service)


def numbers(read: Reader) -> dict[tuple[str, int], float]:
    """What the database holds of ours, each once."""
    rows = [row for row in read(BUCKET, MEASUREMENT) if row.tags["entity_id"] in SUBJECTS]
    found = Counter(map(keyed, rows))
    assert [key for key, times in found.items() if times > 1] == []
    return {keyed(row): row.fields["value"] for row in rows}


def test_victoria_metrics_that_dies_and_hangs_has_every_number_once(
    tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    url = f"http://127.0.0.1:{(port := free_port())}"
    engine = Engine(victoria_command(tmp_path, port), tmp_path / "victoria.log", f"{url}/health")

    def save() -> None:
        httpx.get(f"{url}/snapshot/create", trust_env=False).raise_for_status()

    with scene(tmp_path, engine, url, victoria(url), "influxdb.numeric_only=true") as made:
        unsaved = made.torment(save)
        books = made.service.stop()
        found = numbers(made.read)
    assert lost(books) == NOTHING_LOST
    assert found.items() <= made.told.items()
    # VictoriaMetrics acknowledges what is in its memory, and a kill takes that away: nobody knows to send it again.
    gone = made.told.keys() - found.keys()
    assert [ms for _, ms in gone if not any(first <= ms <= last for first, last in unsaved)] == []
    record_property("told", len(made.told))
    record_property("acknowledged by VictoriaMetrics and lost at its kills", len(gone))


def test_the_influxdb_engine_that_dies_and_hangs_has_every_number_once(
    tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    url = f"http://127.0.0.1:{(port := free_port())}"
    engine = Engine(influxdb_command(tmp_path, port), tmp_path / "influxdb.log", f"{url}/ping")
    with envelope(url, TOKEN) as front, scene(tmp_path, engine, front, influxql(url)) as made:
        made.torment(lambda: None)
        books = made.service.stop()
        found = numbers(made.read)
    assert lost(books) == NOTHING_LOST
    assert found == made.told
    record_property("told", len(made.told))
