"""200 clients of `/ws` of which 100 never read, at 2,000 events a second: what they cost, and what becomes of them.

Home, service and clients are processes of their own. `CROWD_SECONDS=60` measures longer, `CROWD_EVENTS=…` has more of them a second.
"""

from __future__ import annotations

import gzip
import json
import os
import re
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from attrs import define, field

from tests.faults.service import Service, place
from tests.faults.sink import Sink, sinking, wait_for
from tests.live.lab import end, free_port, launch

pytestmark = pytest.mark.slow

EVENTS = int(os.environ.get("CROWD_EVENTS", "2000"))
SECONDS = float(os.environ.get("CROWD_SECONDS", "15"))
READERS = SLEEPERS = 100
SLICE = 2.5
TIME = re.compile(rb" (\d{19})$")
TICKS = os.sysconf("SC_CLK_TCK")


@define(eq=False)
class Timed(Sink):
    """Remembers how long each state was on its way, from its `last_updated` to here, in seconds."""

    lags: list[float] = field(factory=list)

    def take(self, body: bytes) -> None:
        now = time.time_ns()
        found = [TIME.search(line) for line in gzip.decompress(body).splitlines()]
        self.lags += [(now - int(each[1])) / 1e9 for each in found if each]


@define
class Figures:
    """What the service used in a while: processor in percent of one core, and how late the latest hundredth came.

    `stretched`: how much longer its main thread took than it would have had it never waited for a processor.
    """

    percent: float
    p99: float
    rate: float
    stretched: float


