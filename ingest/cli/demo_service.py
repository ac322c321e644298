"""The demo's service: `homeiq-ingest run` as a process of its own, so that it can really be killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections import deque
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import trio
from attrs import define, field

from ingest.errors import Transient

LET_THROUGH = frozenset({"HOME", "LANG", "PATH", "TMPDIR", "TZ", "VIRTUAL_ENV"})
FAMILIES = ("LC_", "PYTHON", "XDG_")
"""The variables that it gets, and beginnings of others: none that would configure it."""

GRACE = 6.0
"""Seconds that it has to end: it promises to need five."""

WORDS = 5
"""Lines kept of what it says that is no log."""

_object = msgspec.json.Decoder(dict[str, Any])


@define(eq=False)
class Service:
    """Started and ended any number of times. `hear` is told each line of its log."""

    config: Path
    hear: Callable[[Mapping[str, Any]], None]
    nursery: trio.Nursery
    process: trio.Process | None = None
    _words: deque[str] = field(factory=lambda: deque(maxlen=WORDS))

    async def start(self) -> None:
        """Start it. When it ends unasked, the nursery gets a `Transient`."""
        self.process = await trio.lowlevel.open_process(
            [sys.executable, "-m", "ingest", "run", "--config", str(self.config)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            env=_surroundings(),
            start_new_session=True,  # Ctrl-C is for the demo alone, which ends it when the home stands still
        )
        self.nursery.start_soon(self._follow, self.process, name="the service's log")

    async def end(self, how: signal.Signals = signal.SIGTERM) -> None:
        """End it, with SIGKILL when it does not obey; nothing when it does not run."""
        process, self.process = self.process, None
        if process is None:
            return
        process.send_signal(how)
        with trio.CancelScope(shield=True):  # it does not outlive the demo
            with trio.move_on_after(GRACE):
                await process.wait()
            process.kill()
            await process.wait()

    async def _follow(self, process: trio.Process) -> None:
        assert process.stderr is not None  # noqa: S101  a pipe was asked for
        rest = b""
        async for chunk in process.stderr:
            *lines, rest = (rest + chunk).split(b"\n")
            for line in lines:
                self._take(line)
        code = await process.wait()
        if process is self.process:
            raise Transient(f"the service ended by itself, with code {code}", where=" / ".join(self._words))

    def _take(self, line: bytes) -> None:
        try:
            said = _object.decode(line)
        except msgspec.DecodeError:
            self._words.append(line.decode(errors="replace"))
        else:
            self.hear(said)


def _surroundings() -> Mapping[str, str]:
    return {name: value for name, value in os.environ.items() if name in LET_THROUGH or name.startswith(FAMILIES)}


@asynccontextmanager
async def service_for(config: Path, hear: Callable[[Mapping[str, Any]], None]) -> AsyncGenerator[Service]:
    """The service of a configuration file, not started; with the block it is gone."""
    async with trio.open_nursery() as nursery:
        service = Service(config, hear, nursery)
        try:
            yield service
        finally:
            await service.end(signal.SIGKILL)
            nursery.cancel_scope.cancel()
