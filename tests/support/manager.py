"""systemd in little: a notify socket, and the service as a process of its own that it started.

with started(folder, …) as unit:
    unit.wait("READY=1")
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from attrs import define, field

SECONDS = 20.0


@define(eq=False)
class Unit:
    """A service that systemd started. `told` are its datagrams, each with its time and its fields."""

    process: subprocess.Popen[bytes]
    log: Path
    told: list[tuple[float, dict[str, str]]] = field(factory=list)

    def hear(self, listening: socket.socket) -> None:
        """Take what is told, until the socket is closed."""
        while text := listening.recv(65536).decode():
            self.told.append((time.monotonic(), dict(line.split("=", 1) for line in text.split("\n"))))

    def since(self, then: float, assignment: str) -> list[dict[str, str]]:
        """The datagrams after that time that hold `KEY=value`, or `KEY=` with any value."""
        key, _, value = assignment.partition("=")
        later = [each for at, each in tuple(self.told) if at >= then]
        return [each for each in later if key in each and value in {"", each[key]}]

    def wait(self, assignment: str, then: float = 0.0, seconds: float = SECONDS) -> dict[str, str]:
        """The first datagram after `then` with it."""
        end = time.monotonic() + seconds
        while not self.since(then, assignment):
            assert time.monotonic() < end, (assignment, self.told[-5:], self.said[-3000:])
            assert self.process.poll() is None, self.said[-3000:]
            time.sleep(0.01)
        return self.since(then, assignment)[0]

    def status(self, part: str, seconds: float = SECONDS) -> str:
        """The first status in which that stands."""
        end = time.monotonic() + seconds
        while not (found := [each for each in self.statuses if part in each]):
            assert time.monotonic() < end, (part, self.statuses, self.said[-3000:])
            time.sleep(0.01)
        return found[0]

    @property
    def statuses(self) -> list[str]:
        return [each["STATUS"] for _, each in tuple(self.told) if "STATUS" in each]

    def beats(self, seconds: float) -> int:
        """How many signs of life come in the next so many seconds."""
        then = time.monotonic()
        time.sleep(seconds)
        return len(self.since(then, "WATCHDOG=1"))

    def fall_silent(self, watchdog: float, seconds: float = SECONDS) -> None:
        """Wait until no sign of life came for so long, as systemd does before it acts."""
        end = time.monotonic() + seconds
        while self.beats(watchdog):
            assert time.monotonic() < end, self.said[-3000:]

    @property
    def said(self) -> str:
        return self.log.read_text("utf-8")

    def send(self, number: signal.Signals) -> float:
        """Send a signal; when."""
        then = time.monotonic()
        self.process.send_signal(number)
        return then

    def stop(self, number: signal.Signals = signal.SIGTERM) -> tuple[int, float]:
        """End it; its exit code, and how many seconds it took."""
        then = self.send(number)
        return self.process.wait(SECONDS), time.monotonic() - then


@contextmanager
def started(
    folder: Path,
    command: Sequence[str],
    *,
    watchdog: float = 2.0,
    environ: Mapping[str, str] | None = None,
    program: Sequence[str] = ("-m", "ingest"),
) -> Iterator[Unit]:
    """Start it as systemd does; gone with the block. Its standard error counts as the journal."""
    address, log = folder / f"notify-{time.monotonic_ns()}", folder / f"journal-{time.monotonic_ns()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening, log.open("wb") as journal:
        listening.bind(str(address))
        found = os.fstat(journal.fileno())
        given = {
            "NOTIFY_SOCKET": str(address),
            "WATCHDOG_USEC": f"{watchdog * 1e6:.0f}",
            "JOURNAL_STREAM": f"{found.st_dev}:{found.st_ino}",
        }
        process = subprocess.Popen(
            [sys.executable, *program, *command],
            stdout=subprocess.DEVNULL,
            stderr=journal,
            env={**os.environ, **given, **(environ or {})},
        )
        unit = Unit(process, log)
        thread = threading.Thread(target=unit.hear, args=(listening,), daemon=True)
        thread.start()
        try:
            yield unit
        finally:
            if process.poll() is None:
                process.kill()
            process.wait(SECONDS)
            listening.shutdown(socket.SHUT_RDWR)
            thread.join(SECONDS)
