"""The process under test, watched from outside: started as a user starts it, with nothing in its environment."""

from __future__ import annotations

import os
import re
import signal
import sys
import time
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from subprocess import DEVNULL, Popen

import trio
from attrs import frozen

from scripts.benchmark.account import Failed
from scripts.benchmark.peer import TOKEN

STOPPING = 15.0
"""Seconds until a process that does not end is killed."""

LOG = "log"


@frozen
class Process:
    """A running child process, with what it costs."""

    popen: Popen[bytes]

    def cpu(self) -> float:
        """Seconds of processor time so far, user and system, all threads."""
        # The clock of another process, exact to the nanosecond where /proc/PID/stat counts in hundredths: its number is
        # made as clock_getcpuclockid(3) makes it.
        return time.clock_gettime(~self.popen.pid << 3 | 2)

    def waited(self) -> float:
        """Seconds in which its threads could have run and no processor was free."""
        stats = (file.read_text(encoding="ascii") for file in Path(f"/proc/{self.popen.pid}/task").glob("*/schedstat"))
        return sum(int(each.split()[1]) for each in stats) / 1e9

    def memory(self) -> tuple[int, int]:
        """Resident bytes: now, and at most so far."""
        status = Path(f"/proc/{self.popen.pid}/status").read_text(encoding="ascii")
        peak, now = (int(found) * 1024 for found in re.findall(r"^Vm(?:HWM|RSS):\s+(\d+) kB", status, re.MULTILINE))
        return now, peak


@asynccontextmanager
async def running(command: list[str], folder: Path, **environment: str) -> AsyncGenerator[Process]:
    """A child for the time of a block; it is asked to end, and killed when it does not. It logs into `folder`.

    Raises `Failed` when it ends by itself with an error.
    """
    with (folder / LOG).open("wb") as out:
        process = Process(Popen(command, stdin=DEVNULL, stdout=out, stderr=out, env={**bare(), **environment}))  # noqa: ASYNC220  a moment
    try:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_watch, process, folder)
            yield process
            nursery.cancel_scope.cancel()
    finally:
        with trio.move_on_after(STOPPING, shield=True):
            process.popen.terminate()
            while process.popen.poll() is None:  # noqa: ASYNC110  a process has no event
                await trio.sleep(0.02)
        process.popen.kill()
        process.popen.wait()


async def _watch(process: Process, folder: Path) -> None:
    while not process.popen.poll():  # noqa: ASYNC110  a process has no event
        await trio.sleep(0.1)
    if process.popen.returncode == -signal.SIGKILL:
        return  # who kills it knows
    raise Failed(f"the process ended with {process.popen.returncode}:\n{tail(folder)}")


def tail(folder: Path) -> str:
    """The last that the process in this folder said."""
    return "\n".join((folder / LOG).read_text(encoding="utf-8").splitlines()[-8:])


def bare() -> dict[str, str]:
    """An environment without settings of the service."""
    return {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}


def service(port: int, folder: Path, settings: Mapping[str, object], *words: str) -> list[str]:
    """The command that runs the service with its defaults and these settings, towards a home on this port; or another."""
    config = folder / "config.toml"
    config.touch(mode=0o600)
    # Two benches at once, each with its API: else one of them would do without.
    own = {"home_assistant.url": f"http://127.0.0.1:{port}", "spool.path": folder / "state.db", "api.port": 0}
    assigned = {**own, **settings}
    sets = [part for name, value in assigned.items() for part in ("--set", f"{name}={value}")]
    return [sys.executable, "-m", "ingest", *(words or ("run",)), "--config", str(config), *sets]


HOME_TOKEN = "HOMEIQ_INGEST_HOME_ASSISTANT_TOKEN"

SECRETS = {HOME_TOKEN: TOKEN, "HOMEIQ_INGEST_INFLUXDB_TOKEN": TOKEN}
"""Secrets come by the environment, never by the command line."""
