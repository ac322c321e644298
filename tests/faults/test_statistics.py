"""Years of a large home's statistics are stored in one run, at a rate, and in bounded memory.

`HOURS=3504000 nox -s faults -- -k years_of_statistics` is two years of 200 entities (about two minutes).
"""

from __future__ import annotations

import gzip
import os
import re
import subprocess
import sys
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path

import pytest
from attrs import define, field

from tests.faults.hours import PREFIX, remembering_hours, value
from tests.faults.service import Place, place
from tests.faults.sink import Sink, sinking
from tests.faults.test_import import peak

pytestmark = pytest.mark.slow

HOURS = int(os.environ.get("HOURS", "140160"))
ENTITIES = 200 if HOURS >= 1_000_000 else 40
EACH = HOURS // ENTITIES
EXPECTED = ENTITIES * EACH

MEGABYTES = 100
"""Two answers, and the program: however many years there are."""

HOUR_NS = 3_600_000_000_000

LINE = re.compile(
    rb'home_assistant_statistics,registry_id=([\w.]+),source=recorder,statistic_id=\1 mean=([\d.]+),min=[-\d.]+,max=[\d.]+,unit="W" (\d+)'
)


@define(eq=False)
class Keeping(Sink):
    """Keeps what it took as it came."""

    bodies: list[bytes] = field(factory=list)

    def take(self, body: bytes) -> None:
        self.bodies.append(body)

    def count(self) -> Counter[bytes]:
        """How many lines of each statistic came, each hour once; AssertionError when one is not as it was told."""
        seen: set[tuple[bytes, int]] = set()
        for body in self.bodies:
            for line in gzip.decompress(body).splitlines():
                match = LINE.fullmatch(line)
                assert match, line
                key, hour = match[1], int(match[3]) // HOUR_NS
                assert float(match[2]) == value(key.decode(), hour)
                seen.add((key, hour))
        return Counter(key for key, _ in seen)


@define
class Ran:
    """How a command ended, its seconds, and its resident megabytes at most."""

    code: int
    said: str
    seconds: float
    megabytes: float


def statistics(where: Place) -> Ran:
    """Run the command to its end."""
    since = f"{EACH // 24 + 2}d"
    command = [sys.executable, "-m", "ingest", "statistics", "--since", since, "--entities", f"{PREFIX}*"]
    command += ["--config", str(where.folder / "config.toml"), *(f"--set={each}" for each in where.changes)]
    said, begun, megabytes = where.folder / "said", time.monotonic(), 0.0
    with said.open("wb") as out:
        process = subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT)
        while process.poll() is None:
            with suppress(IndexError):  # it has ended since
                megabytes = peak(process)
            time.sleep(0.02)
    return Ran(process.returncode, said.read_text("utf-8"), time.monotonic() - begun, megabytes)


def test_years_of_statistics_come_at_a_rate_and_in_bounded_memory(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with remembering_hours(tmp_path, ENTITIES, EACH) as home, sinking(kind=Keeping) as sink:
        assert isinstance(sink, Keeping)
        ran = statistics(place(tmp_path, home, sink.url))
    assert ran.code == 0, ran.said
    assert f"{EXPECTED:,} hours of {ENTITIES} statistics stored" in ran.said
    with capsys.disabled():
        rate = EXPECTED / ran.seconds
        sys.stderr.write(
            f"\n{EXPECTED:,} hours of {ENTITIES} statistics, {rate:,.0f} a second; {ran.megabytes:.0f} MB\n"
        )
    assert sink.count() == Counter({f"{PREFIX}{number:04}".encode(): EACH for number in range(ENTITIES)})
    assert ran.megabytes < MEGABYTES
