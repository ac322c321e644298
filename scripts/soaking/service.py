"""The real service, one life after another in one folder, and what can be seen of it from outside."""

from __future__ import annotations

import re
import signal
import time
from pathlib import Path
from subprocess import DEVNULL, Popen

import httpx
import trio
from attrs import define, field, frozen

from scripts.benchmark.service import SECRETS, bare, service
from tests.live.lab import free_port

STOPPING = 20.0
STARTING = 60.0
LOOK = 0.1
PATIENCE = 5.0

Metrics = dict[str, float]
"""By name, with its labels where it has any."""


@frozen
class Life:
    """How one began: seconds from its start until it was subscribed, and bytes a while later."""

    begun: float
    subscribed: float
    resident: int
    on_disk: int


@frozen
class Sample:
    """The service at one time; what only it knows is in `metrics`, which are empty when it did not answer."""

    at: float
    resident: int
    anonymous: int
    threads: int
    files: int
    on_disk: int
    cpu: float
    metrics: Metrics


@define(eq=False)
class Service:
    """`python -m ingest run` towards a home on a port, storing into the database at `url`."""

    home: int
    url: str
    folder: Path
    api: int = field(factory=free_port)
    begun: float = 0.0
    count: int = 0
    _process: Popen[bytes] | None = None

    @property
    def ended(self) -> bool:
        """It is not there, or ended by itself."""
        return self._process is None or self._process.poll() is not None

    @property
    def ended_by_itself(self) -> bool:
        """It was started, and its process is over though nobody called `end`."""
        return self._process is not None and self.ended

    def start(self) -> None:
        """Begin a life: start the process. It is not waited for."""
        settings = {"influxdb.url": self.url, "api.port": self.api, "log.format": "json"}
        command = service(self.home, self.folder, settings)
        with (self.folder / "log").open("ab") as out:
            self._process = Popen(command, stdin=DEVNULL, stdout=out, stderr=out, env={**bare(), **SECRETS})
        self.begun = trio.current_time()
        self.count += 1

    def send(self, number: signal.Signals) -> None:
        """Send this signal to the process."""
        if self._process is not None and not self.ended:
            self._process.send_signal(number)

    async def end(self, number: signal.Signals = signal.SIGTERM) -> int | None:
        """End this life; its exit status, None where there was none."""
        process, self._process = self._process, None
        if process is None:
            return None
        process.send_signal(number)
        with trio.move_on_after(STOPPING, shield=True):
            while process.poll() is None:  # noqa: ASYNC110  a process has no event
                await trio.sleep(LOOK)
        if process.poll() is None:
            process.kill()
        return process.wait()

    async def subscribed(self) -> None:
        """Wait until every change reaches it. Raises `trio.TooSlowError`."""
        with trio.fail_after(STARTING):
            while not (await self.metrics()).get("homeiq_ingest_subscribed"):  # noqa: ASYNC110  nor has a page
                await trio.sleep(LOOK)

    async def metrics(self) -> Metrics:
        """What it says of itself; empty when it says nothing."""
        try:
            async with httpx.AsyncClient(trust_env=False, timeout=PATIENCE) as client:
                answer = await client.get(f"http://127.0.0.1:{self.api}/metrics", headers={"connection": "close"})
        except httpx.HTTPError:
            return {}
        lines = (each.rpartition(" ") for each in answer.text.splitlines() if not each.startswith("#"))
        return {name: float(value) for name, _, value in lines}

    def on_disk(self) -> int:
        """Bytes of the state file and its log."""
        return sum(each.stat().st_size for each in self.folder.glob("state.db*") if each.suffix != ".lock")

    async def sample(self) -> Sample | None:
        """Look; None when it is not there."""
        process = self._process
        if process is None or self.ended:
            return None
        metrics = await self.metrics()
        proc = Path(f"/proc/{process.pid}")
        try:
            status = dict(
                re.findall(r"^(VmRSS|RssAnon|Threads):\s+(\d+)", (proc / "status").read_text("ascii"), re.MULTILINE)
            )
            files = len([*(proc / "fd").iterdir()])
            cpu = time.clock_gettime(~process.pid << 3 | 2)
        except OSError:
            return None
        resident, anonymous = (int(status.get(name, 0)) * 1024 for name in ("VmRSS", "RssAnon"))
        threads = int(status.get("Threads", 0))
        return Sample(trio.current_time(), resident, anonymous, threads, files, self.on_disk(), cpu, metrics)
