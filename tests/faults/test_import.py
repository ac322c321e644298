"""Ten days of a home are imported; the service is killed in the middle, and goes on.

`STATES=2000000 nox -s faults -- -k a_service_imports` is the whole size (1,000 entities, about two minutes).
"""

from __future__ import annotations

import gzip
import os
import re
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from contextlib import closing, suppress
from pathlib import Path

import pytest
from attrs import define, field

from tests.faults.remembering import LIVE, remembering
from tests.faults.service import Place, place, waiting
from tests.faults.sink import Sink, sinking, wait_for

pytestmark = pytest.mark.slow

STATES = int(os.environ.get("STATES", "60000"))
PER_ENTITY = 2000 if STATES >= 1_000_000 else 500
ENTITIES = STATES // PER_ENTITY
EXPECTED = ENTITIES * PER_ENTITY
"""Of each entity the last state is stored from the snapshot; all others come of the history."""

LONG = 600.0
MEGABYTES = 150
LATENCY = 1.0

TWICE = 30_000
"""Lines that a kill may have sent again: those of a request that was answered and not yet deleted from the spool."""

LIVE_LINE = re.compile(rb"^.*sensor\." + LIVE.encode() + rb".*$", re.MULTILINE)


@define(eq=False)
class Clocked(Sink):
    """Keeps what it took as it came, and remembers how old each live line of `since_ns` on was then, in seconds."""

    bodies: list[bytes] = field(factory=list)
    ages: list[float] = field(factory=list)
    since_ns: int = 0
    taken: int = 0

    def take(self, body: bytes) -> None:
        now_ns, text = time.time_ns(), gzip.decompress(body)
        self.bodies.append(body)
        live = (line for line in LIVE_LINE.findall(text) if b",origin=" not in line)
        times = [int(line.rpartition(b" ")[2]) for line in live]
        self.ages += [(now_ns - each) / 1e9 for each in times if each > self.since_ns]
        self.taken += text.count(b"\n") + 1

    def count(self) -> Counter[bytes]:
        """Every imported line, and how often it came."""
        lines: Counter[bytes] = Counter()
        for body in self.bodies:
            lines.update(line for line in gzip.decompress(body).splitlines() if b"sensor.import_" in line)
        return lines


@define
class Backfill:
    """The command, running."""

    process: subprocess.Popen[str]

    def end(self, seconds: float = LONG) -> tuple[int, str, str]:
        out, err = self.process.communicate(timeout=seconds)
        return self.process.returncode, out, err


def backfill(where: Place, *options: str) -> Backfill:
    command = [sys.executable, "-m", "ingest", "backfill", "--since", "11d", *options]
    command += ["--config", str(where.folder / "config.toml"), *(f"--set={each}" for each in where.changes)]
    return Backfill(subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True))


def peak(process: subprocess.Popen[bytes] | subprocess.Popen[str]) -> float:
    """Resident megabytes at most."""
    status = Path(f"/proc/{process.pid}/status").read_text("ascii")
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


@pytest.mark.alone
def test_a_service_imports_is_killed_and_goes_on(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with remembering(tmp_path, ENTITIES, PER_ENTITY) as home, sinking(kind=Clocked) as sink:
        assert isinstance(sink, Clocked)
        where = place(tmp_path, home, sink.url)
        with where.service() as service:
            service.wait("Snapshot")
            first = backfill(where)
            wait_for(lambda: sink.taken > EXPECTED // 2, LONG)
            megabytes = [peak(service.process)]
            service.kill()
            code, _, said = first.end()
            assert (code, "the service has ended" in said) == (1, True), said
        killed_at = sink.taken
        with where.service() as service:
            service.wait("Snapshot")
            sink.since_ns = time.time_ns()  # what waited while nobody ran is older
            begun = time.monotonic()
            second = backfill(where)
            code, out, said = second.end()
            seconds = time.monotonic() - begun
            assert (code, "is filled" in out) == (0, True), (out, said)
            again = backfill(where)
            assert "is stored" in again.end()[1]
            megabytes.append(peak(service.process))
            books = service.stop()
        assert (books["received"] > 0, waiting(where.state)) == (True, [])
    lines = sink.count()
    doubled = sum(lines.values()) - len(lines)
    assert len(lines) == EXPECTED, f"{EXPECTED - len(lines)} are missing"
    late = sorted(sink.ages)[int(len(sink.ages) * 0.99)]
    rate = (sink.taken - killed_at) / seconds
    told = (
        f"{EXPECTED:,} states, killed at {killed_at:,}; {doubled:,} came twice; after the kill {rate:,.0f} a second;"
        f" {len(sink.ages)} live lines, 99 % younger than {late:.2f} s, all than {max(sink.ages):.2f} s;"
        f" {max(megabytes):.0f} MB"
    )
    with capsys.disabled():
        sys.stderr.write(f"\n{told}\n")
    assert doubled <= TWICE
    assert late < LATENCY
    assert max(megabytes) < MEGABYTES


def test_an_import_without_a_service_is_killed_and_goes_on(tmp_path: Path) -> None:
    """Into the embedded store; live changes are stored meanwhile, and the process ends when all is filled."""
    with remembering(tmp_path, ENTITIES // 4, PER_ENTITY) as home:
        where, store = place(tmp_path, home, "http://127.0.0.1:9"), tmp_path / "home.db"
        where.changes = (*where.changes, "store.kind=embedded", f"embedded.path={store}")
        first = backfill(where)
        wait_for(lambda: stored(store) > EXPECTED // 8, LONG)
        first.process.kill()
        first.end()
        code, out, said = backfill(where).end()
        assert (code, "is filled" in out) == (0, True), (out, said)
        assert stored(store) == EXPECTED // 4
        assert stored(store, LIVE) > 0
        started = time.monotonic()
        code, out, said = backfill(where).end()
        assert (code, "is stored" in out) == (0, True), (out, said)
        assert time.monotonic() - started < 30


def stored(path: Path, prefix: str = "import_") -> int:
    """How many changes of such entities are in the store."""
    with suppress(sqlite3.OperationalError), closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as file:
        wanted = "SELECT count(*) FROM changes WHERE entity_id LIKE ?"
        (count,) = file.execute(wanted, (f"sensor.{prefix}%",)).fetchone()
        return int(count)
    return 0
