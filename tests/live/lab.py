"""What every live test stands on: a folder that outlives the run, free ports, processes that end, waits that end."""

from __future__ import annotations

import errno
import fcntl
import os
import secrets
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


LOWEST_PORT = 12_000  # below are ports of known services, and some that a browser does not visit


def free_port() -> int:
    """A loopback port that nobody listens on now, and that no test is given again while this process lives.

    It is not drawn from those that the system gives by itself: each outgoing connection takes one of them, and may take the
    one that was free a moment ago. What is claimed under a name is claimed among all processes, and until this one ends.
    """
    lowest_given = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text("ascii").split()[0])
    above = lowest_given if lowest_given > 2 * LOWEST_PORT else 2**16
    while True:
        port = LOWEST_PORT + secrets.randbelow(above - LOWEST_PORT)
        with socket.socket() as probe, socket.socket(socket.AF_UNIX) as claim:
            try:
                claim.bind(f"\0homeiq-ingest test port {port}")
                probe.bind(("127.0.0.1", port))
            except OSError as problem:
                if problem.errno != errno.EADDRINUSE:
                    raise
                continue
            claim.detach()
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