@define(eq=False)
class Measured:
    service: Service
    sink: Timed

    @property
    def used(self) -> float:
        """Seconds of the processor."""
        fields = Path(f"/proc/{self.service.process.pid}/stat").read_text("ascii").rpartition(") ")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICKS

    @property
    def memory(self) -> float:
        """MiB that are resident."""
        status = Path(f"/proc/{self.service.process.pid}/status").read_text("ascii")
        return int(re.search(r"VmRSS:\s+(\d+)", status)[1]) / 1024  # type: ignore[index]

    @property
    def scheduled(self) -> tuple[int, int]:
        """Nanoseconds that the main thread ran, and that it could have."""
        ran, waited, _ = Path(f"/proc/{self.service.process.pid}/schedstat").read_text("ascii").split()
        return int(ran), int(waited)

    def during(self, seconds: float) -> Figures:
        """In slices: the one that other programs of the machine disturbed least says how late the latest came."""
        used, (ran, waited), begun, slices = self.used, self.scheduled, time.monotonic(), []
        for _ in range(max(1, round(seconds / SLICE))):
            self.sink.lags.clear()
            time.sleep(SLICE)
            slices.append(sorted(self.sink.lags))
        percent = 100 * (self.used - used) / (time.monotonic() - begun)
        ran, waited = self.scheduled[0] - ran, self.scheduled[1] - waited
        p99 = min(each[len(each) * 99 // 100] for each in slices)
        return Figures(percent, p99, sum(map(len, slices)) / seconds, (ran + waited) / ran)

    def metrics(self, name: str) -> dict[str, float]:
        """A metric's values by their labels."""
        url = self.service.wait("Listening")["where"]
        page = httpx.get(f"{url}/metrics", trust_env=False).text
        found = re.findall(rf"^homeiq_ingest_{name}(?:{{\w+=\"(\w+)\"}})? (\S+)$", page, re.MULTILINE)
        return {label: float(value) for label, value in found}


@define(eq=False)
class Crowd:
    log: Path

    def said(self, key: str) -> list[dict[str, Any]]:
        lines = self.log.read_text("utf-8").splitlines()
        return [each for each in (json.loads(line) for line in lines if line.endswith("}")) if key in each]

    def ended(self, kind: str) -> list[dict[str, Any]]:
        return [each for each in self.said("ended") if each["ended"] == kind]


@contextmanager
def crowd(folder: Path, service: Service) -> Iterator[Crowd]:
    port = service.wait("Listening")["where"].rpartition(":")[2]
    log = folder / f"crowd-{time.monotonic()}"
    process = launch([sys.executable, "-m", "tests.faults.crowd", port, str(READERS), str(SLEEPERS)], log)
    try:
        made = Crowd(log)
        wait_for(lambda: log.exists() and made.said("ready"))
        yield made
    finally:
        end(process)


@contextmanager
def rushing(folder: Path) -> Iterator[str]:
    port = free_port()
    process = launch([sys.executable, "-m", "tests.faults.rushing", str(port), str(EVENTS)], folder / "home")
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        end(process)


def test_readers_cost_little_and_who_never_reads_is_dropped(tmp_path: Path) -> None:
    with rushing(tmp_path) as home, sinking(kind=Timed) as sink:
        assert isinstance(sink, Timed)
        made = place(tmp_path, home, sink.url)
        made.changes = ("api.port=0", "log.level=info")
        with made.service() as service:
            measured = Measured(service, sink)
            wait_for(lambda: len(sink.lags) > 3 * EVENTS, 60)
            alone, memory = measured.during(SECONDS), measured.memory
            with crowd(tmp_path, service) as clients:
                with_all, most = measured.during(SECONDS), measured.memory
                with_readers = measured.during(SECONDS)
                dropped = measured.metrics("websocket_dropped_total")
                sleepers, read = clients.ended("sleeper"), clients.said("bytes")[-1]
                assert clients.ended("reader") == []
            gone, stopped = asked_to_stop(tmp_path, service)
    latest, got = max(each["after"] for each in sleepers), read["bytes"] / READERS / read["after"]
    print(  # noqa: T201  figures to look at
        f"\n{alone.rate:,.0f} states a second. Processor: alone {alone.percent:.1f} %, with all {with_all.percent:.1f} %, "
        f"with the readers {with_readers.percent:.1f} %. p99: {1000 * alone.p99:.0f}, {1000 * with_all.p99:.0f}, "
        f"{1000 * with_readers.p99:.0f} ms, stretched {alone.stretched:.1f}, {with_all.stretched:.1f}, "
        f"{with_readers.stretched:.1f} times. Memory: {memory:.0f}, {most:.0f} MiB. Dropped: {dropped}, the last of them "
        f"after {latest:.1f} s. A reader got {got / 1e3:,.0f} kB and {read['events'] / read['after']:,.0f} events a second "
        f"in {read['frames'] / read['after']:.1f} frames, {read['omitted']} were left out. Asked to stop, the last of "
        f"{READERS + SLEEPERS} clients was gone after {gone:.2f} s, the service after {stopped:.2f} s."
    )
    assert alone.rate > EVENTS * 0.9
    assert max(with_all.percent, with_readers.percent) - alone.percent <= 25
    # What other programs of the machine took away does not count.
    assert all(each.p99 - alone.p99 <= 0.05 * each.stretched for each in (with_all, with_readers))
    assert most - memory <= 64
    assert (len(sleepers), dropped["slow"] + dropped["stalled"]) == (SLEEPERS, SLEEPERS)
    assert latest <= 10
    assert read["events"] + read["omitted"] > 0.9 * EVENTS * read["after"]
    assert gone <= 2
    assert stopped <= 5


def asked_to_stop(folder: Path, service: Service) -> tuple[float, float]:
    """With all of them there again, none dropped yet: seconds until the last of them is gone, and the service is."""
    with crowd(folder, service) as clients:
        time.sleep(2)
        assert clients.said("ended") == []
        asked = time.time()
        books = service.stop()
        stopped = time.time() - asked
        wait_for(lambda: len(clients.said("ended")) == READERS + SLEEPERS, 10)
        gone = max(each["at"] for each in clients.said("ended")) - asked
    assert books["shed"] == books["evicted"] == 0
    return gone, stopped
