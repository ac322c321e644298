"""What every live test stands on: a folder that outlives the run, free ports, processes that end, waits that end."""

from __future__ import annotations

import fcntl
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")

CHECKOUT = Path(__file__).parents[2]
PATIENCE = 120.0  # seconds that the slowest start may take on a busy machine
GRACE = 30.0  # seconds between asking a process to end and killing it


def lab() -> Path:
    """The folder for what is expensive to fetch: Home Assistants, database programs. `HOMEIQ_LAB` moves it."""
    folder = Path(os.environ.get("HOMEIQ_LAB") or CHECKOUT / ".lab").absolute()
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@contextmanager
def made_once(name: str) -> Iterator[tuple[Path, bool]]:
    """`lab()/name` and whether it is complete; leaving the block normally makes it complete. Other runs wait meanwhile."""
    folder, stamp = lab() / name, lab() / f"{name}.complete"
    with (lab() / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        folder.mkdir(exist_ok=True)
        yield folder, stamp.exists()
        stamp.touch()


_GIVEN: set[int] = set()


def free_port() -> int:
    """A loopback port that nobody listens on now, and that was not given before.

    The system may name a port again as soon as it is closed: of three ports that are drawn for one stand, two were the same.
    """
    while True:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port: int = probe.getsockname()[1]
        if port not in _GIVEN:
            _GIVEN.add(port)
            return port


def wait_for(probe: Callable[[], T | None], what: str, seconds: float = PATIENCE) -> T:
    """The first answer of `probe` that is not None or False; TimeoutError names `what` never came."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if answer := probe():
            return answer
        time.sleep(0.05)
    raise TimeoutError(f"{what}: not within {seconds:g} s")


def launch(command: Sequence[str | Path], log: Path, env: Mapping[str, str] | None = None) -> subprocess.Popen[bytes]:
    """Start a program in a session of its own, both outputs appended to `log`; it ends when the tests are killed."""
    with log.open("ab") as out:
        return subprocess.Popen(
            ["setpriv", "--pdeathsig", "TERM", *map(str, command)],
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            env={**os.environ, **(env or {})},
            start_new_session=True,
        )


def end(process: subprocess.Popen[bytes], ask: signal.Signals = signal.SIGTERM) -> int:
    """Ask the process to end, kill it when it does not; its exit code."""
    if process.poll() is None:
        process.send_signal(ask)
    try:
        return process.wait(GRACE)
    except subprocess.TimeoutExpired:
        process.kill()
        return process.wait(GRACE)


def tail(log: Path, lines: int = 15) -> str:
    """The last lines of a log, for an error message."""
    return "\n".join(log.read_text("utf-8", "replace").splitlines()[-lines:])
