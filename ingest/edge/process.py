"""What this process uses, memory and processor, as the kernel tells it: for `/metrics` and `/health`."""

from __future__ import annotations

import os
import resource
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from attrs import define, field, frozen

INTERVAL = 1.0
"""Seconds below which a new look at the processor says nothing."""


@frozen
class Usage:
    """Memory that is resident, in MiB; the processor in percent of one core since the last look.

    `cpu_seconds`: of the processor since the start of the process; None: nobody looked.
    """

    memory_mb: float
    cpu_percent: float
    cpu_seconds: float | None = None


@define
class Process:
    """This process, looked at from time to time. The clocks are of time that passed and of time that was used."""

    passed: Callable[[], float] = time.monotonic
    used: Callable[[], float] = time.process_time
    _before: tuple[float, float] = field(init=False)
    _percent: float = 0.0

    def __attrs_post_init__(self) -> None:
        self._before = self.passed(), self.used()

    def usage(self) -> Usage:
        """What it uses now; looks that follow within a second repeat the last figure of the processor."""
        now, used = self.passed(), self.used()
        if now - self._before[0] >= INTERVAL:
            self._percent = 100 * (used - self._before[1]) / (now - self._before[0])
            self._before = now, used
        return Usage(round(_resident() / 2**20, 1), round(self._percent, 1), used)


def _resident() -> int:
    """Bytes in memory; where the system does not say, the most there ever were."""
    with suppress(OSError, ValueError, IndexError):
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
